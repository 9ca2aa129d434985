# %% [markdown]
# # Three sensors: how many pre-warnings make an earthquake?
#
# Earthcloud's sensors do not classify shaking: each sends a pre-warning when its geophones exceed a
# threshold, and the cloud counts how many sensors of a region do so in the same time frame. Its
# first prototype had three sensors in Modena, two of them in one server room (one beside the door),
# the third in a storage room; the alarm asked for all three. It was raised by the M3.6 of 1 July
# 2018, 59 km away, twelve days after the first two were installed and about five after the third
# ([Klapez et al., 2019](https://doi.org/10.1155/2019/6206854)).
#
# How safe was that rule? The paper gives neither the sensors' rates of false pre-warnings nor the
# length of the frame, so both are assumed here: histories are drawn from three unlike rates.

# %%
import matplotlib.pyplot as plt
import numpy as np

from eqstat.counts.coincidence import (
    Sensors,
    log_chance,
    log_coincidences_per_year,
    probability_of_earthquake,
    smallest_required,
)

FRAME_S = 2.0
EARTHQUAKES_PER_YEAR = 3.0
NAMES = ["bearing wall", "beside the door", "storage room"]

# %% [markdown]
# ## Estimate the rates
#
# The prior of a sensor is one false pre-warning in two hours with the weight of two hours of
# observation, and four of five earthquakes picked with the weight of five earthquakes. Counts and
# hours are added as they arrive; the order does not matter.

# %%
rng = np.random.default_rng(7)
true_rate_per_h = np.array([0.1, 0.5, 2.5])
hours = np.array([12.0, 12.0, 5.0]) * 24.0
counts = rng.poisson(true_rate_per_h * hours)
prior = Sensors.alike(
    3, rate_per_h=0.5, prior_hours=2.0, pick_probability=0.8, prior_picks=5.0
)
sensors = prior.update(counts, hours)
low, high = sensors.interval(0.9)["rate_per_h"]
for i, name in enumerate(NAMES):
    print(
        f"{name:16} {counts[i]:4d} in {hours[i]:.0f} h: "
        f"{sensors.rate_per_h[i]:.2f} per hour "
        f"(90 %: {low[i]:.2f} to {high[i]:.2f}; drawn with "
        f"{true_rate_per_h[i]:.1f})"
    )

# %% [markdown]
# ## False alarms
#
# The frame slides over time. Disjoint frames miss most of the coincidences of m sensors: they count
# about one in m.

# %%
needed = np.array([1, 2, 3])
sliding = np.exp(log_coincidences_per_year(sensors, needed, FRAME_S))
disjoint = (
    np.exp(log_chance(sensors, needed, FRAME_S)) * 8766.0 * 3600.0 / FRAME_S
)
for m, one, other in zip(needed, sliding, disjoint, strict=True):
    print(
        f"{m} of 3: {one:10.4g} false alarms per year (disjoint frames: "
        f"{other:.4g})"
    )
print("fewest for one a year:", smallest_required(sensors, frame_s=FRAME_S))

# %% [markdown]
# ## Is it an earthquake?
#
# A pre-warning of a quiet sensor is stronger evidence than one of a restless sensor, and silence is
# evidence, too.

# %%
patterns = {
    "bearing wall alone": [True, False, False],
    "storage room alone": [False, False, True],
    "bearing wall + door": [True, True, False],
    "door + storage room": [False, True, True],
    "all three": [True, True, True],
}
for name, pattern in patterns.items():
    chance = probability_of_earthquake(
        sensors,
        pattern,
        frame_s=FRAME_S,
        earthquakes_per_year=EARTHQUAKES_PER_YEAR,
    )
    print(f"{name:20} {chance:.4g}")

# %% [markdown]
# ## Dependent sensors
#
# The calculation takes the sensors as independent, which two on the walls of one room are not: the
# door near one of them may trigger both. At worst the two act as one sensor that pre-warns as often
# as both together; then the rule is two of two, with the false alarms of a rule for two sensors.

# %%
sites = Sensors.alike(2, rate_per_h=0.5, prior_hours=2.0).update(
    [counts[0] + counts[1], counts[2]], [hours[0], hours[2]]
)
both = np.exp(log_coincidences_per_year(sites, 2, FRAME_S))
print(
    f"three sensors {sliding[2]:.2g}, two sensors {both:.2g} false alarms per "
    "year"
)

# %% [markdown]
# ## More sensors
#
# With n sensors that are alike, the number that must pre-warn for one false alarm a year grows
# slowly, so that the share that may miss the earthquake grows: the network becomes both safer and
# less dependent on each sensor.

# %% mystnb={"image": {"alt": "False alarms a year against the number of sensors, and probability of an earthquake against the share that pre-warns."}}
numbers = np.arange(3, 41)
figure, (left, right) = plt.subplots(
    1, 2, figsize=(9.0, 3.6), layout="constrained"
)
for m, colour in zip(
    (2, 3, 4, 5), ("#9ecae1", "#6baed6", "#3182bd", "#08519c"), strict=True
):
    networks = (
        Sensors.alike(int(n), rate_per_h=0.5, prior_hours=300.0)
        for n in numbers[numbers >= m]
    )
    rates = [
        np.exp(log_coincidences_per_year(network, m, FRAME_S))
        for network in networks
    ]
    left.semilogy(
        numbers[numbers >= m], rates, color=colour, label=f"{m} pre-warn"
    )
left.axhline(1.0, color="0.3", linewidth=0.8, linestyle="--")
left.set(xlabel="sensors", ylabel="false alarms per year", ylim=(1e-9, 1e4))
left.legend(frameon=False, fontsize=8)

for n, colour in zip(
    (3, 6, 12, 24), ("#fdae6b", "#fd8d3c", "#d94801", "#7f2704"), strict=True
):
    network = Sensors.alike(n, rate_per_h=0.5, prior_hours=300.0)
    patterns = np.tri(n + 1, n, -1, dtype=bool)
    chance = probability_of_earthquake(
        network,
        patterns,
        frame_s=FRAME_S,
        earthquakes_per_year=EARTHQUAKES_PER_YEAR,
    )
    right.plot(
        np.arange(n + 1) / n,
        chance,
        "o-",
        markersize=3,
        color=colour,
        label=f"{n} sensors",
    )
right.set(
    xlabel="share of the sensors that pre-warn",
    ylabel="probability of an earthquake",
)
right.legend(frameon=False, fontsize=8)
plt.show()
