r"""The interface of ground-motion predictors, and a point source with explicit coefficients.

The fitted Bayesian model and trained networks give predictors by their method `predictor()`;
`PointSource` needs no data, for tests, simulations and regions without records.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from eqstat._core.checks import check_range, is_traced
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion.mixture._mixture import Mixture

LOG_10 = float(np.log(10.0))
# Log10 of one Gal (cm/s2) in m/s2.
LOG10_GAL = -2.0


@runtime_checkable
class Predictor(Protocol):
    """A ground-motion predictor: callable on arrays that broadcast, safe under `jit`.

    Arguments are the magnitude, the hypocentral distance (km, above 0), the depth (km, positive
    down) and Vs30 (m/s, NaN where it is unknown); the result is a `Mixture` with one more axis,
    that of its components. The predictors of this package are Equinox modules, which `jax.jit`
    cannot hash: compile one by `eqx.filter_jit(predictor)`, or call it within a compiled function.

    Examples
    --------
    >>> isinstance(PointSource(), Predictor)
    True
    """

    def __call__(
        self, magnitude: Array, distance_km: Array, depth_km: Array, vs30_m_s: Array, /
    ) -> Mixture:
        """Predict log10 of PGA in m/s2."""
        ...


class PointSource(Explained, eqx.Module):
    r"""Point-source ground-motion model with explicit coefficients.

    $$ \ln a_{\text{Gal}} = c_0 + c_1 M - c_2 \ln R_e - c_3 R_e + \eta + \delta + \epsilon, \qquad
    R_e = \sqrt{R^2 + h^2}, \quad h = h_6\, e^{g (M - 6)} $$

    with the hypocentral distance R, a between-event term $\eta \sim N(0, \tau^2)$, a station term
    $\delta \sim N(0, \phi_S^2)$ and a record term $\epsilon \sim N(0, \phi_R^2)$. Depth enters
    through R only; Vs30 is not used, so that its effect is part of the station term.

    The default coefficients are a regression on the recordings of nine earthquakes by OpenEEW
    sensors in Mexico: $c_0 = 3.87$, $c_1 = 1.12$, $c_2 = 1.83$, total standard deviation 0.78, no
    anelastic term. That regression determines neither the saturation nor the partition of the
    scatter, which are assumptions: h is 5 km at M 6 and grows by a factor of 1.7 per magnitude
    unit, which matters within about 10 km only and keeps the shaking of great earthquakes finite;
    one quarter of the variance is between events, one quarter between stations. Where there are
    records of the region, fit a model to them instead.

    Attributes
    ----------
    intercept, magnitude_slope, distance_slope, anelastic_per_km
        $c_0$ to $c_3$, natural logarithm of Gal.
    saturation_km, saturation_slope
        $h_6$ (km, at least 0) and g.
    event_sd, station_sd, record_sd
        $\tau, \phi_S, \phi_R$, natural logarithm, at least 0 and not all 0.

    Raises
    ------
    eqstat.InputError
        When a standard deviation or the saturation is negative, or all scatter is 0.

    References
    ----------
    Al Atik, L. et al. (2010), The variability of ground-motion prediction models and its
    components, Seismological Research Letters 81, 794-801, doi:10.1785/gssrl.81.5.794, for the
    partition of the scatter.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from eqstat.ground_motion.mixture import exceedance
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
        """Check the ranges of concrete values; traced ones pass."""
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
        # The square is kept: half its logarithm saves a square root.
        saturated = self.saturation_km * jnp.exp(self.saturation_slope * (magnitude - 6.0))
        square = distance_km * distance_km + saturated * saturated
        natural = self.intercept + self.magnitude_slope * magnitude
        natural = natural - 0.5 * self.distance_slope * jnp.log(square)
        if not (isinstance(self.anelastic_per_km, float) and self.anelastic_per_km == 0.0):
            natural = natural - self.anelastic_per_km * jnp.sqrt(square)
        return natural / LOG_10 + LOG10_GAL

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
