"""The posterior of the hypocentre on a grid, marginalised over everything else."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_choice
from eqstat._core.errors import InputError
from eqstat.inference import Grid, InferenceError, Laplace, Result, grid_posterior, marginal
from eqstat.traveltime._data import Observations, as_observations
from eqstat.traveltime._fit import UNRESOLVED_KM, mode_of
from eqstat.traveltime._grids._density import (
    AXES,
    DEPTH_SCALE_KM,
    Bundle,
    full_bundle,
    gaussian_bundle,
    single,
    stretch_depth,
)
from eqstat.traveltime._grids._density import full as full_density
from eqstat.traveltime._grids._density import profiled as profiled_density
from eqstat.traveltime._grids._population import FEWEST_ACCEPTED, population, to_cells
from eqstat.traveltime._grids._posterior import GridPosterior
from eqstat.traveltime._model import LikelihoodName, arrival_bounds, as_prior
from eqstat.traveltime._parameters import KINDS, Prior
from eqstat.traveltime._results import Verdict, failure, judge, marginals, sentence

DEEPEST_KM = 700.0
SHAPE_PROFILED = (44, 44, 22)
SHAPE_FULL = (22, 22, 10, 14)
# Depth cells so narrow that even filling of them hardly widens its distribution.
SHAPE_POPULATION = (40, 40, 48)
# Mass in the outermost cells beyond which the box is too small.
EDGE_MASS = 2e-4
WIDTH = 8.0


def _box(
    mode: Laplace, prior: Prior, with_arrival: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First box in stretched coordinates, and centre and scale of the epicentre axes."""
    spread = mode.bounded_covariance
    low, high, centres, scales = [], [], [], []
    for name in AXES[: 4 if with_arrival else 3]:
        slope = np.asarray(mode.jacobian[name], np.float64)
        sd = float(np.sqrt(slope @ spread @ slope))
        centre = float(mode.sites[name])
        if name == "depth_km":
            low.append(stretch_depth(max(centre - WIDTH * sd, 0.0)))
            high.append(stretch_depth(centre + WIDTH * sd + 10.0))
        elif name == "arrival_s":
            width = max(WIDTH * sd, 2.0)
            low.append(centre - width)
            high.append(centre + width)
        else:
            centres.append(centre)
            scales.append(min(max(3.0 * sd, 1.0), 0.5 * float(prior.region_km)))
            low.append(-np.arcsinh(WIDTH / 3))
            high.append(np.arcsinh(WIDTH / 3))
    return np.array(low), np.array(high), np.array(centres), np.array(scales)


def _widen(
    cells: Grid, low: np.ndarray, high: np.ndarray, limit_low: np.ndarray, limit_high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool]:
    """A wider box where mass sits at an edge that is not a bound of the prior."""
    mass = np.exp(np.asarray(cells.log_mass, np.float64))
    low, high, wider = low.copy(), high.copy(), False
    for position, axis in enumerate(cells.axes):
        axis = np.asarray(axis, np.float64)
        step = axis[1] - axis[0]
        edge = marginal(mass, (position,))
        span = high[position] - low[position]
        at_low = axis[0] - step <= low[position] and low[position] > limit_low[position]
        at_high = axis[-1] + step >= high[position] and high[position] < limit_high[position]
        if edge[0] > EDGE_MASS and at_low:
            low[position] = max(low[position] - span, limit_low[position])
            wider = True
        if edge[-1] > EDGE_MASS and at_high:
            high[position] = min(high[position] + span, limit_high[position])
            wider = True
    return low, high, wider


