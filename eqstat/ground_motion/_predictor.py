r"""What predicts ground motion: any callable from source and site to a `Mixture`.

The fitted Bayesian model and the trained network of this room give such callables by their method
`predictor()`; `PointSource` here is one that needs no training, for tests, simulations and networks
without data of their own.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from eqstat._core.checks import check_range, is_traced
from eqstat._core.errors import InputError
from eqstat.ground_motion.mixture._mixture import Mixture

__all__ = ["PointSource", "Predictor"]

LOG_10 = float(np.log(10.0))
# Gal (cm/s2) in log10 of m/s2.
GAL = -2.0


@runtime_checkable
class Predictor(Protocol):
    """A ground-motion predictor: callable, safe under `jit`, on arrays of shapes that broadcast.

    Those of this room are equinox modules, which `jax.jit` cannot hash: compile one by
    `eqx.filter_jit(predictor)`, or call it within a function that is compiled.

    Arguments are the magnitude, the hypocentral distance (km, above 0), the depth (km, positive
    down) and Vs30 (m/s, NaN where it is unknown); the result is a `Mixture` with one more axis,
    of its components.
    """

    def __call__(
        self, magnitude: Array, distance_km: Array, depth_km: Array, vs30_m_s: Array, /
    ) -> Mixture:
        """Predict log10 of PGA in m/s2."""
        ...


class PointSource(eqx.Module):
    r"""A plain point-source ground-motion model with explicit coefficients.

    $$ \ln a_{\text{Gal}} = c_0 + c_1 M - c_2 \ln R_e - c_3 R_e + \eta + \delta + \epsilon, \qquad
    R_e = \sqrt{R^2 + h^2}, \quad h = h_6\, e^{g (M - 6)} $$

    with the hypocentral distance R, an event term $\eta \sim N(0, \tau^2)$, a station term
    $\delta \sim N(0, \phi_S^2)$ and what is left of a record, $\epsilon \sim N(0, \phi_R^2)$. Depth
    enters by R alone; Vs30 is not used: its part of the scatter is in the station term.

    The default numbers are a regression of the recordings of nine earthquakes on OpenEEW's sensors
    in Mexico: $c_0 = 3.87$, $c_1 = 1.12$, $c_2 = 1.83$, total standard deviation 0.78, no anelastic
    term. That regression tells neither saturation nor the parts of the scatter. Both are
    assumptions here: h is 5 km at M 6 and grows by 1.7 for each magnitude, which is felt within
    some 10 km only and keeps the shaking of great earthquakes finite; a quarter of the variance is
    the event's, a quarter the station's. It is a rough stand-in for a model of the region.

    Attributes
    ----------
    intercept, magnitude_slope, distance_slope, anelastic_per_km
        $c_0$ to $c_3$, natural logarithm of Gal.
    saturation_km, saturation_slope
        $h_6$ (km, at least 0) and g.
    event_sd, station_sd, record_sd
        $\tau, \phi_S, \phi_R$, natural logarithm, above 0 together.

    Raises
    ------
    eqstat.InputError
        When a standard deviation or the saturation is negative, or no scatter is left.

    References
    ----------
    Al Atik, L. et al. (2010), Seismological Research Letters 81, 794-801, for the parts of the
    scatter.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from eqstat.exceedance.mixture import exceedance
    >>> one = PointSource()(jnp.array(6.0), jnp.array(50.0), jnp.array(15.0), jnp.array(jnp.nan))
    >>> bool(0.1 < exceedance(one, jnp.log10(0.5)) < 0.3)
    True
    """

    intercept: float | Array = 3.87
    magnitude_slope: float | Array = 1.12
    distance_slope: float | Array = 1.83
    anelastic_per_km: float | Array = 0.0
    saturation_km: float | Array = 5.0
    saturation_slope: float | Array = 0.53
    event_sd: float | Array = 0.39
    station_sd: float | Array = 0.39
    record_sd: float | Array = 0.552

    def __check_init__(self) -> None:
        """Refuse numbers that are no model; traced ones pass."""
        parts = {n: getattr(self, n) for n in ("event_sd", "station_sd", "record_sd")}
        check_range("PointSource", 0, **parts, saturation_km=self.saturation_km)
        if not is_traced(parts) and not any(np.any(value) for value in parts.values()):
            raise InputError("PointSource: one of the standard deviations must be above 0")

    @property
    def event_scale(self) -> Array:
        """Standard deviation of the event term, log10 units."""
        return jnp.asarray(self.event_sd) / LOG_10

    @property
    def within_scale(self) -> Array:
        """Standard deviation within an event (station and record), log10 units."""
        return jnp.hypot(self.station_sd, self.record_sd) / LOG_10

    def mean(self, magnitude: ArrayLike, distance_km: ArrayLike) -> Array:
        """Mean of log10 PGA, m/s2.

        Parameters
        ----------
        magnitude, distance_km
            Shapes that broadcast; hypocentral distance in km.

        Returns
        -------
        jax.Array
        """
        magnitude, distance_km = jnp.asarray(magnitude), jnp.asarray(distance_km)
        # Kept as a square: its root is taken by half a logarithm.
        saturated = self.saturation_km * jnp.exp(self.saturation_slope * (magnitude - 6.0))
        square = distance_km * distance_km + saturated * saturated
        natural = self.intercept + self.magnitude_slope * magnitude
        natural = natural - 0.5 * self.distance_slope * jnp.log(square)
        if not (isinstance(self.anelastic_per_km, float) and self.anelastic_per_km == 0.0):
            natural = natural - self.anelastic_per_km * jnp.sqrt(square)
        return natural / LOG_10 + GAL

    def __call__(
        self, magnitude: Array, distance_km: Array, depth_km: Array, vs30_m_s: Array
    ) -> Mixture:
        """Predict PGA: one Gaussian of log10 m/s2 with the total scatter.

        Parameters
        ----------
        magnitude, distance_km
            Shapes that broadcast; hypocentral distance in km.
        depth_km, vs30_m_s
            Not used.

        Returns
        -------
        Mixture
            Of one component.
        """
        mean = self.mean(magnitude, distance_km)[..., None]
        scale = jnp.hypot(self.event_scale, self.within_scale).astype(mean.dtype)
        return Mixture(jnp.zeros_like(mean), mean, jnp.broadcast_to(scale, mean.shape))
