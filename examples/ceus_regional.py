# %% [markdown]
# # A regional error model, learned and validated on real picks
#
# The first part simulates an earthquake from the error model and locates it, in seconds. The second
# cross-validates the model on picks of earthquakes of the central and eastern United States, in
# five folds of events: some minutes on one core, so it runs only with `EQSTAT_EXAMPLE_FOLDS=5` and
# `EQSTAT_DATA` (see `eqstat.datasets.load_ceus`). Its figures are on the [validation
# page](../validation/regional.md).

# %%
import os

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import binom

from eqstat import plots
from eqstat.datasets import load_ceus
from eqstat.geodesy import great_circle_distance
from eqstat.hypocentre import credible_level, credible_region
from eqstat.traveltime.regional import (
    RegionalError,
    learn,
    locate,
    report,
    simulate,
)

FOLDS = int(os.environ.get("EQSTAT_EXAMPLE_FOLDS", "0"))
MAX_DISTANCE_KM = 400.0
CATALOGUE_SD_KM = 2.0

# %% [markdown]
# ## An earthquake simulated from the model

# %%
draw = np.random.default_rng(3)
stations = pd.DataFrame(
    {
        "device": [f"XX.S{i:02d}" for i in range(30)],
        "latitude": draw.uniform(33.5, 38.5, 30),
        "longitude": draw.uniform(-101.0, -95.0, 30),
    }
)
error = RegionalError()
drawn = simulate(
    jax.random.key(1),
    error,
    stations,
    latitude=36.0,
    longitude=-98.0,
    depth_km=7.0,
)
result = locate(drawn, error)
error_km = great_circle_distance(*result.epicentre, 36.0, -98.0).item()
print(
    f"{result.picks_used} picks; {error_km:.1f} km from the true epicentre; "
    f"90 % region {credible_region(result.hypocentre, 0.9).area_km2:.0f} km2"
)
level = credible_level(result.hypocentre, 36.0, -98.0)
print(f"credible level of the true epicentre: {level:.2f}")

# %% [markdown]
# Errors of the travel times grow with distance and are shared by neighbouring
# stations: the region is as wide as that makes it.

# %% mystnb={"image": {"alt": "Left, stations with the 90 per cent region of the epicentre; right, residuals of the picks against distance, which spread as it grows."}}
location = report(result)
figure, axes = plt.subplots(1, 2, figsize=(11.0, 4.6), layout="constrained")
plots.map_triggers(
    location.triggers, [location], truth=(36.0, -98.0), ax=axes[0]
)
for phase, mark in (("P", "o"), ("S", "x")):
    own = location.triggers[location.triggers["phase"] == phase]
    axes[1].plot(own["distance_km"], own["residual_s"], mark, label=phase)
axes[1].axhline(0.0, color="0.6", linewidth=0.8)
axes[1].set(xlabel="distance (km)", ylabel="residual (s)")
axes[1].legend(frameon=False)
plt.show()


# %% [markdown]
# ## Cross-validation
#
# The model that locates an event was learned without it, and so were its tails: `learn` takes them
# from folds of its own (nested cross-validation). Picks are selected by the distance that
# the associating system gave, not by the catalogue's. A region of probability $p$ covers the
# catalogue epicentre where the content there is at most $p$; the catalogue's error is included.


# %%
def judge(picks, chosen, error):
    """Locate the chosen events and compare with the catalogue."""
    rows = []
    for event in chosen.itertuples():
        result = locate(picks[picks["event"] == event.event], error)
        place = (event.latitude, event.longitude)
        rows.append(
            {
                "event": event.event,
                "picks": result.picks_used,
                "error_km": great_circle_distance(
                    *result.epicentre, *place
                ).item(),
                "content": credible_level(
                    result.hypocentre, *place, point_sd_km=CATALOGUE_SD_KM
                ),
                "area_50_km2": credible_region(result.hypocentre, 0.5).area_km2,
                "area_90_km2": credible_region(result.hypocentre, 0.9).area_km2,
            }
        )
    return rows


def load():
    """Picks within the distance, and the events that have enough of them."""
    picks, events = load_ceus(max_distance_km=None)
    picks = picks[picks["distance_deg"] * 111.195 <= MAX_DISTANCE_KM]
    counts = events["event"].map(picks["event"].value_counts()).fillna(0)
    events = events[counts >= 8].reset_index(drop=True)
    print(f"{len(events)} events with at least 8 picks, {len(picks)} picks")
    return picks, events


def judge_fold(picks, events, folds, k):
    """Learn on all folds but one, judge on that one."""
    fold = np.random.default_rng(20).permutation(len(events)) % folds
    learned = learn(picks, events[fold != k], catalogue_sd_km=CATALOGUE_SD_KM)
    print(f"fold {k}: {learned.iterations} iterations, {learned.message}")
    return judge(picks, events[fold == k], learned.error)


if FOLDS:
    data = load()
    table = pd.DataFrame(
        [row for k in range(FOLDS) for row in judge_fold(*data, FOLDS, k)]
    )
    low, middle, high = np.percentile(table["error_km"], [16, 50, 84])
    print(table.sort_values("error_km").round(2).to_string(index=False))
    print(
        f"located {len(table)}; error {low:.1f} / {middle:.1f} / {high:.1f} km "
        "(16/50/84 %)"
    )
    for nominal in (0.5, 0.9):
        inside = int((table["content"] <= nominal).sum())
        least, most = binom.interval(0.95, len(table), nominal)
        print(f"{nominal:.0%} regions cover {inside} of {len(table)}", end="; ")
        print(f"calibrated regions would cover {least:.0f} to {most:.0f}")

# %% mystnb={"image": {"alt": "Coverage of credible regions, and distribution of epicentral errors, of the cross-validated regional model."}}
if FOLDS:
    figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
    content = np.sort(table["content"])
    share = np.arange(1, len(content) + 1) / len(content)
    axes[0].step(content, share, where="post")
    axes[0].plot([0, 1], [0, 1], color="0.6", linewidth=1)
    axes[0].set(
        xlabel="content of the region",
        ylabel="share of catalogue epicentres inside",
    )
    axes[1].loglog(
        np.sqrt(table["area_90_km2"] / np.pi), table["error_km"], "."
    )
    axes[1].set(
        xlabel="radius of the 90 % region, km",
        ylabel="error against the catalogue, km",
    )
    plt.show()
