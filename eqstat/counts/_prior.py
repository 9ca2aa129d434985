"""Priors of the background; each can be replaced."""

from __future__ import annotations

import equinox as eqx
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions.transforms import SigmoidTransform

from eqstat._core.explain import Explained


def logit_normal(median: float, scale: float) -> dist.Distribution:
    """Logit-normal distribution on (0, 1) with the given median and scale of the logit."""
    centre = float(np.log(median) - np.log1p(-median))
    return dist.TransformedDistribution(dist.Normal(centre, scale), SigmoidTransform())


class Prior(Explained, eqx.Module):
    r"""Priors of the parameters that `fit` and `sample` estimate; NumPyro distributions.

    Attributes
    ----------
    rate_per_device_h
        Triggers per device and hour; log-normal about 0.5 with a factor of 7.
    daily, weekly
        Each harmonic's coefficient on the log rate; normal, 0.5 and 0.3.
    region_sd
        Standard deviation of the region effects; log-normal about 0.3 with a factor of 2. Its
        density vanishes at 0, where the regions would be identical.
    dispersion
        Dispersion among 100 devices; log-normal about 0.1 with a factor of 4.5.
    dispersion_slope
        Slope of its decrease with the number of devices; normal about 0 with 0.5: by default
        common reactions are as strong among many devices as among few.
    burst_probability
        Probability of a burst in a window; logit-normal about 1e-5 (once in eleven days of 10 s
        windows) with a factor of 7.
    burst_share
        Mean share of devices that trigger in a burst; logit-normal about 0.1.
    burst_concentration
        Concentration of the Beta distribution of that share; log-normal about 8 with a factor
        of 2.

    Examples
    --------
    >>> prior = Prior(dispersion=dist.LogNormal(np.log(0.2), 1.0))
    >>> round(float(prior.rate_per_device_h.mean), 2)
    3.69
    """

    rate_per_device_h: dist.Distribution = eqx.field(
        default_factory=lambda: dist.LogNormal(np.log(0.5), 2.0)
    )
    daily: dist.Distribution = eqx.field(default_factory=lambda: dist.Normal(0.0, 0.5))
    weekly: dist.Distribution = eqx.field(default_factory=lambda: dist.Normal(0.0, 0.3))
    region_sd: dist.Distribution = eqx.field(
        default_factory=lambda: dist.LogNormal(np.log(0.3), 0.7)
    )
    dispersion: dist.Distribution = eqx.field(
        default_factory=lambda: dist.LogNormal(np.log(0.1), 1.5)
    )
    dispersion_slope: dist.Distribution = eqx.field(default_factory=lambda: dist.Normal(0.0, 0.5))
    burst_probability: dist.Distribution = eqx.field(
        default_factory=lambda: logit_normal(1e-5, 2.0)
    )
    burst_share: dist.Distribution = eqx.field(default_factory=lambda: logit_normal(0.1, 0.7))
    burst_concentration: dist.Distribution = eqx.field(
        default_factory=lambda: dist.LogNormal(np.log(8.0), 0.7)
    )
