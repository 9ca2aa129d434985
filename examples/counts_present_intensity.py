# %% [markdown]
# # Thresholds that follow the present intensity
#
# Weather, news and football change how often phones trigger, for hours at a time and by more than
# the hour of the day says. A threshold that knows only the hour must be safe on lively evenings,
# and is then too high on all others. A service knows more: what the last minutes brought.
#
# Three regions kept counts of windows of 30 s for three weeks, and then work for one. The logarithm
# of their rate wanders about the cycle of the day with a standard deviation of 0.35 and a
# correlation time of four hours. The counts are drawn here, so that the answer is known.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.signal import lfilter

from eqstat.counts import fit, prepare
from eqstat.counts.alarm import (
    excess,
    init,
    score,
    scorer,
    step,
    threshold,
    watch_init,
    watch_step,
)
from eqstat.counts.checks import tail_calibration
from eqstat.plots import counts as figures

WINDOW_S, PER_HOUR, WATCHED_DAYS, DAYS = 30, 120, 21, 28
REGIONS, DEVICES = ("coast", "valley", "plateau"), np.array([400, 250, 150])

# %%
rng = np.random.default_rng(1)
windows = DAYS * 24 * PER_HOUR
hour = np.arange(windows) / PER_HOUR
keep = np.exp(-1 / (4.0 * PER_HOUR))
noise = 0.35 * rng.standard_normal((3, windows))
noise[:, 1:] *= np.sqrt(1 - keep**2)
wandering = lfilter([1.0], [1.0, -keep], noise, axis=1)
rate_h = 0.6 * np.exp(-0.5 * np.cos(2 * np.pi * (hour - 3) / 24) + wandering)
mean = DEVICES[:, None] * rate_h * WINDOW_S / 3600
count = rng.poisson(mean * rng.gamma(1 / 0.15, 0.15, mean.shape))

table = pd.DataFrame(
    {
        "time": np.tile(
            pd.date_range("2026-01-05", periods=windows, freq="30s", tz="UTC"),
            3,
        ),
        "region": np.repeat(REGIONS, windows),
        "triggers": count.ravel(),
        "active": np.repeat(DEVICES, windows),
    }
)
past = table["time"] < table["time"].min() + pd.Timedelta(days=WATCHED_DAYS)

# %% [markdown]
# ## What the order in time says
#
# Windows that follow one another show how long an excess lasts: `fit` tells the slow intensity
# from the scatter of neighbouring windows. For comparison, a background without it (`slow=False`).
# Habits follow the clock of people, here that of UTC.

# %%
history = prepare(table[past], window_s=WINDOW_S, time_zone="Etc/UTC")
fits = {"without": fit(history, slow=False), "with": fit(history)}
for name in ("intensity_sd", "correlation_h", "dispersion"):
    print(f"{name:14s} {fits['with'][name]:.2f}")
backgrounds = {
    name: one.posterior(jax.random.key(0), 30)
    for name, one in reversed(fits.items())
}

# %% [markdown]
# Without a slow intensity the tail is too thin: windows that should be rare are not. One look at
# the tail calibration says so, before any threshold is used.

# %% mystnb={"image": {"alt": "Tail calibration of backgrounds with and without a slow intensity; the one without leaves the grey band."}}
tails = {
    f"{name} slow intensity": tail_calibration(b, history)
    for name, b in backgrounds.items()
}
figure, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
figures.tail_calibration(tails, ax=ax)
plt.show()

# %% [markdown]
# ## Fixed and adaptive thresholds
#
# A fixed threshold marginalises over the slow intensity. It is the price of not knowing it:

# %%
hours = np.arange(24) + 0.5
fixed = {
    name: threshold(b, 400.0, hours).sel(region="coast")
    for name, b in backgrounds.items()
}
for name, one in fixed.items():
    print(f"{name:8s}", one["triggers"].to_numpy())

# %% [markdown]
# The adaptive one is that of a scorer which is told of every window. `step` takes the windows that
# ended, ten at a time here, and `score` judges the next one. The margin is the number of triggers
# above the threshold, so that the threshold is the count less the margin. `watch_step` compares
# every window with what was promised: its tail probability should be at most $10^{-4}$ in one of
# ten thousand windows.

