"""The present intensity of each region, from the windows so far: state, `init` and `step`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.arrays import Number
from eqstat._core.explain import Explained, explained
from eqstat.counts._background import Background
from eqstat.counts._intensity._filter import predict, update
from eqstat.counts._special import SMALLEST, log_rising

if TYPE_CHECKING:
    from eqstat.counts.alarm._score import Scorer

# Share of windows that may hold an earthquake: windows that the background explains worse than
# such a one do not move the intensity.
OUTLIERS = 1e-6


class SlowIntensity(Explained, eqx.Module):
    """The parameters of `init` and `step`, means over the draws of a posterior.

    Attributes
    ----------
    sd, correlation_h
        Of the slow intensity; sd is 0 without one.
    level
        Variance of the log of the level of each region that the history leaves, (regions,); 0
        without a slow intensity.
    dispersion, dispersion_slope
        Of the negative binomial; 0 for Poisson.
    window_h
        Length of a window, hours.

    Examples
    --------
    >>> from eqstat.counts.alarm import scorer
    >>> scorer(Background("poisson", 5.76), most_active=100, most_triggers=16).slow.sd.item()
    0.0
    """

    sd: Float[Array, ""]
    correlation_h: Float[Array, ""]
    level: Float[Array, " regions"]
    dispersion: Float[Array, ""]
    dispersion_slope: Float[Array, ""]
    window_h: Float[Array, ""]


@explained
class State(NamedTuple):
    """What the windows so far say about the present intensity of each region.

    Attributes
    ----------
    mean, variance
        Of the log of the factor by which the region's rate differs from that of its hour,
        (regions,).

    Examples
    --------
    >>> from eqstat.counts.alarm import scorer
    >>> tables = scorer(Background("poisson", 5.76), most_active=100, most_triggers=16)
    >>> init(tables).mean.tolist()
    [0.0]
    """

    mean: Float[Array, " regions"]
    variance: Float[Array, " regions"]


def slow_intensity(background: Background, level: np.ndarray) -> SlowIntensity:
    """Return the parameters of a background, or means over the draws of a posterior."""

    def mean(value: Number | None) -> Array:
        return jnp.asarray(0.0 if value is None else np.mean(np.asarray(value)), jnp.float32)

    slow = background.intensity
    return SlowIntensity(
        mean(None if slow is None else slow.sd),
        mean(1.0 if slow is None else slow.correlation_h),
        jnp.asarray(level, jnp.float32),
        mean(background.dispersion),
        mean(background.dispersion_slope),
        mean(background.window_s / 3600),
    )


def init(scorer: Scorer) -> State:
    """State before any window: the stationary distribution of the slow intensity.

    Its variance includes that of the level of each region, as far as the history leaves it open:
    the windows that follow tell both at once.

    Parameters
    ----------
    scorer
        From `scorer`.

    Returns
    -------
    State

    Examples
    --------
    >>> from eqstat.counts import Intensity
    >>> from eqstat.counts.alarm import scorer
    >>> background = Background("poisson", 5.76, intensity=Intensity(0.3, 4.0))
    >>> state = init(scorer(background, most_active=100, most_triggers=16))
    >>> state.variance.round(2).tolist()
    [0.09]
    """
    one = jnp.ones(scorer.log_rate.shape[0], scorer.log_rate.dtype)
    return State(-0.5 * scorer.slow.sd**2 * one, scorer.slow.sd**2 + scorer.slow.level)


def step(
    scorer: Scorer,
    state: State,
    triggers: Number,
    active: Number,
    hour: Number,
    day: Number = 7,
    *,
    windows: Number = 1,
) -> State:
    r"""State after one more window, or after several with their sum; pure and jit-safe.

    Given the log intensity x the triggers of N windows are negative binomial with mean
    $M e^x$ and size $N / \delta$. The posterior of x is approximated by a normal at its mode, and
    x moves on as an AR(1) process. A window that the background explains worse than a rare
    broad outlier, as one with an earthquake, counts little.

    Parameters
    ----------
    scorer
        From `scorer`, of a background with a slow intensity; without one the state stays.
    state
        Before the windows.
    triggers
        Sum of the triggers of the windows of each region, (regions,); disjoint windows, as those
        of the history.
    active
        Active devices of each region, (regions,); 0 where nothing is known.
    hour, day
        Local time as in `score`, at the middle of the windows: numbers, or (regions,).
    windows
        Number of windows, 1 or more.

    Returns
    -------
    State
        Predictive of the windows that follow.

    References
    ----------
    West, Harrison and Migon (1985), Journal of the American Statistical Association 80, 73-83,
    doi:10.1080/01621459.1985.10477131 (dynamic generalised linear models).

    Examples
    --------
    >>> from eqstat.counts import Intensity
    >>> from eqstat.counts.alarm import scorer
    >>> background = Background("poisson", 5.76, intensity=Intensity(0.3, 4.0))
    >>> tables = scorer(background, most_active=1000, most_triggers=64)
    >>> state = step(tables, init(tables), 700, 500, 12.5, windows=60)
    >>> (jnp.exp(state.mean) / (700 / 480)).round(2).tolist()
    [0.98]
    """
    slow, kind = scorer.slow, scorer.log_rate.dtype
    regions, _, hours = scorer.log_rate.shape
    columns = jnp.broadcast_arrays(
        *(jnp.asarray(value).astype(kind) for value in (triggers, active, hour, day, windows)),
        jnp.zeros(regions, kind),
    )
    k, n, h, d, count = columns[:5]
    part = jnp.clip(h * (hours // 24), 0, hours - 1).astype(int)
    log_rate = scorer.log_rate[jnp.arange(regions), jnp.clip(d, 0, 7).astype(int), part]
    known = (n >= 1) & (k >= 0) & jnp.isfinite(k) & jnp.isfinite(n) & (slow.sd > 0)
    k, n = jnp.where(known, k, 0.0), jnp.where(known, n, 1.0)
    expected = n * jnp.exp(log_rate) * slow.window_h * count
    dispersion = slow.dispersion * (n / 100) ** -slow.dispersion_slope
    size = count / jnp.maximum(dispersion, 1e-6)
    weight = known * _explained(k, n, count, expected, dispersion / count, state)
    variance = jnp.maximum(state.variance, SMALLEST)
    mean, variance, _ = update(state.mean, variance, k, expected, size, weight)
    keep = jnp.exp(-count * slow.window_h / slow.correlation_h)
    # The level of a region is told by the same windows, and known no better than by the history
    # where there are none.
    both = jnp.sqrt(slow.sd**2 + slow.level)
    moved, variance = predict(mean - 0.5 * slow.level, variance, both, keep)
    after = State(moved + 0.5 * slow.level, variance)
    return State(*(jnp.where(slow.sd > 0, a, b) for a, b in zip(after, state, strict=True)))


def _explained(
    k: Array, n: Array, count: Array, expected: Array, dispersion: Array, state: State
) -> Array:
    """Probability that a count is of the background and not a broad outlier."""
    mean = expected * jnp.exp(state.mean + 0.5 * state.variance)
    total = jnp.maximum((1 + dispersion) * jnp.exp(state.variance) - 1, 1e-6)
    size = 1 / total
    log_p = log_rising(size, k) - log_rising(jnp.ones_like(k), k)
    log_p = log_p + k * (jnp.log(mean) - jnp.log(size + mean)) - size * jnp.log1p(mean / size)
    outlier = jnp.log(OUTLIERS * count) - jnp.log(n * count + 1)
    return 1 / (1 + jnp.exp(outlier - log_p))
