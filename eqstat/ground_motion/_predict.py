"""Predictions of the ground-motion model: posterior draws, condensed to a Gaussian mixture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion._data import MotionData, Motions
from eqstat.ground_motion._likelihood import RandomEffects, random_effects, site_variance
from eqstat.ground_motion._model import motion_of
from eqstat.ground_motion._parameters import (
    GroundMotion,
    effect_variance,
    event_design,
    median,
    new_site_distance,
    record_sd_at,
)
from eqstat.ground_motion.mixture._mixture import Mixture

# Components of a mixture by default: a single Gaussian would have too light a tail.
COMPONENTS = 5


def condense(mean: Array, variance: Array, log_weight: Array, components: int | None) -> Mixture:
    """Condense a mixture of draws to fewer components of the same mean and variance.

    The draws come sorted by scatter (`by_scatter`) and are grouped into bins in this order. Each
    bin becomes one Gaussian with the mean and variance of its draws together, so that the first two
    moments of the whole mixture are exact, and draws of similar scatter, which determine its tails,
    share a component.

    Parameters
    ----------
    mean, variance
        Of each draw, (..., draws).
    log_weight
        Normalised log weights of the draws, (draws,).
    components
        Number of bins, a divisor of the number of draws; None keeps every draw.

    Returns
    -------
    Mixture
        (..., components)
    """
    if components is None:
        return Mixture(jnp.broadcast_to(log_weight, mean.shape), mean, jnp.sqrt(variance))
    split = (*mean.shape[:-1], components, -1)
    mean, variance = mean.reshape(split), variance.reshape(split)
    draw_weight = log_weight.reshape(components, -1)
    bin_weight = jax.scipy.special.logsumexp(draw_weight, axis=-1, keepdims=True)
    # The draws of a bin of weight 0 get equal weights within it, since 0 / 0 would be NaN.
    weight = jnp.exp(draw_weight - jnp.where(jnp.isfinite(bin_weight), bin_weight, 0.0))
    weight = jnp.where(jnp.isfinite(bin_weight), weight, 1 / weight.shape[-1])
    bin_mean = jnp.sum(weight * mean, axis=-1)
    # Law of total variance within the bin.
    spread = jnp.sum(weight * (variance + (mean - bin_mean[..., None]) ** 2), axis=-1)
    return Mixture(jnp.broadcast_to(bin_weight[..., 0], bin_mean.shape), bin_mean, jnp.sqrt(spread))


class MotionPredictor(Explained, eqx.Module):
    """Predictor of the Bayesian ground-motion model for events and sites of a region.

    Attributes
    ----------
    motion
        Draws of the parameters, sorted by scatter; the region's level is included in `level`.
    effect_mean, effect_covariance
        Moments of the event's effects (its term and the departure of its decay) given each draw,
        (draws, 2) and (draws, 2, 2); without reports mean 0 and their prior.
    log_weight
        Log weights of the draws, (draws,).
    components
        Number of components of the mixtures; None for one per draw.

    Examples
    --------
    >>> import jax
    >>> from eqstat.ground_motion import Design, fit, simulate
    >>> from eqstat.ground_motion.mixture import exceedance
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> predictor = fit(motions).predictor(jax.random.key(1))
    >>> mixture = predictor(6.0, jnp.array([20.0, 80.0]), 8.0, jnp.nan)
    >>> near, far = exceedance(mixture, jnp.log10(0.5))
    >>> bool(near > far)
    True
    """

    motion: GroundMotion
    effect_mean: Float[Array, "draws 2"]
    effect_covariance: Float[Array, "draws 2 2"]
    log_weight: Float[Array, " draws"]
    components: int | None = eqx.field(static=True)

    def __call__(
        self,
        magnitude: ArrayLike,
        distance_km: ArrayLike,
        depth_km: ArrayLike,
        vs30_m_s: ArrayLike,
        /,
    ) -> Mixture:
        """Predict log10 PGA (m/s2) at new sites; shapes broadcast.

        Parameters
        ----------
        magnitude, distance_km, depth_km
            Magnitude, hypocentral distance, km, and depth, km, positive down.
        vs30_m_s
            Vs30, m/s; where it is NaN, it is marginalised over the population of sites.

        Returns
        -------
        Mixture
            (..., components)
        """
        dtype = self.log_weight.dtype
        given = (magnitude, distance_km, depth_km, vs30_m_s)
        inputs = [jnp.asarray(value, dtype)[..., None] for value in given]
        mean, variance = record_moments(self.motion, *inputs)
        factors = event_design(self.motion, *inputs[:2])
        mean = mean + jnp.sum(factors * self.effect_mean, axis=-1)
        variance = variance + self.motion.station_sd**2
        own = jnp.einsum("...i,...ij,...j->...", factors, self.effect_covariance, factors)
        variance = variance + own
        return condense(mean, variance, self.log_weight, self.components)


def record_moments(
    motion: GroundMotion,
    magnitude: Array,
    distance_km: Array,
    depth_km: Array,
    vs30_m_s: Array,
    station_distance: Array | None = None,
) -> tuple[Array, Array]:
    """Mean of a record, and the variance of its record term and of an unknown Vs30.

    The covariate of distance is that of a new site by default, also where it is NaN.
    """
    unknown = ~(vs30_m_s > 0)
    known = jnp.log10(jnp.where(unknown, 760.0, vs30_m_s))
    site = jnp.where(unknown, motion.vs30_log10_mean, known)
    covariate = new_site_distance(motion, distance_km)
    if station_distance is not None:
        covariate = jnp.where(jnp.isnan(station_distance), covariate, station_distance)
    mean = median(motion, magnitude, distance_km, depth_km, site, covariate)
    variance = record_sd_at(motion, magnitude) ** 2 + jnp.where(unknown, site_variance(motion), 0.0)
    return mean, jnp.broadcast_to(variance, mean.shape)


class MotionPosterior(Explained, eqx.Module):
    """Posterior draws of the ground-motion model, with the terms of known stations.

    Attributes
    ----------
    motion
        Draws of the parameters, a leading axis on each.
    station_mean, station_sd
        Moments of the station terms given each draw's parameters, (draws, stations).
    station_vs30_m_s
        Vs30 with which the terms were estimated, NaN where unknown, (stations,).
    station_distance
        Covariates of distance of the stations, log10 units, (stations,).
    stations, regions
        Names.
    ranges
        Ranges of magnitude, distance and depth of the records.

    Examples
    --------
    >>> import jax
    >>> from eqstat.ground_motion import Design, fit, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> posterior = fit(motions).posterior(jax.random.key(1), 32)
    >>> posterior.draws, bool(posterior.covers(5.0, 300.0, 8.0))
    (32, False)
    """

    motion: GroundMotion
    station_mean: np.ndarray
    station_sd: np.ndarray
    station_vs30_m_s: np.ndarray
    station_distance: np.ndarray
    stations: tuple[str, ...] = eqx.field(static=True)
    regions: tuple[str, ...] = eqx.field(static=True)
    ranges: tuple[tuple[str, float, float], ...] = eqx.field(static=True)

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(np.asarray(self.motion.level))

    def predictor(
        self, *, components: int | None = COMPONENTS, region: str | None = None
    ) -> MotionPredictor:
        """Make a predictor for new events at new sites.

        Parameters
        ----------
        components
            Number of components of the mixtures, at most the number of draws: draws are binned by
            scatter, and each bin becomes one Gaussian. None keeps one component per draw.
        region
            A region of the records; by default a new one where there are several.

        Returns
        -------
        MotionPredictor

        Raises
        ------
        eqstat.InputError
            When the region is unknown or `components` out of its range.
        """
        return predictor_of(*self.new_event(region), components)

    def new_event(
        self, region: str | None
    ) -> tuple[GroundMotion, np.ndarray, np.ndarray, np.ndarray]:
        """Draws in a region, moments of a new event's effects, and log weights of the draws."""
        motion = self.for_region(region)
        with jax.enable_x64(True):
            variance = np.array(effect_variance(motion))
        variance[:, 0] += np.asarray(motion.region_sd) ** 2
        covariance = variance[:, :, None] * np.eye(2)
        weight = np.full(self.draws, -np.log(self.draws))
        return motion, np.zeros((self.draws, 2)), covariance, weight

    def for_region(self, region: str | None) -> GroundMotion:
        """Draws with a region's level in `level`; a new region keeps its standard deviation."""
        motion = self.motion
        if region is None and len(self.regions) > 1:
            shift, sd = np.zeros(self.draws), np.asarray(motion.region_sd)
        else:
            if region is not None and region not in self.regions:
                raise InputError(
                    f"no region {region!r}; known are {', '.join(self.regions)}; None is a new one"
                )
            number = 0 if region is None else self.regions.index(region)
            shift, sd = np.asarray(motion.region_level)[:, number], np.zeros(self.draws)
        return eqx.tree_at(
            lambda m: (m.level, m.region_sd, m.region_level),
            motion,
            (np.asarray(motion.level) + shift, sd, np.zeros((self.draws, 1))),
        )

    def covers(
        self,
        magnitude: ArrayLike,
        distance_km: ArrayLike,
        depth_km: ArrayLike,
        vs30_m_s: ArrayLike = np.nan,
        /,
    ) -> np.ndarray:
        """Return whether magnitude, distance and depth lie in the ranges of the records.

        Parameters
        ----------
        magnitude, distance_km, depth_km, vs30_m_s
            As of a predictor; shapes that broadcast. Vs30 is not checked.

        Returns
        -------
        numpy.ndarray
            Booleans.
        """
        given = {"magnitude": magnitude, "distance_km": distance_km, "depth_km": depth_km}
        inside = np.ones(np.broadcast_shapes(*map(np.shape, given.values())), bool)
        for name, low, high in self.ranges:
            value = np.asarray(given[name])
            inside &= (value >= low) & (value <= high)
        return inside

    def station_numbers(self, stations: Any) -> np.ndarray:
        """Return the numbers of named stations among the known ones, -1 for others."""
        numbers = {name: number for number, name in enumerate(self.stations)}
        return np.array([numbers.get(str(name), -1) for name in stations], int)

    def station_moments(self, stations: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean and sd of the terms of named stations, (draws, stations), and which are known."""
        number = self.station_numbers(stations)
        known = number >= 0
        prior_sd = np.asarray(self.motion.station_sd)[:, None]
        if not self.stations:
            return np.zeros((self.draws, len(number))), np.repeat(prior_sd, len(number), 1), known
        mean = np.where(known, self.station_mean[:, number], 0.0)
        return mean, np.where(known, self.station_sd[:, number], prior_sd), known


def by_scatter(
    motion: GroundMotion,
    effect_covariance: np.ndarray,
    log_weight: np.ndarray,
    components: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Sort the draws by scatter, for `condense`; return their order and normalised log weights.

    The last draw is repeated with weight 0 up to a multiple of `components`.
    """
    count = len(log_weight)
    if components is not None and not 1 <= components <= count:
        raise InputError(f"components must lie in 1 to {count} (the draws), not {components}")
    scatter = np.asarray(motion.station_sd) ** 2 + np.asarray(motion.record_sd) ** 2
    scatter = scatter + effect_covariance[:, 0, 0]
    order = np.argsort(scatter, kind="stable")
    spare = 0 if components is None else -count % components
    order = np.append(order, np.repeat(order[-1:], spare))
    # The repeated draws weigh nothing, and no draw is dropped.
    weight = np.where(np.arange(len(order)) < count, log_weight[order], -np.inf)
    return order, weight - np.logaddexp.reduce(weight)


def predictor_of(
    motion: GroundMotion,
    effect_mean: np.ndarray,
    effect_covariance: np.ndarray,
    log_weight: np.ndarray,
    components: int | None,
) -> MotionPredictor:
    """Make a predictor of weighted draws, each with its event effects."""
    order, weight = by_scatter(motion, effect_covariance, log_weight, components)
    return MotionPredictor(
        jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[order]), motion),
        jnp.asarray(effect_mean[order]),
        jnp.asarray(effect_covariance[order]),
        jnp.asarray(weight),
        components,
    )


