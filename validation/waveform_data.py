"""Records and feature tables of the real waveforms, for the checks of `eqstat.waveform`.

Every table has the columns of `eqstat.waveform.features` (`record`, `device`, `time`, `time_s`, the
names of `FEATURES`, `status`) and:

- `source`: myshake, openeew, phones_noise, gujarat;
- `group`: what a split must keep together: the human record, the shake table's trial, the
  earthquake;
- `event` and `trial`: the earthquake or the trial; "" where there is none;
- `is_earthquake`: whether the window is of an earthquake (or of a shake table's motion);
- `record_pga_m_s2`: largest `peak_m_s2` of the windows of its record that are of an earthquake,
  else of all of them: classes of strength are classes of records.

`device` is the sensor: myshake A and B are the people's phones, T0 to T5 those on the table. Rows
of an unknown class are left out, as the functions say. Never split by row, and never use `time_s`
or the place in a record: shake-table records start in motion, and people's phones with a quiet
minute; `sta_lta`, which looks back ten seconds, gives some of this away.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import agent_worlds as worlds
import numpy as np
import pandas as pd

from eqstat._core.constants import STANDARD_GRAVITY_M_S2
from eqstat.waveform import FEATURES, Record, features, problems, read_openeew

# Features that are amplitudes, without meaning where the unit is unknown.
AMPLITUDES = ("iqr_m_s2", "cav_m_s", "peak_m_s2")
# Shaking is looked for so long after S, s.
CODA_S = 20.0
# Velocities at which P is there, and S, at the sensors of OpenEEW, km/s.
P_KM_S, S_KM_S = 6.0, 3.4


def myshake_records(folder: Path) -> Iterator[tuple[Record, dict[str, Any]]]:
    """Records of people's phones and of the shake table, with their labels."""
    for kind in ("human", "shake_table"):
        table = pd.read_csv(folder / "myshake_waves" / f"{kind}.csv")
        with np.load(folder / "myshake_waves" / f"{kind}.npz") as content:
            motion, rate = content["acceleration"], float(content["rate_hz"])
            scale = float(content["scale_g"]) * STANDARD_GRAVITY_M_S2
        for row in table.to_dict("records"):
            offset, human = int(row["offset"]), kind == "human"
            trial = "" if human else f"T{row['trial']}"
            record = Record(
                acceleration_m_s2=scale * motion[:, offset : offset + int(row["samples"])],
                rate_hz=rate,
                start_time=str(row["start_hour"]).replace("Z", ":00Z") if human else None,
                gravity="in",
                device=str(row["device"]) if human else f"T{row['phone']}",
                name=str(row["record"]),
                trigger_s=float(row["trigger_s"]) if human else None,
            )
            yield (
                record,
                {"group": record.name if human else trial, "event": "", "trial": trial,
                 "is_earthquake": not human},
            )  # fmt: skip


def phones_noise_records(folder: Path) -> Iterator[Record]:
    """Records of still phones; their mean, which was taken off, is put back."""
    table = pd.read_csv(folder / "phones_noise" / "noise.csv", dtype={"phone": str})
    with np.load(folder / "phones_noise" / "noise.npz") as content:
        motion, rate = content["acceleration"], float(content["rate_hz"])
        scale = float(content["scale_m_s2"])
    for row in table.to_dict("records"):
        part = motion[:, int(row["offset"]) : int(row["offset"]) + int(row["samples"])]
        mean = np.array([[row["mean_x"]], [row["mean_y"]], [row["mean_z"]]])
        yield Record(
            acceleration_m_s2=scale * part + mean,
            rate_hz=rate,
            start_time=None,
            gravity="in",
            device=f"iPhone {row['phone']}",
            name=str(row["record"]),
        )


def openeew_records(folder: Path) -> Iterator[tuple[Record, dict[str, Any]]]:
    """Records of each sensor and earthquake, and about when its waves can be there, s since 1970.

    `quiet_until_s` is before all waves; `shaken_from_s` and `shaken_to_s` are P at 6 km/s and
    20 s after S at 3.4 km/s from a depth of 30 km.
    """
    known = worlds.places(folder)
    for event in worlds.earthquakes(folder):
        for device, paths in event["files"].items():
            if device not in known:
                continue
            distance = float(np.hypot(worlds.distance_km(event, known[device]), 30.0))
            labels: dict[str, Any] = {
                "event": event["name"],
                "magnitude": event["magnitude"],
                "distance_km": distance,
                "quiet_until_s": worlds.earliest_p_s(event, known[device]),
                "shaken_from_s": event["origin_s"] + distance / P_KM_S,
                "shaken_to_s": event["origin_s"] + distance / S_KM_S + CODA_S,
            }
            lines = [line for path in paths for line in path.read_bytes().splitlines()]
            for record in read_openeew(lines):
                yield record, labels


