"""Features of a network with their units, and their transformation to inputs."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from eqstat._core.explain import Explained

# Effective distance: saturation distance of magnitude 5 (km) and its growth, decades per magnitude.
SIZE_KM, SIZE_SLOPE = 6.0, 0.235


@dataclass(frozen=True)
class Feature(Explained):
    """A feature of a network: one column of a table.

    Attributes
    ----------
    name
        Name of the column.
    unit
        Unit; empty if there is none.
    log
        Whether the input is the logarithm to base 10; the value must then be above 0.
    optional
        Whether the value may be missing (NaN).

    Examples
    --------
    >>> Feature("predominant_period_s", "s", log=True, optional=True).name
    'predominant_period_s'
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
"""The default features, those of a ground-motion `Predictor`."""


class Scaling(eqx.Module):
    r"""Transformation of features to inputs: logarithms, effective distance, mean 0 and sd 1.

    Where both `magnitude` and `distance_km` are features, the input is the logarithm of the
    effective distance $\sqrt{R^2 + h^2}$ with $h = 6\,\text{km} \cdot 10^{0.235 (M - 5)}$, because
    attenuation saturates near a large rupture.

    Attributes
    ----------
    mean, sd
        Moments of the training data after the logarithms, (features,).
    low, high
        Range of each feature in the training data, in its own unit, (features,).
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
        """Number of inputs: one per feature, and a missingness indicator per optional feature."""
        return len(self.features) + sum(feature.optional for feature in self.features)

    def __call__(self, values: Float[Array, "... features"]) -> Float[Array, "... inputs"]:
        """Return the inputs of the network; a missing feature is 0 with its indicator at 1."""
        plain = transform(self.features, values)
        fixed = jax.lax.stop_gradient((self.mean, self.sd))
        scaled = (plain - fixed[0]) / fixed[1]
        optional = np.array([feature.optional for feature in self.features])
        missing = jnp.isnan(scaled) & optional
        scaled = jnp.where(missing, 0.0, scaled)
        return jnp.concatenate([scaled, missing[..., optional].astype(scaled.dtype)], axis=-1)


def transform(features: tuple[Feature, ...], values: Array) -> Array:
    """Take logarithms; NaN where a value is missing or not above 0."""
    names = [feature.name for feature in features]
    columns = []
    for number, feature in enumerate(features):
        value = values[..., number]
        if feature.log:
            positive = value > 0
            value = jnp.where(positive, value, 1.0)
            if feature.name == "distance_km" and "magnitude" in names:
                above = values[..., names.index("magnitude")] - 5.0
                value = jnp.hypot(value, SIZE_KM * jnp.exp(np.log(10.0) * SIZE_SLOPE * above))
            value = jnp.where(positive, jnp.log10(value), jnp.nan)
        columns.append(value)
    return jnp.stack(columns, axis=-1)


class FeatureNoise(Explained, eqx.Module):
    """Augmentation of a mini-batch: optional features are hidden, others get noise.

    A hidden feature makes the network learn the density given the other features, marginalised
    over the hidden one as distributed in the training data. Noise makes the density smooth in
    features that all records of an event share: magnitude and depth together identify an event,
    and without noise a network would memorise each event's term.

    Attributes
    ----------
    noise
        Standard deviation of the noise of each feature, in its own unit, at least 0, (features,).
    features
        The features in order.
    hidden
        Probability that an optional feature is hidden, in [0, 1].

    Examples
    --------
    >>> augment = FeatureNoise(jnp.array([0.1, 0.0]), (FEATURES[0], FEATURES[3]), hidden=1.0)
    >>> bool(jnp.isnan(augment(jax.random.key(0), jnp.ones((5, 2)))[:, 1]).all())
    True
    """

    noise: Float[Array, " features"]
    features: tuple[Feature, ...] = eqx.field(static=True)
    hidden: float = eqx.field(static=True, default=0.2)

    def __call__(self, key: PRNGKeyArray, values: Float[Array, "... features"]) -> Array:
        """Augment a batch of features in their own units."""
        first, second = jax.random.split(key)
        normal = jax.random.normal(first, values.shape, values.dtype)
        noisy = values + self.noise.astype(values.dtype) * normal
        optional = np.array([feature.optional for feature in self.features])
        hide = jax.random.bernoulli(second, self.hidden, values.shape) & optional
        return jnp.where(hide, jnp.nan, noisy)
