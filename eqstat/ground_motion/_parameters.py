"""Parameters of the Bayesian ground-motion model, and its median."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.arrays import as_leaf
from eqstat._core.checks import check_range
from eqstat._core.explain import Explained

MAGNITUDE = 5.0
DISTANCE_KM = 10.0
DEPTH_KM = 8.0
VS30_M_S = 760.0

# Least standard deviation of a record term, log10 units: 0.02 % of the acceleration.
LEAST_SD = 1e-4

# Correlation at the range, exp(-3) = 0.05.
RANGE_DECAY = 3.0

POSITIVE = (
    "anelastic_per_100_km",
    "saturation_km",
    "vs30_log10_sd",
    "station_distance_km",
    "event_sd",
    "record_sd",
    "correlation_km",
)
SHARES = ("station_distance_share", "correlated_share")
MAY_VANISH = ("spreading_sd", "station_sd", "region_sd", *SHARES)


class GroundMotion(Explained, eqx.Module):
    r"""Parameters of the ground-motion model: median of log10 PGA (m/s2) and its scatter.

    $$ \mu = c + m_1 (M - 5) + m_2 (M - 5)^2 - \{g_1 + g_2 (M - 5)\}
    \log_{10}\frac{\sqrt{R^2 + h(M)^2}}{10\,\text{km}} - q \frac{R}{100\,\text{km}}
    + d \frac{z - 8\,\text{km}}{10\,\text{km}} + v \log_{10} \frac{V_{S30}}{760\,\text{m/s}}
    + b\, u_s + c_r, \qquad h(M) = h_5\, 10^{s (M - 5)} $$

    The total residual is the sum of a between-event term of standard deviation $\tau$, a station
    term of $\phi_S$, a record term of $\phi\, 10^{k (M - 5)}$ and $-\gamma_e x$: each event has a
    decay of its own, $\gamma_e \sim \mathcal N(0, \tau_g^2)$, about the mean distance $\bar R$ of
    the records,

    $$ x = \frac12 \log_{10} \frac{R^2 + h(M)^2}{\bar R^2 + h(M)^2}. $$

    Record terms of one event at stations $i$ and $j$, a distance $d$ apart, have the correlation

    $$ \rho \left( \frac{\ell_i \ell_j}{\bar\ell^2} \right)^{3/2} e^{-3 d / \bar\ell}, \qquad
    \bar\ell^2 = \frac{\ell_i^2 + \ell_j^2}{2}, \qquad \ell_i = \ell\, 10^{\,p\, x_i}: $$

    exponential (Jayaram and Baker, 2009; the share $1 - \rho$ differs between records however
    near), with a range that grows as a power of the distance from the source (in the
    positive definite form of Paciorek and Schervish, 2006), because far stations side by side share
    their path and near ones do not. Those of stations without coordinates are independent.

    An unknown Vs30 is a draw from the population of sites,
    $\log_{10} V_{S30} \sim \mathcal N(m_V, s_V^2)$, the same for all records of a station. All
    parameters may carry leading axes of draws.

    The covariate $u_s$ of a station is the mean of log10 distance over its records, less that over
    all records. Where the earthquakes are close together, as in a sequence, near stations are near
    in all their records, and their terms would take up what the decay leaves unexplained; with $b$
    the terms are free of distance (Mundlak, 1978), and the decay between stations may differ from
    that at one station. For a new site at distance R the covariate is
    $u = \kappa \log_{10} (R / \bar R)$, its regression on the distance of one record, where the
    intraclass correlation $\kappa$ is near 1 for a sequence and near 0 for widespread seismicity.

    Attributes
    ----------
    level
        $c$: log10 PGA (m/s2) of magnitude 5 at the reference distance, depth and site.
    magnitude_slope, magnitude_bend
        $m_1$ and $m_2$, per magnitude and per squared magnitude.
    spreading, spreading_slope
        $g_1$ and $g_2$: decay with log10 distance, and its change per magnitude.
    anelastic_per_100_km
        $q$, above 0.
    saturation_km, saturation_slope
        $h_5$, above 0, and $s$ per magnitude: the decay saturates near a large rupture.
    depth_slope
        $d$, per 10 km.
    vs30_slope
        $v$, per decade of Vs30.
    vs30_log10_mean, vs30_log10_sd
        $m_V$ (of m/s) and $s_V$, above 0.
    station_distance_slope
        $b$: slope of the station terms with the covariate of distance, log10 units per decade.
    station_distance_km, station_distance_share
        $\bar R$, above 0, and $\kappa$ in [0, 1], of the records that were fitted.
    event_sd, station_sd, record_sd
        $\tau$, $\phi_S$ and $\phi$, log10 units, above 0. `station_sd` is 0 where the records
        name no stations.
    record_sd_slope
        $k$ per magnitude.
    spreading_sd
        $\tau_g$: standard deviation of the decay between events, log10 units per decade.
    correlated_share
        $\rho$ in [0, 1]: share of the variance of record terms that neighbours have in common; 0
        where the records have no coordinates.
    correlation_km
        $\ell$, above 0: the range, km, at which the correlation has fallen to $0.05 \rho$, at the
        mean distance of the records.
    correlation_growth
        $p$: power of the effective distance by which the range grows; 0 for the same range
        everywhere, 1 for the same in terms of angles seen from the source.
    region_sd
        Standard deviation of the levels of regions, log10 units; 0 where there is one region.
    region_level
        $c_r$ of each region; 0 where there is one region, (..., regions).

    Raises
    ------
    eqstat.InputError
        When a value is not finite or out of its range.

    References
    ----------
    Mundlak, Y. (1978), On the pooling of time series and cross section data, Econometrica 46,
    69-85, doi:10.2307/1913646.

    Jayaram, N. and Baker, J. (2009), Correlation model for spatially distributed ground-motion
    intensities, Earthquake Engineering and Structural Dynamics 38, 1687-1708,
    doi:10.1002/eqe.922.

    Paciorek, C. and Schervish, M. (2006), Spatial modelling using a new class of nonstationary
    covariance functions, Environmetrics 17, 483-506, doi:10.1002/env.785.

    Examples
    --------
    >>> motion = GroundMotion(level=-0.3, event_sd=0.3, station_sd=0.2, record_sd=0.25)
    >>> bool(motion.total_sd < 0.5)
    True
    """

    level: Float[Array, "..."] = eqx.field(converter=as_leaf, default=-0.3)
    magnitude_slope: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.7)
    magnitude_bend: Float[Array, "..."] = eqx.field(converter=as_leaf, default=-0.05)
    spreading: Float[Array, "..."] = eqx.field(converter=as_leaf, default=1.4)
    spreading_slope: Float[Array, "..."] = eqx.field(converter=as_leaf, default=-0.1)
    anelastic_per_100_km: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.2)
    saturation_km: Float[Array, "..."] = eqx.field(converter=as_leaf, default=6.0)
    saturation_slope: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.235)
    depth_slope: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.0)
    vs30_slope: Float[Array, "..."] = eqx.field(converter=as_leaf, default=-0.5)
    vs30_log10_mean: Float[Array, "..."] = eqx.field(converter=as_leaf, default=2.6)
    vs30_log10_sd: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.15)
    station_distance_slope: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.0)
    station_distance_km: Float[Array, "..."] = eqx.field(converter=as_leaf, default=50.0)
    station_distance_share: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.0)
    event_sd: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.3)
    station_sd: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.2)
    record_sd: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.25)
    record_sd_slope: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.0)
    spreading_sd: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.15)
    correlated_share: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.4)
    correlation_km: Float[Array, "..."] = eqx.field(converter=as_leaf, default=20.0)
    correlation_growth: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.0)
    region_sd: Float[Array, "..."] = eqx.field(converter=as_leaf, default=0.0)
    region_level: Float[Array, "... regions"] = eqx.field(converter=as_leaf, default=(0.0,))

    def __check_init__(self) -> None:
        """Check the ranges of concrete values; traced ones pass."""
        for name in (field.name for field in dataclasses.fields(self)):
            low = 0.0 if name in POSITIVE + MAY_VANISH else -np.inf
            high = 1.0 if name in SHARES else np.inf
            ends = "(]" if name in POSITIVE else "[]"
            check_range("GroundMotion", low, high, ends=ends, **{name: getattr(self, name)})

    @property
    def total_sd(self) -> Float[Array, "..."]:
        """Total sd, log10 units: magnitude 5, mean distance, a new station of known Vs30."""
        return jnp.sqrt(self.event_sd**2 + self.station_sd**2 + self.record_sd**2)


def median(
    motion: GroundMotion,
    magnitude: Any,
    distance_km: Any,
    depth_km: Any,
    log10_vs30: Any,
    station_distance: Any = None,
) -> Float[Array, "..."]:
    """Median of log10 PGA (m/s2) without the level of a region.

    Parameters
    ----------
    motion
        Parameters; draws broadcast against the inputs.
    magnitude, distance_km, depth_km
        Magnitude, hypocentral distance and depth, as in tables.
    log10_vs30
        Log10 of Vs30 in m/s; the population's mean where it is unknown.
    station_distance
        Covariate $u_s$ of the station; by default a new site's, from the distance.

    Returns
    -------
    jax.Array
        Medians, log10 of m/s2.

    Examples
    --------
    >>> near, far = median(GroundMotion(), 6.0, jnp.array([10.0, 100.0]), 10.0, 2.6)
    >>> bool(near > far + 1.0)
    True
    """
    above = magnitude - MAGNITUDE
    if station_distance is None:
        station_distance = new_site_distance(motion, distance_km)
    return (
        motion.level
        + above * (motion.magnitude_slope + above * motion.magnitude_bend)
        - (motion.spreading + motion.spreading_slope * above)
        * log10_effective(motion, magnitude, distance_km)
        - motion.anelastic_per_100_km * distance_km / 100.0
        + motion.depth_slope * (depth_km - DEPTH_KM) / 10.0
        + motion.vs30_slope * (log10_vs30 - np.log10(VS30_M_S))
        + motion.station_distance_slope * station_distance
    )


def new_site_distance(motion: GroundMotion, distance_km: Any) -> Array:
    """Covariate of distance of a new site, expected from the distance of one record."""
    decades = jnp.log(distance_km / motion.station_distance_km) / np.log(10.0)
    return motion.station_distance_share * decades


def event_design(motion: GroundMotion, magnitude: Any, distance_km: Any) -> Array:
    r"""Factors of the event's term and of its own decay in a record, $(1, -x)$, (..., 2).

    Examples
    --------
    >>> near = event_design(GroundMotion(), 5.0, 10.0)
    >>> bool(near[0] == 1.0 and near[1] > 0.5)
    True
    """
    middle = log10_effective(motion, magnitude, motion.station_distance_km)
    beyond = log10_effective(motion, magnitude, distance_km) - middle
    return jnp.stack([jnp.ones_like(beyond), -beyond], axis=-1)


def effect_variance(motion: GroundMotion) -> Array:
    """Variances of an event's term and of its own decay, (..., 2)."""
    parts = (jnp.asarray(motion.event_sd), jnp.asarray(motion.spreading_sd))
    return jnp.stack(parts, axis=-1) ** 2