def _mixture_grid(
    key: PRNGKeyArray, observations: Observations, prior: Prior, shape: tuple[int, ...]
) -> GridPosterior:
    """Cells counted from particles of the mixture's posterior."""
    data = observations.data
    particles, sites = population(key, data, prior, observations.aperture_km)
    if not (np.isfinite(particles.log_evidence) and np.all(np.isfinite(sites["east_km"]))):
        raise InferenceError(Result.NOT_FINITE)
    half = float(prior.region_km)
    place = np.stack([sites["east_km"], sites["north_km"]])
    centre = np.median(place, axis=1)
    spread = np.subtract(*np.quantile(place, [0.84, 0.16], axis=1)) / 2
    scale = np.clip(3.0 * spread, 1.0, 0.5 * half)
    stretched = np.stack(
        [
            *np.arcsinh((place - centre[:, None]) / scale[:, None]),
            np.log1p(sites["depth_km"] / DEPTH_SCALE_KM),
        ],
        axis=1,
    )
    limits = _limits(prior, centre, scale)
    low, high = stretched.min(axis=0), stretched.max(axis=0)
    margin = (high - low) / np.array(shape)
    low = np.maximum(low - margin, limits[0])
    high = np.minimum(high + margin, limits[1])
    cells = to_cells(stretched, low, high, shape, float(particles.log_evidence))
    nothing = np.zeros(0)
    bundle = Bundle(
        data=data,
        prior=prior,
        centre_km=centre,
        scale_km=scale,
        nodes=nothing,
        log_weights=nothing,
        mean=nothing,
        slopes=nothing,
        root=nothing,
        reach=nothing,
        origin=nothing,
    )
    posterior = GridPosterior(
        observations, "mixture", prior, cells, bundle, None, Result.CONVERGED, sites
    )
    done = bool(particles.finished) and float(particles.acceptance) > FEWEST_ACCEPTED
    return _judged(posterior, done, limits)


