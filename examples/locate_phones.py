# %% [markdown]
# # Locate an earthquake from phones
#
# A phone reports the time of a trigger. Some phones trigger on the P wave, some on the S wave, some
# on other shaking; each with a delay of a second or more. Here the triggers are simulated, so that
# the result can be compared with the truth.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

from eqstat import plots, traveltime
from eqstat.geodesy import great_circle_distance
from eqstat.traveltime import Design, MixtureParameters

# %% [markdown]
# ## The network and the earthquake
#
# Eighty phones in and around a town; the earthquake lies 26 km west of them at a depth of 18 km.
# Six in ten triggers are caused by P, three by S, and one by other shaking.

# %%
rng = np.random.default_rng(5)
design = Design(
    latitude=-12.06 + 0.16 * rng.normal(size=80),
    longitude=-77.0 + 0.16 * rng.normal(size=80),
    window_s=(-10.0, 30.0),
)
truth = MixtureParameters(
    -26.0, 5.0, 18.0, 0.0, delay_s=2.0, scatter_s=0.8, p_share=0.6, s_share=0.3
)
triggers = traveltime.simulate(jax.random.key(5), truth, design)
latitude, longitude = (float(v) for v in design.frame.to_geographic(-26.0, 5.0))
triggers[["time", "latitude", "longitude", "cause"]].head()

# %% [markdown]
# ## Was it an earthquake?
#
# The chi-square test of the 2023 paper tests whether all times fit one wave. They do not: S waves
# and background are among them. On such data a rejection does not mean a false detection; the
# triggers of one wave alone are accepted. The evidence of a mixture of P, S and background against
# false detections gives the probability of an earthquake.

# %%
observations = traveltime.prepare(triggers.drop(columns="cause"))
classification = traveltime.classify(observations)
only_p = traveltime.prepare(triggers[triggers["cause"] == "P"])
print("all triggers:", classification.is_earthquake)
print("P alone:", traveltime.classify(only_p).is_earthquake)
comparison = traveltime.comparison.compare(jax.random.key(0), observations)
print(
    f"probability {comparison.probability:.4f}, best model: "
    f"{comparison.preferred}"
)

# %% [markdown]
# ## Three methods, one likelihood
#
# In the mixture each trigger is P, S or background; shares, scatter and, within its prior, delay
# are estimated. `fit` finds the optimum, `grid` evaluates the posterior on a grid and `sample`
# draws from it by NUTS.

# %%
results = {
    "bfgs": traveltime.fit(observations, likelihood="mixture", throw=False),
    "grid": traveltime.grid(
        observations, likelihood="mixture", key=jax.random.key(0)
    ),
    "nuts": traveltime.sample(
        jax.random.key(0), observations, likelihood="mixture", progress=False
    ),
}
locations = {
    name: traveltime.report(observations, result)
    for name, result in results.items()
}
for name, location in locations.items():
    error = great_circle_distance(
        location.latitude, location.longitude, latitude, longitude
    )
    print(
        f"{name:5} error {float(error):4.1f} km, region "
        f"{location.region.area_km2:6.0f} km2, "
        f"depth {location.depth_km:4.1f} km, {location.result}"
    )

# %% [markdown]
# The region of BFGS is an ellipse from the curvature at the optimum; where depth and origin time
# trade off against the epicentre it is too small. Grid and NUTS do not need this approximation.

# %% mystnb={"image": {"alt": "Map with the epicentres and 90 per cent regions of three methods, trigger times against distance, and distributions of depth and origin time."}}
reference = observations.reference_time
posterior = results["nuts"]["posterior"]
draws = {
    "grid": results["grid"].draws(jax.random.key(2), 4000),
    "nuts": {
        name: posterior[name].to_numpy()
        for name in ("depth_km", "origin_time_s")
    },
}
plots.location_figure(
    [locations["grid"], locations["nuts"], locations["bfgs"]],
    observations.data.velocity,
    draws=draws,
    reference_time=reference,
    delay_s=float(np.median(draws["grid"]["delay_s"])),
    truth={
        "latitude": latitude,
        "longitude": longitude,
        "depth_km": truth.depth_km,
        "origin_time": design.reference_time,
    },
)
plt.show()

# %% [markdown]
# ## The cause of each trigger
#
# The report gives each trigger its posterior probability of P, S and background. Against the true
# causes:

# %%
rows = locations["grid"].triggers
names = ["P", "S", "background"]
chances = rows[
    ["probability_p", "probability_s", "probability_background"]
].to_numpy()
rows = rows.assign(
    most_probable=np.array(names)[chances.argmax(axis=1)],
    cause=triggers["cause"],
)
rows.groupby(["cause", "most_probable"]).size().unstack(fill_value=0)

# %% [markdown]
# The location as the shell writes it (`eqstat locate triggers.csv --likelihood mixture
# --json -`), without the polygon:

# %%
as_json = locations["grid"].to_dict()
as_json["region"].pop("polygon")
as_json