def gujarat_records(folder: Path) -> Iterator[tuple[Record, dict[str, Any]]]:
    """Differences of the velocity counts, as their unit is unknown: shapes only.

    Each record is scaled so that its noise is that of a quiet sensor, 1e-3 m/s2.
    """
    table = pd.read_csv(folder / "gujarat" / "records.csv")
    with np.load(folder / "gujarat" / "records.npz") as content:
        counts, rate = content["counts"], float(content["rate_hz"])
    for row in table.to_dict("records"):
        change = np.diff(counts[int(row["row"])].astype(float)) * rate
        noise = change[:, : int(8 * rate)].std(axis=1).max()
        if noise == 0 or (change == change[:, :1]).all(axis=1).any():
            continue
        record = Record(
            acceleration_m_s2=change * 1e-3 / noise,
            rate_hz=rate,
            start_time=None,
            gravity="out",
            device=str(row["station"]),
            name=f"{row['event']} {row['station']}",
            vertical=0,
        )
        yield (
            record,
            {"event": str(row["event"]), "group": str(row["event"]), "kind": str(row["kind"]),
             "magnitude": row["magnitude"], "distance_km": row["distance_km"]},
        )  # fmt: skip


def labelled(record: Record, labels: dict[str, Any], source: str, **options) -> pd.DataFrame:
    """Features of a record with its labels."""
    table = features(record, **options)
    table = table.assign(source=source, **labels)
    if source != "openeew":
        table["record_pga_m_s2"] = table["peak_m_s2"].max()
    return table


def usable(record: Record) -> bool:
    """Whether features can be computed of a record."""
    return not any(one.kind in ("too short", "unit", "flat axis") for one in problems(record))


def myshake_table(folder: Path, **options) -> pd.DataFrame:
    """Windows of people (False) and of the shake table (True), all of them."""
    return pd.concat(
        [labelled(*one, "myshake", **options) for one in myshake_records(folder) if usable(one[0])],
        ignore_index=True,
    )


def phones_noise_table(folder: Path, **options) -> pd.DataFrame:
    """Windows of phones on a table without people: False."""
    labels: dict[str, Any] = {"event": "", "trial": "", "is_earthquake": False}
    return pd.concat(
        [labelled(one, labels | {"group": one.name}, "phones_noise", **options)
         for one in phones_noise_records(folder) if usable(one)],
        ignore_index=True,
    )  # fmt: skip


def openeew_table(folder: Path, **options) -> pd.DataFrame:
    """Windows before all waves (False) and from P to 20 s after S (True); others are left out.

    The group is the earthquake, whose quiet minutes go with it. Windows of weak shaking may lie in
    the sensor's noise: take classes by `record_pga_m_s2`.
    """
    tables = []
    for record, labels in openeew_records(folder):
        if not usable(record):
            continue
        table = labelled(record, labels | {"group": labels["event"], "trial": ""}, "openeew",
                         **options)  # fmt: skip
        seconds = (table["time"] - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
        start = seconds - options.get("window_s", 2.0)
        shaken = (start >= labels["shaken_from_s"]) & (seconds <= labels["shaken_to_s"])
        quiet = seconds <= labels["quiet_until_s"]
        table = table.assign(is_earthquake=shaken, seconds_after_p=seconds - table["shaken_from_s"])
        pga = table["peak_m_s2"].where(shaken if shaken.any() else quiet).max()
        table["record_pga_m_s2"] = pga
        tables.append(table[shaken | quiet].drop(columns=list(MOMENTS)))
    return pd.concat(tables, ignore_index=True)


MOMENTS = ("quiet_until_s", "shaken_from_s", "shaken_to_s")


def gujarat_table(folder: Path, **options) -> pd.DataFrame:
    """Windows of the first 8 s (False) and of the 15 s from 11.5 s on (True).

    P is about at 10 s, and up to 1.3 s later. Amplitudes are NaN, as their unit is unknown;
    `kind` is earthquake or blast as labelled, which is doubtful at the station SUR.
    """
    tables = []
    for record, labels in gujarat_records(folder):
        if not usable(record):
            continue
        table = labelled(record, labels | {"trial": ""}, "gujarat", **options)
        start = table["time_s"] - options.get("window_s", 2.0)
        quiet = table["time_s"] <= 8.0
        shaken = (start >= 11.5) & (table["time_s"] <= 26.5)
        table = table.assign(is_earthquake=shaken, record_pga_m_s2=np.nan)
        table[list(AMPLITUDES)] = np.nan
        tables.append(table[quiet | shaken])
    return pd.concat(tables, ignore_index=True)


TABLES = {
    "myshake": myshake_table,
    "openeew": openeew_table,
    "phones_noise": phones_noise_table,
    "gujarat": gujarat_table,
}


def show(folder: Path) -> None:
    """Print how many windows of which class there are, and medians of the features."""
    for name, load in TABLES.items():
        table = load(folder)
        print(f"{name}: {len(table)} windows of {table['record'].nunique()} records, "
              f"{table['device'].nunique()} devices, {table['group'].nunique()} groups; status "
              f"{table['status'].value_counts().to_dict()}")  # fmt: skip
        print(table.groupby("is_earthquake")[list(FEATURES)].median().T.to_string())


if __name__ == "__main__":
    import os

    show(Path(os.environ["EQSTAT_DATA"]))