def _limits(prior: Prior, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Bounds of the prior in stretched coordinates (east, north, depth), (2, 3)."""
    half, deepest = float(prior.region_km), prior.deepest_km
    down = DEEPEST_KM if deepest is None else float(deepest)
    return np.array(
        [
            [*np.arcsinh((-half - centre) / scale), stretch_depth(float(prior.shallowest_km))],
            [*np.arcsinh((half - centre) / scale), stretch_depth(down)],
        ]
    )


def grid(
    observations: Observations | pd.DataFrame,
    *,
    likelihood: LikelihoodName = "gaussian",
    wave: Literal["P", "S"] | None = None,
    prior: Prior | None = None,
    shape: tuple[int, ...] | None = None,
    key: PRNGKeyArray | None = None,
) -> GridPosterior:
    r"""Posterior of the hypocentre on a grid, marginalised over everything else.

    .. math:: p(\theta \mid t) \propto p(\theta) \int p(t \mid \theta, t_0, \psi)\,
              p(t_0)\, p(\psi)\, dt_0\, d\psi

    For the plain Gaussian likelihood the origin time is integrated in closed form and the
    scatter by the trapezoid rule. With silent devices or truncation the mean arrival at the
    triggered devices is a fourth axis, and scatter and trigger probability are integrated at
    each cell over a design about their conditional mean there, which the normal approximation
    at the posterior mode gives.

    The mixture's posterior often has more than one mode, since the same triggers may be P or S.
    Its cells are counted from draws by sequential Monte Carlo, which start at the prior. The
    delay keeps its prior: the triggers determine origin time plus delay only.

    Parameters
    ----------
    observations
        From `prepare(...)`.
    likelihood, wave, prior
        As in `fit`.
    shape
        Cells over (east, north, depth) or (east, north, depth, arrival).
    key
        JAX random key of the mixture's particles, required for the mixture. The grid of the
        Gaussian likelihood is deterministic and needs none.

    Returns
    -------
    GridPosterior
        Its `result` says where mass reaches the bound of the region (`AT_BOUND`), where mass is
        left outside or the mode was not found (`NOT_CONVERGED`), where a coordinate is piled up
        at the end of its prior (`BEYOND_PRIOR`), where the epicentre is about as uncertain as
        the region (`NOT_DETERMINED`), and where the depth is not resolved: a 90 % interval wider
        than 50 km that begins in the top tenth of its range. `result_text` says it in words.

    Raises
    ------
    eqstat.InputError
        When the mixture is given no key.
    eqstat.inference.InferenceError
        With too few triggers or places, or when nothing finite comes out.

    References
    ----------
    Tarantola, A. and Valette, B. (1982), J. Geophys. 50, 159-170 (the grid posterior).
    Rue, H. et al. (2009), doi:10.1111/j.1467-9868.2008.00700.x (the design).
    Del Moral, P. et al. (2006), doi:10.1111/j.1467-9868.2006.00553.x (the mixture).

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> posterior = traveltime.grid(traveltime.prepare(table))
    >>> posterior.mass.shape
    (44, 44, 22)
    """
    observations = as_observations("grid", observations)
    check_choice("grid", KINDS, likelihood=likelihood)
    prior = as_prior("grid", prior)
    if wave is not None:
        observations = observations.with_wave(wave)
    if not observations.enough:
        raise failure(Result.TOO_FEW, observations.usage)
    data = observations.data
    if likelihood == "mixture":
        if key is None:
            raise InputError("grid: the mixture needs `key`, a JAX random key for its particles")
        return _mixture_grid(key, observations, prior, (shape or SHAPE_POPULATION)[:3])
    profiled = not (data.truncated or data.has_silent)
    mode = mode_of(observations, likelihood, prior)
    shape = shape or (SHAPE_PROFILED if profiled else SHAPE_FULL)
    coarse = (16, 16, 12) if profiled else (12, 12, 8, 12)
    low, high, centre, scale = _box(mode, prior, not profiled)
    bounds = np.array(arrival_bounds(data, prior), np.float64)
    limits = np.column_stack([_limits(prior, centre, scale), bounds])[:, : len(low)]
    low, high = np.maximum(low, limits[0]), np.minimum(high, limits[1])
    with jax.enable_x64(True):
        if profiled:
            bundle = gaussian_bundle(data, prior, mode, centre, scale)
        else:
            bundle = full_bundle(data, prior, mode, centre, scale)
    arrays, density = single(bundle), profiled_density if profiled else full_density
    wider = True
    for _ in range(8):
        edges = jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)
        cells = grid_posterior(density, arrays, *edges, shape, passes=1, coarse=coarse)
        low, high, wider = _widen(cells, low, high, *limits)
        if not wider:
            break
    cells = jax.tree.map(np.asarray, cells)
    if not np.isfinite(cells.log_evidence):
        raise InferenceError(Result.NOT_FINITE)
    posterior = GridPosterior(
        observations, likelihood, prior, cells, bundle, mode, Result.CONVERGED
    )
    done = bool(mode.optimum.converged) and not wider
    return _judged(posterior, done, limits)


def _judged(posterior: GridPosterior, done: bool, limits: np.ndarray) -> GridPosterior:
    """Give a grid its result and the sentence of it: see `grid`."""
    verdict = judge(*marginals(posterior.quantile, posterior.prior)) if done else None
    if verdict is None:
        result = _result_of(posterior, limits) if done else Result.NOT_CONVERGED
        text = sentence(result)
        if result is Result.AT_BOUND:
            half_km = float(posterior.prior.region_km)
            text = f"the epicentre may lie beyond the region that is searched ({half_km:g} km)"
        verdict = Verdict(result, text)
    return replace(posterior, result=verdict.result, result_text=verdict.text)


def _result_of(posterior: GridPosterior, limits: np.ndarray) -> Result:
    """Whether mass reaches the bound of the region, and whether the depth is resolved."""
    for position, axis in enumerate(np.asarray(a, np.float64) for a in posterior.grid.axes[:2]):
        edge, step = marginal(posterior.mass, (position,)), axis[1] - axis[0]
        at_low = axis[0] - step <= limits[0, position] and edge[0] > EDGE_MASS
        at_high = axis[-1] + step >= limits[1, position] and edge[-1] > EDGE_MASS
        if at_low or at_high:
            return Result.AT_BOUND
    low, high = posterior.quantile("depth_km", np.array([0.05, 0.95]))
    if high - low > UNRESOLVED_KM and low < 0.1 * high:
        return Result.NOT_RESOLVED
    return Result.CONVERGED
