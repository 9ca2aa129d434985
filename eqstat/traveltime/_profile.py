"""The 2023 paper's least squares with the origin time profiled out, compiled for both waves."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from eqstat.inference import Profile, covariance, minimise
from eqstat.traveltime import _start
from eqstat.traveltime._data import TriggerData
from eqstat.traveltime._parameters import MAX_DEPTH_KM

STARTS = 4
ESTIMATED = 4
# Depth is even about the surface below this scale, so that its bound is a smooth optimum.
SURFACE_KM = 1.0
_EPS = SURFACE_KM / MAX_DEPTH_KM
_TOP = float(np.sqrt(1 + _EPS**2) - _EPS)
# Depths of a profile: everywhere, and about the estimate in standard errors.
DEPTHS_KM = 5.0 * np.expm1(np.linspace(0.0, np.log1p(MAX_DEPTH_KM / 5.0), 40))
NEAR = np.array([-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0])
# Gauss-Newton steps at each depth, and the shares of a step of which the best is taken.
PROFILE_STEPS = 12
SHARES = np.array([1.0, 0.5, 0.2, 0.05, 0.0])


class WaveFit(NamedTuple):
    """Least-squares hypocentre for one wave.

    Attributes
    ----------
    hypocentre
        east_km, north_km, depth_km, origin_time_s, shape (4,).
    sum_of_squares
        Sum of squared residuals about their mean, s^2.
    count
        Number of triggers.
    curvature
        Hessian of half the sum of squares, origin time profiled out, by the angles that
        east, north and depth are functions of, (3, 3).
    stretch
        Derivative of east, north and depth by their angles, (3,).
    moveout
        Derivative of the mean travel time by east, north and depth, s/km, (3,).
    decrement, converged, starts_agreeing, steps
        As in `eqstat.inference.Optimum`.
    """

    hypocentre: Float[Array, " 4"]
    sum_of_squares: Float[Array, ""]
    count: Float[Array, ""]
    curvature: Float[Array, "3 3"]
    stretch: Float[Array, " 3"]
    moveout: Float[Array, " 3"]
    decrement: Float[Array, ""]
    converged: Bool[Array, ""]
    starts_agreeing: Int[Array, ""]
    steps: Int[Array, ""]


def bounds_reached(hypocentre: np.ndarray, region_km: float) -> dict[str, bool]:
    """Which coordinates of a least-squares hypocentre lie at a bound of their range."""
    east, north, depth = (float(value) for value in hypocentre[:3])
    return {
        "east_km": abs(east) > 0.999 * region_km,
        "north_km": abs(north) > 0.999 * region_km,
        "depth_km": depth < 0.01 or depth > MAX_DEPTH_KM - 0.01,
    }


def degrees_of_freedom(
    count: int, hypocentre: np.ndarray, region_km: float, estimated: int = ESTIMATED
) -> int:
    """Degrees of freedom of the residuals of a least-squares hypocentre.

    Triggers less estimated parameters; an estimate at a bound of its range, such as a depth of 0,
    is not free and spends none.

    Parameters
    ----------
    count
        Number of triggers.
    hypocentre
        east_km, north_km, depth_km, ... of `both_waves`, (3,) or longer.
    region_km
        Half-width of the box of the epicentre.
    estimated
        Number of estimated parameters where none is at a bound.

    References
    ----------
    Self, S. G. and Liang, K.-Y. (1987), doi:10.1080/01621459.1987.10478472.

    Examples
    --------
    >>> degrees_of_freedom(20, np.array([3.0, 4.0, 12.0]), 500.0)
    16
    >>> degrees_of_freedom(20, np.array([3.0, 4.0, 0.0]), 500.0)
    17
    """
    spent = estimated - sum(bounds_reached(hypocentre, region_km).values())
    return count - max(spent, 0)


def _to_kilometres(angles: Float[Array, " 3"], region_km: Array) -> Float[Array, " 3"]:
    """Unbounded angles to (east, north, depth): bounds become smooth stationary points."""
    place = region_km * jnp.sin(angles[:2])
    depth = MAX_DEPTH_KM * (jnp.sqrt(jnp.sin(angles[2]) ** 2 + _EPS**2) - _EPS) / _TOP
    return jnp.append(place, depth)


def _to_angles(node: Float[Array, " 3"], region_km: Array) -> Float[Array, " 3"]:
    place = jnp.arcsin(jnp.clip(node[:2] / region_km, -1, 1))
    squared = (node[2] / MAX_DEPTH_KM * _TOP + _EPS) ** 2 - _EPS**2
    return jnp.append(place, jnp.arcsin(jnp.sqrt(jnp.clip(squared, 0, 1))))


def _residuals(node: Array, data: TriggerData) -> tuple[Array, Array, Array]:
    """Residuals about their mean (0 in the padding), that mean, and the count."""
    residual = data.time_s - _start.wave_travel_times(node, data)
    count = jnp.sum(data.mask).astype(residual.dtype)
    mean = jnp.sum(jnp.where(data.mask, residual, 0.0)) / count
    return jnp.where(data.mask, residual - mean, 0.0), mean, count


def sum_of_squares(node: Float[Array, " 3"], data: TriggerData) -> Float[Array, ""]:
    """Sum of squared residuals about their mean at a hypocentre (east, north, depth), s^2."""
    return jnp.sum(_residuals(node, data)[0] ** 2)


def _fit_one(data: TriggerData, aperture_km: Array, region_km: Array) -> WaveFit:
    nodes = _start.nodes(aperture_km, region_km)
    scores = jax.vmap(jax.vmap(lambda node: -sum_of_squares(node, data)))(nodes)
    place, depth = _start.best_places(scores, STARTS)
    starts = jax.vmap(lambda node: _to_angles(node, region_km))(nodes[place, depth])
    # In units of the best start's own variance the objective is a log-likelihood.
    count = jnp.sum(data.mask).astype(scores.dtype)
    freedom = jnp.maximum(count - ESTIMATED, 1.0)
    scale = jnp.maximum(-jnp.max(scores) / freedom, 1e-8)

    def objective(angles: Array, args: tuple) -> Array:
        inner, region = args
        return 0.5 * sum_of_squares(_to_kilometres(angles, region), inner) / scale

    optimum = minimise(objective, starts, (data, region_km))
    node, stretch = jax.jvp(
        lambda angles: _to_kilometres(angles, region_km), (optimum.value,), (jnp.ones(3),)
    )
    mean, moveout = jax.value_and_grad(lambda n: _residuals(n, data)[1])(node)
    return WaveFit(
        jnp.append(node, mean),
        2 * scale * optimum.objective,
        count,
        scale * optimum.hessian,
        stretch,
        -moveout,
        optimum.decrement,
        optimum.converged,
        optimum.starts_agreeing,
        optimum.steps,
    )


def covariance_of(wave_fit: WaveFit, free: np.ndarray) -> tuple[np.ndarray, bool]:
    r"""Inverse Hessian of half the sum of squares by (east, north, depth, origin time).

    With the origin time profiled out, its row follows from the block inverse:
    $t_0 = \bar t - \bar T(\theta)$, so $C_{t\theta} = -C m$ and
    $C_{tt} = 1/k + m^\top C m$ with $m$ the gradient of the mean travel time.
    """
    inverse, regular = covariance(np.asarray(wave_fit.curvature, np.float64), free)
    stretch, slope = np.asarray(wave_fit.stretch), np.asarray(wave_fit.moveout)
    place = inverse * np.outer(stretch, stretch)
    known = np.where(np.isfinite(place), place, 0.0)
    full = np.full((4, 4), np.nan)
    full[:3, :3] = place
    if regular:
        cross = -known @ slope
        full[:3, 3] = full[3, :3] = np.where(free, cross, np.nan)
        full[3, 3] = 1 / float(wave_fit.count) + slope @ known @ slope
    return full, regular


@jax.jit
def _least_squares_at(
    depths: Float[Array, " depths"], place: Float[Array, " 2"], data: TriggerData, region_km: Array
) -> Float[Array, " depths"]:
    """Least sum of squares over the epicentre at each depth, by damped Gauss-Newton steps."""

    def one(depth: Array) -> Array:
        def residuals(at: Array) -> Array:
            return _residuals(jnp.append(at, depth), data)[0]

        def step(at: Array, _: None) -> tuple[Array, None]:
            slope = jax.jacfwd(residuals)(at)
            normal = slope.T @ slope
            ridge = 1e-9 * (1.0 + jnp.trace(normal)) * jnp.eye(2)
            move = -jnp.linalg.solve(normal + ridge, slope.T @ residuals(at))
            tried = jnp.clip(at + SHARES[:, None] * move, -region_km, region_km)
            squares = jax.vmap(lambda p: jnp.sum(residuals(p) ** 2))(tried)
            return tried[jnp.argmin(squares)], None

        best, _ = jax.lax.scan(step, place, None, length=PROFILE_STEPS)
        return jnp.sum(residuals(best) ** 2)

    return jax.lax.map(one, depths)


def depth_profile(
    data: TriggerData, wave_fit: WaveFit, region_km: float, error_km: float
) -> Profile | None:
    """Profile likelihood of the depth of a least-squares hypocentre.

    Parameters
    ----------
    data
        The triggers, with the wave that was fitted.
    wave_fit
        The fit of that wave.
    region_km
        Half-width of the box of the epicentre.
    error_km
        Standard error of the depth, which gives the spacing near the estimate; NaN at a bound.

    Returns
    -------
    Profile or None
        None where no degree of freedom is left for the variance.
    """
    freedom = int(wave_fit.count) - ESTIMATED
    if freedom < 1:
        return None
    estimate = float(wave_fit.hypocentre[2])
    width = error_km if np.isfinite(error_km) else SURFACE_KM
    near = estimate + width * NEAR
    depths = np.sort(np.clip(np.concatenate([DEPTHS_KM, near]), 0.0, MAX_DEPTH_KM))
    with jax.enable_x64(True):
        squares = np.asarray(
            _least_squares_at(
                jnp.asarray(depths),
                jnp.asarray(wave_fit.hypocentre[:2]),
                jax.tree.map(jnp.asarray, data),
                jnp.asarray(float(region_km)),
            )
        )
    # The estimate is among the depths: a smaller value is another mode that BFGS missed.
    least = min(float(wave_fit.sum_of_squares), float(squares.min()))
    variance = max(least / freedom, np.finfo(float).tiny)
    return Profile(depths, np.sqrt(np.maximum(squares - least, 0.0) / variance), freedom)


@jax.jit
def fit_waves(
    data: TriggerData, waves: Int[Array, " waves"], aperture_km: Array, region_km: Array
) -> WaveFit:
    """Fit every wave in `waves` (1 is P, 2 is S) at once; fields get a leading axis.

    Pure JAX and compiled once per bucket of sizes. `data.wave` is not used.
    """

    def one(wave: Array) -> WaveFit:
        return _fit_one(eqx.tree_at(lambda d: d.wave, data, wave), aperture_km, region_km)

    return jax.lax.map(one, waves)  # a batched program takes longer to trace, and to run
