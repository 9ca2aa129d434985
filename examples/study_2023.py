# %% [markdown]
# # The simulation study of 2023, repeated
#
# Massoda Tchoussi and Finazzi (2023) simulated 1,000 true and 1,000 false detections of a phone
# network in Lima, tested whether the trigger times follow a P or an S wave, and found that when
# 1 % of the earthquakes are missed, 0.8 % of the false detections pass as earthquakes. That number
# is quoted as the false-alarm probability of smartphone networks. Here the study is repeated with
# the settings of the paper; settings that it does not state are varied. The simulation is
# `eqstat.simulation.study2023`, the test is that of `eqstat.traveltime.classify`, and the rates
# with their intervals come from `eqstat.calibration`.
#
# The page runs with few detections of each kind, so its intervals are wide; the tables further
# down are of the full study, 1,000 and 1,000, which `EQSTAT_STUDY=1000 python
# examples/study_2023.py` makes again in about two minutes.

# %%
import dataclasses
import os

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

from eqstat.calibration import at_miss_probability, error_rates
from eqstat.counts import Background
from eqstat.counts.alarm import threshold
from eqstat.simulation import (
    count_rule,
    first_detections,
    ratio_rule,
    simulate,
    study2023,
)

NUMBER = int(os.environ.get("EQSTAT_STUDY", "120"))
PROBABILITY = 0.95
ALPHA = 0.01
# The standard deviation of the errors that are simulated: 1st and 99th
# percentile -3 and 3 s.
SD_S = 3 / stats.norm.isf(0.01)

network = study2023.lima(jax.random.key(0))
streams = {
    "true": simulate(
        jax.random.key(1), network, study2023.true_detections(network), NUMBER
    ),
    "false": simulate(
        jax.random.key(2), network, study2023.false_detections(), NUMBER
    ),
}
for kind, each in streams.items():
    print(f"{kind}: {each.triggered.mean():.1%} of the phones trigger")

# %% [markdown]
# ## The detection rule
#
# The network claims a detection when the triggers of the last 10 s within 30 km exceed a share of
# the active phones there; which share, the paper does not say. Four are tried, and the count rule:
# the smallest count that keeps one false alarm a year under a Poisson background of 5.76 triggers
# per phone and hour, which is the outline of the claims of the real network
# ([example](eqn_thresholds.py)). The triggers that concurred with the detection go to the test.

# %% mystnb={"image": {"alt": "Maps of a true and of a false detection: phones coloured by trigger time."}}
grid = np.unique(np.geomspace(20, len(network), 40).round())
curve = threshold(Background("poisson", 5.76), grid, 12.0, kind="plug-in")
between = (0.22, 0.23, 0.24) if NUMBER >= 1000 else ()
rules = {
    f"ratio {r:g}": ratio_rule(r) for r in (0.05, 0.1, 0.2, *between, 0.25)
}
rules["count rule"] = count_rule(curve)
claims = {
    name: {kind: first_detections(each, rule) for kind, each in streams.items()}
    for name, rule in rules.items()
}

figure, axes = plt.subplots(
    1, 2, figsize=(9.6, 4.9), layout="constrained", sharey=True
)
for ax, (kind, each) in zip(axes, streams.items(), strict=True):
    one = claims["ratio 0.2"][kind]
    members = one.members[0]
    ax.scatter(network.east_km, network.north_km, s=3, color="0.8", linewidth=0)
    shown = ax.scatter(
        network.east_km[members],
        network.north_km[members],
        c=each.first_trigger_s[0, members],
        s=26,
        cmap="viridis",
        edgecolor="white",
        linewidth=0.4,
    )
    if kind == "true":
        ax.plot(
            each.truth.east_km[0],
            each.truth.north_km[0],
            "*",
            ms=15,
            mfc="#F0E442",
            mec="k",
        )
    title = (
        f"{kind} detection: {one.count[0]} triggers of {one.active[0]} phones"
    )
    ax.set_title(title, fontsize=10.5, loc="left")
    ax.set(xlabel="east (km)", aspect="equal")
    figure.colorbar(shown, ax=ax, label="trigger time (s)", shrink=0.8)
axes[0].set_ylabel("north (km)")
plt.show()

# %% [markdown]
# ## One score for all delta
#
# The test accepts a detection when $k \hat\sigma^2 / \delta^2 \le q_{1-\alpha,\,k-4}$ for one of
# the two waves. So for each detection there is a smallest $\delta$ from which on it passes, and the
# rates at every $\delta$ follow from one fit of each detection.

