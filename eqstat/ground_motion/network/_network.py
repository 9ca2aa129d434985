r"""Mixture density networks: from features of a record to a `Mixture` of log10 PGA.

Records of one event share its term, so a table informs about magnitude once per event, and a few
dozen events carry little information. A network here therefore learns only the residual from a
physical trend. Its hidden units are tanh, so that its correction is bounded: outside of the
training range the trend continues and the correction stays close to its value at the edge.
"""

from __future__ import annotations

import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, PRNGKeyArray

from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion.mixture._mixture import Mixture, from_logits
from eqstat.ground_motion.network._features import FEATURES, Feature, Scaling
from eqstat.ground_motion.network._trend import trend_basis

FLOOR = 0.02


class Member(Explained, eqx.Module):
    r"""One network of an ensemble: a trend and a small correction that is learned.

    With inputs z, a trend t and outputs $(\ell_k, o_k, r_k)$ of a perceptron with tanh units,
    component k has mean $t + s\, o_k(z)$, scale $\text{floor} + \log(1 + e^{r_0 + r_k(z)})$ and the
    weight that softmax gives to $\ell_k(z)$. Before training the scale is s, and where a feature is
    missing $\sqrt{s^2 + b^2}$ with b the change of the trend over one standard deviation of it.

    Attributes
    ----------
    perceptron
        The trained perceptron.
    trend
        Coefficients of the trend, (coefficients,).
    spread
        $s$: standard deviation about the trend, log10 units.
    scaling
        Scaling of features to inputs.
    components
        Number of components, K.

    Examples
    --------
    >>> moments = jnp.array([[6.0, 1.6], [1.0, 0.4], [5.0, 10.0], [7.0, 150.0]])
    >>> member = init_member(
    ...     jax.random.key(0), Scaling(*moments, FEATURES[:2]), jnp.zeros(6), 0.3)
    >>> member(jnp.array([[5.5, 20.0], [6.5, 80.0]])).mean.shape
    (2, 3)
    """

    perceptron: eqx.nn.MLP
    trend: Float[Array, " coefficients"]
    spread: Float[Array, ""]
    scaling: Scaling
    components: int = eqx.field(static=True)

    def __call__(self, values: Float[Array, "... features"]) -> Mixture:
        """Density of log10 PGA (m/s2) given features in their own units."""
        inputs = self.scaling(values)
        trend, spread = jax.lax.stop_gradient((self.trend, self.spread))
        out = jnp.vectorize(self.perceptron, signature="(i)->(o)")(inputs)
        logits, offset, raw = jnp.split(out, 3, axis=-1)
        middle = trend_basis(self.scaling, values, inputs) @ trend
        start = jnp.sqrt(spread**2 + self._missing(values, inputs, trend))[..., None]
        start = jnp.log(jnp.expm1(jnp.maximum(start - FLOOR, FLOOR)))
        return from_logits(logits, middle[..., None] + spread * offset, raw + start, FLOOR)

    def _missing(self, values: Array, inputs: Array, trend: Array) -> Array:
        """Variance about the trend of the features that are missing."""
        features = self.scaling.features
        optional = [number for number, feature in enumerate(features) if feature.optional]
        variance = jnp.zeros(inputs.shape[:-1], inputs.dtype)
        for place, number in enumerate(optional):
            ends = [
                trend_basis(self.scaling, values, inputs.at[..., number].set(z)) for z in (0.0, 1.0)
            ]
            share = (ends[1] - ends[0]) @ trend
            variance = variance + inputs[..., len(features) + place] * share**2
        return variance


