r"""The network: convolutions over parts of a window, a recurrent cell over the parts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from eqstat._core.checks import check_key, check_kind
from eqstat._core.constants import STANDARD_GRAVITY_M_S2
from eqstat._core.explain import Explained
from eqstat.waveform._features._window import centred
from eqstat.waveform.recurrent._settings import RecurrentSettings

# Least root mean square by which a window is divided, m/s2: below the noise of low-cost sensors.
QUIET_M_S2 = 1e-4
# About the mean and spread of the log of the root mean square from noise to strong shaking.
LOG_MIDDLE, LOG_SPREAD = -2.0, 2.0


class RecurrentNetwork(Explained, eqx.Module):
    r"""A convolutional recurrent network; made by `init_network`.

    The output is the log odds of an earthquake among windows of which half are of earthquakes:
    trained on either class counted half, the log likelihood ratio.

    Attributes
    ----------
    kernels, biases
        Of each convolution, (kernel, in, out) and (out,).
    cell_input, cell_state, cell_bias
        Maps of the recurrent cell; of a GRU for the reset gate, the update gate and the candidate
        side by side.
    dense, dense_bias, last, last_bias
        The dense layers.
    settings
        Sizes.

    Examples
    --------
    >>> from eqstat.waveform.recurrent import RecurrentSettings
    >>> network = init_network(jax.random.key(0), RecurrentSettings(rate_hz=25.0))
    >>> windows = jnp.zeros((5, 3, network.settings.samples))
    >>> network(windows, jnp.ones((5, 48), bool)).shape
    (5,)
    """

    kernels: tuple[Array, ...]
    biases: tuple[Array, ...]
    cell_input: Array
    cell_state: Array
    cell_bias: Array
    dense: Array
    dense_bias: Array
    last: Array
    last_bias: Array
    settings: RecurrentSettings = eqx.field(static=True)

    def __call__(
        self,
        samples: Float[Array, "windows 3 samples"],
        mask: Bool[Array, "windows samples"],
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, " windows"]:
        """Log likelihood ratio of windows of acceleration, m/s2.

        Parameters
        ----------
        samples
            Acceleration, with gravity or without; anything where the mask is False.
        mask
            Which samples there are. Missing ones count as the window's mean; the mask itself is
            no input, as it would tell sensors apart.
        key
            JAX random key of dropout; None outside of training.
        """
        settings, rows = self.settings, len(samples)
        x, size = inputs_of(samples, mask, settings)
        x = x.reshape(rows * settings.parts, settings.part, 3)
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            # A sum of matrix products: with an axis of members they stay such.
            length = x.shape[1] - kernel.shape[0] + 1
            shifted = (x[:, k : k + length] @ kernel[k] for k in range(kernel.shape[0]))
            x = jax.nn.relu(sum(shifted, start=bias))
        keys = (None, None) if key is None else jax.random.split(key)
        x = _dropped(x, settings.dropout, keys[0])
        length = x.shape[1] // settings.pool
        x = x[:, : length * settings.pool].reshape(len(x), length, settings.pool, -1).max(axis=2)
        x = x.reshape(rows, settings.parts, -1) @ self.cell_input + self.cell_bias
        state = _dropped(self._run(x), settings.dropout, keys[1])
        if settings.scaled:
            state = jnp.concatenate([state, size[:, None]], axis=1)
        hidden = jax.nn.relu(state @ self.dense + self.dense_bias)
        return (hidden @ self.last + self.last_bias)[:, 0]

    def _run(self, x: Array) -> Array:
        """Last state of the recurrent cell over the parts, (windows, recurrent)."""
        size = self.settings.recurrent

        def simple(state: Array, given: Array) -> tuple[Array, None]:
            return jnp.tanh(given + state @ self.cell_state), None

        def gru(state: Array, given: Array) -> tuple[Array, None]:
            own = state @ self.cell_state
            reset = jax.nn.sigmoid(given[:, :size] + own[:, :size])
            update = jax.nn.sigmoid(given[:, size : 2 * size] + own[:, size : 2 * size])
            new = jnp.tanh(given[:, 2 * size :] + reset * own[:, 2 * size :])
            return update * state + (1 - update) * new, None

        start = jnp.zeros((len(x), size), x.dtype)
        step = gru if self.settings.cell == "gru" else simple
        return jax.lax.scan(step, start, jnp.moveaxis(x, 1, 0))[0]


def inputs_of(samples: Array, mask: Array, settings: RecurrentSettings) -> tuple[Array, Array]:
    """Samples about their mean, (windows, samples, 3), scaled; and the size of each window."""
    mask = mask & jnp.isfinite(jnp.sum(samples, axis=-2))
    moved, _, count = centred(jnp.where(mask[:, None], samples, 0), mask)
    power = jnp.sum(moved**2, axis=(1, 2)) / jnp.maximum(count, 1)
    level = jnp.sqrt(power + QUIET_M_S2**2)
    moved = jnp.moveaxis(moved, 1, 2)
    if not settings.scaled:
        return moved / STANDARD_GRAVITY_M_S2, level
    return moved / level[:, None, None], (jnp.log(level) - LOG_MIDDLE) / LOG_SPREAD


def init_network(key: PRNGKeyArray, settings: RecurrentSettings) -> RecurrentNetwork:
    """Initialise an untrained network: uniform weights (Glorot), orthogonal maps of the state.

    Parameters
    ----------
    key
        JAX random key.
    settings
        Sizes.

    Returns
    -------
    RecurrentNetwork

    References
    ----------
    Glorot, X. and Bengio, Y. (2010), Understanding the difficulty of training deep feedforward
    neural networks, AISTATS, PMLR 9, 249-256.

    Examples
    --------
    >>> from eqstat.waveform.recurrent import crowdquake
    >>> init_network(jax.random.key(0), crowdquake(25.0)).dense.shape
    (100, 100)
    """
    check_key("init_network", key)
    check_kind("init_network", RecurrentSettings, "see `RecurrentSettings`", settings=settings)
    uniform = jax.nn.initializers.glorot_uniform()
    orthogonal = jax.nn.initializers.orthogonal()
    widths = (3, *settings.channels)
    keys = jax.random.split(key, len(widths) + 3)
    kernels = tuple(
        uniform(k, (settings.kernel, *pair))
        for k, pair in zip(keys, pairwise(widths), strict=False)
    )
    left = settings.part - len(settings.channels) * (settings.kernel - 1)
    flat, size = left // settings.pool * widths[-1], settings.recurrent
    gates = 3 if settings.cell == "gru" else 1
    into, state, dense, last = keys[-4:]
    maps = [uniform(k, (flat, size)) for k in jax.random.split(into, gates)]
    turns = [orthogonal(k, (size, size)) for k in jax.random.split(state, gates)]
    return RecurrentNetwork(
        kernels=kernels,
        biases=tuple(jnp.zeros(width) for width in settings.channels),
        cell_input=jnp.concatenate(maps, axis=1),
        cell_state=jnp.concatenate(turns, axis=1),
        cell_bias=jnp.zeros(gates * size),
        dense=uniform(dense, (size + settings.scaled, settings.dense)),
        dense_bias=jnp.zeros(settings.dense),
        last=uniform(last, (settings.dense, 1)),
        last_bias=jnp.zeros(1),
        settings=settings,
    )


def parameter_count(network: RecurrentNetwork) -> int:
    """Count the parameters of a network.

    Parameters
    ----------
    network
        From `init_network`.

    Returns
    -------
    int

    Examples
    --------
    >>> from eqstat.waveform.recurrent import RecurrentSettings
    >>> parameter_count(init_network(jax.random.key(0), RecurrentSettings(rate_hz=25.0)))
    11377
    """
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_array)))


def turned(key: PRNGKeyArray, samples: Any) -> Any:
    """Turn each window by a random rotation, uniform over all: sensors lie any way."""
    q = jax.random.normal(key, (len(samples), 4), samples.dtype)
    w, x, y, z = (q / jnp.linalg.norm(q, axis=1, keepdims=True)).T
    matrix = jnp.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return jnp.einsum("ijn,njt->nit", matrix, samples)


def _dropped(values: Array, share: float, key: PRNGKeyArray | None) -> Array:
    """Drop a share of the values, and scale the others up."""
    if key is None or not share:
        return values
    kept = jax.random.bernoulli(key, 1 - share, values.shape)
    return jnp.where(kept, values / (1 - share), 0.0)