# %%
TOGETHER = 10
later = count[:, WATCHED_DAYS * 24 * PER_HOUR :]
at_hour = (np.arange(later.shape[1] // TOGETHER) + 0.5) * TOGETHER / PER_HOUR
regions, devices = jnp.arange(3), jnp.asarray(DEVICES, jnp.float32)


@jax.jit
def follow(tables, counts):
    """Adaptive thresholds by step and region; watches of both scores."""

    def one(carry, seen):
        state, adaptive, fixed = carry
        triggers, hour = seen
        clock, day = hour % 24, (hour // 24).astype(int)
        margin = score(
            tables, triggers[:, 0], devices, clock, regions, day, state
        ).margin
        for window in range(TOGETHER):
            own = triggers[:, window]
            adaptive = watch_step(
                tables, adaptive, own, devices, clock, day, state
            )
            fixed = watch_step(tables, fixed, own, devices, clock, day)
        sums = triggers.sum(axis=1)
        state = step(tables, state, sums, devices, clock, day, windows=TOGETHER)
        return (state, adaptive, fixed), triggers[:, 0] - margin

    start = (init(tables), watch_init(tables), watch_init(tables))
    steps = (
        counts.reshape(3, -1, TOGETHER).transpose(1, 0, 2).astype(jnp.float32)
    )
    (_, adaptive, fixed), needed = jax.lax.scan(
        one, start, (steps, jnp.asarray(at_hour))
    )
    return needed, adaptive, fixed


tables = scorer(backgrounds["with"], most_active=500, most_triggers=64)
needed, adaptive, marginal = follow(tables, later)
needed = np.asarray(needed)

# %% mystnb={"image": {"alt": "Mean triggers a window over a week; below, the adaptive threshold that follows them, between fixed ones."}}
figure, axes = plt.subplots(
    2, 1, figsize=(9.0, 5.6), sharex=True, layout="constrained"
)
by_hour = later[0].reshape(-1, PER_HOUR).mean(axis=1)
axes[0].step(np.arange(by_hour.size), by_hour, where="post", color="0.3")
axes[0].set_ylabel("triggers a window, coast")
axes[1].plot(at_hour, needed[:, 0], lw=0.8, label="adaptive")
for name, style in (("with", "-"), ("without", ":")):
    own = fixed[name]["triggers"].to_numpy()[(at_hour % 24).astype(int)]
    axes[1].plot(
        at_hour, own, style, color="C1", label=f"fixed, {name} slow intensity"
    )
axes[1].set(xlabel="hours after the history", ylabel="threshold", xlim=(0, 168))
axes[1].legend(loc="upper right", fontsize=9)
plt.show()

# %%
quiet = wandering[0, WATCHED_DAYS * 24 * PER_HOUR :: TOGETHER] < -0.2
own = fixed["with"]["triggers"].to_numpy()[(at_hour % 24).astype(int)]
print(
    f"adaptive below fixed: {np.mean(own - needed[:, 0]):.1f} triggers "
    "on average, "
    f"{np.mean((own - needed[:, 0])[quiet]):.1f} where the region is quiet"
)

# %% [markdown]
# ## Is the promise kept?
#
# In service nobody knows the truth, but exceedances can be counted. `excess` is the largest ratio
# of realised to promised ones that the counts so far refute, at any time and with an error
# probability of 1 %. It is 1 as long as nothing speaks against the promise, and
# `score(..., excess=ratio)` raises the threshold by it. Were an update of the app to make phones
# trigger twice as often, scores that follow the intensity would follow that too; fixed ones would
# break their promise, and the watch would tell.

# %%
mean_later = mean[:, WATCHED_DAYS * 24 * PER_HOUR :]
_, adaptive_then, fixed_then = follow(tables, later + rng.poisson(mean_later))
for name, watch in (
    ("adaptive", adaptive),
    ("fixed", marginal),
    ("adaptive, after an update", adaptive_then),
    ("fixed, after an update", fixed_then),
):
    ratio = float(excess(watch, pooled=True))
    rare = int(watch.exceedances.sum())
    print(
        f"{name:26s} rare windows {rare:4d} of {int(watch.windows.sum())}, "
        f"excess {ratio:.1f}"
    )