def field_correlation(
    motion: GroundMotion, separation_km: Any, design: Array, others: Array
) -> Array:
    """Correlation of the record terms of stations with others in one event, (..., n, others).

    The rows of `event_design` of both tell how far from the source they are.

    Examples
    --------
    >>> design = event_design(GroundMotion(), 5.0, jnp.array([30.0, 40.0]))
    >>> apart_km = jnp.array([[0.0, 20.0], [20.0, 0.0]])
    >>> [round(float(x), 2) for x in field_correlation(GroundMotion(), apart_km, design, design)[0]]
    [0.4, 0.02]
    """
    growth = -np.log(10.0) * motion.correlation_growth
    one_km = motion.correlation_km * jnp.exp(growth * design[..., :, None, 1])
    other_km = motion.correlation_km * jnp.exp(growth * others[..., None, :, 1])
    square = (one_km**2 + other_km**2) / 2
    decay = jnp.exp(-RANGE_DECAY * separation_km / jnp.sqrt(square))
    return motion.correlated_share * (one_km * other_km / square) ** 1.5 * decay


def record_sd_at(motion: GroundMotion, magnitude: Any) -> Array:
    """Standard deviation of the record term, log10 units.

    It is at least that of rounding: where a few records fit exactly, the density of smaller ones
    has no bound, and is lost in rounding itself.

    Examples
    --------
    >>> float(record_sd_at(GroundMotion(record_sd=0.25), 6.0))
    0.25
    """
    factor = jnp.exp(np.log(10.0) * motion.record_sd_slope * (magnitude - MAGNITUDE))
    return jnp.maximum(motion.record_sd * factor, LEAST_SD)


def log10_effective(motion: GroundMotion, magnitude: Any, distance_km: Any) -> Array:
    """Log10 of the effective distance in units of 10 km."""
    decade = np.log(10.0)
    size_km = motion.saturation_km * jnp.exp(
        decade * motion.saturation_slope * (magnitude - MAGNITUDE)
    )
    return jnp.log((distance_km**2 + size_km**2) / DISTANCE_KM**2) / (2 * decade)


def magnitude_slope_at(motion: GroundMotion, magnitude: Any, distance_km: Any) -> Array:
    """Derivative of the median with magnitude, without that of the saturation distance."""
    above = magnitude - MAGNITUDE
    slope = motion.magnitude_slope + 2 * motion.magnitude_bend * above
    return slope - motion.spreading_slope * log10_effective(motion, magnitude, distance_km)
