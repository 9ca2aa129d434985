"""Noise and false exceedances of sensors, learned block by block."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, PRNGKeyArray
from scipy import stats

from eqstat import edge
from eqstat._core.arrays import FloatArray
from eqstat._core.checks import (
    check_key,
    check_kind,
    check_probability,
    check_range,
    check_whole,
    refuse,
)
from eqstat._core.explain import explained
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.waveform.background._prior import BackgroundPrior

# Numbers of a state before those of the levels.
SUMS = 4


@explained
class LearnedThreshold(NamedTuple):
    """Level for a set number of false exceedances an hour, and what is known of that number.

    Attributes
    ----------
    threshold
        The level; infinite where the highest level is exceeded too often.
    per_hour
        Posterior expectation of exceedances an hour there: of the next hour's number, too. Where no
        level is high enough, of the highest level.
    hours
        Time behind it, the prior's included: mean over variance of the rate, h. The posterior is
        taken to be a gamma distribution of shape `per_hour * hours` and rate `hours`.
    status
        Code of `eqstat.edge.Status`: OK; BEYOND where no level is high enough.

    Examples
    --------
    >>> one = LearnedThreshold(3.1, 2.0, 10.0, 0)
    >>> [round(float(end), 2) for end in one.interval()]
    [1.33, 2.79]
    """

    threshold: Any
    per_hour: Any
    hours: Any
    status: Any

    def interval(self, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Credible interval of the rate, 1/h, of a level in (0, 1)."""
        check_probability("interval", level=level)
        hours = np.asarray(self.hours, float)
        shape = np.asarray(self.per_hour, float) * hours
        ends = np.stack([np.full_like(shape, 0.5 + side * level / 2) for side in (-1, 1)])
        low, high = stats.gamma.ppf(ends, shape, scale=1 / hours)
        return np.asarray(low), np.asarray(high)

    def at_least(self, number: int, hours: float | int) -> np.ndarray:
        """Predictive probability of so many exceedances or more in the next hours."""
        check_whole("at_least", number=number)
        check_range("at_least", 0, ends="()", hours=hours)
        known = np.asarray(self.hours, float)
        shape = np.asarray(self.per_hour, float) * known
        return np.asarray(stats.nbinom.sf(number - 1, shape, known / (known + hours)))


def init(
    prior: BackgroundPrior, devices: tuple[int, ...] | int = (), *, dtype: Any = jnp.float32
) -> Float[Array, "... numbers"]:
    """State of sensors before their first block.

    Parameters
    ----------
    prior
        See `BackgroundPrior`.
    devices
        Number of sensors, or a shape; by default one.
    dtype
        Precision.

    Returns
    -------
    jax.Array
        (..., 4 + levels): blocks of noise, the sums of their log noise less `noise_mean` and of its
        squares, hours, and exceedances of each level, all after forgetting.

    Examples
    --------
    >>> from eqstat.waveform.background import weak_prior
    >>> init(weak_prior(np.linspace(0.0, 6.0, 13)), 1000).shape
    (1000, 17)
    """
    check_kind("init", BackgroundPrior, "see `weak_prior`", prior=prior)
    check_whole("init", devices=devices)
    shape = (devices,) if isinstance(devices, int) else tuple(devices)
    return jnp.zeros((*shape, SUMS + len(prior.levels)), dtype)


