# %% [markdown]
# # How many triggers make an earthquake?
#
# People cause nearly every trigger of a phone network. Before a count of triggers can mean an
# earthquake, the network must know what people do: how often a phone triggers, by day and by
# night, here and there, and how often many of them trigger together without an earthquake.
#
# A network of five regions kept its counts for two weeks; the last region has just been opened,
# with 40 phones and three days of history. Which count of triggers in ten seconds keeps the false
# alarms of all five regions together at one in a year? The counts are simulated, so that the
# answer can be judged.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eqstat.counts import (
    Background,
    Bursts,
    Design,
    fit,
    prepare,
    simulate_table,
)
from eqstat.counts.alarm import threshold
from eqstat.counts.checks import (
    compare,
    loo,
    randomised_pit,
    rootogram,
    tail_calibration,
)
from eqstat.plots import counts as figures

REGIONS = ("coast", "capital", "valley", "plateau", "new")
DEVICES = (90, 350, 60, 150, 40)

# %% [markdown]
# ## A history
#
# A phone triggers about once in two hours; three times as often in the afternoon as in the night.
# Counts scatter more than Poisson's (`dispersion`), and once or twice a week in each region
# something (thunder, a goal) makes a share of all phones trigger at once: on average 6 % of them.

# %%
truth = Background(
    "negative_binomial",
    0.5,
    daily=np.array([-0.45, -0.3, 0.1, 0.0]),
    weekly=np.array([0.05, 0.05]),
    region_effect=np.array([0.1, 0.3, -0.2, -0.1, 0.25]),
    region_sd=0.2,
    dispersion=0.2,
    dispersion_slope=0.1,
    bursts=Bursts(2e-5, 0.06, 15.0),
    regions=REGIONS,
)
table = simulate_table(
    jax.random.key(1), truth, Design(np.array(DEVICES), days=14)
)
opened = table["time"].max() - pd.Timedelta(days=3)
table = table[(table["region"] != "new") | (table["time"] > opened)]
print(table[["time", "region", "active", "triggers"]].sample(4, random_state=1))

# %% [markdown]
# `prepare` checks the table and counts equal windows into cells; the simulated network lives on
# UTC, a real one gives `utc_offset_h` and marks its earthquakes in `is_earthquake`.

# %%
history = prepare(table)
print(
    f"{history.total_windows} windows in {len(history.windows)} cells, "
    f"{history.total_triggers:.0f} triggers, {history.device_hours:.0f} device "
    "hours"
)

# %% [markdown]
# ## Backgrounds
#
# Three candidate families. Each fit is the posterior mode; its `posterior` draws from the
# Laplace approximation.

# %%
fits = {
    "Poisson": fit(history, family="poisson"),
    "negative binomial": fit(history, family="negative_binomial"),
    "with bursts": fit(history, family="negative_binomial", bursts=True),
}
backgrounds = {
    name: result.posterior(jax.random.key(2), 100)
    for name, result in fits.items()
}
best = fits["with bursts"]
for name in (
    "rate_per_device_h",
    "dispersion",
    "burst_probability",
    "burst_share",
):
    print(f"{name:20} {best[name]:.3g} ± {best.standard_error[name]:.2g}")

# %% [markdown]
# The new region borrows strength from the others: with few data its effect is shrunk towards their
# mean.

# %%
for i, name in enumerate(REGIONS):
    label = f"region_effect[{name}]"
    print(
        f"{name:8} {best[label]:+.3f} ± {best.standard_error[label]:.3f} "
        f"(truth {truth.region_effect[i]:+.2f})"
    )

# %% [markdown]
# ## Which one, and does it fit?
#
# PSIS-LOO over windows ranks them. Over-dispersion is beyond doubt. The gain by bursts rests on the
# few windows that had one (`high_k_windows`), so its standard error is large; the tail decides.

# %%
ranking = compare(
    {name: loo(background, history) for name, background in backgrounds.items()}
)
print(
    ranking[["elpd_diff", "se_diff", "p_loo", "high_k_windows"]]
    .to_dataframe()
    .round(1)
)

# %% [markdown]
# Alarms depend on the far tail. Each window is compared with the predictive distribution of its
# region, hour and number of phones; the grey band is a consistency band.

# %% mystnb={"image": {"alt": "Tail calibration of three backgrounds; Poisson is far above the grey band, the one with bursts within it."}}
tails = {
    name: tail_calibration(background, history)
    for name, background in reversed(backgrounds.items())
}
figure, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
figures.tail_calibration(tails, ax=ax)
plt.show()

# %% mystnb={"image": {"alt": "Rootogram of the misfit and histogram of the randomised PIT of the background with bursts."}}
background = backgrounds["with bursts"]
figure, axes = plt.subplots(1, 2, figsize=(11.0, 4.2), layout="constrained")
figures.rootogram(rootogram(background, history), form="misfit", ax=axes[0])
figures.pit(randomised_pit(jax.random.key(3), background, history), ax=axes[1])
plt.show()

# %% [markdown]
# ## Thresholds
#
# The posterior-predictive threshold is higher where the posterior is wide. For comparison: the
# threshold of the true background, known in a simulation only, and that of a Poisson background.

# %% mystnb={"image": {"alt": "Thresholds against active phones for three backgrounds and the truth, and against the local hour."}}
active = [20, 40, 80, 160, 320]
hours = np.arange(1.0, 24, 3)
limits = threshold(background, active, hours)
others = {
    "truth": threshold(truth, active, hours, kind="plug-in"),
    "without bursts": threshold(
        backgrounds["negative binomial"], active, hours
    ),
    "Poisson": threshold(backgrounds["Poisson"], active, hours),
}
figure, axes = plt.subplots(1, 2, figsize=(12.0, 4.8), layout="constrained")
figures.threshold_curves(limits, others=others, ax=axes[0])
figures.threshold_hours(others["without bursts"], region="capital", ax=axes[1])
axes[1].set_title("capital, without bursts", loc="left", fontsize=10.5)
plt.show()
for n in active:
    counts = [
        each["triggers"].sel(active=n).max().item()
        for each in (limits, *others.values())
    ]
    print(
        f"{n:4d} phones: {counts[0]:4d} triggers; truth {counts[1]:3d}, "
        f"Poisson {counts[3]:2d}"
    )

# %% [markdown]
# Without bursts the threshold would follow the daily cycle. Bursts come at any hour and dominate
# it: some ten of them say little about the largest of a year. With a longer history the curve
# approaches that of the true background; lower thresholds need the times and places of the
# triggers, too, not only their number ([travel times](../traveltime.md)).
#
# With 40 active phones, does each region keep within its share of the budget? Thresholds are whole
# numbers, so most stay well below it.

# %% mystnb={"image": {"alt": "Share of the budget of false alarms that each region uses."}}
figure, ax = plt.subplots(figsize=(6.4, 3.0), layout="constrained")
figures.budget(limits, active=40, ax=ax)
plt.show()
