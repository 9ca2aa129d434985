"""Features of records as a table."""

from __future__ import annotations

from collections.abc import Iterable

import jax
import numpy as np
import pandas as pd

from eqstat._core.errors import InputError
from eqstat.inference import bucket_size, pad_rows
from eqstat.waveform._features._settings import FEATURES, FeatureSettings
from eqstat.waveform._features._window import compiled_frames, sensor_of
from eqstat.waveform._problems import refuse_problems
from eqstat.waveform._record import Record


def settings_of(
    record: Record,
    *,
    window_s: float = 2.0,
    step_s: float = 1.0,
    long_s: float = 10.0,
    least_share: float = 0.8,
) -> FeatureSettings:
    """Settings for the features of a record: its rate, level of clipping and vertical.

    Parameters
    ----------
    record : Record
    window_s, step_s, long_s, least_share : float
        See `FeatureSettings`.

    Returns
    -------
    FeatureSettings

    Examples
    --------
    >>> import numpy as np
    >>> record = Record(
    ...     acceleration_m_s2=np.zeros((3, 500)), rate_hz=50.0, start_time=None, gravity="out",
    ...     vertical=2,
    ... )
    >>> settings_of(record).vertical
    (0.0, 0.0, 1.0)
    """
    up = None if record.vertical is None else tuple(np.eye(3)[record.vertical].tolist())
    clip = np.inf if record.clip_m_s2 is None else record.clip_m_s2
    return FeatureSettings(record.rate_hz, window_s, step_s, long_s, least_share, clip, up)


def features(
    records: Record | Iterable[Record],
    *,
    window_s: float = 2.0,
    step_s: float = 1.0,
    long_s: float = 10.0,
    least_share: float = 0.8,
) -> pd.DataFrame:
    """Features of all windows of records: a row at the end of each step from the first window on.

    The definitions are those of `window_features`. In addition `sta_lta` is the root mean square of
    the window's last step over that of the `long_s` seconds before it, each step about its own
    mean; it is NaN until `least_share` of that time is there. Computed in double precision; a row
    looks at nothing after its time.

    Parameters
    ----------
    records : Record or iterable of Record
        At least one.
    window_s, step_s, long_s, least_share : float
        See `FeatureSettings`.

    Returns
    -------
    pandas.DataFrame
        `record` and `device` (names), `time` (UTC, the end of the window; NaT where the record's
        start is unknown), `time_s` (the same, s after its first sample), the columns `FEATURES`,
        and `status` (of `eqstat.realtime.Status`).

    Raises
    ------
    eqstat.InputError
        When a record is too short for a window, has a flat axis, or seems to be in another unit
        (see `problems`).

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.random.default_rng(0).normal(0, 0.01, (3, 1500)) + np.array([[0], [0], [9.8]])
    >>> record = Record(
    ...     acceleration_m_s2=wave, rate_hz=100.0, start_time="2027-01-15T08:00Z", gravity="in"
    ... )
    >>> table = features(record)
    >>> len(table), str(table["time"].iloc[0]), int(table["sta_lta"].notna().sum())
    (14, '2027-01-15 08:00:02+00:00', 7)
    """
    many = [records] if isinstance(records, Record) else list(records)
    if not many or not all(isinstance(one, Record) for one in many):
        raise InputError("features: give a Record, or several")
    tables = []
    for record in many:
        refuse_problems(record, least_s=window_s)
        settings = settings_of(
            record, window_s=window_s, step_s=step_s, long_s=long_s, least_share=least_share
        )
        tables.append(_of_one(record, settings))
    return pd.concat(tables, ignore_index=True)


def _of_one(record: Record, settings: FeatureSettings) -> pd.DataFrame:
    steps, first = record.mask.size // settings.step, -(-settings.window // settings.step)
    if steps < first:
        raise InputError(f"{record.title}: too short for a window of {settings.window_s:g} s")
    # A record of another length within a bucket never recompiles.
    size = bucket_size(steps) * settings.step
    used = steps * settings.step
    samples = pad_rows(np.asarray(record.acceleration_m_s2[:, :used].T, np.float64), size).T
    mask = pad_rows(record.mask[:used], size, fill=False)
    with jax.enable_x64(True):
        frames = compiled_frames(
            samples,
            mask,
            sensor_of(settings, np.dtype(np.float64)),
            window=settings.window,
            step=settings.step,
            long=settings.long,
        )
    rows = steps - first + 1
    ends_s = np.arange(first, steps + 1) * settings.step / record.rate_hz
    columns = {name: np.asarray(getattr(frames, name))[:rows] for name in FEATURES}
    return pd.DataFrame(
        {
            "record": record.name,
            "device": record.device,
            "time": record.start_time + pd.to_timedelta(ends_s, unit="s"),
            "time_s": ends_s,
            **columns,
            "status": np.asarray(frames.status)[:rows],
        }
    )
