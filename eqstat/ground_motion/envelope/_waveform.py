r"""Waveforms: coloured Gaussian noise under an envelope."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from eqstat._core.checks import check_key, check_range, check_whole
from eqstat._core.typing import ArrayLike
from eqstat.ground_motion.envelope._envelope import at_times
from eqstat.ground_motion.envelope._shape import Shape, _floats

# Of Brune's spectrum: velocity of S, km/s, stress drop, Pa, and loss near the surface, s.
S_KM_S, STRESS_PA, KAPPA_S = 3.5, 1.0e7, 0.04
# Below this frequency, Hz, the noise is cut, as recordings are.
LOW_HZ = 0.075


def waveforms(
    key: PRNGKeyArray,
    shape: Shape,
    arrival_s: ArrayLike,
    magnitude: ArrayLike,
    *,
    samples: int,
    rate_hz: float | int = 100.0,
    noise_m_s2: ArrayLike = 0.0,
    vertical_ratio: float | int = 2 / 3,
) -> Float[Array, "... 3 samples"]:
    r"""Simulate acceleration of three components, from the origin time on.

    Each is independent Gaussian noise with the amplitude spectrum of a point source

    $$ \frac{f^2}{1 + (f / f_c)^2}\, e^{-\pi \kappa f}, \qquad
    f_c = 0.49\, \beta \Big( \frac{\Delta\sigma}{M_0} \Big)^{1/3}, \qquad
    \log_{10} M_0 = 1.5 M + 9.1 $$

    (SI units, stress drop 10 MPa, $\beta$ = 3.5 km/s, $\kappa$ = 0.04 s), of the same colour for P
    and S, divided by the root mean square, over the record, of its largest absolute values in a
    second, times the envelope. So the largest value in a second scatters about the envelope, and
    the peak of a record about the peak of the envelope (somewhat above: it is the largest of
    several seconds). The vertical envelope is a share of the horizontal one.

    Parameters
    ----------
    key
        JAX random key.
    shape
        Shapes of the envelopes, of any batch.
    arrival_s
        Of P and S, s after the origin, (..., 2).
    magnitude
        Broadcast against the batch.
    samples
        Number of samples, from 2.
    rate_hz
        Samples per second, at least 10.
    noise_m_s2
        Level of the envelope of noise, m/s2.
    vertical_ratio
        Vertical over horizontal envelope, at least 0; two thirds is the usual rule.

    Returns
    -------
    jax.Array
        m/s2: two horizontal components and the vertical, on the last axis but one.

    Raises
    ------
    eqstat.InputError
        When a value is out of range.

    References
    ----------
    Brune, J. (1970), Tectonic stress and the spectra of seismic shear waves from earthquakes,
    Journal of Geophysical Research 75, 4997-5009. Boore, D. (2003), Simulation of ground motion
    using the stochastic method, Pure and Applied Geophysics 160, 635-676, doi:10.1007/PL00012553.

    Examples
    --------
    >>> from eqstat.ground_motion.envelope import arrivals, median_shape
    >>> shape = median_shape(6.0, jnp.array([20.0, 60.0]))
    >>> wave = waveforms(
    ...     jax.random.key(0), shape, arrivals(jnp.array([20.0, 60.0])), 6.0, samples=6000)
    >>> wave.shape
    (2, 3, 6000)
    """
    check_key("waveforms", key)
    check_whole("waveforms", 2, samples=samples)
    check_range("waveforms", 10, rate_hz=rate_hz)
    check_range("waveforms", 0, 10, magnitude=magnitude)
    check_range("waveforms", 0, noise_m_s2=noise_m_s2, vertical_ratio=vertical_ratio)
    dtype = shape.rise_s.dtype
    (given,) = _floats(magnitude)
    size = jnp.broadcast_shapes(shape.rise_s.shape[:-1], given.shape)
    time = jnp.arange(samples, dtype=dtype) / rate_hz
    expanded = jax.tree.map(lambda leaf: leaf[..., None, :], shape)
    arrival = jnp.asarray(arrival_s, dtype)[..., None, :]
    level = at_times(time, expanded, arrival, jnp.asarray(noise_m_s2, dtype)[..., None])
    noise = _coloured(key, jnp.broadcast_to(given.astype(dtype), size), samples, float(rate_hz))
    ratio = jnp.asarray([1.0, 1.0, vertical_ratio], dtype)[:, None]
    return noise * ratio * level[..., None, :]


def _coloured(
    key: PRNGKeyArray, magnitude: Float[Array, "..."], samples: int, rate_hz: float
) -> Float[Array, "... 3 samples"]:
    """Noise of three components whose largest absolute value in a second is about 1."""
    frequency = jnp.asarray(np.fft.rfftfreq(samples, 1.0 / rate_hz), magnitude.dtype)
    # Newton metres to the third root, by its logarithm: the moment overflows in single precision.
    log_root = np.log(10.0) * (1.5 * magnitude + 9.1 - np.log10(STRESS_PA)) / 3.0
    corner = (0.49 * S_KM_S * 1000.0 * jnp.exp(-log_root))[..., None, None]
    colour = frequency**2 / (1.0 + (frequency / corner) ** 2)
    colour = colour * jnp.exp(-np.pi * KAPPA_S * frequency) * (frequency >= LOW_HZ)
    white = jax.random.normal(key, (*magnitude.shape, 3, samples), magnitude.dtype)
    wave = jnp.fft.irfft(jnp.fft.rfft(white) * colour, n=samples)
    second = max(round(rate_hz), 1)
    whole = max(samples // second, 1)
    used = min(whole * second, samples)
    block = jnp.abs(wave[..., :used]).reshape(*wave.shape[:-1], whole, -1).max(axis=-1)
    return wave / jnp.sqrt(jnp.mean(block**2, axis=(-2, -1)))[..., None, None]
