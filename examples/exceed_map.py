# %% [markdown]
# # How strongly will it shake, and when is an alert right?
#
# The trigger times of phones give a posterior of the hypocentre; with a magnitude and its error it
# gives the probability of strong shaking at each site and the time until S arrives. Then: how good
# are alerts based on such probabilities? All data are simulated ([model](../exceedance.md)).

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eqstat import calibration, geodesy, traveltime
from eqstat.exceedance import from_posterior, shaking, shaking_map
from eqstat.exceedance.alerts import (
    Always,
    Design,
    MeanHypocentre,
    Plum,
    PosteriorPredictive,
    StationConditioned,
    alarm_times,
    alert_level,
    best_f1_level,
    compare_rules,
    forecasts,
    metrics_by_level,
    simulate,
)
from eqstat.ground_motion import PointSource, attenuation
from eqstat.plots import exceedance as figures

G_M_S2 = 9.80665

# %% [markdown]
# ## From triggers to a posterior
#
# An earthquake 22 km deep under the edge of a city. Five seconds after the origin many phones have
# triggered; the grid posterior of `eqstat.traveltime` accounts for the truncation at this moment.
# `hypocentre` is what `eqstat locate --posterior` writes.

# %%
TRUTH, DEPTH_KM, MAGNITUDE = (-12.16, -77.16), 22.0, 6.1
rng = np.random.default_rng(3)
phones = pd.DataFrame(
    {
        "latitude": rng.normal(-12.08, 0.12, 150),
        "longitude": rng.normal(-77.03, 0.1, 150),
    }
)
distance_km = geodesy.hypocentral_distance(
    *TRUTH, DEPTH_KM, phones["latitude"], phones["longitude"]
)
delay_s = distance_km / 7.8 + rng.normal(0, 0.3, len(phones))
origin = pd.Timestamp("2027-01-15T08:00:00Z")
now = origin + pd.Timedelta(seconds=5)
phones["time"] = origin + pd.to_timedelta(delay_s, unit="s")
seen = phones[phones["time"] < now]
print(f"{len(seen)} of {len(phones)} phones have triggered")
observations = traveltime.prepare(seen, now=now, truncated=True)
posterior = traveltime.grid(observations).hypocentre

# %% [markdown]
# ## Shaking of the city
#
# First estimates of magnitude have an error of some 0.3; the exceedance probability is marginalised
# over hypocentre and magnitude. The alert is sent at once. `PointSource` is a generic ground-motion
# model; where there are records, use a [fitted model](../exceedance.md).

# %%
model = PointSource()
sources = from_posterior(posterior, MAGNITUDE, magnitude_sd=0.3)
zero = pd.Timestamp(sources.reference_time)
now_s = (now - zero).total_seconds()
sites = pd.DataFrame(
    {
        "site": ["Callao", "Centre", "Chorrillos", "Ate", "Ancon", "Lurin"],
        "latitude": [-12.06, -12.05, -12.18, -12.03, -11.77, -12.27],
        "longitude": [-77.13, -77.03, -77.02, -76.92, -77.17, -76.88],
    }
)
threshold = np.array([0.05, 0.10]) * G_M_S2
expected = shaking(
    model, sources, sites, threshold, now_s=now_s, least_lead_s=[3.0]
)
table = pd.DataFrame(
    {
        "P(> 5 %g)": expected["probability"][:, 0],
        "P(> 10 %g)": expected["probability"][:, 1],
        "P(> 5 %g, S in 3 s or later)": expected["probability_in_time"][
            :, 0, 0
        ],
        "lead time, s": expected["lead_time_s"],
    },
    index=pd.Index(sites["site"]),
)
table.round(2)

# %% mystnb={"image": {"alt": "Map of the probability of exceeding the threshold with sites, and intervals of the peak acceleration at each site."}}
grid = shaking_map(
    model,
    sources,
    np.linspace(-12.5, -11.6, 61),
    np.linspace(-77.6, -76.6, 61),
    threshold,
    now_s=now_s,
)
figure, axes = plt.subplots(1, 2, figsize=(13.0, 6.0), layout="constrained")
figures.exceedance_map(
    grid, sites=expected, sources=sources, truth=TRUTH, ax=axes[0]
)
figures.site_intervals(expected, ax=axes[1])
plt.show()

# %% [markdown]
# ## The level of an alert
#
# If stopping a machine costs 1 and an exceedance without an alert 5, alert above a probability of
# 0.2 (cost-loss rule).

