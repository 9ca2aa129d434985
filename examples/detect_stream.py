# %% [markdown]
# # Is it an earthquake, now?
#
# Four hundred phones of a city send triggers; most are caused by people. Within ten minutes there
# is thunder, a goal in a stadium, a burst of delayed reports from a server, and an earthquake. A
# detector updates the posterior of the causes every second, from the triggers and the silent
# phones, and should alarm once. The stream is simulated, so that the result can be checked
# ([model](../detection.md)).

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eqstat.detection import detector, replay
from eqstat.detection.causes import default_causes, earthquake
from eqstat.geodesy import great_circle_distance
from eqstat.plots import detection as figures
from eqstat.simulation import simulate, uniform_box
from eqstat.simulation.sources import (
    ConstantProbability,
    Crowd,
    Earthquakes,
    HumanTriggers,
    ServerBurst,
    Thunder,
)

ZERO = pd.Timestamp("2027-01-15T08:00:00Z")
network = uniform_box(
    jax.random.key(0), 400, latitude=(-12.4, -11.7), longitude=(-77.15, -76.75)
)

# %% [markdown]
# ## A stream
#
# The background is about one trigger per phone in two hours. The events are two minutes apart; the
# earthquake, of 30 km depth, makes four phones in ten trigger.

# %%
EVENTS = {
    "thunder": (
        120,
        Thunder(
            east_km=(4.0, 4.0), north_km=(-9.0, -9.0), reach_km=(15.0, 15.0)
        ),
    ),
    "goal": (240, Crowd(devices=(30, 30))),
    "server": (360, ServerBurst(share=(0.1, 0.1))),
    "earthquake": (
        480,
        Earthquakes(
            east_km=(-9.0, -9.0),
            north_km=(14.0, 14.0),
            depth_km=(30.0, 30.0),
            probability=ConstantProbability(0.25, 0.2),
        ),
    ),
}


def table(number, source, seconds):
    """Triggers of one source, whose second 0 is at this second."""
    moment = str(ZERO + pd.Timedelta(seconds=seconds))
    return simulate(jax.random.key(number), network, source, 1).table(
        0, reference_time=moment
    )


parts = [
    table(100 + i, HumanTriggers(0.5, window_s=(0.0, 60.0)), 60 * i)
    for i in range(10)
]
events = {
    name: table(number, source, at)
    for number, (name, (at, source)) in enumerate(EVENTS.items())
}
truth = events["earthquake"].attrs["truth"]
truth["origin_time"] = truth["time"]
stream = pd.concat([*parts, *events.values()], ignore_index=True)
print(stream["cause"].value_counts().to_dict())

# %% [markdown]
# ## A detector
#
# It is made once for a network. Earthquakes compete with sound fronts, venues and bursts of the
# whole network; the prior rate of each per year is explicit.

# %%
causes = (earthquake(rate_per_year=10.0), *default_causes()[1:])
watch = detector(network.to_table(), causes=causes, background=0.5)
places, depths, slots, nodes = watch.core.tables[0].shape
print(
    f"{watch.devices} devices; {places} places, {depths} depths and {slots} "
    f"origin times, {nodes}"
)
print({cause.name: cause.rate_per_year for cause in watch.causes})

# %% [markdown]
# `replay` steps through the table second by second. An alarm needs the Shiryaev-Roberts statistic
# above the threshold of one false alarm a year, *and* an earthquake with probability above 0.9
# among all causes. In a service, `init` and `step` do the same with incoming triggers.

# %%
outcome = replay(
    watch,
    stream,
    start=ZERO,
    end=ZERO + pd.Timedelta(seconds=540),
    idle_step_s=1.0,
    progress=False,
)
for note in outcome.notes:
    print(note)
for alarm in outcome.alarms:
    late = (alarm["time"] - truth["time"]).total_seconds()
    print(f"alarm {late:.0f} s after the origin: {alarm['reason']}")

# %% mystnb={"image": {"alt": "Probabilities of the causes through ten minutes, and the statistic with its threshold; only the earthquake passes both conditions."}}
figure, (upper, lower) = plt.subplots(
    2, 1, figsize=(9.0, 6.4), layout="constrained"
)
figures.causes(outcome, ax=upper)
figures.evidence(outcome, ax=lower)
plt.show()

# %% [markdown]
# Against the background alone each of the four would have been declared an earthquake: the
# statistic is far above its threshold. The other causes explain three of them. Posterior
# probabilities some seconds after each began:

# %%
history = outcome.history
columns = [
    "probability",
    *(f"probability_{name}" for name in outcome.alternatives),
]
rows = {}
for name, (at, _) in EVENTS.items():
    after = (history["time"] - ZERO).dt.total_seconds() - at
    row = history[after <= 12].iloc[-1]
    rows[name] = {
        column.removeprefix("probability_"): row[column] for column in columns
    }
print(
    pd.DataFrame(rows).T.rename(columns={"probability": "earthquake"}).round(3)
)

# %% [markdown]
# ## Where
#
# A fine grid around the best cells of the coarse one gives the posterior of the hypocentre; it uses
# the silent phones, too.

# %% mystnb={"image": {"alt": "Map of phones with the posterior of the epicentre and the true one."}}
located = outcome.located
error = great_circle_distance(
    truth["latitude"], truth["longitude"],
    float(located["latitude_mean"]), float(located["longitude_mean"]),
)  # fmt: skip
print(
    f"epicentre {float(error):.1f} km off, region of 90 %: "
    f"{float(located['region_area_km2']):.0f} "
    f"km2; depth {float(located['depth_mean_km']):.0f} ± "
    f"{float(located['depth_sd_km']):.0f} km "
    f"(truth {truth['depth_km']:.0f})"
)
figure, ax = plt.subplots(figsize=(6.2, 7.0), layout="constrained")
figures.place_map(outcome, truth=truth, ax=ax)
plt.show()

# %% [markdown]
# The posterior in the first seconds after the origin.

# %% mystnb={"image": {"alt": "Three maps of the posterior of the epicentre, 2, 4 and 8 seconds after the origin, ever narrower."}}
first = int(np.flatnonzero(history["time"] >= truth["time"])[0])
figure, axes = plt.subplots(1, 3, figsize=(13.0, 5.2), layout="constrained")
for ax, seconds in zip(axes, (2, 4, 8), strict=True):
    step = first + seconds
    figures.place_map(outcome, step=step, truth=truth, ax=ax)
    chance = history["probability"][step]
    ax.set_title(
        f"{seconds} s: {chance:.3f}", loc="left", fontsize=10.5, pad=26
    )
plt.show()
