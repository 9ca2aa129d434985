# %% [markdown]
# # Calibrating a detector on its history
#
# A network's history: 900 labelled detections of 300 events in 12 regions. Each has a score, the
# log odds of an earthquake as the detector states them. How often does a threshold miss? Which
# threshold should be used? Are the stated probabilities calibrated? And what is the uncertainty of
# the answers, when detections of one event are correlated?
#
# The history is simulated, so that the results can be compared with the truth.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy import special

from eqstat import calibration
from eqstat.calibration import (
    block_bootstrap,
    calibration_test,
    conformal_threshold,
    recalibrate,
)
from eqstat.plots import calibration as plots

EVENTS, EACH, REGIONS = 300, 3, 12


def detections(rng):
    """Scores of detections, with random effects of region and event."""
    event = np.repeat(np.arange(EVENTS), EACH)
    region = event % REGIONS
    is_earthquake = (rng.random(EVENTS) < 0.5)[event]
    level = (
        0.3 * rng.normal(size=REGIONS)[region]
        + 0.8 * rng.normal(size=EVENTS)[event]
    )
    evidence = (
        level + rng.normal(size=event.size) + np.where(is_earthquake, 2.0, -1.0)
    )
    # The detector is overconfident: it multiplies its evidence.
    return 4.0 * evidence, is_earthquake, event, region


score, is_earthquake, event, region = detections(np.random.default_rng(6))
print(
    f"{is_earthquake.sum()} detections of earthquakes, "
    f"{(~is_earthquake).sum()} of noise"
)

# %% [markdown]
# ## Misses and false alarms of a threshold
#
# Accept where the log odds are above 0. If the detections are taken as independent, the intervals
# are too short: detections of one event are correlated, and so are events of one region.

# %%
for name, cluster in (
    ("independent", None),
    ("by event", event),
    ("by region", region),
):
    rates = calibration.error_rates(
        score, is_earthquake, 0.0, larger="earthquake", cluster=cluster
    ).sel(interval="exact")
    low, high = (rates[f"miss_{end}"].item() for end in ("low", "high"))
    print(
        f"{name:12s} miss probability {rates['miss_probability'].item():.3f} "
        f"({low:.3f} to {high:.3f})"
    )

# %% [markdown]
# ## Three thresholds
#
# At 2 % of the earthquakes missed, at 2 % of the noise accepted, and of least total cost where a
# miss costs as much as twenty false alarms and one detection in ten is an earthquake.

# %%
common = {"larger": "earthquake", "cluster": event}
thresholds = [
    calibration.at_miss_probability(score, is_earthquake, 0.02, **common),
    calibration.at_false_alarm_probability(
        score, is_earthquake, 0.02, **common
    ),
    calibration.of_least_total(
        jax.random.key(0),
        score,
        is_earthquake,
        miss_cost=20.0,
        prevalence=0.1,
        **common,
    ),
]
for each in thresholds:
    missed, alarms = each.miss_probability, each.false_alarm_probability
    print(
        f"{each.rule:24s} {each.value:6.2f} ({each.low:6.2f} to "
        f"{each.high:6.2f})  "
        f"missed {missed.estimate:.3f} ({missed.low:.3f} to "
        f"{missed.high:.3f})  "
        f"false alarms {alarms.estimate:.3f} ({alarms.low:.3f} to "
        f"{alarms.high:.3f})"
    )

# %% [markdown]
# The first threshold misses 2 % of the earthquakes *of the history*. A conformal threshold, which
# guarantees 2 % for those to come, is lower; with clusters the guarantee is for a new event.

# %%
guarantee = conformal_threshold(
    score[is_earthquake],
    miss_probability=0.02,
    larger="earthquake",
    cluster=event[is_earthquake],
)
print(f"guaranteed for a new event: {guarantee.threshold['all']:.2f}")
fresh, truth, *_ = detections(np.random.default_rng(106))
for name, limit in (
    ("history", thresholds[0].value),
    ("conformal", guarantee.threshold["all"]),
):
    print(
        f"{name:9s} missed in a new history: "
        f"{np.mean(fresh[truth] < limit):.3f}"
    )

