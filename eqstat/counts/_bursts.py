"""Bursts: windows in which people react together."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from eqstat._core.arrays import Number
from eqstat._core.checks import check_fields
from eqstat._core.explain import Explained


class Bursts(Explained, eqx.Module):
    r"""Bursts: windows in which people react together, to thunder, a goal or a quarry blast.

    Attributes
    ----------
    probability
        Probability of a burst in a window, in [0, 1].
    share
        Mean share of all active devices that trigger in a burst, in (0, 1).
    concentration
        Of the Beta distribution of that share: $a = \text{share} \cdot \text{concentration}$,
        $b = (1 - \text{share}) \cdot \text{concentration}$; positive.

    Examples
    --------
    >>> [round(float(value), 2) for value in Bursts(1e-5, 0.1, 8.0).beta]
    [0.8, 7.2]
    """

    probability: Number
    share: Number
    concentration: Number

    def __check_init__(self) -> None:
        check_fields(self, probability=(0, 1), share=(1e-9, 1 - 1e-9), concentration=(1e-6, 1e9))

    @property
    def beta(self) -> tuple[Array, Array]:
        """Parameters a and b of the share's Beta distribution."""
        a = jnp.asarray(self.share * self.concentration)
        return a, jnp.asarray((1 - self.share) * self.concentration)
