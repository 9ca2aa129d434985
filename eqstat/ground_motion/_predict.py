"""What the ground-motion model predicts: posterior draws, condensed to a mixture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from eqstat._core.errors import InputError
from eqstat.ground_motion._data import MotionData, Motions
from eqstat.ground_motion._likelihood import Terms, site_variance, terms
from eqstat.ground_motion._model import motion_of
from eqstat.ground_motion._parameters import GroundMotion, median, record_sd_at
from eqstat.ground_motion.mixture._mixture import Mixture

# Components of a mixture by default: one Gaussian would have too light a tail.
COMPONENTS = 5


def condense(mean: Array, variance: Array, log_weight: Array, components: int | None) -> Mixture:
    """Mixture of draws with fewer components and the same mean and variance.

    Draws come sorted by scatter and are binned in this order: each bin is one Gaussian with the
    mean and variance of its draws together.

    Parameters
    ----------
    mean, variance
        Of each draw, (..., draws).
    log_weight
        Of the draws, normalised, (draws,).
    components
        Number of bins, which divides the draws; None keeps every draw.

    Returns
    -------
    Mixture
        (..., components)
    """
    if components is None:
        return Mixture(jnp.broadcast_to(log_weight, mean.shape), mean, jnp.sqrt(variance))
    split = (*mean.shape[:-1], components, -1)
    mean, variance = mean.reshape(split), variance.reshape(split)
    inside = log_weight.reshape(components, -1)
    bins = jax.scipy.special.logsumexp(inside, axis=-1, keepdims=True)
    # A bin without any weight is nowhere, and must not make NaN.
    weight = jnp.exp(inside - jnp.where(jnp.isfinite(bins), bins, 0.0))
    weight = jnp.where(jnp.isfinite(bins), weight, 1 / weight.shape[-1])
    middle = jnp.sum(weight * mean, axis=-1)
    spread = jnp.sum(weight * (variance + (mean - middle[..., None]) ** 2), axis=-1)
    return Mixture(jnp.broadcast_to(bins[..., 0], middle.shape), middle, jnp.sqrt(spread))


class MotionPredictor(eqx.Module):
    """Ground-motion predictor of the Bayesian model: for any event and any site of a region.

    Attributes
    ----------
    motion
        Draws of the parameters, sorted by scatter; the region's level is in `level`.
    event_mean, event_sd
        Event term of each draw: mean 0 and its sd before anything is reported, (draws,).
    log_weight
        Of the draws, (draws,).
    components
        Components of the mixtures; None for one of each draw.

    Examples
    --------
    >>> import jax
    >>> from eqstat.ground_motion import Design, fit, simulate
    >>> from eqstat.ground_motion.mixture import exceedance
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=30, stations=20))
    >>> predictor = fit(motions).predictor(jax.random.key(1))
    >>> mixture = predictor(6.0, jnp.array([20.0, 80.0]), 8.0, jnp.nan)
    >>> near, far = exceedance(mixture, jnp.log10(0.5))
    >>> bool(near > far)
    True
    """

    motion: GroundMotion
    event_mean: Float[Array, " draws"]
    event_sd: Float[Array, " draws"]
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
        """Predict log10 PGA (m/s2) at sites without records; shapes broadcast.

        Parameters
        ----------
        magnitude, distance_km, depth_km
            Hypocentral distance, depth positive down, km.
        vs30_m_s
            NaN where it is not known: then it is integrated over the population of sites.

        Returns
        -------
        Mixture
            (..., components)
        """
        dtype = self.log_weight.dtype
        given = (magnitude, distance_km, depth_km, vs30_m_s)
        inputs = [jnp.asarray(value, dtype)[..., None] for value in given]
        mean, variance = record_moments(self.motion, *inputs)
        variance = variance + self.motion.station_sd**2 + self.event_sd**2
        return condense(mean + self.event_mean, variance, self.log_weight, self.components)


def record_moments(
    motion: GroundMotion, magnitude: Array, distance_km: Array, depth_km: Array, vs30_m_s: Array
) -> tuple[Array, Array]:
    """Mean of a record and the variance of its own and its unknown Vs30, if it is that."""
    unknown = ~(vs30_m_s > 0)
    known = jnp.log10(jnp.where(unknown, 760.0, vs30_m_s))
    site = jnp.where(unknown, motion.vs30_log10_mean, known)
    mean = median(motion, magnitude, distance_km, depth_km, site)
    variance = record_sd_at(motion, magnitude) ** 2 + jnp.where(unknown, site_variance(motion), 0.0)
    return mean, jnp.broadcast_to(variance, mean.shape)


class MotionPosterior(eqx.Module):
    """Posterior draws of the ground-motion model, with the terms of the stations that it knows.

    Attributes
    ----------
    motion
        Draws of the parameters, a leading axis on each.
    station_mean, station_sd
        Station terms given each draw's parameters, (draws, stations).
    station_vs30_m_s
        Vs30 that the terms were learned with, NaN where it was not known, (stations,).
    stations, regions
        Names.
    ranges
        Least and largest magnitude, distance and depth of the records.
    """

    motion: GroundMotion
    station_mean: np.ndarray
    station_sd: np.ndarray
    station_vs30_m_s: np.ndarray
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
            Components of its mixtures: draws are binned by scatter, each bin one Gaussian with
            the moments of its draws. None keeps one component for each draw.
        region
            A region of the records; by default a new one where there are several.

        Returns
        -------
        MotionPredictor
        """
        return predictor_of(*self.before(region), components)

    def before(self, region: str | None) -> tuple[GroundMotion, np.ndarray, np.ndarray, np.ndarray]:
        """Draws in a region, mean and sd of a new event's term and log weights of the draws."""
        motion = self.in_region(region)
        tau = np.sqrt(np.asarray(motion.event_sd) ** 2 + np.asarray(motion.region_sd) ** 2)
        return motion, np.zeros(self.draws), tau, np.full(self.draws, -np.log(self.draws))

    def in_region(self, region: str | None) -> GroundMotion:
        """Draws with a region's level in `level`; of a new region its spread stays."""
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
        """Tell whether magnitude, distance and depth lie in the ranges of the records.

        Parameters
        ----------
        magnitude, distance_km, depth_km, vs30_m_s
            As of a predictor; shapes that broadcast. Vs30 is not judged.

        Returns
        -------
        numpy.ndarray
        """
        given = {"magnitude": magnitude, "distance_km": distance_km, "depth_km": depth_km}
        inside = np.ones(np.broadcast_shapes(*map(np.shape, given.values())), bool)
        for name, low, high in self.ranges:
            value = np.asarray(given[name])
            inside &= (value >= low) & (value <= high)
        return inside

    def station_numbers(self, stations: Any) -> np.ndarray:
        """Places of named stations among those that are known, -1 for others."""
        numbers = {name: number for number, name in enumerate(self.stations)}
        return np.array([numbers.get(str(name), -1) for name in stations], int)

    def station_moments(self, stations: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean and sd of the terms of named stations, (draws, stations), and which are known."""
        found = self.station_numbers(stations)
        known = found >= 0
        own = np.asarray(self.motion.station_sd)[:, None]
        if not self.stations:
            return np.zeros((self.draws, len(found))), np.repeat(own, len(found), 1), known
        mean = np.where(known, self.station_mean[:, found], 0.0)
        return mean, np.where(known, self.station_sd[:, found], own), known


def by_scatter(
    motion: GroundMotion, event_sd: np.ndarray, log_weight: np.ndarray, components: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the draws sorted by scatter, for `condense`, and their normalised log weights.

    Filled up to a number that `components` divides.
    """
    count = len(event_sd)
    if components is not None and not 1 <= components <= count:
        raise InputError(f"components must lie in 1 to {count} (the draws), not {components}")
    scatter = event_sd**2 + np.asarray(motion.station_sd) ** 2 + np.asarray(motion.record_sd) ** 2
    order = np.argsort(scatter, kind="stable")
    spare = 0 if components is None else -count % components
    order = np.append(order, np.repeat(order[-1:], spare))
    # What fills up weighs nothing: no draw is lost, however much it weighs.
    weight = np.where(np.arange(len(order)) < count, log_weight[order], -np.inf)
    return order, weight - np.logaddexp.reduce(weight)


def predictor_of(
    motion: GroundMotion,
    event_mean: np.ndarray,
    event_sd: np.ndarray,
    log_weight: np.ndarray,
    components: int | None,
) -> MotionPredictor:
    """Predictor of weighted draws, each with its event term."""
    order, weight = by_scatter(motion, event_sd, log_weight, components)
    return MotionPredictor(
        jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[order]), motion),
        jnp.asarray(event_mean[order]),
        jnp.asarray(event_sd[order]),
        jnp.asarray(weight),
        components,
    )