# %% [markdown]
# ## Are the probabilities calibrated?
#
# The stated probabilities are overconfident. In a second history the curve leaves the consistency
# band, and the miscalibration component of the Brier score is larger than expected by chance. A
# recalibration learned from the first history corrects that. Bands and test assume independent
# labels, so one detection of each event is used.

# %% mystnb={"image": {"alt": "Reliability diagrams of stated and of recalibrated probabilities with consistency bands; only the stated ones leave the band."}}
recalibration = recalibrate(
    score, is_earthquake, larger="earthquake", method="platt"
)
stated, corrected = special.expit(fresh), recalibration(fresh)
first = np.arange(0, fresh.size, EACH)
figure, axes = plt.subplots(1, 2, figsize=(10.0, 5.0), layout="constrained")
for ax, (name, forecast) in zip(
    axes, (("stated", stated), ("recalibrated", corrected)), strict=True
):
    parts = calibration.decompose(forecast[first], truth[first])
    test = calibration_test(jax.random.key(1), forecast[first], truth[first])
    print(
        f"{name}: Brier {parts.mean:.4f} = {parts.miscalibration:.4f} - "
        f"{parts.discrimination:.4f} + {parts.uncertainty:.4f}; "
        f"calibration test p = {test.p_value:.3f}"
    )
    curve = calibration.reliability(
        jax.random.key(2), forecast[first], truth[first]
    )
    plots.reliability(curve, forecast=forecast[first], note=name, ax=ax)
plt.show()

# %% [markdown]
# The gain is a difference of two Brier scores; the block bootstrap resamples events and regions.

# %%
fresh_event, fresh_region = detections(np.random.default_rng(106))[2:]


def gain(before, after, labels):
    return np.mean((before - labels) ** 2 - (after - labels) ** 2)


result = block_bootstrap(
    jax.random.key(3),
    gain,
    stated,
    corrected,
    truth,
    cluster=[fresh_event, fresh_region],
)
print(f"gain {result.estimate:.4f} ({result.low:.4f} to {result.high:.4f})")

# %% [markdown]
# ## All in one figure

# %% mystnb={"image": {"alt": "Scores of earthquakes and noise, receiver operating characteristic with bands, and three thresholds."}}
curve = calibration.roc(score, is_earthquake, larger="earthquake")
plots.calibration_figure(
    score, is_earthquake, curve, thresholds, label="log odds"
)
plt.show()

# %% [markdown]
# ## Is a posterior calibrated?
#
# A normal mean with known standard deviation and a normal prior has a known posterior. If the data
# are given twice their weight, the posterior is too narrow, and the ranks of the true value pile up
# at both ends.

# %% mystnb={"image": {"alt": "Rank distributions of an exact posterior, within its band, and of one that is too narrow, beyond it."}}
rng = np.random.default_rng(4)
truth = rng.normal(size=400)
data = truth + rng.normal(size=400)
figure, axes = plt.subplots(1, 2, figsize=(10.0, 3.6), layout="constrained")
for ax, (name, weight) in zip(
    axes, (("exact", 1.0), ("too narrow", 2.0)), strict=True
):
    mean, sd = weight * data / (1 + weight), np.sqrt(1 / (1 + weight))
    draws = mean[:, None] + sd * rng.normal(size=(400, 99))
    ranks = calibration.sbc_ranks(truth, draws)
    uniform = calibration.rank_uniformity(ranks, 99)
    held = calibration.coverage(np.abs(truth - mean) < 1.645 * sd, 0.9)
    print(
        f"{name:10s} chi-square p = {uniform.p_value:.3f}; 90 % intervals "
        f"cover {held.rate:.3f} "
        f"({held.low:.3f} to {held.high:.3f})"
    )
    plots.rank_ecdf(uniform, ax=ax)
    ax.text(0.97, 0.95, name, transform=ax.transAxes, ha="right", va="top")
plt.show()