def step(
    prior: BackgroundPrior, state: FloatArray, hours: ArrayLike, noise: ArrayLike, top: ArrayLike
) -> Float[Array, "... numbers"]:
    r"""Learn from a block of each sensor; pure JAX, at a constant cost.

    Sums are multiplied by :math:`2^{-t / H}`, with the half-life H, and the block is added: its log
    noise with the probability that it is noise,

    .. math:: q = \frac{(1 - \epsilon)\, p(x)}{(1 - \epsilon)\, p(x) + \epsilon / R} \quad
              (x \text{ above the mean}),

    with the predictive density p (Student's) of the sensor so far, and shaking even over the range
    R above it; below the mean it is 1. So an earthquake does not become the floor, and noise that
    rises for good becomes it after some half-lives, when the old is forgotten. A block counts as
    above each level that its statistic exceeds, once.

    Parameters
    ----------
    prior
        See `BackgroundPrior`.
    state
        From `init` or the last step, (..., 4 + levels).
    hours
        Time since the block before, its length, h.
    noise
        Log noise of the block, such as that of `iqr_m_s2`, (...); NaN where it is not known.
    top
        Largest value of the statistic in the block, (...); NaN where the sensor was not heard or an
        earthquake is known. The statistic may be a log ratio of a classifier, a log peak, or one
        over the noise: see `noise_floor`.

    Returns
    -------
    jax.Array
        New state.

    References
    ----------
    West, M. and Harrison, J. (1997), Bayesian Forecasting and Dynamic Models, 2nd edition,
    Springer, chapter 10 (discounting); Bernardo, J. and Smith, A. (1994), Bayesian Theory, Wiley,
    appendix A (conjugate posteriors).

    Examples
    --------
    Half an hour of blocks of 30 s, one of which is an earthquake:

    >>> from eqstat.waveform.background import weak_prior
    >>> prior = weak_prior(np.linspace(0.0, 6.0, 13), noise_mean=-6.0)
    >>> state, rng = init(prior), np.random.default_rng(0)
    >>> for number in range(60):
    ...     noise = -5.0 + 0.2 * rng.normal() + 5.0 * (number == 30)
    ...     state = step(prior, state, 30 / 3600, noise, rng.gumbel(1.0, 0.3))
    >>> bool(abs(noise_floor(prior, state)[0] + 5.0) < 0.15)
    True
    """
    state = jnp.asarray(state)
    shape = state.shape[:-1]
    given = (jnp.broadcast_to(jnp.asarray(v, state.dtype), shape) for v in (hours, noise, top))
    return edge.background_step(jnp, _model(prior, state), state, *given)


def learn(
    prior: BackgroundPrior, state: FloatArray, hours: ArrayLike, noise: ArrayLike, top: ArrayLike
) -> tuple[Float[Array, "... numbers"], Float[Array, "blocks ... numbers"]]:
    """Learn from many blocks: `step` over the first axis, compiled.

    Parameters
    ----------
    prior, state
        As in `step`.
    hours
        Length of a block, h.
    noise, top
        (blocks, ...).

    Returns
    -------
    state : jax.Array
        After the last block.
    before : jax.Array
        State before each block, by which the block can be judged, (blocks, ..., 4 + levels).

    Examples
    --------
    >>> from eqstat.waveform.background import weak_prior
    >>> prior = weak_prior(np.linspace(0.0, 6.0, 13))
    >>> noise, top = np.random.default_rng(0).normal(size=(2, 240, 3))
    >>> state, before = learn(prior, init(prior, 3), 1 / 120, noise, top)
    >>> before.shape, state[:, 3].round(2).tolist()  # two hours, of which little is forgotten
    ((240, 3, 17), [1.9900000095367432, 1.9900000095367432, 1.9900000095367432])
    """
    state = jnp.asarray(state)
    rows = [jnp.asarray(value, state.dtype) for value in (noise, top)]
    shapes = {row.shape for row in rows}
    refuse("learn", (len(shapes) > 1, f"noise and top must have one shape, not {shapes}"))
    return _learn(prior, state, jnp.asarray(hours, state.dtype), *rows)


