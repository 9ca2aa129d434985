"""Features of windows in JAX: pure functions of samples and a mask."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from eqstat._core.arrays import BoolArray, FloatArray
from eqstat._core.errors import InputError
from eqstat.edge import DEAD_BAND, GRAVITY_M_S2, MOST_RATIO, Features, Status
from eqstat.waveform._features._settings import FeatureSettings

Samples = Float[Array, "... 3 samples"]
Mask = Bool[Array, "... samples"]
TINY = 1e-30


class Sensor(NamedTuple):
    """What is known of a sensor, as numbers that may be traced.

    `vertical` is a unit vector, or NaN where gravity is to tell.
    """

    dt_s: Array
    clip_m_s2: Array
    vertical: Float[Array, "3"]
    least_share: Array


def sensor_of(settings: FeatureSettings, dtype: jnp.dtype) -> Sensor:
    """Numbers of the settings in a precision."""
    vertical = settings.vertical or (jnp.nan,) * 3
    # Shares are of whole samples, whatever the precision.
    least = settings.least_share - 1e-6
    numbers = 1 / settings.rate_hz, settings.clip_m_s2, vertical, least
    return Sensor(*(jnp.asarray(one, dtype) for one in numbers))


def centred(samples: Samples, mask: Mask) -> tuple[Array, Array, Array]:
    """Samples about their mean, 0 where they are missing; their mean, and their number.

    The first sample is taken off before the mean is formed, so that gravity takes no digits of the
    motion in single precision.
    """
    first = jnp.take_along_axis(samples, jnp.argmax(mask, axis=-1)[..., None, None], axis=-1)
    count = jnp.sum(mask, axis=-1)
    valid = mask[..., None, :]
    moved = jnp.where(valid, samples - first, 0)
    mean = jnp.sum(moved, axis=-1, keepdims=True) / jnp.maximum(count, 1)[..., None, None]
    return jnp.where(valid, moved - mean, 0), (first + mean)[..., 0], count


def step_power(samples: Samples, mask: Mask) -> tuple[Array, Array]:
    """Sum of squares about the mean of a step over its components, and its number of samples."""
    moved, _, count = centred(samples, mask)
    return jnp.sum(moved**2, axis=(-2, -1)), count


def sta_lta(
    squares: Float[Array, "... steps"], counts: Array, step: int, least_share: Array
) -> Array:
    """Root mean square of the last step over that of those before; NaN where these are not full."""
    before, seen = jnp.sum(squares[..., :-1], axis=-1), jnp.sum(counts[..., :-1], axis=-1)
    last, count = squares[..., -1], counts[..., -1]
    full = (seen >= least_share * step * (squares.shape[-1] - 1)) & (count >= least_share * step)
    level = jnp.maximum(before / jnp.maximum(seen, 1), TINY)
    ratio = jnp.sqrt(last / jnp.maximum(count, 1) / level)
    return jnp.where(full, jnp.minimum(ratio, MOST_RATIO), jnp.nan)


def ascending(lengths: Float[Array, "... samples"]) -> Array:
    """Sort numbers that are not negative.

    Their bits read as whole numbers have the same order, and XLA sorts these three times as fast.
    """
    whole = jnp.dtype(f"int{8 * lengths.dtype.itemsize}")
    ordered = jnp.sort(jax.lax.bitcast_convert_type(lengths, whole), axis=-1)
    return jax.lax.bitcast_convert_type(ordered, lengths.dtype)


def quantile(ordered: Float[Array, "... samples"], count: Array, share: float) -> Array:
    """Quantile of the first `count` of sorted numbers, between two of them by a line."""
    place = (jnp.maximum(count, 1) - 1).astype(ordered.dtype) * share
    low = jnp.floor(place).astype(jnp.int32)
    high = jnp.minimum(low + 1, jnp.maximum(count, 1) - 1)
    below, above = (jnp.take_along_axis(ordered, at[..., None], -1)[..., 0] for at in (low, high))
    return below + (place - low) * (above - below)


def time_of(share: float, square: Array, summed: Array) -> Array:
    """Samples until a share of the sum of squares is reached, between samples by a line."""
    wanted = share * summed[..., -1:]
    part = (wanted - (summed - square)) / jnp.where(square > 0, square, 1)
    passed = jnp.where(square > 0, jnp.clip(part, 0, 1), summed < wanted)
    return jnp.sum(passed, axis=-1)


def features_of(samples: Samples, mask: Mask, ratio: Array, sensor: Sensor) -> Features:
    """Features of windows, with the STA/LTA ratio that is given."""
    size, dt = samples.shape[-1], sensor.dt_s
    mask = mask & jnp.isfinite(jnp.sum(samples, axis=-2))
    samples = jnp.where(mask[..., None, :], samples, 0)
    moved, level, count = centred(samples, mask)
    pair = mask[..., 1:] & mask[..., :-1]
    pairs = jnp.maximum(jnp.sum(pair, axis=-1), 1)
    square = jnp.sum(moved**2, axis=-2)
    length, summed = jnp.sqrt(square), jnp.cumsum(square, axis=-1)
    ordered = ascending(jnp.where(mask, length, jnp.inf))
    # A running sum in single precision would lose what the sum itself keeps.
    power = jnp.sum(moved**2, axis=-1)
    energy, number = jnp.sum(power, axis=-1), jnp.maximum(count, 1)

    high = moved > (DEAD_BAND * jnp.sqrt(power / number[..., None]))[..., None]
    change = (high[..., 1:] != high[..., :-1]) & pair[..., None, :]
    jump = jnp.where(pair[..., None, :], moved[..., 1:] - moved[..., :-1], 0)
    trapezoid = jnp.sum(jnp.where(pair, 0.5 * (length[..., 1:] + length[..., :-1]), 0), axis=-1)
    safe = jnp.where(energy > 0, energy, 1)
    # A sine of angular frequency w has differences 2 sin(w dt / 2) times as large as itself.
    rough = 0.5 * jnp.sqrt(jnp.sum(jump**2, axis=(-2, -1)) / pairs / (safe / number))
    duration = (time_of(0.95, square, summed) - time_of(0.05, square, summed)) * dt

    matrix = jnp.einsum("...in,...jn->...ij", moved, moved, precision="highest")
    gravity = jnp.sqrt(jnp.sum(level**2, axis=-1, keepdims=True))
    tells = (gravity >= GRAVITY_M_S2[0]) & (gravity <= GRAVITY_M_S2[1])
    mean = jnp.where(tells, level / jnp.where(tells, gravity, 1), jnp.nan)
    up = jnp.where(jnp.isnan(sensor.vertical), mean, sensor.vertical)
    upright = jnp.einsum("...i,...ij,...j->...", up, matrix, up, precision="highest")
    flat = jnp.sqrt(jnp.maximum(energy - upright, 0) / 2 / jnp.maximum(upright, TINY))
    uneven = matrix - jnp.eye(3, dtype=matrix.dtype) * (energy / 3)[..., None, None]
    polarization = jnp.sqrt(1.5 * jnp.sum(uneven**2, axis=(-2, -1))) / safe

    clipped = jnp.any(jnp.abs(samples) >= sensor.clip_m_s2, axis=(-2, -1))
    enough = (count >= sensor.least_share * size) & jnp.any(pair, axis=-1)
    moves = energy > 0
    status = jnp.where(clipped, Status.BEYOND, jnp.where(count == size, Status.OK, Status.PARTIAL))
    status = jnp.where(enough, jnp.where(moves, status, Status.BAD_INPUT), Status.TOO_FEW)
    shape = enough & moves

    def where(known: Array, value: Array) -> Array:
        return jnp.where(known, value, jnp.nan)

    return Features(
        iqr_m_s2=where(enough, quantile(ordered, count, 0.75) - quantile(ordered, count, 0.25)),
        zero_crossings=where(enough, jnp.max(jnp.sum(change, axis=-1), axis=-1)),
        cav_m_s=where(enough, trapezoid * dt * ((size - 1) / pairs)),
        peak_m_s2=where(enough, jnp.max(length, axis=-1)),
        duration_s=where(shape, duration),
        dominant_period_s=where(shape, jnp.pi * dt / jnp.arcsin(jnp.clip(rough, 1e-9, 1))),
        hv_ratio=where(shape, jnp.minimum(flat, MOST_RATIO)),
        polarization=where(shape, polarization),
        sta_lta=where(enough, ratio),
        status=status.astype(jnp.int32),
    )


def window_features(
    samples: FloatArray, settings: FeatureSettings, *, mask: BoolArray | None = None
) -> Features:
    r"""Features of windows that are cut already; STA/LTA, which looks before them, is NaN.

    About its own mean :math:`\bar{\mathbf a}`, a window of n samples at intervals of
    :math:`\Delta t` has the vector sum :math:`v_i = \lVert \mathbf a_i - \bar{\mathbf a} \rVert`.
    Its mean takes gravity and the sensor's offset off, looks at nothing after the window, and needs
    no past.

    - `iqr_m_s2`, MyShake's IQR: upper less lower quartile of :math:`v_i`, between ranks by a line.
    - `zero_crossings`, MyShake's ZC: largest number, over the components, of neighbours of
      different sign; what is at or below :math:`10^{-5}` of the component's root mean square counts
      as negative.
    - `cav_m_s`, MyShake's CAV: :math:`\int v\,dt` by the trapezoidal rule.
    - `peak_m_s2`: the largest :math:`v_i`.
    - `duration_s`: time from 5 to 95 % of :math:`\sum v_i^2`.
    - `dominant_period_s`: :math:`\pi \Delta t / \arcsin \tfrac12 \sqrt{\overline{|\mathbf a_{i+1} -
      \mathbf a_i|^2} / \overline{v^2}}`, exact for a sine of any period above two samples.
    - `hv_ratio`: with the sums of squares V along the vertical and H across it,
      :math:`\sqrt{H / 2 V}`. As the orientation is unknown, the vertical is the window's mean where
      this is of gravity's size, or that of the settings; else the ratio is NaN.
    - `polarization`: with the covariance matrix S, the same in all orientations,
      :math:`\sqrt{3\,\mathrm{tr} S^2 / 2 (\mathrm{tr} S)^2 - 1 / 2}`.

    Parameters
    ----------
    samples : jax.Array
        Acceleration, m/s2, (..., 3, samples): at rest constant, with gravity or without.
    settings : FeatureSettings
        Its rate, least share, level of clipping and vertical are used; any length of window will
        do.
    mask : jax.Array, optional
        Which samples there are, (..., samples); by default all. Samples that are no number are
        missing. They lie at the mean, neighbours of a gap are no neighbours, and the integral is
        that of what there is, scaled to the window.

    Returns
    -------
    Features
        Arrays (...), of the precision of the samples; never raises on data: see its `status`.

    References
    ----------
    Kong, Q., Allen, R. M., Schreier, L. & Kwon, Y.-W. (2016). MyShake: a smartphone seismic network
    for earthquake early warning and beyond. *Science Advances* 2, e1501055.
    https://doi.org/10.1126/sciadv.1501055

    Samson, J. C. & Olson, J. V. (1980). Some comments on the descriptions of the polarization
    states of waves. *Geophysical Journal International* 61, 115-129.
    https://doi.org/10.1111/j.1365-246X.1980.tb04308.x

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.sin(2 * np.pi * 5 * np.arange(200) / 100)
    >>> features = window_features(wave * np.array([[0.3], [0.4], [0.0]]), FeatureSettings(100.0))
    >>> round(float(features.dominant_period_s), 3), round(float(features.peak_m_s2), 3)
    (0.2, 0.5)
    """
    samples = jnp.asarray(samples)
    if samples.ndim < 2 or samples.shape[-2] != 3:
        raise InputError(
            f"window_features: samples have shape {samples.shape}; give (..., 3, samples)"
        )
    samples = samples.astype(jnp.result_type(samples, jnp.float32))
    valid = jnp.ones(samples.shape[:-2] + samples.shape[-1:], bool)
    if mask is not None:
        valid = jnp.broadcast_to(jnp.asarray(mask, bool), valid.shape)
    none = jnp.full(samples.shape[:-2], jnp.nan, samples.dtype)
    return compiled_features(samples, valid, none, sensor_of(settings, samples.dtype))


def frames(
    samples: Float[Array, "3 samples"],
    mask: Bool[Array, " samples"],
    sensor: Sensor,
    *,
    window: int,
    step: int,
    long: int,
) -> Features:
    """Features at the end of each step of a record from the first full window on, (windows,).

    They are those of a stream: windows end with a step, whether or not they begin with one.
    """
    total = samples.shape[-1] // step
    first = -(-window // step)
    mask = mask & jnp.isfinite(jnp.sum(samples, axis=0))
    samples = jnp.where(mask, samples, 0)
    cut = samples[:, : total * step].reshape(3, total, step)
    squares, counts = step_power(jnp.moveaxis(cut, 1, 0), mask[: total * step].reshape(total, step))
    squares, counts = (
        jnp.concatenate([jnp.zeros(long, one.dtype), one]) for one in (squares, counts)
    )
    ends = jnp.arange(first, total + 1)
    seen = (ends - 1)[:, None] + jnp.arange(long + 1)
    ratio = sta_lta(squares[seen], counts[seen], step, sensor.least_share)
    at = (ends * step - window)[:, None] + jnp.arange(window)
    return features_of(jnp.moveaxis(samples[:, at], 1, 0), mask[at], ratio, sensor)


compiled_features = jax.jit(features_of)
compiled_frames = jax.jit(frames, static_argnames=("window", "step", "long"))
