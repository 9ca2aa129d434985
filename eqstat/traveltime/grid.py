"""The exact posterior of the hypocentre on a grid, with everything else integrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from eqstat.inference.grid import Grid, cell_edges, grid_posterior, marginal, quantile
from eqstat.inference.results import InferenceError, Result
from eqstat.traveltime import _start
from eqstat.traveltime._mode import Mode, unconstrained_covariance
from eqstat.traveltime._nuisance import normal_nodes, scale_nodes
from eqstat.traveltime.data import Observations, TriggerData
from eqstat.traveltime.fit import mode_of, with_wave
from eqstat.traveltime.likelihood import GaussianParameters, MixtureParameters, log_likelihood
from eqstat.traveltime.model import LikelihoodName, arrival_bounds, mean_travel_time
from eqstat.traveltime.prior import Prior

# Depth axis: equal steps of log(1 + depth / 5 km), fine near the surface.
DEPTH_SCALE_KM = 5.0
DEEPEST_KM = 700.0
SHAPE_PROFILED = (44, 44, 22)
SHAPE_FULL = (20, 20, 10, 14)
# Mass in the outermost cells beyond which the box is too small.
EDGE_MASS = 2e-4
WIDTH = 8.0
SPACE = ("east_km", "north_km", "depth_km")


class _Bundle(NamedTuple):
    """What the compiled densities need."""

    data: TriggerData
    prior: Prior
    nodes: dict[str, Array]
    log_weights: Array
    centre_km: Array
    scale_km: Array


def _place(x: Array, y: Array, bundle: _Bundle) -> tuple[Array, Array, Array]:
    """Epicentre of stretched coordinates and the log Jacobian: fine at the mode, coarse far."""
    scale, centre = bundle.scale_km, bundle.centre_km
    east = centre[0] + scale[0] * jnp.sinh(x)
    north = centre[1] + scale[1] * jnp.sinh(y)
    return east, north, jnp.log(scale[0] * jnp.cosh(x)) + jnp.log(scale[1] * jnp.cosh(y))


def _depth(stretched: Array) -> Array:
    return DEPTH_SCALE_KM * jnp.expm1(stretched)


def stretch_depth(depth_km: float) -> float:
    """The coordinate of the depth axis."""
    return float(np.log1p(depth_km / DEPTH_SCALE_KM))


def _log_place(east: Array, north: Array, stretched: Array, bundle: _Bundle) -> Array:
    """Log prior of a node, with the Jacobian of the depth axis and the arrival's range."""
    prior = bundle.prior
    depth = _depth(stretched)
    low, high = arrival_bounds(bundle.data, prior)
    return (
        prior.log_epicentre(east, north)
        + prior.depth.log_prob(jnp.maximum(depth, 1e-3))
        + jnp.log(DEPTH_SCALE_KM)
        + stretched
        - jnp.log(high - low)
    )


def _profiled(x: Array, y: Array, stretched: Array, bundle: _Bundle) -> Array:
    """Gaussian likelihood with the origin time integrated in closed form, for each scatter."""
    data = bundle.data
    east, north, log_area = _place(x, y, bundle)
    node = jnp.stack([east, north, _depth(stretched)])
    residual = data.time_s - _start.wave_travel_times(node, data)
    sd = bundle.nodes["sd_s"][:, None]
    weight = jnp.where(data.mask, 1 / (sd**2 + data.time_sd_s**2), 0.0)
    total = jnp.sum(weight, axis=1)
    # Residuals about their plain mean first, so that float32 keeps the squares.
    count = jnp.sum(data.mask)
    residual = residual - jnp.sum(jnp.where(data.mask, residual, 0.0)) / count
    mean = weight @ residual / total
    squares = weight @ residual**2 - total * mean**2
    log_weight = jnp.sum(jnp.where(data.mask, jnp.log(jnp.where(data.mask, weight, 1.0)), 0.0), 1)
    log_norm = 0.5 * (log_weight - jnp.log(total) - (count - 1) * jnp.log(2 * jnp.pi))
    place = log_area + _log_place(east, north, stretched, bundle)
    return place + log_norm - 0.5 * squares + bundle.log_weights


