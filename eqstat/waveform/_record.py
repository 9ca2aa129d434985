"""A record of three-component acceleration, and its contract."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from eqstat._core.checks import check_choice, check_kind, check_range, refuse
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.schema import read_time


@dataclass(frozen=True, kw_only=True, eq=False)
class Record(Explained):
    """Acceleration of one sensor along three axes at right angles, of unknown orientation.

    What contradicts itself is refused here; what only looks wrong, such as a unit or a flat axis,
    is said by `problems`.

    Parameters
    ----------
    acceleration_m_s2 : array_like
        Samples in m/s2, (3, samples); at least one. Single precision is kept, other numbers become
        double.
    rate_hz : float
        Samples per second as measured, 0.1 to 10,000.
    start_time : pandas.Timestamp
        Time of the first sample; what `eqstat.schema.read_time` reads. NaT where it is unknown, for
        which None may be given.
    gravity : {"in", "out"}
        Whether the samples hold gravity, as those of a phone do, or not, as those of a sensor whose
        offset was taken off.
    device : str
        Name of the sensor.
    name : str
        Name of the record.
    mask : array_like, optional
        Which samples there are, (samples,); by default all. Where it is false the samples are NaN.
    clip_m_s2 : float, optional
        Level at which an axis of the sensor is clipped, m/s2.
    vertical : int, optional
        The axis that is vertical, 0, 1 or 2, where this is known.
    nominal_rate_hz : float, optional
        Rate that the sensor states.
    rate_drift : float
        Largest relative difference of the rate of a part of the record from `rate_hz`.
    trigger_s : float, optional
        Time of the sensor's own trigger after the first sample, s.

    Raises
    ------
    eqstat.InputError
        When there are no samples, not three axes, samples that are no number and not masked, or
        numbers out of range.

    Examples
    --------
    >>> record = Record(
    ...     acceleration_m_s2=[[0.0, 0.1], [0.0, 0.0], [9.8, 9.8]],
    ...     rate_hz=25.0,
    ...     start_time="2027-01-15T08:00Z",
    ...     gravity="in",
    ... )
    >>> record.duration_s
    0.08
    """

    acceleration_m_s2: Any
    rate_hz: float
    start_time: Any
    gravity: Literal["in", "out"]
    device: str = ""
    name: str = ""
    mask: Any = None
    clip_m_s2: float | None = None
    vertical: int | None = None
    nominal_rate_hz: float | None = None
    rate_drift: float = 0.0
    trigger_s: float | None = None

    def __post_init__(self) -> None:
        title = self.title
        check_kind(title, str, "give a text", device=self.device, name=self.name)
        check_range(title, 0.1, 10_000, rate_hz=self.rate_hz)
        check_choice(title, ("in", "out"), gravity=self.gravity)
        samples, mask = _samples(title, self.acceleration_m_s2, self.mask)
        for name, low, value in (
            ("clip_m_s2", 0.0, self.clip_m_s2),
            ("nominal_rate_hz", 0.0, self.nominal_rate_hz),
            ("trigger_s", -math.inf, self.trigger_s),
        ):
            if value is not None:
                check_range(title, low, **dict[str, Any]({name: value}))
        check_range(title, 0, rate_drift=self.rate_drift)
        if self.vertical is not None:
            check_choice(title, (0, 1, 2), vertical=self.vertical)
        start: Any = pd.NaT
        if self.start_time is not None and self.start_time is not pd.NaT:
            start = read_time(self.start_time, f"{title}: start_time")
        for name, value in (
            ("acceleration_m_s2", samples),
            ("mask", mask),
            ("start_time", start),
        ):
            object.__setattr__(self, name, value)

    @property
    def title(self) -> str:
        """What messages call the record."""
        return f"record {self.name!r}" if self.name else "record"

    @property
    def duration_s(self) -> float:
        """Number of samples over their rate, s."""
        return self.acceleration_m_s2.shape[1] / self.rate_hz

    @property
    def end_time(self) -> pd.Timestamp:
        """End of the record: one sample after the last one."""
        return self.start_time + pd.Timedelta(seconds=self.duration_s)


def _samples(title: str, given: ArrayLike, mask: Any) -> tuple[np.ndarray, np.ndarray]:
    """Samples and mask as arrays that cannot be written to."""
    try:
        samples = np.asarray(given)
        samples = samples.astype(np.float32 if samples.dtype == np.float32 else np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{title}: acceleration_m_s2 must be numbers, (3, samples)") from None
    refuse(
        title,
        (samples.ndim != 2 or samples.shape[0] != 3,
         f"acceleration_m_s2 must have the shape (3, samples), not {samples.shape}"),
        (samples.size == 0, "acceleration_m_s2 is empty"),
    )  # fmt: skip
    finite = np.isfinite(samples).all(axis=0)
    if mask is None:
        valid = np.ones(samples.shape[1], bool)
    else:
        valid = np.array(mask)
        refuse(
            title,
            (valid.shape != samples.shape[1:] or valid.dtype != bool,
             f"mask must be {samples.shape[1]} true or false"),
            (not valid.any(), "mask leaves no sample"),
        )  # fmt: skip
    bad = np.flatnonzero(valid & ~finite)
    if bad.size:
        raise InputError(
            f"{title}: acceleration_m_s2 is not finite at {bad.size} of {valid.size} samples, "
            f"first at {bad[0]}; leave missing samples out by mask"
        )
    samples[:, ~valid] = np.nan
    samples.flags.writeable = valid.flags.writeable = False
    return samples, valid