def init_member(
    key: PRNGKeyArray,
    scaling: Scaling,
    trend: ArrayLike,
    spread: float | int | Array,
    *,
    components: int = 3,
    hidden: tuple[int, int] = (16, 2),
) -> Member:
    """Initialise an untrained network: the trend with its spread, components side by side.

    Parameters
    ----------
    key
        JAX random key.
    scaling, trend, spread
        See `Member`.
    components
        Number of components K, at least 1.
    hidden
        Width and number of hidden layers.

    Returns
    -------
    Member
    """
    width, depth = hidden
    dtype = scaling.mean.dtype
    net = eqx.nn.MLP(
        scaling.inputs, 3 * components, width, depth, activation=jnp.tanh, dtype=dtype, key=key
    )
    last = net.layers[-1]
    offsets = jnp.linspace(-0.5, 0.5, components) if components > 1 else jnp.zeros(1)
    bias = jnp.concatenate([jnp.zeros(components), offsets, jnp.zeros(components)]).astype(dtype)
    net = eqx.tree_at(
        lambda n: (n.layers[-1].weight, n.layers[-1].bias), net, (0.1 * last.weight, bias)
    )
    return Member(net, jnp.asarray(trend, dtype), jnp.asarray(spread, dtype), scaling, components)


def trainable(member: Member) -> Any:
    """Filter (of equinox) of the trained arrays of a member: its perceptron only."""
    none = jax.tree.map(lambda _: False, member)
    learned = jax.tree.map(eqx.is_inexact_array, member.perceptron)
    return eqx.tree_at(lambda m: m.perceptron, none, learned)


