"""Windows of samples cut from records, for the network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.waveform._problems import refuse_problems
from eqstat.waveform._record import Record
from eqstat.waveform._resample import windows
from eqstat.waveform.classifier._data import LABEL
from eqstat.waveform.recurrent._settings import RecurrentSettings

# A record's rate may differ by this share from that of the network.
RATE_SHARE = 0.02


@dataclass(frozen=True)
class Waves(Explained):
    """Windows of acceleration with a table of what they are; made by `prepare`.

    Attributes
    ----------
    samples
        Acceleration, m/s2, single precision, 0 where missing, (windows, 3, samples).
    mask
        Which samples there are, (windows, samples).
    table
        `record`, `device`, `time` and `time_s` (the end of the window, as in
        `eqstat.waveform.features`) and the columns of the labels; a row for each window.
    settings
        Sizes of the network they are for.
    left_out
        Windows with too few samples, or without motion, with a column `reason`.

    Examples
    --------
    See `prepare`.
    """

    samples: Float[np.ndarray, "windows 3 samples"]
    mask: Bool[np.ndarray, "windows samples"]
    table: pd.DataFrame
    settings: RecurrentSettings
    left_out: pd.DataFrame

    def __len__(self) -> int:
        return len(self.samples)

    def rows(self, which: Any) -> Waves:
        """Return some windows.

        Parameters
        ----------
        which
            True or False for each window, or their numbers.
        """
        table = self.table.iloc[np.arange(len(self))[np.asarray(which)]].reset_index(drop=True)
        return replace(self, samples=self.samples[which], mask=self.mask[which], table=table)


def prepare(
    records: Record | Iterable[Record],
    settings: RecurrentSettings,
    *,
    labels: pd.DataFrame | None = None,
    step_s: float | int = 1.0,
) -> Waves:
    """Cut records into windows.

    Parameters
    ----------
    records
        At least one, of the rate of the settings (within 2 %).
    settings
        Sizes of the network.
    labels
        A row for each record, in their order, whose columns each window of the record gets:
        `is_earthquake` and what names its group, such as the event. Where labels differ within a
        record, change `table` of the result and take `rows` of it.
    step_s
        Time from one window to the next, s, above 0.

    Returns
    -------
    Waves

    Raises
    ------
    eqstat.InputError
        When a record has another rate, is too short, has a flat axis or seems to be in another
        unit; when labels are not one for each record, or no window is left.

    Examples
    --------
    >>> from eqstat.waveform.recurrent import RecurrentSettings
    >>> wave = np.random.default_rng(0).normal(0, 0.01, (3, 250))
    >>> record = Record(
    ...     acceleration_m_s2=wave, rate_hz=25.0, start_time=None, gravity="out", name="a")
    >>> labels = pd.DataFrame({"event": ["e1"], "is_earthquake": [True]})
    >>> waves = prepare(record, RecurrentSettings(rate_hz=25.0), labels=labels)
    >>> waves.samples.shape, waves.table["time_s"].tolist()[:3]
    ((9, 3, 48), [2.0, 3.0, 4.0])
    """
    many = [records] if isinstance(records, Record) else list(records)
    if not many or not all(isinstance(one, Record) for one in many):
        raise InputError("prepare: give a Record, or several")
    check_kind("prepare", RecurrentSettings, "see `RecurrentSettings`", settings=settings)
    check_range("prepare", 0, 3600, ends="(]", step_s=step_s)
    if labels is not None and len(labels) != len(many):
        raise InputError(f"prepare: labels have {len(labels)} rows for {len(many)} records")
    parts = []
    for number, record in enumerate(many):
        if abs(record.rate_hz / settings.rate_hz - 1) > RATE_SHARE:
            raise InputError(
                f"{record.title}: rate_hz is {record.rate_hz:g}, that of the network "
                f"{settings.rate_hz:g}; use `waveform.resample`, or a network of its rate"
            )
        refuse_problems(record, least_s=settings.samples / record.rate_hz)
        more = {} if labels is None else dict(labels.iloc[number])
        parts.append(_cut(record, settings, float(step_s), more))
    samples, mask = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    table = pd.concat([part[2] for part in parts], ignore_index=True)
    few = mask.mean(axis=1) < settings.least_share - 1e-6
    valid = mask[:, None]
    low, high = np.where(valid, samples, np.inf), np.where(valid, samples, -np.inf)
    still = ~few & (low.min(axis=2) >= high.max(axis=2)).all(axis=1)
    reason = np.where(few, "too few samples", "no motion")
    good = ~few & ~still
    if not good.any():
        raise InputError("prepare: no window has enough samples")
    left_out = table[~good].assign(reason=reason[~good])
    waves = Waves(samples, mask, table, settings, left_out)
    return waves.rows(good)


def _cut(
    record: Record, settings: RecurrentSettings, step_s: float, labels: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Windows of one record."""
    cuts = windows(record, window_s=settings.samples / record.rate_hz, step_s=step_s)
    table = pd.DataFrame(
        {
            "record": record.name,
            "device": record.device,
            "time": record.start_time + pd.to_timedelta(cuts.time_s, unit="s"),
            "time_s": cuts.time_s,
        }
    ).assign(**labels)
    filled = np.where(cuts.mask[:, None], cuts.samples, 0.0).astype(np.float32)
    return filled, cuts.mask, table


def labels_of(table: pd.DataFrame, group: str | Sequence[str], owner: str) -> tuple[Any, Any]:
    """Which windows are of earthquakes, and the number of each one's group."""
    columns = [group] if isinstance(group, str) else list(group)
    for name in [LABEL, *columns]:
        if name not in table.columns:
            raise InputError(f"{owner}: column {name!r} is missing in the table of the windows")
        if table[name].isna().any():
            row = int(np.flatnonzero(table[name].isna())[0])
            raise InputError(f"{owner}: column {name} is missing in row {row}")
    if table[LABEL].dtype != bool:
        raise InputError(f"{owner}: column {LABEL} must be true or false, not {table[LABEL].dtype}")
    labels = table[LABEL].to_numpy(bool)
    if labels.all() or not labels.any():
        which = "other windows" if labels.any() else "windows of earthquakes"
        raise InputError(f"{owner}: there are no {which}; both classes are needed")
    return labels, table.groupby(columns, sort=True).ngroup().to_numpy()
