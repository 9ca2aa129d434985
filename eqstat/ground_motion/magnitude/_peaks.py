"""Tables of the peaks that stations report of one earthquake, as arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from eqstat._core.errors import InputError
from eqstat.ground_motion.event._condition import Device
from eqstat.schema import VS30, Column, Contract, check

PEAKS = Contract(
    "peaks",
    (
        Column("latitude", "latitude", True, "degrees", -90.0, 90.0),
        Column("longitude", "longitude", True, "degrees", -180.0, 360.0),
        Column(
            "pga_m_s2",
            "number",
            unit="m/s2",
            maximum=100.0,
            positive=True,
            hint="no ground shook more: multiply %g by 0.0980665, divide Gal by 100; "
            "leave it empty where there was no peak",
        ),
        Column("station", "text"),
        VS30,
        Column("least_m_s2", "number", unit="m/s2", maximum=100.0, positive=True),
        Column("device_bias", "number", unit="log10 units", minimum=-3.0, maximum=3.0),
        Column("device_sd", "number", unit="log10 units", minimum=0.0, maximum=3.0),
    ),
)
"""Peaks of one earthquake: `latitude`, `longitude`, and optional columns; `pga_m_s2` is missing
where a station has none."""

EXACT, AT_LEAST, LESS = 0, 1, -1


class Peaks(NamedTuple):
    """Peaks of one earthquake, one for each station.

    Attributes
    ----------
    table
        The checked rows.
    log10_value
        Log10 of the reading (m/s2), of the clipping level or of the least level, (rows,).
    kind
        0 where that is the reading, 1 where the reading is at least this, -1 where it is less.
    log10_least
        Log10 of the level that a station needed to report; minus infinity where it would have been
        listed anyway, (rows,).
    bias, sd
        Error model of each device, log10 units, (rows,).
    """

    table: pd.DataFrame
    log10_value: np.ndarray
    kind: np.ndarray
    log10_least: np.ndarray
    bias: np.ndarray
    sd: np.ndarray

    def described(self) -> dict[str, int]:
        """Numbers of peaks by what is known of them."""
        return {
            "peaks": int(np.sum(self.kind == EXACT)),
            "peaks_clipped": int(np.sum(self.kind == AT_LEAST)),
            "peaks_below_level": int(np.sum(self.kind == LESS)),
        }


def as_peaks(
    table: pd.DataFrame, device: Device, least_m_s2: float | int | None, triggered_only: bool
) -> Peaks:
    """Check a table of peaks, and say what each row tells."""
    checked: Any = check(table, PEAKS)
    if not len(checked):
        raise InputError("peaks: the table has no rows; give one for each station")
    for name in ("event", "station"):
        if name not in checked.columns:
            continue
        values = checked[name].dropna()
        if name == "event" and values.nunique() > 1:
            raise InputError("peaks: rows of several events; give those of one")
        if name == "station" and bool(values.duplicated().any()):
            twice = values[values.duplicated()].iloc[0]
            raise InputError(f"peaks: station {twice!r} comes twice; give its largest peak only")

    def column(name: str, value: float) -> np.ndarray:
        if name in checked.columns:
            return checked[name].fillna(value).to_numpy(np.float64)
        return np.full(len(checked), float(value))

    least = column("least_m_s2", np.nan if least_m_s2 is None else float(least_m_s2))
    clip = column("clip_m_s2", device.clip_m_s2)
    if not np.all(clip > 0):
        raise InputError("peaks: column 'clip_m_s2': must be above 0; infinite for never")
    pga = column("pga_m_s2", np.nan)
    _refuse(
        np.isnan(least) & np.isnan(pga),
        "have no peak and no level below which it would not have been seen; give least_m_s2, or "
        "leave out stations that were not working",
    )
    _refuse(clip <= least, "clip at or below their least_m_s2")
    silent = ~(pga >= np.where(np.isnan(least), 0.0, least))
    if triggered_only:
        _refuse(np.isnan(least), "need least_m_s2, the level above which a station is in the table")
        _refuse(silent, "have no peak above least_m_s2, but triggered_only says there are none")
    clipped = ~silent & (pga >= clip)
    value = np.where(silent, least, np.where(clipped, clip, pga))
    return Peaks(
        checked,
        np.log10(value),
        np.where(silent, LESS, np.where(clipped, AT_LEAST, EXACT)),
        np.log10(least) if triggered_only else np.full(len(checked), -np.inf),
        column("device_bias", device.bias),
        column("device_sd", device.sd),
    )


def _refuse(bad: np.ndarray, words: str) -> None:
    """Raise an error that names the first bad rows."""
    if bad.any():
        rows = ", ".join(str(row) for row in np.flatnonzero(bad)[:3])
        raise InputError(f"peaks: {int(bad.sum())} rows {words} (first rows {rows})")
