"""Sequential Monte Carlo from prior to posterior by tempering: posteriors of several modes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from eqstat._core.explain import explained

# log_terms(vector, data) -> log density of the starting law, log of target over starting law.
LogTerms = Callable[[Array, Any], tuple[Array, Array]]

# Effective share of the particles after each step of the temperature.
EFFECTIVE = 0.8
MOST_STAGES = 150
# Every so many moves a proposal is a whole difference of two particles: a jump between modes.
JUMP_EVERY = 5


@explained
class Particles(NamedTuple):
    """Draws of a posterior by sequential Monte Carlo.

    Attributes
    ----------
    points
        Vectors, (draws, dims).
    log_evidence
        Log of the integral of the target.
    stages
        Number of temperatures.
    acceptance
        Share of accepted moves at the last temperature.
    finished
        Whether the posterior itself was reached.

    Examples
    --------
    >>> particles = Particles(
    ...     jnp.zeros((4, 2)), jnp.array(-1.0), jnp.array(3), jnp.array(0.4), jnp.array(True))
    >>> particles.points.shape, bool(particles.finished)
    ((4, 2), True)
    """

    points: Float[Array, "draws dims"]
    log_evidence: Float[Array, ""]
    stages: Int[Array, ""]
    acceptance: Float[Array, ""]
    finished: Bool[Array, ""]


class _State(NamedTuple):
    key: Array
    points: Array
    log_start: Array
    log_ratio: Array
    beta: Array
    log_evidence: Array
    stage: Array


def _next_beta(log_ratio: Array, beta: Array) -> Array:
    """Largest inverse temperature that leaves the effective share, by bisection."""
    count = log_ratio.shape[0]

    def effective(step: Array) -> Array:
        weight = step * log_ratio
        return jnp.exp(2 * logsumexp(weight) - logsumexp(2 * weight)) / count

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        # Steps differ by orders of magnitude: the geometric mean finds the early, small ones.
        middle = jnp.sqrt(jnp.maximum(low, 1e-9) * high)
        enough = effective(middle) >= EFFECTIVE
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    whole = 1.0 - beta
    low, _ = jax.lax.fori_loop(0, 30, halve, (jnp.zeros_like(beta), whole))
    step = jnp.where(effective(whole) >= EFFECTIVE, whole, jnp.maximum(low, 1e-9))
    return jnp.minimum(beta + step, 1.0)


def resample(key: Array, log_weight: Array, count: int | None = None) -> Array:
    """Indices by systematic resampling, as many as there are weights or `count`."""
    size = log_weight.shape[0]
    count = size if count is None else count
    cumulative = jnp.cumsum(jax.nn.softmax(log_weight))
    at = (jnp.arange(count) + jax.random.uniform(key)) / count
    return jnp.minimum(jnp.searchsorted(cumulative, at * cumulative[-1]), size - 1)


def _move(log_terms: LogTerms, data: PyTree, state: _State, number: Array) -> tuple[_State, Array]:
    """One differential-evolution step of the first half of the particles; then the halves swap.

    A particle moves along the difference of two of the other half, so proposals have the shape of
    the posterior itself. Only a random subset of the coordinates moves, which keeps acceptance up.
    """
    key, pick, apart_key, mask_key, noise_key, test_key = jax.random.split(state.key, 6)
    half, size = state.points.shape[0] // 2, state.points.shape[1]
    mine, others = state.points[:half], state.points[half:]
    dtype = mine.dtype
    first = jax.random.randint(pick, (half,), 0, half)
    apart = jax.random.randint(apart_key, (half,), 1, half)
    difference = others[first] - others[(first + apart) % half]
    share = jnp.array([0.25, 0.5, 1.0], dtype)[(number // 2) % 3]
    moving = jax.random.uniform(mask_key, (half, size)) < share
    forced = jax.random.randint(jax.random.fold_in(mask_key, 1), (half, 1), 0, size)
    jump = (number // 2) % JUMP_EVERY == JUMP_EVERY - 1
    moving = moving | (jnp.arange(size) == forced) | jump
    scale = 2.38 / jnp.sqrt(2.0 * jnp.sum(moving, axis=1, keepdims=True))
    scale = jnp.where(jump, 1.0, scale).astype(dtype)
    jitter = 1e-4 * jax.random.normal(noise_key, (half, size), dtype)
    proposal = mine + jnp.where(moving, scale * difference + jitter, 0.0)
    new_start, new_ratio = jax.vmap(lambda row: log_terms(row, data))(proposal)
    gain = new_start - state.log_start[:half] + state.beta * (new_ratio - state.log_ratio[:half])
    accept = jnp.log(jax.random.uniform(test_key, (half,), dtype)) < gain
    accept = accept & jnp.isfinite(new_start + new_ratio)

    def swap(new: Array, old: Array) -> Array:
        chosen = jnp.where(accept.reshape(half, *[1] * (old.ndim - 1)), new, old[:half])
        return jnp.concatenate([old[half:], chosen])

    moved = state._replace(
        key=key,
        points=swap(proposal, state.points),
        log_start=swap(new_start, state.log_start),
        log_ratio=swap(new_ratio, state.log_ratio),
    )
    return moved, jnp.mean(accept)


@partial(jax.jit, static_argnames=("log_terms", "moves", "rounds", "apart"))
def temper(
    key: PRNGKeyArray,
    log_terms: LogTerms,
    start: Float[Array, "particles dims"],
    data: PyTree,
    *,
    moves: int = 16,
    rounds: int = 4,
    apart: int = 30,
) -> Particles:
    r"""Draw from a posterior by sequential Monte Carlo with tempering.

    Particles of a starting law $q$ pass through $q^{1-\beta} p^{\beta}$ with $\beta$ from 0 to 1.
    Each step of $\beta$ leaves 80 % of the particles effective, then they are resampled and moved
    by differential evolution. Since the particles hold all modes from the start in proportion to
    their mass, none is lost as from a single starting point.

    Parameters
    ----------
    key
        JAX random key.
    log_terms
        `log_terms(vector, data)`: log densities of the starting law, and of the target minus
        that; pure JAX, a function of a module. Out of the support they are `-inf`.
    start
        Draws of the starting law, (particles, dims), an even number.
    data
        What the densities need.
    moves
        Moves at each temperature.
    rounds, apart
        The particles are kept so many times at the end, with so many moves in between.

    Returns
    -------
    Particles
        `rounds` times the number of particles.

    References
    ----------
    Del Moral, P., Doucet, A. and Jasra, A. (2006), doi:10.1111/j.1467-9868.2006.00553.x.
    ter Braak, C. J. F. (2006), doi:10.1007/s11222-006-8769-1 (differential evolution).

    Examples
    --------
    >>> def normal_by_cauchy_prior(x, data):
    ...     start = -jnp.sum(jnp.log1p(x**2) + jnp.log(jnp.pi))
    ...     return start, -0.5 * jnp.sum((x - data) ** 2) - start
    >>> start = jax.random.cauchy(jax.random.key(0), (200, 1))
    >>> result = temper(jax.random.key(1), normal_by_cauchy_prior, start, 3.0, rounds=2)
    >>> result.points.shape, bool(abs(result.points.mean() - 3) < 0.3)
    ((400, 1), True)
    """
    log_start, log_ratio = jax.vmap(lambda row: log_terms(row, data))(start)
    zero = jnp.zeros((), start.dtype)
    move = partial(_move, log_terms, data)

    def stage(state: _State) -> _State:
        beta = _next_beta(state.log_ratio, state.beta)
        log_weight = (beta - state.beta) * state.log_ratio
        key, own = jax.random.split(state.key)
        index = resample(own, log_weight)
        state = _State(
            key,
            state.points[index],
            state.log_start[index],
            state.log_ratio[index],
            beta,
            state.log_evidence + logsumexp(log_weight) - jnp.log(log_weight.shape[0]),
            state.stage + 1,
        )
        return jax.lax.scan(move, state, jnp.arange(2 * moves))[0]

    def hot(state: _State) -> Array:
        return (state.beta < 1.0) & (state.stage < MOST_STAGES)

    # Where the start has no likelihood at all, a finite floor keeps weights finite.
    log_ratio = jnp.maximum(jnp.nan_to_num(log_ratio, nan=-1e30), -1e30)
    state = _State(key, start, log_start, log_ratio, zero, zero, jnp.zeros((), int))
    state = jax.lax.while_loop(hot, stage, state)

    def keep(state: _State, _: Array) -> tuple[_State, tuple[Array, Array]]:
        state, accepted = jax.lax.scan(move, state, jnp.arange(2 * apart))
        return state, (state.points, jnp.mean(accepted))

    state, (kept, accepted) = jax.lax.scan(keep, state, jnp.arange(rounds))
    return Particles(
        kept.reshape(-1, start.shape[1]),
        state.log_evidence,
        state.stage,
        jnp.mean(accepted),
        state.beta >= 1.0,
    )
