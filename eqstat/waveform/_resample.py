"""Resampling and windows of records: pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_kind, check_range, check_whole, refuse
from eqstat._core.explain import explained
from eqstat._core.random import generator
from eqstat.waveform._record import Record

# Zero crossings of the sinc on each side, and the shape of its Kaiser window: 80 dB.
CROSSINGS, KAISER = 24, 8.0
# Share of the lower Nyquist frequency that passes; the rest is for the filter's slope.
PASSED = 0.9
# Samples interpolated at once.
CHUNK = 16_384


def resample(record: Record, rate_hz: float | int) -> Record:
    r"""Record at another rate, without what the new rate cannot hold.

    Interpolation by a sinc in a Kaiser window,

    .. math:: y(t) = \frac{\sum_i x_i\, h(t - t_i)}{\sum_i h(t - t_i)}, \qquad
              h(u) = \mathrm{sinc}(2 f u)\, w(u),

    cut at f, nine tenths of the lower of both Nyquist frequencies. The sums are over the samples
    that there are, so that ends and gaps need no padding. The filter has no delay and looks ahead:
    it is for records, not for streams.

    Parameters
    ----------
    record : Record
    rate_hz : float
        New rate, 0.1 to 10,000. Any ratio of rates will do.

    Returns
    -------
    Record
        From the same start; samples in a gap stay missing. `nominal_rate_hz` is forgotten.

    Raises
    ------
    eqstat.InputError
        When the rate is out of range.

    Examples
    --------
    >>> t = np.arange(500) / 100
    >>> wave = np.sin(2 * np.pi * 3 * t) * np.ones((3, 1))
    >>> record = Record(acceleration_m_s2=wave, rate_hz=100.0, start_time=None, gravity="out")
    >>> slow = resample(record, 30.0)
    >>> slow.acceleration_m_s2.shape
    (3, 150)
    >>> middle = slow.acceleration_m_s2[0, 30:-30] - np.sin(2 * np.pi * 3 * np.arange(30, 120) / 30)
    >>> bool(abs(middle).max() < 1e-3)
    True
    """
    check_kind("resample", Record, "give a Record", record=record)
    check_range("resample", 0.1, 10_000, rate_hz=rate_hz)
    size = record.mask.size
    ratio = rate_hz / record.rate_hz
    number = max(int(np.floor((size - 1) * ratio + 1e-9)) + 1, 1)
    cut = PASSED * min(ratio, 1.0)
    half = int(np.ceil(CROSSINGS / cut))
    mean = np.nanmean(record.acceleration_m_s2, axis=1, keepdims=True)
    known = np.where(record.mask, record.acceleration_m_s2 - mean, 0.0)
    out, valid = np.empty((3, number)), np.empty(number, bool)
    for begin in range(0, number, CHUNK):
        place = np.arange(begin, min(begin + CHUNK, number)) / ratio
        first = np.floor(place).astype(int) - half + 1
        at = first[:, None] + np.arange(2 * half)
        away = place[:, None] - at
        window = np.i0(KAISER * np.sqrt(np.clip(1 - (away / half) ** 2, 0, None)))
        inside = (at >= 0) & (at < size)
        at = np.clip(at, 0, size - 1)
        weight = np.sinc(cut * away) * window * (inside & record.mask[at])
        part = slice(begin, begin + len(place))
        total = weight.sum(axis=1)
        # A sample is known where those beside it are.
        valid[part] = record.mask[at[:, half - 1]] & record.mask[at[:, half]] & (total > 0)
        out[:, part] = np.einsum("ank,nk->an", known[:, at], weight) / np.where(total > 0, total, 1)
    dtype = record.acceleration_m_s2.dtype
    return replace(
        record,
        acceleration_m_s2=np.where(valid, out + mean, np.nan).astype(dtype),
        mask=valid,
        rate_hz=float(rate_hz),
        nominal_rate_hz=None,
    )


def cut(record: Record, start_s: float | int, length_s: float | int) -> Record:
    """Part of a record.

    Parameters
    ----------
    record : Record
    start_s : float
        After the record's first sample, s; rounded to whole samples.
    length_s : float
        Length, s.

    Returns
    -------
    Record
        With its own start, and the trigger's time after it.

    Raises
    ------
    eqstat.InputError
        When the part does not lie in the record.

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=np.zeros((3, 500)), rate_hz=50.0, start_time="2027-01-15T08:00Z",
    ...     gravity="out",
    ... )
    >>> part = cut(record, 2.0, 3.0)
    >>> part.duration_s, str(part.start_time)
    (3.0, '2027-01-15 08:00:02+00:00')
    """
    check_kind("cut", Record, "give a Record", record=record)
    check_range("cut", 0, start_s=start_s)
    check_range("cut", 0, ends="(]", length_s=length_s)
    begin = round(start_s * record.rate_hz)
    end = begin + round(length_s * record.rate_hz)
    refuse(
        "cut",
        (end > record.mask.size or end == begin,
         f"{start_s:g} to {start_s + length_s:g} s do not lie in {record.duration_s:.6g} s"),
    )  # fmt: skip
    shift = begin / record.rate_hz
    return replace(
        record,
        acceleration_m_s2=record.acceleration_m_s2[:, begin:end],
        mask=record.mask[begin:end],
        start_time=record.start_time + pd.Timedelta(seconds=shift),
        trigger_s=None if record.trigger_s is None else record.trigger_s - shift,
    )


@explained
class Windows(NamedTuple):
    """Windows of a record.

    Attributes
    ----------
    samples
        Acceleration, m/s2, (windows, 3, samples); NaN where samples are missing.
    mask
        Which samples there are, (windows, samples).
    time_s
        End of each window after the record's first sample, s, (windows,).

    Examples
    --------
    See `windows`.
    """

    samples: np.ndarray
    mask: np.ndarray
    time_s: np.ndarray


def windows(record: Record, *, window_s: float | int = 2.0, step_s: float | int = 1.0) -> Windows:
    """All windows of a record, at equal steps.

    They end where those of `features` end. Lengths are rounded to whole samples.

    Parameters
    ----------
    record : Record
    window_s, step_s : float
        Length of a window and time to the next one, s.

    Returns
    -------
    Windows

    Raises
    ------
    eqstat.InputError
        When no window fits.

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=np.zeros((3, 500)), rate_hz=50.0, start_time=None, gravity="out"
    ... )
    >>> windows(record).samples.shape, windows(record).time_s[:2].tolist()
    ((9, 3, 100), [2.0, 3.0])
    """
    size, step = _samples_of(record, window_s, "windows"), _samples_of(record, step_s, "windows")
    ends = np.arange(-(-size // step), record.mask.size // step + 1) * step
    refuse("windows", (not ends.size, f"none of {window_s:g} s fits {record.duration_s:.6g} s"))
    return _at(record, ends - size, size)


def random_windows(
    key: PRNGKeyArray, record: Record, number: int, *, window_s: float | int = 2.0
) -> Windows:
    """Windows at random places of a record, so that a class cannot be told by the place.

    Parameters
    ----------
    key : jax.Array
        Random key.
    record : Record
    number : int
        Number of windows; they may overlap.
    window_s : float
        Length, s.

    Returns
    -------
    Windows

    Raises
    ------
    eqstat.InputError
        When a window does not fit.

    Examples
    --------
    >>> import jax
    >>> record = Record(
    ...     acceleration_m_s2=np.zeros((3, 500)), rate_hz=50.0, start_time=None, gravity="out"
    ... )
    >>> random_windows(jax.random.key(0), record, 4).samples.shape
    (4, 3, 100)
    """
    check_key("random_windows", key)
    check_whole("random_windows", 1, number=number)
    size = _samples_of(record, window_s, "random_windows")
    room = record.mask.size - size
    refuse("random_windows", (room < 0, f"{window_s:g} s do not fit {record.duration_s:.6g} s"))
    return _at(record, generator(key).integers(0, room + 1, number), size)


def _samples_of(record: Record, seconds: float | int, owner: str) -> int:
    check_kind(owner, Record, "give a Record", record=record)
    check_range(owner, 0, 3600, ends="(]", window_s=seconds)
    size = round(seconds * record.rate_hz)
    refuse(owner, (size < 1, f"{seconds:g} s are less than a sample"))
    return size


def _at(record: Record, begins: np.ndarray, size: int) -> Windows:
    at = begins[:, None] + np.arange(size)
    samples = np.moveaxis(record.acceleration_m_s2[:, at], 1, 0)
    return Windows(samples, record.mask[at], (begins + size) / record.rate_hz)