def _full(x: Array, y: Array, stretched: Array, shift: Array, bundle: _Bundle) -> Array:
    """Any likelihood at a hypocentre and arrival (delay included), for each nuisance node."""
    data, nodes = bundle.data, bundle.nodes
    east, north, log_area = _place(x, y, bundle)
    depth = _depth(stretched)
    origin = shift - mean_travel_time(data, east, north, depth)

    def at(values: Mapping[str, Array]) -> Array:
        common = {"east_km": east, "north_km": north, "depth_km": depth}
        if "sd_s" in values:
            params = GaussianParameters(**common, origin_time_s=origin, **values)
        else:
            params = MixtureParameters(
                **common, origin_time_s=origin, delay_s=jnp.zeros_like(origin), **values
            )
        return log_likelihood(params, data)

    place = log_area + _log_place(east, north, stretched, bundle)
    return place + jax.vmap(at)(nodes) + bundle.log_weights


def _gaussian_nodes(mode: Mode, count: int, prior: Prior) -> tuple[dict[str, Array], Array]:
    nodes, weights = scale_nodes(float(np.log(mode.sites["sd_s"])), count - 4)
    sd = jnp.exp(jnp.asarray(nodes))
    return {"sd_s": sd}, prior.sd_s.log_prob(sd) + jnp.asarray(nodes) + jnp.asarray(weights)


def _composite_nodes(
    name: LikelihoodName, mode: Mode, data: TriggerData, prior: Prior
) -> tuple[dict[str, Array], Array]:
    """Design about the mode over what is learned beside hypocentre, arrival and delay.

    Coordinates: log of the scatter, log shares of P and S against background, logit of the
    trigger probability; the prior enters with the Jacobian of these coordinates.
    """
    sites = {key: jnp.asarray(value) for key, value in mode.sites.items()}
    gaussian = name == "gaussian"

    def to_coordinates(values: Mapping[str, Array]) -> Array:
        parts = [jnp.log(values["sd_s" if gaussian else "scatter_s"])[None]]
        if not gaussian:
            parts.append(jnp.log(values["shares"][:2]) - jnp.log(values["shares"][2]))
        if data.has_silent:
            chance = values["trigger_probability"]
            parts.append((jnp.log(chance) - jnp.log1p(-chance))[None])
        return jnp.concatenate(parts)

    def back(row: Array) -> tuple[dict[str, Array], Array]:
        scatter = jnp.exp(row[0])
        log_prior = row[0]
        if gaussian:
            values = {"sd_s": scatter}
            log_prior = log_prior + prior.sd_s.log_prob(scatter)
        else:
            shares = jax.nn.softmax(jnp.append(row[1:3], 0.0))
            values = {"scatter_s": scatter, "p_share": shares[0], "s_share": shares[1]}
            log_prior = log_prior + prior.scatter_s.log_prob(scatter)
            log_prior = log_prior + prior.shares.log_prob(shares) + jnp.sum(jnp.log(shares))
        if data.has_silent:
            chance = jax.nn.sigmoid(row[-1])
            values["trigger_probability"] = chance
            log_prior = log_prior + prior.trigger_probability.log_prob(chance)
            log_prior = log_prior + jnp.log(chance) + jnp.log1p(-chance)
        return values, log_prior

    centre = to_coordinates(sites)
    slopes = jax.jacfwd(to_coordinates)(sites)
    jacobian = sum(
        np.asarray(slopes[key]).reshape(len(centre), -1)
        @ np.asarray(mode.jacobian[key]).reshape(-1, len(mode.optimum.value))
        for key in slopes
    )
    spread = jacobian @ unconstrained_covariance(mode) @ jacobian.T
    rows, weights = normal_nodes(np.asarray(centre, np.float64), np.asarray(spread))
    values, log_prior = jax.vmap(back)(jnp.asarray(rows))
    return values, log_prior + jnp.asarray(weights)


