"""Features of a stream: a state of fixed size, and a step at a constant cost."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from eqstat._core.arrays import BoolArray, FloatArray
from eqstat._core.explain import Explained
from eqstat.edge import Features
from eqstat.waveform._features._settings import FeatureSettings
from eqstat.waveform._features._window import features_of, sensor_of, sta_lta, step_power


class FeatureStream(eqx.Module, Explained):
    """State of the features of one sensor; a pytree of constant size.

    It holds the last window, and the power of the steps of the long-term average. Many sensors are
    one state with a leading axis: `jax.vmap` of `step`.

    Attributes
    ----------
    samples
        Last window, oldest sample first, m/s2, (3, window).
    mask
        Which of them there are, (window,).
    squares, counts
        Sums of squares about the mean of the last steps, and their numbers of samples, (long + 1,).
    settings
        Lengths, and what is known of the sensor.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> stream = FeatureStream.init(FeatureSettings(100.0))
    >>> wave = np.sin(2 * np.pi * 5 * np.arange(100) / 100) * np.array([[0.3], [0.4], [0.0]])
    >>> step = jax.jit(FeatureStream.step)
    >>> stream, first = step(stream, wave)
    >>> stream, second = step(stream, wave)
    >>> int(first.status), int(second.status), round(float(second.peak_m_s2), 3)
    (4, 0, 0.5)
    """

    samples: Float[Array, "3 window"]
    mask: Bool[Array, " window"]
    squares: Float[Array, " steps"]
    counts: Int[Array, " steps"]
    settings: FeatureSettings = eqx.field(static=True)

    @classmethod
    def init(cls, settings: FeatureSettings, *, dtype: DTypeLike = jnp.float32) -> FeatureStream:
        """State before the first sample.

        Parameters
        ----------
        settings : FeatureSettings
            Lengths, and what is known of the sensor.
        dtype : numpy dtype
            Precision.

        Returns
        -------
        FeatureStream

        Examples
        --------
        >>> FeatureStream.init(FeatureSettings(50.0)).samples.shape
        (3, 100)
        """
        steps = settings.long + 1
        return cls(
            samples=jnp.zeros((3, settings.window), dtype),
            mask=jnp.zeros(settings.window, bool),
            squares=jnp.zeros(steps, dtype),
            counts=jnp.zeros(steps, jnp.int32),
            settings=settings,
        )

    def step(
        self, samples: FloatArray, mask: BoolArray | None = None
    ) -> tuple[FeatureStream, Features]:
        """Take the samples of one step; return the new state and the features of its window.

        Parameters
        ----------
        samples : jax.Array
            Acceleration, m/s2, (3, step).
        mask : jax.Array, optional
            Which samples there are, (step,); by default all. Those that are no number are missing.

        Returns
        -------
        stream : FeatureStream
        features : Features
            Numbers; TOO_FEW until the first window is full.

        Examples
        --------
        >>> stream = FeatureStream.init(FeatureSettings(50.0))
        >>> stream, features = stream.step(jnp.zeros((3, 50)))
        >>> int(features.status)
        4
        """
        new = jnp.asarray(samples, self.samples.dtype)
        valid = jnp.ones(new.shape[-1], bool) if mask is None else jnp.asarray(mask, bool)
        valid = valid & jnp.isfinite(jnp.sum(new, axis=0))
        new = jnp.where(valid, new, 0)
        square, count = step_power(new, valid)
        size = new.shape[-1]
        stream = FeatureStream(
            samples=jnp.concatenate([self.samples[:, size:], new], axis=1),
            mask=jnp.concatenate([self.mask[size:], valid]),
            squares=jnp.append(self.squares[1:], square),
            counts=jnp.append(self.counts[1:], count.astype(jnp.int32)),
            settings=self.settings,
        )
        sensor = sensor_of(self.settings, new.dtype)
        ratio = sta_lta(stream.squares, stream.counts, self.settings.step, sensor.least_share)
        return stream, features_of(stream.samples, stream.mask, ratio, sensor)
