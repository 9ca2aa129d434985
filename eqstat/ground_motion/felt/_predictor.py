"""Predictor of a ground-motion model whose records say nothing of stations and sites."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from eqstat._core.explain import Explained
from eqstat.ground_motion._parameters import GroundMotion, median
from eqstat.ground_motion.mixture import Mixture


class FeltPredictor(Explained, eqx.Module):
    """A ground-motion predictor at one value of the parameters, with its event term apart.

    It has what alert rules ask of a model: a mean, and the scatter between and within events. The
    uncertainty of the parameters is not part of it.

    Attributes
    ----------
    motion
        Parameters, as of `FeltFit.motion`; those of stations add to the scatter within an event.

    Examples
    --------
    >>> predictor = FeltPredictor(GroundMotion(event_sd=0.3, station_sd=0.0, record_sd=0.4))
    >>> mixture = predictor(6.0, jnp.array([20.0, 80.0]), 10.0, jnp.nan)
    >>> mixture.scale.ravel().round(2).tolist()
    [0.5, 0.5]
    """

    motion: GroundMotion

    @property
    def event_scale(self) -> Array:
        """Standard deviation of the event term, log10 units."""
        return jnp.asarray(self.motion.event_sd)

    @property
    def within_scale(self) -> Array:
        """Standard deviation within an event, log10 units."""
        return jnp.hypot(self.motion.station_sd, self.motion.record_sd)

    def __call__(
        self,
        magnitude: ArrayLike,
        distance_km: ArrayLike,
        depth_km: ArrayLike,
        vs30_m_s: ArrayLike,
    ) -> Mixture:
        """Predict PGA: one Gaussian of log10 m/s2 with the total scatter.

        Parameters
        ----------
        magnitude, distance_km, depth_km
            Shapes that broadcast; hypocentral distance in km, depth positive down.
        vs30_m_s
            Not used.

        Returns
        -------
        Mixture
            Of one component.
        """
        magnitude, distance, depth = (
            jnp.asarray(each) for each in (magnitude, distance_km, depth_km)
        )
        mean = median(self.motion, magnitude, distance, depth, self.motion.vs30_log10_mean)
        mean = mean[..., None]
        scale = jnp.hypot(self.event_scale, self.within_scale).astype(mean.dtype)
        return Mixture(jnp.zeros_like(mean), mean, jnp.broadcast_to(scale, mean.shape))