@dataclass(frozen=True)
class GridPosterior:
    """Posterior of a hypocentre on a grid in local coordinates.

    Cells grow with the distance from the mode: equal steps of `arcsinh` of the distance over
    a few standard deviations, and of log(1 + depth / 5 km).

    Attributes
    ----------
    observations
        What was located.
    likelihood
        "gaussian" or "mixture".
    prior
        The priors.
    grid
        Cells over stretched east, north, depth and, where it is not integrated in closed
        form, the mean arrival; the last axis is the nuisance.
    nodes
        Values of the nuisance, in the order of that axis.
    mode
        The posterior mode that the grid was built about.
    centre_km, scale_km
        Centre and scale of the stretched epicentre axes, (2,) each.
    result
        How it ended.
    """

    observations: Observations
    likelihood: LikelihoodName
    prior: Prior
    grid: Grid
    nodes: dict[str, np.ndarray]
    mode: Mode
    centre_km: np.ndarray
    scale_km: np.ndarray
    result: Result

    @property
    def log_evidence(self) -> float:
        """Log of the integral of likelihood times prior."""
        return float(self.grid.log_evidence)

    @property
    def has_arrival(self) -> bool:
        """Whether the arrival is an axis of the grid."""
        return len(self.grid.axes) == 4

    @cached_property
    def mass(self) -> np.ndarray:
        """Probability of each cell over (east, north, depth)."""
        full = np.exp(np.asarray(self.grid.log_mass, np.float64))
        return marginal(full / full.sum(), (0, 1, 2))

    def to_kilometres(self, name: str, values: np.ndarray) -> np.ndarray:
        """Stretched coordinates of `east_km`, `north_km` or `depth_km` in kilometres."""
        if name == "depth_km":
            return DEPTH_SCALE_KM * np.expm1(values)
        position = SPACE.index(name)
        return self.centre_km[position] + self.scale_km[position] * np.sinh(values)

    def edges(self, name: str) -> np.ndarray:
        """Edges of the cells along `east_km`, `north_km` or `depth_km`, km."""
        axis = np.asarray(self.grid.axes[SPACE.index(name)], np.float64)
        return self.to_kilometres(name, cell_edges(axis))

    def centres(self, name: str) -> np.ndarray:
        """Centres of the cells along `east_km`, `north_km` or `depth_km`, km."""
        axis = np.asarray(self.grid.axes[SPACE.index(name)], np.float64)
        return self.to_kilometres(name, axis)

    def quantile(self, name: str, probability: float | np.ndarray) -> np.ndarray:
        """Quantiles of `east_km`, `north_km` or `depth_km`; of other sites use `draws`."""
        axis = np.asarray(self.grid.axes[SPACE.index(name)], np.float64)
        weights = marginal(self.mass, (SPACE.index(name),))
        return self.to_kilometres(name, quantile(cell_edges(axis), weights, probability))

    def to_xarray(self) -> xr.Dataset:
        """Posterior probability and density of the cells, dims (north, east, depth)."""
        east, north, depth = (self.centres(name) for name in SPACE)
        widths = [np.diff(self.edges(name)) for name in SPACE]
        latitude, longitude = self.observations.frame.to_geographic(*np.meshgrid(east, north))
        volume = widths[1][:, None, None] * widths[0][None, :, None] * widths[2]
        mass = np.transpose(self.mass, (1, 0, 2))
        km = {"units": "km"}
        place, dims = ("north", "east"), ("north", "east", "depth")
        about = "posterior probability"
        return xr.Dataset(
            {
                "probability": (dims, mass, {"units": "1", "long_name": f"{about} of the cell"}),
                "density": (
                    dims,
                    mass / volume,
                    {"units": "km-3", "long_name": f"{about} density"},
                ),
                "area": (
                    place,
                    np.outer(widths[1], widths[0]),
                    {"units": "km2", "long_name": "area of the cell"},
                ),
            },
            coords={
                "east": ("east", east, {**km, "long_name": "east of the frame's centre"}),
                "north": ("north", north, {**km, "long_name": "north of the frame's centre"}),
                "depth": ("depth", depth, {**km, "long_name": "depth, positive down"}),
                "latitude": (place, latitude, {"units": "degrees_north"}),
                "longitude": (place, longitude, {"units": "degrees_east"}),
            },
            attrs={
                "log_evidence": self.log_evidence,
                "likelihood": self.likelihood,
                "centre_latitude": self.observations.frame.latitude,
                "centre_longitude": self.observations.frame.longitude,
                "reference_time": self.observations.reference_time.isoformat(),
                "result": self.result.name,
            },
        )

    def draws(self, key: Array | int, count: int = 4000) -> dict[str, np.ndarray]:
        """Independent draws of all sites: a cell by its mass, uniform in it, then the rest.

        Parameters
        ----------
        key
            JAX random key, or a seed.
        count
            Number of draws.

        Returns
        -------
        dict of numpy.ndarray
            `east_km`, `north_km`, `depth_km`, `arrival_s`, `origin_time_s` and the nuisance
            sites of `model`, each of shape (count, ...).
        """
        return draw(self, key, count)


