"""Parts of a multistation network: convolutions, places, attention."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from eqstat.ground_motion.network.multistation._settings import Convolution, MultistationSettings

# Below the noise of low-cost sensors, m/s2; added before a logarithm or a division.
QUIET_M_S2 = 1e-4
# About the middle and the spread of log10 of accelerations from noise to strong shaking.
LOG_MIDDLE, LOG_SPREAD = -2.0, 1.0
# Shortest and longest wavelength of heights, km.
HEIGHT_KM = (0.01, 10.0)
# Samples beyond which a signal is convolved directly.
LONG = 64
# Time after which an elapsed time hardly matters, s.
LONG_S = 30.0


def weight(key: PRNGKeyArray, rows: int, columns: int, scale: float = 1.0) -> Array:
    """Random matrix that keeps the size of its inputs."""
    return scale * jax.random.normal(key, (rows, columns)) / np.sqrt(rows)


class Dense(eqx.Module):
    """Affine map of the last axis."""

    matrix: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        return x @ self.matrix + self.bias


def dense(key: PRNGKeyArray, rows: int, columns: int, scale: float = 1.0) -> Dense:
    return Dense(weight(key, rows, columns, scale), jnp.zeros(columns))


def perceptron(layers: tuple[Dense, ...], x: Array) -> Array:
    """Layers with ReLU units between them."""
    for layer in layers[:-1]:
        x = jax.nn.relu(layer(x))
    return layers[-1](x)


def dense_layers(key: PRNGKeyArray, sizes: list[int], last: float = 1.0) -> tuple[Dense, ...]:
    keys = jax.random.split(key, len(sizes) - 1)
    scales = [np.sqrt(2.0)] * (len(sizes) - 2) + [last]
    return tuple(
        dense(k, a, b, float(s)) for k, (a, b), s in zip(keys, pairwise(sizes), scales, strict=True)
    )


class Encoder(eqx.Module):
    """From the signal of a station to a vector, and the vector of one that has not reported."""

    kernels: tuple[Array, ...]
    biases: tuple[Array, ...]
    hidden: tuple[Dense, ...]
    silent: Array
    elapsed: Array

    def __call__(
        self, settings: MultistationSettings, signal: Array, reporting: Array, elapsed_s: Array
    ) -> Array:
        """Vectors of stations, (n, width), of signals (n, samples, channels)."""
        if settings.scaled:
            # Only what has been recorded moves the mean.
            given = signal != 0
            count = jnp.maximum(given.sum(axis=1, keepdims=True), 1)
            moved = jnp.where(given, signal - signal.sum(axis=1, keepdims=True) / count, 0.0)
            size = jnp.max(jnp.abs(moved), axis=(1, 2)) + QUIET_M_S2
            x = moved / size[:, None, None]
        else:
            size = jnp.max(jnp.abs(signal), axis=(1, 2)) + QUIET_M_S2
            x = (jnp.log10(jnp.abs(signal) + QUIET_M_S2) - LOG_MIDDLE) / LOG_SPREAD
        x = self._convolved(settings, x)
        level = (jnp.log10(size) - LOG_MIDDLE) / LOG_SPREAD
        x = perceptron(self.hidden, jnp.concatenate([x, level[:, None]], axis=1))
        x = jnp.where(reporting[:, None], x, self.silent)
        return x + jnp.tanh(elapsed_s / LONG_S) * self.elapsed

    def _convolved(self, settings: MultistationSettings, x: Array) -> Array:
        rows, length, channels = x.shape
        shared = bool(settings.convolutions) and settings.convolutions[0].shared
        if shared:
            x = jnp.moveaxis(x, 2, 1).reshape(rows * channels, length, 1)
        for kernel, bias, each in zip(
            self.kernels, self.biases, settings.convolutions, strict=True
        ):
            if shared and not each.shared:
                x = _channels_together(x, rows, channels)
                shared = False
            x = convolved(x, kernel, bias, each)
        if shared:
            x = _channels_together(x, rows, channels)
        return x.reshape(rows, -1)


def _channels_together(x: Array, rows: int, channels: int) -> Array:
    """From (rows * channels, samples, filters) to (rows, samples, channels * filters)."""
    split = x.reshape(rows, channels, *x.shape[1:])
    return jnp.moveaxis(split, 1, 2).reshape(rows, x.shape[1], -1)


def convolved(x: Array, kernel: Array, bias: Array, each: Convolution) -> Array:
    """Convolve (rows, samples, channels), with ReLU and pooling."""
    x = jax.nn.relu((_direct if x.shape[1] > LONG else _by_product)(x, kernel, each.stride) + bias)
    length = x.shape[1] // each.pool
    return x[:, : length * each.pool].reshape(len(x), length, each.pool, -1).max(axis=2)


def _by_product(x: Array, kernel: Array, stride: int) -> Array:
    """Convolution as one matrix product of shifted copies."""
    # With an axis of members a direct convolution becomes a grouped one, whose gradient is slow.
    length = (x.shape[1] - len(kernel)) // stride + 1
    span = (length - 1) * stride + 1
    shifted = [x[:, k : k + span : stride] for k in range(len(kernel))]
    return jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


def _direct(x: Array, kernel: Array, stride: int) -> Array:
    """Convolution without copies, which take most of the time where signals are long."""
    form = ("NWC", "WIO", "NWC")
    return jax.lax.conv_general_dilated(x, kernel, (stride,), "VALID", dimension_numbers=form)


def init_encoder(key: PRNGKeyArray, settings: MultistationSettings) -> Encoder:
    keys = jax.random.split(key, len(settings.convolutions) + 2)
    kernels, biases = [], []
    inputs, shared = settings.channels, False
    if settings.convolutions and settings.convolutions[0].shared:
        inputs, shared = 1, True
    for own, each in zip(keys, settings.convolutions, strict=False):
        if shared and not each.shared:
            inputs, shared = inputs * settings.channels, False
        size = np.sqrt(2.0 / (each.kernel * inputs))
        kernels.append(size * jax.random.normal(own, (each.kernel, inputs, each.filters)))
        biases.append(jnp.zeros(each.filters))
        inputs = each.filters
    sizes = [settings.encoded + 1, *settings.encoder, settings.width]
    return Encoder(
        tuple(kernels),
        tuple(biases),
        dense_layers(keys[-1], sizes),
        0.1 * jax.random.normal(keys[-2], (settings.width,)),
        jnp.zeros(settings.width),
    )


def encoded_places(settings: MultistationSettings, place_km: Array) -> Array:
    """Sinusoids of east, north and height, (..., width): two, two and one fifth of them."""
    fifth = settings.width // 5
    parts = []
    for axis, (size, ends) in enumerate(
        [(2 * fifth, settings.wavelength_km)] * 2 + [(fifth, HEIGHT_KM)]
    ):
        wavelength = np.geomspace(*ends, size // 2)
        phase = 2 * np.pi * place_km[..., axis, None] / jnp.asarray(wavelength, place_km.dtype)
        parts += [jnp.sin(phase), jnp.cos(phase)]
    return jnp.concatenate(parts, axis=-1)


class Attention(eqx.Module):
    """A layer of attention and its feed-forward part, each after a normalisation."""

    ask: Array
    key: Array
    value: Array
    out: Array
    norms: Array
    hidden: tuple[Dense, ...]
    convolution: tuple[Any, ...] | None
    heads: int = eqx.field(static=True)

    def __call__(self, x: Array, given: Array, known: Array) -> Array:
        """Let tokens x (sites, width) ask the tokens `given` (n, width) where `known`."""
        asking, asked = normalised(x, self.norms[0]), normalised(given, self.norms[1])
        split = (self.heads, -1)
        ask, key, value = (
            (tokens @ matrix).reshape(len(tokens), *split)
            for tokens, matrix in (
                (asking, self.ask), (asked, self.key), (asked, self.value),
            )
        )  # fmt: skip
        size = np.sqrt(ask.shape[-1])
        match = jnp.einsum("shd,nhd->hsn", ask, key) / size
        match = jnp.where(known, match, -jnp.inf)
        # Where nobody is known, nothing is added.
        top = jnp.maximum(jnp.max(match, axis=-1, keepdims=True), -1e30)
        mass = jnp.exp(match - jax.lax.stop_gradient(top))
        share = mass / jnp.maximum(jnp.sum(mass, axis=-1, keepdims=True), 1e-30)
        answer = jnp.einsum("hsn,nhd->shd", share, value).reshape(len(x), -1)
        x = x + answer @ self.out
        if self.convolution is not None:
            x = x + self._over_stations(x, len(given), known)
        return x + perceptron(self.hidden, normalised(x, self.norms[2]))

    def _over_stations(self, x: Array, stations: int, known: Array) -> Array:
        """The convolution of a conformer over the stations; other places see only themselves."""
        assert self.convolution is not None
        wide, kernel, narrow, norm = self.convolution
        value, gate = jnp.split(wide(normalised(x, norm[0])), 2, axis=-1)
        value = value * jax.nn.sigmoid(gate)
        reach = len(kernel) // 2
        inside = jnp.where(known[:, None], value[:stations], 0.0)
        padded = jnp.pad(inside, ((reach, reach), (0, 0)))
        mixed = sum(padded[k : k + stations] * kernel[k] for k in range(len(kernel)))
        # A station that is not known is no input of its neighbours, but sees itself.
        own = jnp.where(known[:, None], 0.0, value[:stations] * kernel[reach])
        value = jnp.concatenate([mixed + own, value[stations:] * kernel[reach]])
        return narrow(jax.nn.silu(normalised(value, norm[1])))


def normalised(x: Array, scale: Array) -> Array:
    """Tokens about their mean in standard deviations, times a learned scale, (..., width)."""
    moved = x - jnp.mean(x, axis=-1, keepdims=True)
    return scale * moved / jnp.sqrt(jnp.mean(moved**2, axis=-1, keepdims=True) + 1e-5)


def init_attention(key: PRNGKeyArray, settings: MultistationSettings) -> Attention:
    width = settings.width
    keys = jax.random.split(key, 8)
    convolution = None
    if settings.blending == "conformer":
        convolution = (
            dense(keys[5], width, 2 * width),
            0.3 * jax.random.normal(keys[6], (7, width)),
            dense(keys[7], width, width, 0.5),
            jnp.ones((2, width)),
        )
    ask, key, value = (weight(k, width, width) for k in keys[:3])
    return Attention(
        ask,
        key,
        value,
        weight(keys[3], width, width, 0.5),
        jnp.ones((3, width)),
        dense_layers(keys[4], [width, settings.feed_forward, width], 0.5),
        convolution,
        settings.heads,
    )
