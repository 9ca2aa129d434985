"""What a network is given: features with units, and how they become its inputs."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

__all__ = ["FEATURES", "Disturb", "Feature", "Scaling"]

# Effective distance: rupture size of magnitude 5 (km) and its growth, decades per magnitude.
SIZE_KM, SIZE_SLOPE = 6.0, 0.235


@dataclass(frozen=True)
class Feature:
    """One number that a network is given.

    Attributes
    ----------
    name
        Its column in tables.
    unit
        Its unit; empty where it has none.
    log
        Whether the network sees its logarithm to base 10; it must then be above 0.
    optional
        Whether it may be missing (NaN).
    """

    name: str
    unit: str = ""
    log: bool = False
    optional: bool = False


FEATURES = (
    Feature("magnitude"),
    Feature("distance_km", "km", log=True),
    Feature("depth_km", "km"),
    Feature("vs30_m_s", "m/s", log=True, optional=True),
)
"""What a ground-motion predictor is given: the features by default."""


class Scaling(eqx.Module):
    r"""How numbers become inputs: logarithms, effective distance, mean 0 and sd 1.

    Where both `magnitude` and `distance_km` are features, the network sees the logarithm of the
    effective distance $\sqrt{R^2 + h^2}$ with $h = 6\,\text{km} \cdot 10^{0.235 (M - 5)}$: near a
    large rupture distance from the hypocentre matters less.

    Attributes
    ----------
    mean, sd
        Of what was trained on, after logarithms, (features,).
    low, high
        Least and largest value of each feature, in its own unit, (features,).
    features
        The features in order.
    """

    mean: Float[Array, " features"]
    sd: Float[Array, " features"]
    low: Float[Array, " features"]
    high: Float[Array, " features"]
    features: tuple[Feature, ...] = eqx.field(static=True)

    @property
    def inputs(self) -> int:
        """Number of inputs: one for each feature, and one more for each that may be missing."""
        return len(self.features) + sum(feature.optional for feature in self.features)

    def __call__(self, values: Float[Array, "... features"]) -> Float[Array, "... inputs"]:
        """Inputs of the network; a missing feature is 0 with its indicator at 1."""
        plain = transform(self.features, values)
        fixed = jax.lax.stop_gradient((self.mean, self.sd))
        scaled = (plain - fixed[0]) / fixed[1]
        optional = np.array([feature.optional for feature in self.features])
        missing = jnp.isnan(scaled) & optional
        scaled = jnp.where(missing, 0.0, scaled)
        return jnp.concatenate([scaled, missing[..., optional].astype(scaled.dtype)], axis=-1)


def transform(features: tuple[Feature, ...], values: Array) -> Array:
    """Take logarithms; NaN where a number is missing or has none."""
    names = [feature.name for feature in features]
    columns = []
    for number, feature in enumerate(features):
        value = values[..., number]
        if feature.log:
            there = value > 0
            value = jnp.where(there, value, 1.0)
            if feature.name == "distance_km" and "magnitude" in names:
                above = values[..., names.index("magnitude")] - 5.0
                value = jnp.hypot(value, SIZE_KM * jnp.exp(np.log(10.0) * SIZE_SLOPE * above))
            value = jnp.where(there, jnp.log10(value), jnp.nan)
        columns.append(value)
    return jnp.stack(columns, axis=-1)


class Disturb(eqx.Module):
    """What is done to features in training: optional ones are hidden, some get noise.

    By the first a network learns to do without a feature: what it then gives is the density given
    the others, integrated over what is hidden as that was in the training records. By the second
    it becomes smooth in numbers that all records of an event share. Magnitude and depth together
    name an event, and a network left alone learns each event's term by heart.

    Attributes
    ----------
    noise
        Standard deviation of the noise of each feature, in its own unit, (features,).
    features
        Which they are.
    hidden
        Probability that an optional feature is hidden.
    """

    noise: Float[Array, " features"]
    features: tuple[Feature, ...] = eqx.field(static=True)
    hidden: float = eqx.field(static=True, default=0.2)

    def __call__(self, key: PRNGKeyArray, values: Float[Array, "... features"]) -> Array:
        """Disturb a batch of features in their own units."""
        first, second = jax.random.split(key)
        normal = jax.random.normal(first, values.shape, values.dtype)
        moved = values + self.noise.astype(values.dtype) * normal
        optional = np.array([feature.optional for feature in self.features])
        gone = jax.random.bernoulli(second, self.hidden, values.shape) & optional
        return jnp.where(gone, jnp.nan, moved)