# %%
level = alert_level(cost=1.0, loss=5.0)
chance = table["P(> 5 %g, S in 3 s or later)"]
print(
    f"alert where the probability exceeds {level}: "
    f"{', '.join(table.index[chance > level])}"
)

# %% [markdown]
# ## How good are such alerts?
#
# Sixty earthquakes of a simulated region: finite ruptures, stations whose peaks grow with time,
# and estimates of the source that sharpen with time and at first underestimate great earthquakes.
# Five rules forecast each second. An alert is a true positive only before the exceedance.

# %% mystnb={"image": {"alt": "Precision against recall of five alert rules, and distributions of their lead times."}}
region = Design(stations=60)
drawn = simulate(jax.random.key(3), 60, region)
near = region.ground_motion
rules = {
    "mixture, with stations": StationConditioned(near),
    "mixture": PosteriorPredictive(near),
    "point source": MeanHypocentre(near),
    "PLUM-like": Plum(scatter=0.3),
    "always": Always(),
}
time_s, strong = np.arange(1.0, 46.0), 0.05 * G_M_S2
passed = drawn.exceedance_times(strong)
needed = np.isfinite(passed)
curves, leads, forecast = {}, {}, {}
for name, rule in rules.items():
    forecast[name] = forecasts(drawn, rule, time_s, [strong])[0]
    scores = metrics_by_level(
        jax.random.key(0),
        time_s,
        forecast[name],
        passed,
        drawn.event,
        replicates=200,
    )
    alarm = alarm_times(time_s, forecast[name][needed], best_f1_level(scores))
    curves[name], leads[name] = scores, passed[needed] - alarm
print(
    f"{needed.sum()} exceedances of 5 %g at {needed.size} sites of "
    f"{len(drawn.magnitude)} events"
)
figure, axes = plt.subplots(1, 2, figsize=(12.0, 5.2), layout="constrained")
figures.precision_recall(curves, ax=axes[0])
figures.lead_times(leads, ax=axes[1])
plt.show()

# %% [markdown]
# Station records add most: they constrain the event term, and while the shaking grows, its extent.
# Part of that comes late, so the lead times of these alerts are shorter. Integrating over the
# posterior of the source alone changes little against a point source whose level is tuned, too. On
# the same earthquakes:

# %%
alarms = {
    name: alarm_times(time_s, forecast[name], best_f1_level(curves[name]))
    for name in rules
}
first = "mixture, with stations"
for rival in ("point source", "PLUM-like"):
    difference = compare_rules(
        jax.random.key(1), alarms[first], alarms[rival], passed, drawn.event
    )
    print(
        f"F1 less that of {rival}: {float(difference['f1']):.2f} "
        f"({float(difference['f1_low']):.2f} to "
        f"{float(difference['f1_high']):.2f})"
    )

# %% [markdown]
# ## Are the probabilities calibrated?
#
# Reliability of the mixture's forecasts 15 s after the origin at two thresholds; and the simulated
# peaks against the model's band. The simulation has finite ruptures, the model a point source.

# %% mystnb={"image": {"alt": "Reliability of exceedance probabilities at two thresholds, and simulated peaks with the band of the model against distance."}}
curves_of_reliability = {}
for percent in (1.0, 5.0):
    size = percent / 100 * G_M_S2
    own = forecasts(drawn, rules["mixture"], np.array([15.0]), [size])[0, :, 0]
    located = own > 0
    exceeded = np.isfinite(drawn.exceedance_times(size))
    curves_of_reliability[f"{percent:g} %g"] = calibration.reliability(
        jax.random.key(2), own[located].astype(float), exceeded[located]
    )
figure, axes = plt.subplots(1, 2, figsize=(12.0, 5.2), layout="constrained")
figures.reliability(curves_of_reliability, ax=axes[0])
hypocentral_km = np.linalg.norm(
    drawn.station_km - drawn.hypocentre_km[:, None], axis=-1
)
records = pd.DataFrame(
    {
        "distance_km": hypocentral_km.ravel(),
        "pga_m_s2": drawn.pga_m_s2.ravel(),
        "magnitude": np.repeat(drawn.magnitude, region.stations),
    }
)
figures.attenuation(
    [attenuation(near, m) for m in (5.2, 6.2)],
    data=records,
    thresholds_m_s2=[0.01 * G_M_S2, strong],
    ax=axes[1],
)
plt.show()