# %% mystnb={"image": {"alt": "Probability that earthquakes are rejected and that false detections are accepted, against delta, for five detection rules."}}
tests = {
    name: pd.concat(
        [
            study2023.test_detections(streams[kind], claims[name][kind])
            for kind in streams
        ],
        ignore_index=True,
    )
    for name in rules
}
DELTAS = np.round(np.arange(0.1, 3.01, 0.1), 1)
rates = {
    name: error_rates(
        table["smallest_delta_s"],
        table["is_earthquake"],
        DELTAS,
        larger="noise",
        probability=PROBABILITY,
    )
    for name, table in tests.items()
}

figure, axes = plt.subplots(
    1, 2, figsize=(9.6, 4.2), layout="constrained", sharey=True
)
SHOWN = [
    name for name in rules if name not in {f"ratio {r:g}" for r in between}
]
colours = dict(
    zip(
        SHOWN,
        ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#000000"),
        strict=True,
    )
)
styles = dict(zip(SHOWN, ("-", "-", "-", "-", "--"), strict=True))
for ax, part, title in zip(
    axes,
    ("miss", "false_alarm"),
    ("true earthquakes rejected", "false detections accepted"),
    strict=True,
):
    for name in SHOWN:
        rate = rates[name]
        middle = rate[f"{part}_probability"]
        low, high = (
            rate[f"{part}_{end}"].sel(interval="exact")
            for end in ("low", "high")
        )
        ax.plot(
            DELTAS,
            middle,
            color=colours[name],
            linestyle=styles[name],
            label=name,
        )
        ax.fill_between(
            DELTAS, low, high, color=colours[name], alpha=0.15, linewidth=0
        )
    ax.axvline(SD_S, color="0.5", linewidth=0.8, linestyle=":")
    ax.axvspan(0.1, 1.5, color="0.5", alpha=0.07, linewidth=0)
    ax.set_title(title, fontsize=10.5, loc="left")
    ax.set(xlabel=r"$\delta$ (s)", ylim=(-0.02, 1.02), xlim=(0.1, 3.0))
axes[0].axhline(ALPHA, color="0.5", linewidth=0.8, linestyle="--")
axes[0].set_ylabel("probability")
axes[0].legend(frameon=False, fontsize=9)
plt.show()

# %% [markdown]
# Left, the realised miss probability, with its nominal value of 1 % dashed; right, the false-alarm
# probability. Bands are exact binomial 95 % intervals, grey is the range of $\delta$ in the paper,
# dotted the standard deviation of the simulated errors. If the nominal miss probability were
# realised, the left curves would cross 1 % at the dotted line. They do not: 1 % is reached at
# $\delta$ of 1.6 to 2.4 s only. The reason is in the simulation itself. Of the phones that the
# earthquake does not trigger, 6 % trigger at random from 0 s on, and the waves of a deep earthquake
# come ten seconds later: the first triggers are then not the earthquake's.

# %%
truth = streams["true"].truth
for name in SHOWN:
    table = tests[name][tests[name]["is_earthquake"]]
    at = table["stream"].to_numpy()
    deep, missed = (
        truth.depth_km[at] > 75,
        table["smallest_delta_s"].to_numpy() > SD_S,
    )
    random = (streams["true"].cause[at] != 1) & claims[name]["true"].members[at]
    pure = ~random.any(axis=1)
    print(
        f"{name}: missed at delta = 1.29 s {missed.mean():.0%}, "
        f"below 75 km {missed[deep].mean():.0%}, "
        f"of the {pure.sum()} without a random trigger "
        f"{missed[pure].mean():.0%}"
    )

# %% [markdown]
# ## The table


# %%
def median(values):
    """Median and the ends of its bootstrap interval."""
    values = np.asarray(values)
    drawn = stats.bootstrap(
        (values,), np.median, confidence_level=PROBABILITY, method="percentile",
        n_resamples=2000, batch=200, rng=np.random.default_rng(0),
    )  # fmt: skip
    low, high = drawn.confidence_interval
    return f"{np.median(values):.0f} [{low:.0f}, {high:.0f}]"


def share(rate, part, delta):
    """Share and its exact interval at one delta, in per cent."""
    at = rate.sel(threshold=delta, method="nearest")
    low, high = (
        at[f"{part}_{end}"].sel(interval="exact").item()
        for end in ("low", "high")
    )
    return f"{at[f'{part}_probability'].item():.1%} [{low:.1%}, {high:.1%}]"