def _travel_times(
    posterior: GridPosterior, sites: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Travel times from drawn hypocentres to the centre and to the triggered devices."""
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, posterior.observations.data)
        places = jnp.stack([jnp.asarray(sites[name]) for name in SPACE], axis=1)
        centre = jax.vmap(lambda node: mean_travel_time(data, *node))(places)
        if posterior.has_arrival:
            return np.asarray(centre), np.zeros((len(places), 0))
        return np.asarray(centre), np.asarray(
            jax.vmap(lambda node: _start.wave_travel_times(node, data))(places)
        )


def draw(posterior: GridPosterior, key: Array | int, count: int) -> dict[str, np.ndarray]:
    """See `GridPosterior.draws`."""
    seed = key if isinstance(key, int) else int(jax.random.bits(key, dtype=jnp.uint32))
    rng = np.random.default_rng(seed)
    grid, data = posterior.grid, posterior.observations.data
    log_mass = np.asarray(grid.log_mass, np.float64)
    cumulative = np.cumsum(np.exp(log_mass - log_mass.max()).ravel())
    cell = np.searchsorted(cumulative, rng.uniform(0, cumulative[-1], count))
    index = np.unravel_index(np.minimum(cell, cumulative.size - 1), log_mass.shape)
    sites = {}
    for position, name in enumerate((*SPACE, "shift")[: len(grid.axes)]):
        axis = np.asarray(grid.axes[position], np.float64)
        inside = (axis[1] - axis[0]) * rng.uniform(-0.5, 0.5, count)
        sites[name] = axis[index[position]] + inside
        if name in SPACE:
            sites[name] = posterior.to_kilometres(name, sites[name])
    nuisance = {name: np.asarray(values)[index[-1]] for name, values in posterior.nodes.items()}
    if "p_share" in nuisance:
        p, s = nuisance.pop("p_share"), nuisance.pop("s_share")
        nuisance["shares"] = np.stack([p, s, 1 - p - s], axis=-1)
    centre, travel = _travel_times(posterior, sites)
    if posterior.has_arrival:
        arrival = sites.pop("shift")
    else:
        # Scatter nodes are equidistant in their logarithm: uniform within, as in the cells.
        step = np.log(posterior.nodes["sd_s"][1] / posterior.nodes["sd_s"][0])
        nuisance["sd_s"] = nuisance["sd_s"] * np.exp(step * rng.uniform(-0.5, 0.5, count))
        weight = data.mask / (nuisance["sd_s"][:, None] ** 2 + data.time_sd_s**2)
        total = weight.sum(axis=1)
        mean = np.sum(weight * (data.time_s - travel), axis=1) / total
        arrival = mean + centre + rng.normal(size=count) / np.sqrt(total)
    delay = np.zeros(count)
    if posterior.likelihood == "mixture":
        # The data tell origin time plus delay only; the delay keeps its prior.
        uniform = jnp.asarray(rng.uniform(1e-6, 1 - 1e-6, count))
        delay = np.asarray(posterior.prior.delay_s.icdf(uniform), np.float64)
        nuisance["delay_s"] = delay
    return {**sites, "arrival_s": arrival, "origin_time_s": arrival - delay - centre, **nuisance}


def _box(
    mode: Mode, prior: Prior, with_arrival: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First box in stretched coordinates, and centre and scale of the epicentre axes."""
    spread = unconstrained_covariance(mode)
    low, high, centres, scales = [], [], [], []
    for name in (*SPACE, "arrival_s")[: 4 if with_arrival else 3]:
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
    found: Grid, low: np.ndarray, high: np.ndarray, limit_low: np.ndarray, limit_high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool]:
    """A wider box where mass sits at an edge that is not a bound of the prior."""
    mass = np.exp(np.asarray(found.log_mass, np.float64))
    low, high, wider = low.copy(), high.copy(), False
    for position, axis in enumerate(found.axes):
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