@jax.jit
def _learn(prior: Any, state: Array, hours: Array, noise: Array, top: Array) -> tuple[Array, Array]:
    def one(state: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        return step(prior, state, hours, *row), state

    return jax.lax.scan(one, state, (noise, top))


def noise_floor(
    prior: BackgroundPrior, state: FloatArray
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Posterior mean of the log noise, and the scale of a block about it; pure JAX.

    Parameters
    ----------
    prior, state
        As in `step`.

    Returns
    -------
    mean : jax.Array
        Posterior mean, (...).
    scale : jax.Array
        Scale of the predictive of the next block, which is Student's, (...).

    Examples
    --------
    >>> from eqstat.waveform.background import weak_prior
    >>> prior = weak_prior(np.linspace(0.0, 6.0, 13), noise_mean=-6.0)
    >>> float(noise_floor(prior, init(prior))[0])
    -6.0
    """
    state = jnp.asarray(state)
    mean, weight, shape, scale = edge.background_noise(jnp, _model(prior, state), state)
    return mean, jnp.sqrt(scale / shape * (1 + 1 / weight))


def rates(prior: BackgroundPrior, state: FloatArray) -> pd.DataFrame:
    """Posterior of the exceedances an hour of one sensor at each level.

    Parameters
    ----------
    prior, state
        As in `step`, of one sensor.

    Returns
    -------
    pandas.DataFrame
        Columns `level`, `per_hour` (posterior mean), `low` and `high`: 90 % by a gamma distribution
        of the posterior's mean and variance.

    Examples
    --------
    >>> from eqstat.waveform.background import weak_prior
    >>> prior = weak_prior(np.linspace(0.0, 6.0, 13))
    >>> bool(rates(prior, init(prior))["per_hour"].is_monotonic_decreasing)
    True
    """
    numbers = np.asarray(state, float)
    refuse("rates", (numbers.ndim != 1, f"state must be of one sensor, not {numbers.shape}"))
    mean, variance = edge.background_rates(np, prior.model, numbers)
    low, high = LearnedThreshold(prior.levels, mean, mean / variance, 0).interval()
    return pd.DataFrame(
        {"level": np.asarray(prior.levels), "per_hour": mean, "low": low, "high": high}
    )


def draw_rates(
    key: PRNGKeyArray, prior: BackgroundPrior, state: FloatArray, draws: int
) -> np.ndarray:
    """Draw the exceedances an hour of one sensor at all levels from their joint posterior.

    Parameters
    ----------
    key
        JAX random key.
    prior, state
        As in `step`, of one sensor.
    draws
        Number of draws, from 1.

    Returns
    -------
    numpy.ndarray
        1/h, (draws, levels), never rising with the level.

    Examples
    --------
    >>> from eqstat.waveform.background import weak_prior
    >>> prior = weak_prior(np.linspace(0.0, 6.0, 13))
    >>> draw_rates(jax.random.key(0), prior, init(prior), 5).shape
    (5, 13)
    """
    check_key("draw_rates", key)
    check_whole("draw_rates", 1, draws=draws)
    numbers = np.asarray(state, float)
    refuse("draw_rates", (numbers.ndim != 1, f"state must be of one sensor, not {numbers.shape}"))
    rng = generator(key)
    weight, after = edge.background_factors(np, prior.model, numbers)
    which = rng.choice(len(after), draws, p=weight)
    shape = prior.strength_h * np.asarray(prior.mean_per_hour) + numbers[SUMS:]
    steps = np.maximum(-np.diff(shape, append=0.0), 0.0)
    parts = rng.gamma(steps, 1.0, (draws, len(steps))) / after[which, None]
    return np.cumsum(parts[:, ::-1], axis=1)[:, ::-1]


def threshold(
    prior: BackgroundPrior, state: FloatArray, false_per_hour: ArrayLike
) -> LearnedThreshold:
    r"""Level that is expected to be exceeded by so many false blocks an hour; pure JAX.

    The expectation is the posterior's,

    .. math:: E[r_l] = (c \lambda_l + n_l) \sum_j \frac{q_j}{c / g_j + t}, \qquad
        q_j \propto p_j\, (c / g_j)^{c \lambda_1} (c / g_j + t)^{-c \lambda_1 - n_1},

    with the number :math:`n_l` of blocks above level l in the time t. Between the levels it falls
    as the fleet's mean, whose logarithm is a line. While little is known it is the prior's mean,
    which the noisiest sensors of a fleet dominate: a new sensor begins with a threshold well above
    that of a median one. As all that was seen enters, the choice of a level by it is not too lucky
    a choice: the next hour's false blocks number as many as were set in expectation, if the prior
    is that of the fleet and few blocks are above the lowest level.

    Parameters
    ----------
    prior, state
        As in `step`.
    false_per_hour
        What is set, above 0, 1/h; below the number of blocks in an hour.

    Returns
    -------
    LearnedThreshold

    Raises
    ------
    eqstat.InputError
        When the rate is not above 0.

    Examples
    --------
    >>> from eqstat.waveform.background import weak_prior
    >>> prior = weak_prior(np.linspace(0.0, 6.0, 13), most_per_hour=100.0, least_per_hour=1.0)
    >>> [round(float(threshold(prior, init(prior), rate).threshold), 2) for rate in (10.0, 0.5)]
    [3.0, inf]
    """
    check_range("threshold", 0, ends="()", false_per_hour=false_per_hour)
    state = jnp.asarray(state)
    rate = jnp.asarray(false_per_hour, state.dtype)
    return LearnedThreshold(*edge.background_threshold(jnp, _model(prior, state), state, rate))


def _model(prior: BackgroundPrior, state: Array) -> dict[str, Any]:
    convert = partial(jnp.asarray, dtype=state.dtype)
    return {name: convert(value) for name, value in prior.model.items()}