@jax.jit
def _terms(motion: GroundMotion, data: MotionData) -> Terms:
    return jax.lax.map(lambda one: terms(one, data), motion)


def posterior_of(
    sites: Mapping[str, np.ndarray], motions: Motions, limit: int | None = None
) -> MotionPosterior:
    """Posterior from draws of the model's sites, (draws, ...), evenly thinned to a limit."""
    count = len(next(iter(sites.values())))
    keep = np.arange(count)
    if limit is not None and count > limit:
        keep = np.linspace(0, count - 1, limit).astype(int)
    with jax.enable_x64(True):
        motion = motion_of({name: jnp.asarray(values[keep]) for name, values in sites.items()})
        given = _terms(motion, jax.tree.map(jnp.asarray, motions.data))
        motion, given = jax.tree.map(np.asarray, (motion, given))
    known, data = len(motions.stations), motions.data
    vs30 = np.full(known, np.nan)
    seen = (np.asarray(data.weight) > 0) & (np.asarray(data.unknown_site) == 0)
    if known:
        vs30[np.asarray(data.station)[seen]] = 10 ** np.asarray(data.log10_vs30)[seen]
    return MotionPosterior(
        motion,
        given.station_mean[:, :known],
        given.station_sd[:, :known],
        vs30,
        motions.stations,
        motions.regions,
        tuple((name, *ends) for name, ends in motions.ranges.items()),
    )
