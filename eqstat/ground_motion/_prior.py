"""Priors of the ground-motion model, each of which can be replaced."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np
import numpyro.distributions as dist

from eqstat._core.explain import Explained


def _normal(mean: float, sd: float) -> Any:
    return eqx.field(default_factory=lambda: dist.Normal(mean, sd))


def _positive(median: float, log_sd: float) -> Any:
    return eqx.field(default_factory=lambda: dist.LogNormal(float(np.log(median)), log_sd))


class Prior(Explained, eqx.Module):
    r"""Priors of the parameters that `fit` and `sample` estimate; NumPyro distributions.

    They are weakly informative for shallow crustal earthquakes of an active region. Only the
    saturation, which few records are near enough to constrain, relies on published scaling.

    Attributes
    ----------
    level
        Normal about -0.3 (5 %g), sd 0.5.
    magnitude_slope, magnitude_bend
        Normal, 0.7 and 0.3 per magnitude; -0.05 and 0.1 per squared magnitude.
    spreading, spreading_slope
        Normal, 1.4 and 0.4; -0.1 and 0.15 per magnitude.
    anelastic_per_100_km
        Log-normal with median 0.2 and a factor of 2.
    saturation_km, saturation_slope
        Log-normal with median 6 km and a factor of 1.6; normal, 0.235 and 0.06 per magnitude: the
        scaling of simulated and recorded near-source motions.
    depth_slope
        Normal, 0.3 per 10 km.
    vs30_slope
        Normal about -0.5, sd 0.4.
    vs30_log10_mean, vs30_log10_sd
        Normal, 2.6 and 0.2; log-normal about 0.15 with a factor of 1.6.
    station_distance_slope
        Normal about 0, sd 0.5 per decade of distance.
    event_sd, station_sd, record_sd
        Log-normal about 0.3, 0.2 and 0.25 with a factor of 1.6.
    record_sd_slope
        Normal, 0.1 per magnitude.
    spreading_sd
        Log-normal with median 0.15 per decade and a factor of 1.6.
    correlated_share
        Beta with parameters 1.5 and 1.5.
    correlation_km
        Log-normal with median 20 km and a factor of 2.
    correlation_growth
        Normal about 0.5, sd 0.5.
    region_sd
        Log-normal with median 0.2 and a factor of 2.

    References
    ----------
    Jayaram, N. and Baker, J. (2009), Correlation model for spatially distributed ground-motion
    intensities, Earthquake Engineering and Structural Dynamics 38, 1687-1708,
    doi:10.1002/eqe.922, for the range: 8 to 41 km for peak acceleration.

    Yenier, E. and Atkinson, G. (2014), Equivalent point-source modeling of moderate-to-large
    magnitude earthquakes and associated ground-motion saturation effects, Bulletin of the
    Seismological Society of America 104, 1458-1478, doi:10.1785/0120130147, for the saturation.

    Examples
    --------
    >>> prior = Prior(spreading=dist.Normal(1.3, 0.2))
    >>> prior.spreading.loc
    1.3
    """

    level: dist.Distribution = _normal(-0.3, 0.5)
    magnitude_slope: dist.Distribution = _normal(0.7, 0.3)
    magnitude_bend: dist.Distribution = _normal(-0.05, 0.1)
    spreading: dist.Distribution = _normal(1.4, 0.4)
    spreading_slope: dist.Distribution = _normal(-0.1, 0.15)
    anelastic_per_100_km: dist.Distribution = _positive(0.2, 0.7)
    saturation_km: dist.Distribution = _positive(6.0, 0.5)
    saturation_slope: dist.Distribution = _normal(0.235, 0.06)
    depth_slope: dist.Distribution = _normal(0.0, 0.3)
    vs30_slope: dist.Distribution = _normal(-0.5, 0.4)
    vs30_log10_mean: dist.Distribution = _normal(2.6, 0.2)
    vs30_log10_sd: dist.Distribution = _positive(0.15, 0.5)
    station_distance_slope: dist.Distribution = _normal(0.0, 0.5)
    event_sd: dist.Distribution = _positive(0.3, 0.5)
    station_sd: dist.Distribution = _positive(0.2, 0.5)
    record_sd: dist.Distribution = _positive(0.25, 0.5)
    record_sd_slope: dist.Distribution = _normal(0.0, 0.1)
    spreading_sd: dist.Distribution = _positive(0.15, 0.5)
    correlated_share: dist.Distribution = eqx.field(default_factory=lambda: dist.Beta(1.5, 1.5))
    correlation_km: dist.Distribution = _positive(20.0, 0.7)
    correlation_growth: dist.Distribution = _normal(0.5, 0.5)
    region_sd: dist.Distribution = _positive(0.2, 0.7)