@jax.jit
def _terms(motion: GroundMotion, data: MotionData) -> RandomEffects:
    return jax.lax.map(lambda one: random_effects(one, data), motion)


def posterior_of(
    sites: Mapping[str, np.ndarray], motions: Motions, limit: int | None = None
) -> MotionPosterior:
    """Make a posterior from draws of the model's sites, (draws, ...), evenly thinned to a limit."""
    count = len(next(iter(sites.values())))
    keep = np.arange(count)
    if limit is not None and count > limit:
        keep = np.linspace(0, count - 1, limit).astype(int)
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, motions.data)
        kept = {name: jnp.asarray(values[keep]) for name, values in sites.items()}
        motion = motion_of(kept, arrays)
        given = _terms(motion, arrays)
        motion, given = jax.tree.map(np.asarray, (motion, given))
    known, data = len(motions.stations), motions.data
    vs30, distance = np.full(known, np.nan), np.zeros(known)
    rows = np.asarray(data.weight) > 0
    seen = (np.asarray(data.weight) > 0) & (np.asarray(data.unknown_site) == 0)
    if known:
        vs30[np.asarray(data.station)[seen]] = 10 ** np.asarray(data.log10_vs30)[seen]
        distance[np.asarray(data.station)[rows]] = np.asarray(data.station_distance)[rows]
    return MotionPosterior(
        motion,
        given.station_mean[:, :known],
        given.station_sd[:, :known],
        vs30,
        distance,
        motions.stations,
        motions.regions,
        tuple((name, *ends) for name, ends in motions.ranges.items()),
    )
