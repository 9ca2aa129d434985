"""What looks wrong with a record: a unit, a flat axis, clipping, gaps, a rate that drifts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from eqstat._core.checks import check_kind, check_range
from eqstat._core.constants import STANDARD_GRAVITY_M_S2
from eqstat._core.errors import InputError
from eqstat._core.explain import explained
from eqstat.edge import GRAVITY_M_S2
from eqstat.waveform._record import Record

# What a value of 1 m/s2 is in the units that are taken for it.
UNITS = {"g": 1 / STANDARD_GRAVITY_M_S2, "Gal": 100.0}
# A sensor without gravity that stands still: noise of its quietest second, m/s2. The lower end is
# below the noise of the quietest places, the upper one above that of phones on a table.
NOISE_M_S2 = 1e-8, 0.05
# No record of an earthquake or of a hand exceeds this, m/s2.
LARGEST_M_S2 = 400.0
MOST_DRIFT = 0.005
# Equal samples at the end of an axis's range are clipped if there are so many in a row ...
CLIPPED_RUN = 3
# ... and the end is so many steps of the digitiser away from the median.
CLIPPED_STEPS = 20
FATAL = "too short", "unit", "flat axis"


@explained
class Problem(NamedTuple):
    """What looks wrong with a record.

    Attributes
    ----------
    kind
        "too short", "unit", "flat axis" (of these no features are computed), "clipped", "gap", or
        "rate drift".
    detail
        A sentence.
    samples
        Number of samples that it concerns.

    Examples
    --------
    >>> Problem("gap", "3 samples are missing", 3).kind
    'gap'
    """

    kind: str
    detail: str
    samples: int


def problems(record: Record, *, least_s: float = 2.0) -> list[Problem]:
    """What looks wrong with a record, the worst first.

    - *too short*: fewer samples than `least_s` seconds have.
    - *unit*: with gravity, the median size of the means of 2 s is not gravity's (7 to 12.5 m/s2),
      and the message names the unit in which it would be. Without gravity, the quietest second has
      a standard deviation outside 1e-8 to 0.05 m/s2, or there is 400 m/s2 and more. A sensor
      without gravity whose noise is unknown can be in another unit unnoticed.
    - *flat axis*: all samples of an axis are equal.
    - *clipped*: samples at `clip_m_s2`; where this is not known, three equal samples in a row at
      the end of an axis's range, at least 20 steps of its digitiser from the median.
    - *gap*: samples are missing.
    - *rate drift*: a part of the record, or the sensor's statement, differs from `rate_hz` by more
      than half a per cent.

    Parameters
    ----------
    record : Record
    least_s : float
        Least length, s.

    Returns
    -------
    list of Problem
        Empty where all is well.

    Examples
    --------
    >>> import numpy as np
    >>> motion = np.random.default_rng(0).normal(0, 0.001, (3, 500)) + np.array([[0], [0], [1.0]])
    >>> phone = Record(
    ...     acceleration_m_s2=motion, rate_hz=100.0, start_time="2027-01-15T08:00Z", gravity="in"
    ... )
    >>> (problem,) = problems(phone)
    >>> problem.kind, problem.detail
    ('unit', 'the mean is 1 m/s2 where gravity should be; in g it would be 9.81 m/s2')
    """
    check_kind("problems", Record, "give a Record", record=record)
    check_range("problems", 0, least_s=least_s)
    samples = record.acceleration_m_s2[:, record.mask]
    out = []
    if samples.shape[1] < least_s * record.rate_hz:
        long = samples.shape[1] / record.rate_hz
        out.append(Problem("too short", f"{long:.3g} s of {least_s:g} s", samples.shape[1]))
    if text := _unit(record, samples):
        out.append(Problem("unit", text, samples.shape[1]))
    flat = [axis for axis in range(3) if samples[axis].min() == samples[axis].max()]
    if flat and samples.shape[1] > 1:
        names = " and ".join(str(axis) for axis in flat)
        out.append(Problem("flat axis", f"all samples of axis {names} are equal", samples.shape[1]))
    if number := int(clipped(record).sum()):
        out.append(Problem("clipped", f"{number} samples are at the end of the range", number))
    if number := int((~record.mask).sum()):
        out.append(Problem("gap", f"{number} of {record.mask.size} samples are missing", number))
    nominal = record.nominal_rate_hz or record.rate_hz
    if max(record.rate_drift, abs(nominal / record.rate_hz - 1)) > MOST_DRIFT:
        text = f"{record.rate_hz:.5g} Hz measured, {nominal:.5g} Hz stated"
        text += f", {100 * record.rate_drift:.2g} % within the record"
        out.append(Problem("rate drift", text, record.mask.size))
    return out


def refuse_problems(record: Record, *, least_s: float) -> None:
    """Raise the first problem for which no features are computed."""
    for problem in problems(record, least_s=least_s):
        if problem.kind in FATAL:
            raise InputError(f"{record.title}: {problem.kind}: {problem.detail}")


def clipped(record: Record) -> np.ndarray:
    """Which samples are clipped on some axis, (samples,): at the level, or in runs at an end.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.clip(9 * np.sin(np.arange(200) / 20), -8, 8) * np.ones((3, 1))
    >>> record = Record(
    ...     acceleration_m_s2=wave, rate_hz=100.0, start_time="2027-01-15T08:00Z", gravity="out"
    ... )
    >>> int(clipped(record).sum()) > 40
    True
    """
    out = np.zeros(record.mask.size, bool)
    if record.clip_m_s2 is not None:
        with np.errstate(invalid="ignore"):
            out[:] = (np.abs(record.acceleration_m_s2) >= record.clip_m_s2).any(axis=0)
        return out
    for axis in record.acceleration_m_s2:
        known = axis[record.mask]
        levels = np.unique(known)
        if len(levels) < 3:
            continue
        quantum, middle = np.diff(levels).min(), np.median(known)
        for end in (levels[0], levels[-1]):
            if abs(end - middle) >= CLIPPED_STEPS * quantum:
                out |= _runs(axis == end, CLIPPED_RUN)
    return out


def _runs(hit: np.ndarray, least: int) -> np.ndarray:
    """Members of runs of at least so many."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hit, [False]])))
    out = np.zeros(hit.size, bool)
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        out[begin:end] = end - begin >= least
    return out


