r"""The network: signals and places of stations, attention between them, a head at each site."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from eqstat._core.checks import check_key, check_kind, check_range
from eqstat._core.explain import Explained
from eqstat.ground_motion.mixture._mixture import Mixture, from_logits
from eqstat.ground_motion.network.multistation._layers import (
    LONG_S,
    Attention,
    Dense,
    Encoder,
    dense,
    dense_layers,
    encoded_places,
    init_attention,
    init_encoder,
    normalised,
    perceptron,
)
from eqstat.ground_motion.network.multistation._settings import MultistationSettings
from eqstat.ground_motion.network.multistation._views import View

# Least scale of a component, log10 units.
FLOOR = 0.02
# Scale of a component without a base and of a correction, before training: softplus(0.5413) = 1.
UNIT = float(np.log(np.expm1(1.0)))


class MultistationNetwork(Explained, eqx.Module):
    r"""One multistation network; made by `init_multistation`.

    With the encoded signal $W_n$ and place $G_n$ of station n, a station's token is

    $$ H_n = a_n W_n + (1 - a_n) G_n + l^e_n, \qquad 0 < a_n < 1, $$

    layers of attention over the stations that are known follow, then $H_n + l^l_n$, and a
    perceptron, whose outputs $(\ell_k, o_k, r_k)$ are a mixture of log10 PGA with the weights
    softmax$(\ell)_k$, means $c + s\,o_k$ and scales about $s\,\operatorname{softplus}(r_k)$,
    from $s$ on, or the log odds of exceeding each threshold. $(c, s)$ are the mean and standard
    deviation of the training data, or, where the settings say so, those of the `base` of the
    view, so that an untrained network is about the base. The embeddings $l^e_n$, $l^l_n$ and
    the weight $a_n$ of a station that was not in the training are the means of those that were.

    Places beside the stations are tokens that no other attends to: to ask for one changes no
    answer at another.

    Attributes
    ----------
    encoder
        Convolutions of the signals.
    blend
        Log odds of $a_n$, (stations,).
    early, late
        Embeddings, (stations, width); 0 before training.
    attention, decoder
        Layers.
    other
        Map of the base.
    query
        Vector of a place that asks the stations, (width,).
    readout
        Layers of the head.
    centre, spread
        $c$ and $s$.
    settings
        Sizes.

    References
    ----------
    Huang, Y.-M. et al. (2024), An Attention-based Framework with Multistation Information for
    Earthquake Early Warnings (SENSE), arXiv:2412.18099, equations 1 to 12.

    Examples
    --------
    >>> from eqstat.ground_motion.network.multistation import View, sense
    >>> network = init_multistation(jax.random.key(0), sense(4))
    >>> view = View.of_places(jnp.zeros((4, 3)), samples=30)
    >>> network(view).mean.shape
    (4, 5)
    """

    encoder: Encoder
    blend: Float[Array, " stations"]
    early: Float[Array, "stations width"]
    late: Float[Array, "stations width"]
    attention: tuple[Attention, ...]
    decoder: tuple[Attention, ...]
    other: Dense
    query: Array
    norm: Array
    readout: tuple[Dense, ...]
    centre: Float[Array, ""]
    spread: Float[Array, ""]
    settings: MultistationSettings = eqx.field(static=True)

    def __call__(self, view: View) -> Mixture | Array:
        """Density of log10 PGA at each site, or the probability of exceeding each threshold.

        Parameters
        ----------
        view
            One view or a batch.

        Returns
        -------
        Mixture or jax.Array
            (..., sites, components), or probabilities (..., sites, thresholds) of a network of
            classes.
        """
        raw = jnp.vectorize(self._outputs, signature=_SIGNATURE)(*_leaves(view))
        if self.settings.head == "classes":
            return jax.nn.sigmoid(raw)
        logits, offset, scale = jnp.split(raw, 3, axis=-1)
        centre, spread = jax.lax.stop_gradient((self.centre, self.spread))
        if self.settings.base:
            mean, sd = view.base[..., :1], view.base[..., 1:]
            centre, spread = jnp.where(sd > 0, mean, centre), jnp.where(sd > 0, sd, spread)
        # A unit of scale is `spread`: the logarithm of it is added where softplus is linear.
        scale = jnp.log(jnp.expm1(jnp.maximum(spread * jax.nn.softplus(scale + UNIT), 1e-4)))
        return from_logits(logits, centre + spread * offset, scale, FLOOR)

    def log_odds(self, view: View) -> Array:
        """Log odds of exceeding each threshold, of a network of classes, (..., sites, classes)."""
        return jnp.vectorize(self._outputs, signature=_SIGNATURE)(*_leaves(view))

    def _outputs(self, *leaves: Array) -> Array:
        """Outputs of the head at the sites of one view."""
        view: Any = View(*leaves)
        settings = self.settings
        n = len(view.place_km)
        known = view.working if settings.silent else view.working & view.reporting
        places = encoded_places(settings, view.sites_km)
        which = jnp.concatenate([view.station, view.extra_station])
        signal = self.encoder(settings, view.signal, view.reporting & view.working, view.elapsed_s)
        share = jax.nn.sigmoid(_of(self.blend[:, None], which)) if settings.weights else 0.5
        # An extra place has no signal: the vector of a silent station.
        silent = self.encoder.silent + jnp.tanh(view.elapsed_s / LONG_S) * self.encoder.elapsed
        extra = jnp.broadcast_to(silent, (len(which) - n, settings.width))
        x = share * jnp.concatenate([signal, extra]) + (1 - share) * places
        if settings.early:
            x = x + _of(self.early, which)
        if settings.base:
            x = x + self._based(view.base)
        if settings.decoder == "queries":
            x = x[:n]
        for layer in self.attention:
            x = layer(x, x[:n], known)
        if settings.decoder == "queries":
            stations, x = x, places + self.query
            if settings.base:
                x = x + self._based(view.base)
            for layer in self.decoder:
                x = layer(x, stations, known)
        if settings.late:
            x = x + _of(self.late, which)
        return perceptron(self.readout, normalised(x, self.norm))

    def _based(self, base: Array) -> Array:
        """Vector of the base at each site, (sites, width)."""
        mean, sd = base[:, 0], base[:, 1]
        given = sd > 0
        level = jnp.where(given, (mean - self.centre) / self.spread, 0.0)
        size = jnp.where(given, jnp.log(jnp.where(given, sd, 1.0) / self.spread), 0.0)
        return self.other(jnp.stack([level, size, given.astype(level.dtype)], axis=-1))


# Of the leaves of a view, for one output of (sites, outputs).
_SIGNATURE = "(n,p),(n),(n),(n),(n,t,c),(),(s,b),(m,p),(m)->(s,o)"


def _leaves(view: View) -> tuple[Array, ...]:
    return tuple(jax.tree.leaves(view))


def _of(table: Array, which: Array) -> Array:
    """Rows of a table of stations; their mean for a station that is not in it (-1)."""
    return jnp.where((which >= 0)[:, None], table[jnp.maximum(which, 0)], jnp.mean(table, axis=0))


def init_multistation(
    key: PRNGKeyArray,
    settings: MultistationSettings,
    *,
    centre: float | int | Array = -1.0,
    spread: float | int | Array = 0.6,
) -> MultistationNetwork:
    """Initialise an untrained network: at each site about the same density, or the base.

    Parameters
    ----------
    key
        JAX random key.
    settings
        Sizes, such as `sense(stations)`.
    centre, spread
        Mean and standard deviation, above 0, of log10 PGA (m/s2) in the training data.

    Returns
    -------
    MultistationNetwork

    Raises
    ------
    eqstat.InputError
        When an argument cannot be used.

    Examples
    --------
    >>> from eqstat.ground_motion.network.multistation import sense
    >>> network = init_multistation(jax.random.key(0), sense(250, size="paper"))
    >>> round(parameter_count(network) / 1e6)
    14
    """
    check_key("init_multistation", key)
    check_kind("init_multistation", MultistationSettings, "see `sense`", settings=settings)
    check_range("init_multistation", centre=centre)
    check_range("init_multistation", 0, ends="()", spread=spread)
    keys = jax.random.split(key, 4)
    each = jax.random.split(keys[1], settings.layers + settings.decoder_layers)
    queries = settings.decoder == "queries"
    width = settings.width
    sizes = [width, *settings.readout, settings.outputs]
    readout = dense_layers(keys[2], sizes, last=0.1)
    if settings.head == "mixture":
        # Components side by side, so that they do not stay the same.
        k = settings.components
        offsets = jnp.linspace(-0.5, 0.5, k) if k > 1 else jnp.zeros(1)
        offsets = offsets if not settings.base else 0.2 * offsets
        bias = jnp.concatenate([jnp.zeros(k), offsets, jnp.zeros(k)])
        readout = eqx.tree_at(lambda layers: layers[-1].bias, readout, bias)
    return MultistationNetwork(
        init_encoder(keys[0], settings),
        jnp.zeros(settings.stations),
        jnp.zeros((settings.stations, width)),
        jnp.zeros((settings.stations, width)),
        tuple(init_attention(k, settings) for k in each[: settings.layers]),
        tuple(init_attention(k, settings) for k in each[settings.layers :]) if queries else (),
        dense(keys[3], 3, width, 0.5 if settings.base else 0.0),
        jnp.zeros(width),
        jnp.ones(width),
        readout,
        jnp.asarray(centre, float),
        jnp.asarray(spread, float),
        settings,
    )


def parameter_count(network: Any) -> int:
    """Count the numbers that training can move.

    Examples
    --------
    >>> from eqstat.ground_motion.network.multistation import sense
    >>> parameter_count(init_multistation(jax.random.key(0), sense(100))) > 50_000
    True
    """
    remedy = "give a network such as init_multistation makes"
    check_kind("parameter_count", MultistationNetwork, remedy, network=network)
    moved = eqx.filter(network, trainable(network))
    return int(sum(leaf.size for leaf in jax.tree.leaves(moved)))


def trainable(network: MultistationNetwork, stage: int = 3) -> Any:
    """Filter (of equinox) of the arrays that a stage of the training moves.

    In stage 1 all but the early embeddings and the weights of stations, in stage 2 the early
    embeddings, in stage 3 all (Huang et al. 2024, section IV-B1).
    """
    settings = network.settings
    last = stage == 3
    moved = {
        "early": settings.early and stage > 1,
        "late": settings.late and stage != 2,
        "blend": settings.weights and last,
        "other": settings.base and stage != 2,
        "query": settings.decoder == "queries" and stage != 2,
        "centre": False,
        "spread": False,
    }

    def of(name: str, value: Any) -> Any:
        use = moved.get(name, stage != 2)
        return jax.tree.map(lambda leaf: use and eqx.is_inexact_array(leaf), value)

    names = [each.name for each in dataclasses.fields(network) if each.name != "settings"]
    return eqx.tree_at(
        lambda n: [getattr(n, name) for name in names],
        network,
        [of(name, getattr(network, name)) for name in names],
    )
