"""Steps that make a record like that of a phone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_kind, check_range, refuse
from eqstat._core.constants import STANDARD_GRAVITY_M_S2
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat.waveform._record import Record
from eqstat.waveform._resample import resample

Step = Callable[[PRNGKeyArray, Record], Record]
"""A step: a random key and a record to a record."""


def _checked(owner: str, key: PRNGKeyArray, record: Record) -> np.random.Generator:
    check_key(owner, key)
    check_kind(owner, Record, "give a Record", record=record)
    return generator(key)


def _direction(rng: np.random.Generator) -> np.ndarray:
    """Random direction, (3, 1)."""
    vector = rng.normal(size=(3, 1))
    return vector / np.linalg.norm(vector)


def add_gravity(key: PRNGKeyArray, record: Record) -> Record:
    """Add gravity along the vertical, or along a random direction where this is not known.

    Parameters
    ----------
    key : jax.Array
        Random key.
    record : Record
        Without gravity.

    Returns
    -------
    Record

    Raises
    ------
    eqstat.InputError
        When gravity is in the record already.

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=np.zeros((3, 9)), rate_hz=50.0, start_time=None, gravity="out",
    ...     vertical=2,
    ... )
    >>> add_gravity(jax.random.key(0), record).acceleration_m_s2[:, 0].tolist()
    [0.0, 0.0, 9.80665]
    """
    rng = _checked("add_gravity", key, record)
    refuse("add_gravity", (record.gravity == "in", f"{record.title} has gravity already"))
    up = _direction(rng) if record.vertical is None else np.eye(3)[:, [record.vertical]]
    samples = record.acceleration_m_s2 + STANDARD_GRAVITY_M_S2 * up
    return replace(record, acceleration_m_s2=samples, gravity="in")


def rotate(key: PRNGKeyArray, record: Record) -> Record:
    """Turn the axes at random, all orientations alike; the vertical is then unknown.

    Parameters
    ----------
    key : jax.Array
        Random key.
    record : Record

    Returns
    -------
    Record

    References
    ----------
    Shoemake, K. (1992). Uniform random rotations. *Graphics Gems III*, 124-132.
    https://doi.org/10.1016/B978-0-08-050755-2.50036-1

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=np.eye(3), rate_hz=50.0, start_time=None, gravity="out"
    ... )
    >>> turned = rotate(jax.random.key(0), record).acceleration_m_s2
    >>> bool(np.allclose(turned @ turned.T, np.eye(3)))
    True
    """
    rng = _checked("rotate", key, record)
    quaternion = rng.normal(size=4)
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return replace(record, acceleration_m_s2=turn @ record.acceleration_m_s2, vertical=None)


def change_rate(
    key: PRNGKeyArray, record: Record, *, rate_hz: float | int, jitter: float | int = 0.0
) -> Record:
    """Resample to a rate, without aliases; see `eqstat.waveform.resample`.

    Parameters
    ----------
    key : jax.Array
        Random key.
    record : Record
    rate_hz : float
        New rate.
    jitter : float
        Relative standard deviation of the device's own rate about it, 0 to 0.1.

    Returns
    -------
    Record

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=np.zeros((3, 500)), rate_hz=100.0, start_time=None, gravity="out"
    ... )
    >>> change_rate(jax.random.key(0), record, rate_hz=25.0).rate_hz
    25.0
    """
    rng = _checked("change_rate", key, record)
    check_range("change_rate", 0, 0.1, jitter=jitter)
    check_range("change_rate", 0.1, 10_000, rate_hz=rate_hz)
    factor = float(np.clip(1 + jitter * rng.normal(), 0.7, 1.3))
    return resample(record, rate_hz * factor)


def simulate_noise(
    key: PRNGKeyArray,
    record: Record,
    *,
    median_m_s2: float | int = 0.006,
    spread: float | int = 0.5,
) -> Record:
    r"""Add the noise of a simulated sensor: white, with a slow part a fifth as strong.

    The level of an axis is log-normal about that of the sensor, which is log-normal about the
    median; the slow part has the spectrum :math:`1 / f` of power above 0.05 Hz.

    Parameters
    ----------
    key : jax.Array
        Random key.
    record : Record
    median_m_s2 : float
        Median standard deviation of an axis; phones at rest have 0.002 to 0.013 m/s2.
    spread : float
        Standard deviation of its logarithm between sensors.

    Returns
    -------
    Record

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=np.zeros((3, 5000)), rate_hz=50.0, start_time=None, gravity="out"
    ... )
    >>> noisy = simulate_noise(jax.random.key(0), record, spread=0.0)
    >>> bool(0.004 < noisy.acceleration_m_s2.std() < 0.009)
    True
    """
    rng = _checked("simulate_noise", key, record)
    check_range("simulate_noise", 0, ends="()", median_m_s2=median_m_s2)
    check_range("simulate_noise", 0, 3, spread=spread)
    size = record.mask.size
    frequency = np.fft.rfftfreq(2 * size, 1 / record.rate_hz)
    shape = 1 / np.sqrt(np.maximum(frequency, 0.05))
    slow = np.fft.irfft(shape * np.fft.rfft(rng.normal(size=(3, 2 * size))), 2 * size)[:, :size]
    # By the filter's own power, as a short piece of slow noise has a smaller deviation.
    slow /= np.sqrt(np.mean(shape**2))
    level = median_m_s2 * np.exp(spread * rng.normal() + 0.2 * rng.normal(size=(3, 1)))
    noise = level * (rng.normal(size=(3, size)) + 0.2 * slow)
    return replace(record, acceleration_m_s2=record.acceleration_m_s2 + noise)


def add_noise(key: PRNGKeyArray, record: Record, *, noise: Sequence[Record]) -> Record:
    """Add noise of real sensors: a random piece of a random record, about its mean.

    Parameters
    ----------
    key : jax.Array
        Random key.
    record : Record
    noise : sequence of Record
        Of sensors at rest, without gaps; resampled to the rate of the record where theirs is
        another. A piece that is too short is repeated, forwards and backwards in turn.

    Returns
    -------
    Record

    Raises
    ------
    eqstat.InputError
        When there is no noise, or a record of it has gaps.

    Examples
    --------
    >>> still = Record(
    ...     acceleration_m_s2=np.zeros((3, 500)), rate_hz=50.0, start_time=None, gravity="out"
    ... )
    >>> phone = simulate_noise(jax.random.key(0), still)
    >>> bool(add_noise(jax.random.key(1), still, noise=[phone]).acceleration_m_s2.std() > 0)
    True
    """
    rng = _checked("add_noise", key, record)
    if not noise or not all(isinstance(one, Record) for one in noise):
        raise InputError("add_noise: noise must be records")
    source = noise[int(rng.integers(len(noise)))]
    if not source.mask.all():
        raise InputError(f"add_noise: {source.title} of the noise has gaps")
    if abs(source.rate_hz / record.rate_hz - 1) > 1e-6:
        source = resample(source, record.rate_hz)
    own = source.acceleration_m_s2 - source.acceleration_m_s2.mean(axis=1, keepdims=True)
    loop = np.concatenate([own, own[:, ::-1]], axis=1)
    start = int(rng.integers(loop.shape[1] if own.shape[1] < record.mask.size
                             else own.shape[1] - record.mask.size + 1))  # fmt: skip
    at = (start + np.arange(record.mask.size)) % loop.shape[1]
    return replace(record, acceleration_m_s2=record.acceleration_m_s2 + loop[:, at])


def clip(
    key: PRNGKeyArray, record: Record, *, level_m_s2: float | int = 2 * STANDARD_GRAVITY_M_S2
) -> Record:
    """Clip each axis at the end of a sensor's range.

    Parameters
    ----------
    key : jax.Array
        Random key, which is not used.
    record : Record
    level_m_s2 : float
        The end, m/s2; 2 g by default.

    Returns
    -------
    Record
        With `clip_m_s2`.

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=np.full((3, 9), 30.0), rate_hz=50.0, start_time=None, gravity="out"
    ... )
    >>> clip(jax.random.key(0), record, level_m_s2=20.0).acceleration_m_s2[0, 0]
    np.float64(20.0)
    """
    _checked("clip", key, record)
    check_range("clip", 0, ends="()", level_m_s2=level_m_s2)
    samples = np.clip(record.acceleration_m_s2, -level_m_s2, level_m_s2)
    return replace(record, acceleration_m_s2=samples, clip_m_s2=float(level_m_s2))


def quantise(key: PRNGKeyArray, record: Record, *, step_m_s2: float | int = 0.0012) -> Record:
    """Round to the steps of a digitiser.

    Parameters
    ----------
    key : jax.Array
        Random key, which is not used.
    record : Record
    step_m_s2 : float
        One step, m/s2: by default about that of 16 bits over 4 g to each side.

    Returns
    -------
    Record

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=np.full((3, 9), 0.37), rate_hz=50.0, start_time=None, gravity="out"
    ... )
    >>> quantise(jax.random.key(0), record, step_m_s2=0.25).acceleration_m_s2[0, 0]
    np.float64(0.25)
    """
    _checked("quantise", key, record)
    check_range("quantise", 0, ends="()", step_m_s2=step_m_s2)
    samples = np.round(record.acceleration_m_s2 / step_m_s2) * step_m_s2
    return replace(record, acceleration_m_s2=samples)


PHONE: tuple[Step, ...] = (
    add_gravity,
    rotate,
    partial(change_rate, rate_hz=50.0, jitter=0.01),
    simulate_noise,
    clip,
    quantise,
)
"""Steps of a phone, in the order in which they happen."""


def phone_like(key: PRNGKeyArray, record: Record, *, steps: Sequence[Step] = PHONE) -> Record:
    """Do steps in turn, each with a key of its own.

    Parameters
    ----------
    key : jax.Array
        Random key; step i gets `jax.random.fold_in(key, i)`.
    record : Record
        By default without gravity, such as a record of a station in m/s2.
    steps : sequence of callable
        Functions of a key and a record; options of the steps here are set by `functools.partial`.

    Returns
    -------
    Record

    Raises
    ------
    eqstat.InputError
        When a step does not give a record.

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=np.zeros((3, 900)), rate_hz=100.0, start_time=None, gravity="out"
    ... )
    >>> phone = phone_like(jax.random.key(0), record)
    >>> phone.gravity, bool(48 < phone.rate_hz < 52), phone.clip_m_s2
    ('in', True, 19.6133)
    """
    _checked("phone_like", key, record)
    for number, step in enumerate(steps):
        record = step(jax.random.fold_in(key, number), record)
        if not isinstance(record, Record):
            raise InputError(f"phone_like: step {number} gave a {type(record).__name__}")
    return record
