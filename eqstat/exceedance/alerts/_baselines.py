"""Baseline alert rules: point source, nearby shaking, always, never.

All have the interface of `Rule`, so that the same levels and metrics apply to them.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from eqstat._core.checks import check_range
from eqstat.exceedance import _kernel
from eqstat.exceedance._kernel import SourceDraws
from eqstat.exceedance.alerts._rules import PosteriorPredictive, Snapshot


class MeanHypocentre(eqx.Module):
    """A point source: the ground-motion model at the mean hypocentre and mean magnitude.

    What is uncertain of the source is left out; the scatter of the ground motion is kept.

    Attributes
    ----------
    predictor
        A ground-motion predictor.
    """

    predictor: Any

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of more than each threshold at each site, (s, t); see `Rule`."""
        drawn = snapshot.drawn
        weight = jnp.exp(drawn.log_weight)
        best = SourceDraws(
            (weight @ drawn.place_km)[None],
            (weight @ drawn.depth_km)[None],
            (weight @ drawn.magnitude)[None],
            jnp.zeros(1, weight.dtype),
        )
        known = eqx.tree_at(lambda s: s.drawn, snapshot, best)
        return PosteriorPredictive(self.predictor)(known, log10_threshold)


class Plum(eqx.Module):
    r"""Like PLUM: a site will shake as strongly as the strongest station near it already does.

    With the largest peak a of the stations within the radius, the site is said to exceed u with
    probability 1 where $a > u$, else 0. No source is needed. With a scatter s the step becomes
    $\Phi\{(\log_{10} a - \log_{10} u) / s\}$, so that a level of alarm can be chosen.

    The original works on the Japanese seismic intensity, corrected for the ground under station
    and site; here it is PGA without such a correction.

    Attributes
    ----------
    radius_km
        Of the stations that count, above 0; 30 in the reference.
    scatter
        Standard deviation of the site about the strongest station, log10 units, at least 0.

    Raises
    ------
    eqstat.InputError
        When the radius or the scatter cannot be.

    References
    ----------
    Kodera, Y. et al. (2018), The Propagation of Local Undamped Motion (PLUM) Method, Bulletin of
    the Seismological Society of America 108, 983-1003.
    """

    radius_km: float | int = 30.0
    scatter: float | int = 0.0

    def __check_init__(self) -> None:
        """Refuse what is no rule."""
        check_range("Plum", 0, ends="(]", radius_km=self.radius_km)
        check_range("Plum", 0, scatter=self.scatter)

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of more than each threshold at each site, (s, t); see `Rule`."""
        away = _kernel.distances(snapshot.site_km, snapshot.station_km)
        peak = jnp.where(away <= self.radius_km, snapshot.peak_m_s2[None, :], 0.0).max(axis=1)
        dtype = peak.dtype
        seen = jnp.log10(jnp.maximum(peak, np.finfo(np.float32).tiny))
        above = seen[:, None] - log10_threshold
        if self.scatter == 0:
            return (above > 0).astype(dtype)
        return jnp.where(peak[:, None] > 0, ndtr(above / self.scatter), 0.0).astype(dtype)


class Always(eqx.Module):
    """Every site is warned as soon as an earthquake is located."""

    def __call__(self, snapshot: Snapshot, log10_threshold: Array) -> Array:
        """Probability 1 for each site and threshold once there is a source, (s, t)."""
        shape = (snapshot.site_km.shape[0], log10_threshold.shape[0])
        return jnp.where(snapshot.located, jnp.ones(shape, snapshot.site_km.dtype), 0.0)


class Never(eqx.Module):
    """No site is ever warned."""

    def __call__(self, snapshot: Snapshot, log10_threshold: Array) -> Array:
        """Probability 0 for each site and threshold, (s, t)."""
        return jnp.zeros(
            (snapshot.site_km.shape[0], log10_threshold.shape[0]), snapshot.site_km.dtype
        )