def grid(
    observations: Observations,
    *,
    likelihood: LikelihoodName = "gaussian",
    wave: Literal["P", "S"] | None = None,
    prior: Prior | None = None,
    shape: tuple[int, ...] | None = None,
    throw: bool = True,
) -> GridPosterior:
    r"""Exact posterior of the hypocentre on a grid, with log evidence.

    .. math:: p(\theta \mid t) \propto p(\theta) \int p(t \mid \theta, t_0, \psi)\,
              p(t_0)\, p(\psi)\, dt_0\, d\psi

    For the plain Gaussian likelihood the origin time is integrated in closed form and the
    scatter by the trapezoid rule. Otherwise the mean arrival at the triggered devices is a
    fourth axis, and the nuisance $\psi$ (scatter, shares, trigger probability) is integrated
    over a central composite design about the posterior mode. The mixture's delay is known
    from its prior alone: the triggers tell origin time plus delay.

    Parameters
    ----------
    observations
        From `prepare(...)`.
    likelihood, wave, prior
        As in `fit`.
    shape
        Cells over (east, north, depth) or (east, north, depth, arrival).
    throw
        Raise where there are too few triggers.

    Returns
    -------
    GridPosterior

    Raises
    ------
    eqstat.inference.InferenceError
        With too few triggers or places.

    References
    ----------
    Tarantola, A. and Valette, B. (1982), J. Geophys. 50, 159-170 (the grid posterior).
    Rue, H. et al. (2009), doi:10.1111/j.1467-9868.2008.00700.x (the nuisance).
    """
    prior = Prior() if prior is None else prior
    if wave is not None:
        observations = with_wave(observations, wave)
    if not observations.enough:
        raise InferenceError(Result.TOO_FEW, f"{len(observations.triggers)} triggers")
    data = observations.data
    profiled = likelihood == "gaussian" and not (data.truncated or data.has_silent)
    mode = mode_of(observations, likelihood, prior)
    shape = shape or (SHAPE_PROFILED if profiled else SHAPE_FULL)
    coarse = (16, 16, 12) if profiled else (12, 12, 8, 12)
    low, high, centre, scale = _box(mode, prior, not profiled)
    half, deepest = float(prior.region_km), prior.deepest_km
    bounds = arrival_bounds(data, prior)
    limits = np.array(
        [
            *zip(
                np.arcsinh((-half - centre) / scale),
                np.arcsinh((half - centre) / scale),
                strict=True,
            ),
            (0.0, stretch_depth(DEEPEST_KM if deepest is None else float(deepest))),
            (float(bounds[0]), float(bounds[1])),
        ]
    )[: len(low)].T
    low, high = np.maximum(low, limits[0]), np.minimum(high, limits[1])
    with jax.enable_x64(True):
        arrays, priors = jax.tree.map(jnp.asarray, (data, prior))
        if profiled:
            nodes, weights = _gaussian_nodes(mode, len(observations.triggers), priors)
        else:
            nodes, weights = _composite_nodes(likelihood, mode, arrays, priors)
        bundle = _Bundle(arrays, priors, nodes, weights, jnp.asarray(centre), jnp.asarray(scale))
        density = _profiled if profiled else _full
        for _ in range(8):
            found = grid_posterior(
                density, bundle, jnp.asarray(low), jnp.asarray(high), shape, passes=1, coarse=coarse
            )
            low, high, wider = _widen(found, low, high, *limits)
            if not wider:
                break
    found = jax.tree.map(np.asarray, found)
    finite = np.isfinite(found.log_evidence)
    result = Result.NOT_FINITE if not finite else Result.CONVERGED
    if throw and not result.ok:
        raise InferenceError(result)
    return GridPosterior(
        observations,
        likelihood,
        prior,
        found,
        {name: np.asarray(values) for name, values in nodes.items()},
        mode,
        centre,
        scale,
        result,
    )