def row(table):
    """Figures at the true scatter, and where 1 % are realised misses."""
    score, label = table["smallest_delta_s"], table["is_earthquake"]
    nominal = error_rates(
        score, label, SD_S, larger="noise", probability=PROBABILITY
    )
    realised = at_miss_probability(
        score, label, ALPHA, larger="noise", probability=PROBABILITY
    )
    alarm = realised.false_alarm_probability
    true = table[label]
    return {
        "triggers": f"{table['triggers'].median():.0f}",
        "missed at 1.29 s": share(nominal, "miss", SD_S),
        "false alarms at 1.29 s": share(nominal, "false_alarm", SD_S),
        "delta of 1 % missed (s)": (
            f"{realised.value:.2f} [{realised.low:.2f}, {realised.high:.2f}]"
        ),
        "false alarms there": f"{alarm.estimate:.1%} [{alarm.low:.1%}, "
        f"{alarm.high:.1%}]",
        "epicentre (km)": median(true["epicentral_error_km"]),
        "depth (km)": median(true["depth_error_km"].abs()),
        "depth at 500 km": f"{(true['depth_km'] > 499).mean():.0%}",
    }


with pd.option_context("display.width", 250, "display.max_columns", 20):
    print(
        pd.DataFrame(
            {name: row(table) for name, table in tests.items()}
        ).to_string()
    )
for name in rules:
    count = [int(claims[name][kind].detected.sum()) for kind in streams]
    left = sum(count) - len(tests[name])
    print(
        f"{name}: {count[0]} true, {count[1]} false detections of {NUMBER} "
        f"each; {left} untested"
    )

# %% [markdown]
# ## The scatter of true and false detections
#
# The paper's Figure 3. With few triggers four parameters fit anything: the scatter of false
# detections is then as small as that of true ones. And that of most true ones is 0.8 s, not the
# 1.29 s that were simulated: the detection comes with the first triggers, which are the early ones.
# The model of the test ignores that the data are truncated at the present.

# %% mystnb={"image": {"alt": "Histograms of the estimated scatter of true and false detections for five rules."}}
figure, axes = plt.subplots(
    1, 5, figsize=(12.5, 2.9), layout="constrained", sharey=True
)
bins = np.arange(0.0, 4.01, 0.1)
for ax, name in zip(axes, SHOWN, strict=True):
    table = tests[name]
    scatter = np.minimum(table["sd_p_s"], table["sd_s_s"])
    for kind, colour in ((True, "#0072B2"), (False, "#D55E00")):
        here = table["is_earthquake"] == kind
        ax.hist(
            scatter[here], bins, density=True, color=colour, alpha=0.65,
            label="true" if kind else "false",
        )  # fmt: skip
    ax.axvline(SD_S, color="0.4", linewidth=0.8, linestyle=":")
    ax.set_title(name, fontsize=10.5, loc="left")
    ax.set(xlabel=r"$\hat\sigma$ (s)", xlim=(0, 3.2))
axes[0].set_ylabel("density (1/s)")
axes[0].legend(frameon=False, fontsize=9)
plt.show()

# %% mystnb={"image": {"alt": "Errors of epicentre and depth for five rules; dotted, the 18 km of the paper."}}
figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
for ax, column, label in zip(
    axes,
    ("epicentral_error_km", "depth_error_km"),
    ("error of the epicentre (km)", "error of the depth (km)"),
    strict=True,
):
    groups = [
        tests[name].loc[tests[name]["is_earthquake"], column] for name in SHOWN
    ]
    ax.boxplot(
        groups,
        tick_labels=SHOWN,
        whis=(5, 95),
        showfliers=False,
        widths=0.55,
        medianprops={"color": "#D55E00", "linewidth": 1.8},
    )
    ax.set_ylabel(label)
    ax.tick_params(axis="x", labelsize=8.5)
axes[0].axhline(18, color="0.5", linewidth=0.8, linestyle=":")
axes[0].set_yscale("log")
for sign in (-1, 1):
    axes[1].axhline(sign * 18, color="0.5", linewidth=0.8, linestyle=":")
plt.show()

# %% [markdown]
# Boxes hold the middle half, whiskers 5 to 95 %; dotted, the 18 km that the paper reports for both.
#
# ## Which triggers are tested
#
# The paper tests "the sub-list of triggers that concurred with the earthquake detection": those
# within 30 km in the last 10 s, as above. Were all triggers tested that the network had sent by
# then, more of them would be random triggers.

# %%
every = {}
for kind, each in streams.items():
    one = claims["ratio 0.25"][kind]
    so_far = each.first_trigger_s <= one.time_s[:, None]
    all_members = dataclasses.replace(
        one, members=so_far & one.detected[:, None]
    )
    every[kind] = study2023.test_detections(each, all_members)