class Network(Explained, eqx.Module):
    """An ensemble of trained mixture density networks with its metadata.

    The density is the plain average of the members' densities. It is immutable:
    `fit_network` trains it, `save` and `load` store it.

    Attributes
    ----------
    members
        The networks, arrays with a leading axis of members.
    temperature
        Factor on all scales, estimated on out-of-bag events.
    card_text
        The model card as JSON; `card` parses it.

    References
    ----------
    Bishop, C. (1994), Mixture Density Networks, Aston University, NCRG/94/004.
    Lakshminarayanan, B., Pritzel, A. and Blundell, C. (2017), Simple and scalable predictive
    uncertainty estimation using deep ensembles, NeurIPS 30, 6402-6413.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> from eqstat.ground_motion.network import TrainingOptions, fit_network
    >>> table = simulate(jax.random.key(0), GroundMotion(), Design(events=30, stations=20)).table
    >>> options = TrainingOptions(epochs=5)
    >>> fitted = fit_network(jax.random.key(1), table, members=2, options=options)
    >>> network = fitted.network
    >>> network.card["members"], network([[6.0] * len(network.features)]).mean.shape
    (2, (1, 6))
    """

    members: Member
    temperature: Float[Array, ""]
    card_text: str = eqx.field(static=True, default="{}")

    @property
    def features(self) -> tuple[Feature, ...]:
        """Input features, in order, with units."""
        return self.members.scaling.features

    @property
    def card(self) -> dict[str, Any]:
        """Model card: description, training data and scores on out-of-bag events."""
        return json.loads(self.card_text)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Least and largest value of each feature in training, in its own unit."""
        low, high = (
            np.asarray(self.members.scaling.low)[0],
            np.asarray(self.members.scaling.high)[0],
        )
        return {f.name: (float(a), float(b)) for f, a, b in zip(self.features, low, high,
                                                                strict=True)}  # fmt: skip

    def __call__(self, values: Float[ArrayLike, "... features"]) -> Mixture:
        """Density of log10 PGA (m/s2); safe under `jit` and `grad`.

        Parameters
        ----------
        values
            Features in the order of `features`, each in its own unit; NaN where an optional one
            is missing. A missing required feature gives a density of NaN.

        Returns
        -------
        Mixture
            (..., members x components)
        """
        given = jnp.asarray(values, self.temperature.dtype)
        return _density(self.members, self.temperature, given)

    def covers(self, values: Float[ArrayLike, "... features"]) -> Bool[Array, "..."]:
        """Whether all features lie in the range of the training data; missing ones count as inside.

        Outside, the trend is extrapolated and its scatter is untested.

        Parameters
        ----------
        values
            As in a call.

        Returns
        -------
        jax.Array
            (...)
        """
        given = jnp.asarray(values, self.temperature.dtype)
        scaling = self.members.scaling
        inside = (given >= scaling.low[0]) & (given <= scaling.high[0])
        optional = np.array([feature.optional for feature in self.features])
        return jnp.all(inside | (jnp.isnan(given) & optional), axis=-1)

    def predictor(self) -> NetworkPredictor:
        """Ground-motion predictor of magnitude, distance, depth and Vs30.

        Other optional features are set to missing.

        Returns
        -------
        NetworkPredictor

        Raises
        ------
        eqstat.InputError
            When the network requires other features.
        """
        known = [feature.name for feature in FEATURES]
        other = [f.name for f in self.features if f.name not in known and not f.optional]
        if other:
            raise InputError(
                f"network: a ground-motion predictor knows {', '.join(known)}; this network also "
                f"needs {', '.join(other)}: call it with its own features"
            )
        return NetworkPredictor(Network(self.members, self.temperature))


class NetworkPredictor(Explained, eqx.Module):
    """Ground-motion predictor of a trained network.

    Attributes
    ----------
    network
        The network, without its card.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> from eqstat.ground_motion.network import TrainingOptions, fit_network
    >>> table = simulate(jax.random.key(0), GroundMotion(), Design(events=30, stations=20)).table
    >>> options = TrainingOptions(epochs=5)
    >>> fitted = fit_network(jax.random.key(1), table, members=2, options=options)
    >>> predictor = fitted.predictor()
    >>> predictor(6.0, jnp.array([20.0, 80.0]), 8.0, jnp.nan).mean.shape
    (2, 6)
    >>> bool(predictor.covers(20.0, 20.0, 8.0, jnp.nan))
    False
    """

    network: Network

    def _values(self, *given: ArrayLike) -> Array:
        dtype = self.network.temperature.dtype
        columns = jnp.broadcast_arrays(*(jnp.asarray(value, dtype) for value in given))
        named = dict(zip((feature.name for feature in FEATURES), columns, strict=True))
        missing = jnp.full_like(columns[0], jnp.nan)
        used = [named.get(feature.name, missing) for feature in self.network.features]
        return jnp.stack(used, axis=-1)

    def __call__(
        self,
        magnitude: ArrayLike,
        distance_km: ArrayLike,
        depth_km: ArrayLike,
        vs30_m_s: ArrayLike,
        /,
    ) -> Mixture:
        """Predict log10 PGA (m/s2); shapes broadcast.

        Parameters
        ----------
        magnitude, distance_km, depth_km
            Hypocentral distance, depth positive down, km.
        vs30_m_s
            NaN where unknown; the network was also trained with it missing.

        Returns
        -------
        Mixture
            (..., members x components)
        """
        return self.network(self._values(magnitude, distance_km, depth_km, vs30_m_s))

    def covers(
        self,
        magnitude: ArrayLike,
        distance_km: ArrayLike,
        depth_km: ArrayLike,
        vs30_m_s: ArrayLike,
        /,
    ) -> Bool[Array, "..."]:
        """Whether all lie in the range of the training data; see `Network.covers`."""
        return self.network.covers(self._values(magnitude, distance_km, depth_km, vs30_m_s))


def each_member(members: Any, values: Any) -> Any:
    """Answers of all members, such as their densities, (members, ..., components)."""
    return eqx.filter_vmap(lambda member, given: member(given), in_axes=(eqx.if_array(0), None))(
        members, values
    )


def merge(each: Mixture, temperature: ArrayLike, use: Array | None = None) -> Mixture:
    """One mixture of the members', (..., members x components); `use` (members, ...) picks some."""
    if use is None:
        share = jnp.full((len(each.mean), *([1] * (each.mean.ndim - 1))), -np.log(len(each.mean)))
    else:
        share = (jnp.log(use) - jnp.log(jnp.sum(use, axis=0)))[..., None]
    parts = (each.log_weight + share.astype(each.mean.dtype), each.mean, each.scale * temperature)
    merged = (jnp.moveaxis(part, 0, -2) for part in parts)
    return Mixture(*(part.reshape(*part.shape[:-2], -1) for part in merged))


@eqx.filter_jit
def _density(members: Member, temperature: Array, values: Array) -> Mixture:
    """Compile the ensemble into one program instead of a hundred small ones."""
    return merge(each_member(members, values), temperature)
