"""Normal scores of probabilities, and the expectation over a shared normal term.

Scores of the counts are nearly linear in the shared term: between nodes they are interpolated.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp, ndtri
from jaxtyping import Array
from scipy import special

from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.normal import log_ndtr
from eqstat.detectability._poisson_binomial import tail_score

# Nodes of the shared term, in standard deviations, at which sums over devices are taken, and the
# intervals of the integral over it.
NODES, FINE = np.linspace(-5.0, 5.0, 41), np.linspace(-4.5, 4.5, 49)
CERTAIN = 6.0
# Nodes through which a polynomial interpolates.
POINTS = 4
# A detection that is impossible has this score at least; in log probabilities nothing is lost
# above the second one.
IMPOSSIBLE, SMALLEST = 6.0, 1e-30
# Scores beyond which a miss or a detection is certain.
GREATEST = 11.0
# Scores below which the mean over an interval is that of its ends: there it is small beside others.
TAIL = -3.0


def score_of_log(log_probability: Array) -> Array:
    r"""Normal score of a log probability, $\Phi^{-1}(e^x)$, precise in both tails."""
    far = log_probability < -40.0
    # exp(-40) is a normal number in single precision.
    body = ndtri(jnp.exp(jnp.where(far, -1.0, log_probability)))
    likely = -ndtri(jnp.maximum(-jnp.expm1(log_probability), SMALLEST))
    twice = -2 * jnp.where(far, log_probability, -40.0) - 2 * HALF_LOG_2PI
    tail = -jnp.sqrt(twice - jnp.log(twice))
    return jnp.where(far, tail, jnp.where(log_probability > -0.5, likely, body))


def score_of_count(total: Array, square: Array, needed: Array, devices: Array) -> Array:
    """Score of too few triggers; that of a normal number continues it to where none can be enough.

    Where some devices are much likelier to trigger than others, as many as are needed can: the
    binomial distribution that stands for the number has as many trials. So the score is smooth
    along the nodes.
    """
    trials = jnp.minimum(needed + 0.5, devices)
    square = jnp.where(devices >= needed, jnp.minimum(square, total**2 / trials), square)
    variance = total - square
    normal = (needed - 0.5 - total) / jnp.sqrt(variance + 0.01)
    score = tail_score(total, variance, needed)
    score = jnp.where(score == jnp.inf, jnp.maximum(normal, IMPOSSIBLE), score)
    # A step up to where nothing can be enough would be taken for a slope.
    return jnp.minimum(score, GREATEST)


def slope_along_nodes(score: Array, axis: int) -> Array:
    """Slope of scores along the nodes, per standard deviation: central differences."""
    step = (NODES[1] - NODES[0]).astype(score.dtype)
    fall = -jnp.diff(score, axis=axis) / step
    width = [(0, 0)] * score.ndim
    width[axis % score.ndim] = (1, 0)
    before = jnp.pad(fall, width, mode="edge")
    width[axis % score.ndim] = (0, 1)
    return jnp.maximum(0.5 * (before + jnp.pad(fall, width, mode="edge")), 0.0)


def _interpolation(event_share: Array) -> Array:
    """Weights of the nodes at those of the integral, by polynomials through some, (nodes, fine)."""
    step, last = NODES[1] - NODES[0], len(NODES) - 1
    at = (jnp.sqrt(event_share) * FINE.astype(event_share.dtype) - NODES[0]) / step
    first = jnp.clip(jnp.floor(at).astype(int) - (POINTS // 2 - 1), 0, last + 1 - POINTS)
    x = at - first
    weights = [math.prod((x - j) / (i - j) for j in range(POINTS) if j != i) for i in range(POINTS)]
    rows = jnp.arange(last + 1)[:, None]
    return sum((rows == first + i) * weight for i, weight in enumerate(weights))  # type: ignore[return-value]


def log_expectation(least: Array, rest: Array, event_share: Array) -> tuple[Array, Array]:
    r"""Log of the expectation over the event's terms; nodes along the last axis.

    Within an interval the score is linear, and the mean of its probability in closed form,
    $\int \Phi = s \Phi(s) + \varphi(s)$: exact for large networks as well, whose
    probability steps from 1 to 0. Returns also how the score of the expectation changes with the
    score at each node.
    """
    weights = _interpolation(event_share)
    # Of a certain miss the least score tells more than its probability can.
    together = jnp.where(least > CERTAIN, least, score_of_log(log_ndtr(least) + rest))
    score = jnp.matmul(together, weights, precision="highest")
    log_below = log_ndtr(score)
    below, density = jnp.exp(log_below), jnp.exp(-0.5 * score**2 - HALF_LOG_2PI)
    low, high = score[..., 1:], score[..., :-1]
    apart = high - low
    primitive = score * below + density
    steep = (jnp.abs(apart) > 0.3) & (jnp.maximum(low, high) > TAIL)
    apart = jnp.where(steep, apart, 1.0)
    mean = (primitive[..., :-1] - primitive[..., 1:]) / apart
    of_ends = jnp.logaddexp(log_below[..., :-1], log_below[..., 1:]) - np.log(2)
    log_mean = jnp.where(steep, jnp.log(jnp.maximum(mean, SMALLEST)), of_ends)
    edges = np.concatenate([[-np.inf], FINE[1:-1], [np.inf]])
    log_mass = np.log(np.diff(special.ndtr(edges))).astype(least.dtype)
    log_miss = logsumexp(log_mean + log_mass, axis=-1)
    # Slopes of the mean over each interval, relative to that of the expectation by its score.
    of = jnp.clip(score_of_log(log_miss), -GREATEST, GREATEST)[..., None]
    relative = jnp.exp(jnp.minimum(0.5 * (of**2 - score**2), 20.0))
    fall = (below[..., :-1] - below[..., 1:]) / apart * jnp.exp(0.5 * of**2 + HALF_LOG_2PI)
    body = steep & (jnp.minimum(low, high) < -TAIL)
    slope = jnp.where(body, jnp.minimum(fall, 1e8), 0.5 * (relative[..., :-1] + relative[..., 1:]))
    slope = 0.5 * slope * jnp.exp(log_mass)
    slope = jnp.pad(slope, [(0, 0)] * (slope.ndim - 1) + [(0, 1)]) + jnp.pad(
        slope, [(0, 0)] * (slope.ndim - 1) + [(1, 0)]
    )
    # Scores that all rise by one raise that of the expectation by at most one.
    slope = slope / jnp.maximum(jnp.sum(slope, axis=-1, keepdims=True), 1.0)
    return log_miss, jnp.matmul(slope, weights.T, precision="highest")