whole = row(pd.concat(every.values(), ignore_index=True))
print(
    "ratio 0.25, all triggers:",
    "; ".join(f"{name} {value}" for name, value in whole.items()),
)

# %% [markdown]
# ## The full study: where 0.8 % appears
#
# With 1,000 of each, errors are medians in kilometres; in brackets exact binomial, order-statistic
# and bootstrap intervals of 95 %:
#
# At the simulated scatter, $\delta$ = 1.29 s:
#
# | detection rule | triggers | missed (%) | false alarms (%) |
# |---|---|---|---|
# | ratio 0.05 | 19 | 22.5 [19.9, 25.2] | 100 [99.6, 100] |
# | ratio 0.1 | 36 | 17.4 [15.1, 19.9] | 100 [99.6, 100] |
# | ratio 0.2 | 69 | 10.3 [8.5, 12.4] | 1.0 [0.5, 1.8] |
# | ratio 0.22 | 75 | 8.8 [7.1, 10.7] | 0.1 [0.0, 0.6] |
# | ratio 0.23 | 78 | 9.2 [7.5, 11.2] | 0.1 [0.0, 0.6] |
# | ratio 0.24 | 82 | 8.1 [6.5, 10.0] | 0.1 [0.0, 0.6] |
# | ratio 0.25 | 84 | 8.6 [6.9, 10.5] | 0.0 [0.0, 0.4] |
# | count rule | 30 | 24.0 [21.4, 26.8] | 100 [99.6, 100] |
#
# At the $\delta$ with a realised miss probability of 1 %:
#
# | detection rule | $\delta$ (s) | false alarms (%) | epicentre | depth |
# |---|---|---|---|---|
# | ratio 0.05 | 2.44 [2.33, 2.62] | 100 [99.6, 100] | 46 [38, 56] | 346 [250, 404] |
# | ratio 0.1 | 2.18 [2.08, 2.30] | 100 [99.6, 100] | 32 [28, 37] | 352 [255, 402] |
# | ratio 0.2 | 1.68 [1.63, 1.89] | 32.5 [29.6, 35.5] | 20 [18, 25] | 183 [150, 246] |
# | ratio 0.22 | 1.66 [1.54, 1.81] | 7.7 [6.1, 9.5] | 19 [17, 22] | 175 [137, 238] |
# | ratio 0.23 | 1.67 [1.59, 1.81] | 4.1 [3.0, 5.5] | 18 [16, 20] | 166 [130, 211] |
# | ratio 0.24 | 1.64 [1.56, 1.85] | 1.2 [0.6, 2.1] | 18 [16, 21] | 164 [129, 209] |
# | ratio 0.25 | 1.64 [1.54, 1.85] | 0.5 [0.2, 1.2] | 18 [16, 21] | 157 [128, 202] |
# | count rule | 2.39 [2.29, 2.67] | 100 [99.6, 100] | 49 [43, 54] | 409 [403, 414] |
#
# **A false-alarm probability of 0.8 % at 1 % missed earthquakes appears at a detection ratio of
# 0.24 to 0.25, and at none of the others.** There the median epicentral error is 18 km too, as in
# the paper: a quarter of all active phones must have triggered, some 80 of them. At ratio 0.2 a
# third of the false detections pass; at 0.1, and under the rule that the claims of the real network
# outline, all of them do. The other way to read the paper, 1 % being the nominal probability only,
# gives 0.8 % at every rule, at a $\delta$ of its own: between 1.2 and 1.3 s at ratio 0.2 (with 10
# to 14 % of the earthquakes missed), 0.5 s at 0.1 (70 %), below 0.2 s at 0.05 (99 %).
#
# The median error of the depth, 18 km in the paper, comes at none of the settings: between a third
# and a half of the depths end at the bound of 500 km.
#
# Settings that the paper does not state, and the choice made here:
#
# - the share of active phones that makes a detection: varied above;
# - where the circle of 30 km lies: about each trigger; and the fewest triggers: six;
# - the value of $\delta$ that was chosen. "Minimises $\beta$" alone would be the smallest, which
#   rejects everything; the realised miss probability must be fixed, as it is here;
# - whether 1 % missed is nominal or realised: both above;
# - the places of the 1,000 phones, the true ones of Lima: here even over the box;
# - whether 70, 6 and 30 % of the phones are exact numbers: here each phone is drawn independently;
# - the range of the random starting values of the fit, which may keep depths from diverging.
#
# A network that must tell earthquakes from chance before a quarter of its phones have triggered
# needs more than this test. The posterior of all triggers *and* all silent phones is that.
