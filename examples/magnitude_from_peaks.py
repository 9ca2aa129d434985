# %% [markdown]
# # How large was it? Magnitude from the peaks of stations
#
# Arrival times tell where an earthquake was, not how large. The peaks of stations do, but all of
# them share the event's own strength (its stress drop, the direction of its rupture), which looks
# like magnitude. Many stations do not average it away. All data are simulated
# ([model](../ground_motion.md)).

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eqstat import exceedance, geodesy, hypocentre, traveltime
from eqstat.ground_motion import Design, GroundMotion, fit
from eqstat.ground_motion import simulate as simulate_records
from eqstat.ground_motion.magnitude import (
    GutenbergRichter,
    from_peaks,
    simulate,
)

# %% [markdown]
# ## A ground-motion model of the region
#
# Thirty earlier earthquakes at twenty stations. The posterior holds what they leave uncertain, the
# spread between events among it.

# %%
TRUTH = GroundMotion(event_sd=0.25, record_sd=0.25, station_sd=0.15)
records = simulate_records(
    jax.random.key(1), TRUTH, Design(events=30, stations=20)
)
fitted = fit(records)
posterior = fitted.posterior(jax.random.key(2))
fitted["event_sd"], fitted.interval(0.9)["event_sd"]

# %% [markdown]
# ## An earthquake, its location and its peaks
#
# Magnitude 5.4, located from the P times of thirty stations.

# %%
MAGNITUDE, PLACE = (
    5.4,
    {"latitude": 35.1, "longitude": -117.6, "depth_km": 11.0},
)
rng = np.random.default_rng(4)
stations = pd.DataFrame(
    {
        "latitude": 35.0 + rng.uniform(-0.6, 0.6, 30),
        "longitude": -117.5 + rng.uniform(-0.7, 0.7, 30),
    }
)
km = geodesy.hypocentral_distance(
    *PLACE.values(), stations["latitude"], stations["longitude"]
)
picks = stations.assign(
    time=pd.Timestamp("2027-01-15T08:00:00Z")
    + pd.to_timedelta(km / 7.8 + rng.normal(0, 0.3, 30), unit="s")
)
location = traveltime.grid(traveltime.prepare(picks)).hypocentre
peaks = simulate(
    jax.random.key(6),
    TRUTH,
    stations,
    **PLACE,
    magnitude=MAGNITUDE,
    least_m_s2=0.05,
)
print(peaks["pga_m_s2"].describe()[["count", "min", "max"]].round(2).to_dict())
print(f"the event's own term: {peaks['event_term'].iloc[0]:+.2f} (log10 units)")

# %% [markdown]
# ## Magnitude and place together
#
# Stations without a peak stayed below 0.05 m/s² and count as that. The result is a hypocentre like
# any other, with draws of the magnitude; the peaks have also sharpened its depth a little.

# %%
joint = from_peaks(location, peaks, posterior)
hypocentre.summary(joint)[["depth_km", "magnitude"]].to_dataframe().round(2)

# %% [markdown]
# ## What more stations bring
#
# The interval narrows down to what the event's term leaves, not further. Without the term (dashed)
# thirty stations would claim a precision that they do not have.

# %% mystnb={"image": {"alt": "Width of the interval of the magnitude against the number of stations: with the event term it stays wide, without it shrinks."}}
flat = GutenbergRichter(3.0, 8.0, b_value=0.0)
without = GroundMotion(
    event_sd=1e-3, spreading_sd=1e-3, record_sd=0.35, correlated_share=0.0
)
counts, width = (1, 2, 4, 8, 15, 30), {"with event term": [], "without": []}
for count in counts:
    for name, motion in (("with event term", TRUTH), ("without", without)):
        draws = from_peaks(location, peaks[:count], motion, prior=flat)[
            "magnitude"
        ]
        width[name].append(float(np.diff(np.quantile(draws, [0.05, 0.95]))[0]))
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
axes.plot(counts, width["with event term"], "o-", label="with event term")
axes.plot(counts, width["without"], "o--", label="without")
axes.set(
    xscale="log",
    ylim=0,
    xlabel="stations",
    ylabel="width of the 90 % interval, magnitudes",
)
axes.legend(frameon=False)

# %% [markdown]
# ## Stations that are listed only because they triggered
#
# If silent stations are not listed, the ones that report are those that shook strongly. To take
# their peaks as they are makes a small earthquake large; each is to be conditioned on having
# exceeded its level.

# %%
small = simulate(
    jax.random.key(9), TRUTH, stations, **PLACE, magnitude=4.0, least_m_s2=0.05
)
heard = small.dropna(subset=["pga_m_s2"])
runs = {
    "as if all were listed": from_peaks(location, heard, TRUTH, prior=flat),
    "conditioned on the trigger": from_peaks(
        location, heard, TRUTH, prior=flat, triggered_only=True, draws=64
    ),
    "with silent stations": from_peaks(location, small, TRUTH, prior=flat),
}
print(f"{len(heard)} of {len(small)} stations triggered; the magnitude is 4.0")
for name, result in runs.items():
    size = hypocentre.summary(result)["magnitude"]
    low, mean, high = (
        float(size.sel(statistic=s)) for s in ("low", "mean", "high")
    )
    print(f"{name:28s}{mean:.1f} ({low:.1f} to {high:.1f})")

# %% [markdown]
# ## On to the shaking
#
# `exceedance` takes the draws as they are: no magnitude has to be given.

# %%
sources = exceedance.from_posterior(joint)
sites = pd.DataFrame(
    {"site": ["town"], "latitude": [35.3], "longitude": [-117.4]}
)
shaking = exceedance.shaking(posterior.predictor(), sources, sites, [0.5, 1.0])
shaking["probability"].to_dataframe()["probability"].round(2)
