"""Priors of the classifiers, each of which can be replaced."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpyro.distributions as dist

from eqstat._core.explain import Explained


def _normal(sd: float) -> Any:
    return eqx.field(default_factory=lambda: dist.Normal(0.0, sd))


class Prior(Explained, eqx.Module):
    """Priors of the log likelihood ratio's parameters; NumPyro distributions of one number.

    They are of features that are standardised with either class counted half; the balance of the
    classes in the training data has no part in them. No parameter is larger a priori for
    earthquakes than for other motion.

    Attributes
    ----------
    level
        Normal about 0, sd 3.
    weight
        Of each feature: normal about 0, sd 2 per standard deviation.
    inner_weight, inner_bias
        Of each hidden node: normal about 0, sd 1 and 1.5.
    outer_weight
        Of each hidden node: normal about 0, sd 2.

    Examples
    --------
    >>> Prior(weight=dist.Normal(0.0, 1.0)).weight.scale
    1.0
    """

    level: dist.Distribution = _normal(3.0)
    weight: dist.Distribution = _normal(2.0)
    inner_weight: dist.Distribution = _normal(1.0)
    inner_bias: dist.Distribution = _normal(1.5)
    outer_weight: dist.Distribution = _normal(2.0)
