"""Tails of the Poisson-binomial distribution: the number of devices that trigger.

Devices with different probabilities trigger independently once what they share is given, so their
number is Poisson-binomial. Rules need both of its tails, far out and in logarithms: a chance of
1e-9 that an earthquake is missed must not come out as the rounding error of 1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import expit, logsumexp

from eqstat._core.checks import check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.normal import log_ndtr
from eqstat._core.typing import ArrayLike

# The distribution is computed modulo a length of this many standard deviations, and some more.
REACH_SD, REACH = 20.0, 64
# Below this root of the signed deviance its correction is replaced by the limit.
SMALL = 0.02


def log_tails(
    probability: ArrayLike, count: int, *, devices: ArrayLike | None = None
) -> tuple[float, float]:
    r"""Logarithms of the probabilities of at least, and of fewer than, a number of triggers.

    With independent triggers of probabilities $p_i$ and $N = \sum_i X_i$ these are

    .. math:: \log P(N \ge k), \qquad \log P(N < k),

    exact to about 1e-11 of their size in both tails, however small.

    The method is the discrete Fourier transform of the characteristic function (Hong, 2013) of the
    exponentially tilted distribution (Peres et al., 2021): with odds multiplied by $e^s$ such that
    the mean is k, the tilted probabilities about k are large, and rounding errors relative to
    them are errors relative to the tail.

    Parameters
    ----------
    probability
        Trigger probabilities, in [0, 1], (groups,).
    count
        The number k; any whole number.
    devices
        Number of devices in each group, whole numbers; 1 by default, (groups,).

    Returns
    -------
    tuple of float
        $\log P(N \ge k)$ and $\log P(N < k)$; minus infinity where it is impossible.

    Raises
    ------
    eqstat.InputError
        When a probability is out of [0, 1], or the lengths differ.

    References
    ----------
    Hong, Y. (2013), On computing the distribution function for the Poisson binomial distribution,
    Computational Statistics & Data Analysis 59, 41-51, doi:10.1016/j.csda.2012.10.006.

    Peres, N., Lee, A. R. and Keich, U. (2021), Exactly computing the tail of the Poisson-binomial
    distribution, ACM Transactions on Mathematical Software 47, doi:10.1145/3460774.

    Examples
    --------
    >>> at_least, fewer = log_tails([0.5, 0.5, 0.1], 3)
    >>> [round(float(np.exp(tail)), 4) for tail in (at_least, fewer)]
    [0.025, 0.975]
    >>> round(log_tails([1e-4], 40, devices=[5000])[0], 1)
    -138.7
    """
    p, number = _groups(probability, devices)
    check_whole("log_tails", -(2**60), 2**60, count=count)
    # Triggers that are certain only shift the count.
    sure = p == 1
    k = count - int(number[sure].sum())
    p, number = p[~sure & (p > 0) & (number > 0)], number[~sure & (p > 0) & (number > 0)]
    total = int(number.sum())
    if k <= 0:
        return 0.0, -np.inf
    if k > total:
        return -np.inf, 0.0
    log_odds = np.log(p) - np.log1p(-p)
    mean = float(number @ p)
    # The tail on the side away from the mean is summed, the other one is its complement.
    upper = k > mean
    shift = _tilt(log_odds, number, k - 0.5)
    tilted = expit(log_odds + shift)
    log_scale = float(number @ (np.logaddexp(0, log_odds + shift) - np.logaddexp(0, log_odds)))
    first, mass = _near(tilted, number, total)
    values = np.arange(first, first + len(mass))
    chosen = (values >= k) if upper else (values < k)
    with np.errstate(divide="ignore"):
        terms = np.log(np.maximum(mass[chosen], 0.0)) - shift * values[chosen]
    tail = min(float(np.asarray(logsumexp(terms))) + log_scale, -5e-324)
    other = float(np.log1p(-np.exp(tail)) if tail < -np.log(2) else np.log(-np.expm1(tail)))
    return (tail, other) if upper else (other, tail)


def log_mass(probability: ArrayLike, *, devices: ArrayLike | None = None) -> np.ndarray:
    """Logarithm of the probability of each number of triggers, from 0 to the number of devices.

    Computed by convolution; exact relative to the largest probability (1e-15), so that far tails
    are not accurate: `log_tails` is for these.

    Parameters
    ----------
    probability, devices
        As of `log_tails`.

    Returns
    -------
    numpy.ndarray
        (devices + 1,).

    Examples
    --------
    >>> np.exp(log_mass([0.5, 0.5])).round(2).tolist()
    [0.25, 0.5, 0.25]
    """
    p, number = _groups(probability, devices)
    total = int(number.sum())
    first, mass = _near(p, number, total)
    full = np.zeros(total + 1)
    full[first : first + len(mass)] = mass
    with np.errstate(divide="ignore"):
        return np.log(full)


def _groups(probability: ArrayLike, devices: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    p = np.atleast_1d(np.asarray(probability, np.float64))
    check_range("log_tails", 0, 1, probability=p)
    number = np.ones(p.shape) if devices is None else np.atleast_1d(np.asarray(devices, np.float64))
    check_range("log_tails", 0, ends="[)", devices=number)
    if p.ndim != 1 or number.shape != p.shape:
        raise InputError("log_tails: probability and devices must be one row of the same length")
    if np.any(number != np.round(number)):
        raise InputError("log_tails: devices must be whole numbers")
    return p, number


def _tilt(log_odds: np.ndarray, number: np.ndarray, mean: float) -> float:
    """Shift of all log odds at which the mean is the given one, strictly between 0 and all."""
    low, high = -800.0 - log_odds.max(), 800.0 - log_odds.min()
    shift = 0.0
    for _ in range(200):
        share = expit(log_odds + shift)
        excess = float(number @ share) - mean
        low, high = (shift, high) if excess < 0 else (low, shift)
        slope = float(number @ (share * (1 - share)))
        step = -excess / slope if slope > 0 else np.inf
        # Newton's step, and bisection where it leaves the bracket.
        following = shift + step if low < shift + step < high else (low + high) / 2
        if abs(following - shift) < 1e-10:
            break
        shift = following
    return shift


def _near(p: np.ndarray, number: np.ndarray, total: int) -> tuple[int, np.ndarray]:
    """Probabilities of the numbers about the mean, and the first of these numbers."""
    mean, sd = float(number @ p), float(np.sqrt(number @ (p * (1 - p))))
    length = 1 << int(np.ceil(np.log2(2 * REACH_SD * sd + REACH)))
    if length > total:
        first, length = 0, total + 1
    else:
        first = int(np.clip(np.floor(mean) - length // 2, 0, total + 1 - length))
    # Half of the frequencies; the others are conjugates. What lies outside is aliased: negligible.
    angle = 2 * np.pi * np.arange(length // 2 + 1) / length
    log_modulus, phase = np.zeros(len(angle)), np.zeros(len(angle))
    for one, many in zip(p, number, strict=True):
        value = 1 - one + one * np.exp(1j * angle)
        with np.errstate(divide="ignore"):
            log_modulus += many * np.log(np.abs(value))
        phase += many * np.angle(value)
    transform = np.exp(log_modulus) * np.exp(1j * (phase - first * angle))
    # A positive frequency stands for exp(+i angle N).
    return first, np.maximum(np.fft.irfft(np.conj(transform), length), 0.0)


def at_least(probability: Float[Array, "*batch devices"], count: int) -> Float[Array, "*batch"]:
    r"""Log probability of at least a small number of triggers, by recursion; pure JAX.

    The probabilities of 0 to k triggers, the last of them for k or more, are updated device by
    device. All terms are positive, so that nothing cancels, and the result can be differentiated
    by the probabilities. For rules of a few stations of many: the cost is devices times k.

    Parameters
    ----------
    probability
        Trigger probabilities, (..., devices); 0 for padding.
    count
        The number k, at least 0; static.

    Returns
    -------
    jax.Array
        $\log P(N \ge k)$, (...).

    Examples
    --------
    >>> round(float(jnp.exp(at_least(jnp.array([0.5, 0.5, 0.1]), 3))), 4)
    0.025
    """
    p = jnp.moveaxis(jnp.asarray(probability), -1, 0)
    start = jnp.zeros((count + 1, *p.shape[1:]), p.dtype).at[0].set(1.0)

    def add(mass: Array, one: Array) -> tuple[Array, None]:
        moved = mass * one
        stay = mass - moved
        # Those who have enough stay there.
        return stay.at[1:].add(moved[:-1]).at[count].add(moved[count]), None

    return jnp.log(jax.lax.scan(add, start, p)[0][count])


def approximate_log_tails(mean: Array, variance: Array, count: Array) -> tuple[Array, Array]:
    r"""Log tails of a Poisson-binomial number from its mean and variance; pure JAX.

    The binomial distribution of the same mean and variance, of $n = m / \pi$ trials (not a whole
    number) with $\pi = 1 - v / m$, and its saddlepoint approximation with the second continuity
    correction (Daniels, 1987) in the form $\Phi(-r^*)$ of Barndorff-Nielsen, which stays within
    [0, 1]. Tails are within 0.01 of the exact ones, and those above 1e-4 within 15 % (30 devices
    or more, whose probabilities differ as those of a beta(1, 5) distribution) or 35 % (10).

    Parameters
    ----------
    mean, variance
        $\sum p_i$ and $\sum p_i (1 - p_i)$, shapes that broadcast.
    count
        The number k, a whole number.

    Returns
    -------
    tuple of jax.Array
        $\log P(N \ge k)$ and $\log P(N < k)$.

    References
    ----------
    Daniels, H. E. (1987), Tail probability approximations, International Statistical Review 55,
    37-48, doi:10.2307/1403269.

    Examples
    --------
    >>> upper, lower = approximate_log_tails(jnp.array(5.0), jnp.array(4.0), jnp.array(9))
    >>> round(float(jnp.exp(upper)), 3)
    0.047
    """
    score = tail_score(mean, variance, count)
    return log_ndtr(-score), log_ndtr(score)


def tail_score(mean: Array, variance: Array, count: Array) -> Array:
    r"""Score s of a Poisson-binomial number, $P(N < k) \approx \Phi(s)$; infinite where certain.

    See `approximate_log_tails`.
    """
    mean = jnp.maximum(mean, 1e-20)
    share = jnp.clip(1 - variance / mean, 1e-6, 1 - 1e-6)
    trials = mean / share
    k = jnp.clip(count - 0.5, 0.5, trials * (1 - 1e-6))
    other = trials - mean
    s = jnp.log(k / mean) - jnp.log((trials - k) / other)
    # Half of the deviance, as a sum of two positive terms: no cancellation near the mean.
    half = mean * _excess((k - mean) / mean) + other * _excess((mean - k) / other)
    root = jnp.sign(k - mean) * jnp.sqrt(2 * half)
    curvature = k * (1 - k / trials)
    skewness = (1 - 2 * share) / jnp.sqrt(mean * (1 - share))
    near = jnp.abs(root) < SMALL
    w = jnp.where(near, SMALL, root)
    u = jnp.where(near, SMALL, 2 * jnp.sinh(jnp.clip(s, -80, 80) / 2) * jnp.sqrt(curvature))
    score = root + jnp.where(near, skewness / 6, jnp.log(u / w) / w)
    possible = count - 0.5 < trials
    return jnp.where(count <= 0, -jnp.inf, jnp.where(possible, score, jnp.inf))


def _excess(x: Array) -> Array:
    """(1 + x) log(1 + x) - x, of which nothing is lost where x is small."""
    small = jnp.abs(x) < 0.02
    series = x**2 * (0.5 - x * (1 / 6 - x * (1 / 12 - x / 20)))
    exact = jnp.where(small, 0.0, x)
    return jnp.where(small, series, (1 + exact) * jnp.log1p(exact) - exact)