def _unit(record: Record, samples: np.ndarray) -> str:
    """Why the unit may be another; "" where nothing says so."""
    low, high = GRAVITY_M_S2
    largest = float(np.abs(samples).max())
    if record.gravity == "in":
        # The size of a short mean: over a whole record a phone that is turned has a smaller one.
        size = min(max(int(2 * record.rate_hz), 1), samples.shape[1])
        parts = samples[:, : samples.shape[1] // size * size].reshape(3, -1, size)
        level = float(np.median(np.linalg.norm(parts.mean(axis=2), axis=0)))
        if low <= level <= high:
            return ""
        text = f"the mean is {level:.3g} m/s2 where gravity should be"
        for unit, factor in UNITS.items():
            if low <= level / factor <= high:
                return f"{text}; in {unit} it would be {level / factor:.3g} m/s2"
        return text
    if largest >= LARGEST_M_S2:
        return f"{largest:.3g} m/s2 and without gravity: more than any motion"
    size = max(int(record.rate_hz), 2)
    if samples.shape[1] < size:
        return ""
    parts = samples[:, : samples.shape[1] // size * size].reshape(3, -1, size)
    quiet = float(np.sqrt(parts.var(axis=2).sum(axis=0)).min())
    if NOISE_M_S2[0] <= quiet <= NOISE_M_S2[1] or quiet == 0:
        return ""
    side = "low" if quiet < NOISE_M_S2[0] else "high"
    return f"the quietest second has {quiet:.2g} m/s2, too {side} for a sensor without gravity"
