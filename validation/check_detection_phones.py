"""The sequential posterior on real phones: Borrego Springs 2016, from 121 s before the origin.

Run with EQSTAT_DATA at a folder that holds the MyShake triggers (see `eqstat.datasets`):
python validation/check_detection_phones.py [--lateral 0]. No list of the silent devices exists: the
network is the devices with a trigger in the table (`triggered_devices`); in runs with "k
silent" k devices that never trigger are placed beside each, to see the effect of silence. Records
the probability before the origin, the delay of the alarm and the error of the location. Then the
magnitude with the default earthquake, without the peaks, with those flagged as corrected, and with
all of them; half of these stand at 0.42 g whatever the distance.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd
from records import Record, record, show

from eqstat import datasets
from eqstat.detection import (
    BackgroundRate,
    Detector,
    Replay,
    detector,
    replay,
    triggered_devices,
)
from eqstat.detection.causes import default_causes, earthquake, nodes
from eqstat.detection.causes._default import SLOWNESS_LATERAL_SD
from eqstat.geodesy import great_circle_distance
from eqstat.hypocentre import contains
from eqstat.velocity import ConstantVelocity

MAGNITUDE = 5.2
BEGIN_S, END_S = -121, 45
VELOCITY = ConstantVelocity(6.1, 3.55)
# Scatter of the triggers in s, background per device and hour, silent devices beside each.
# 20 triggers of 184 devices came in the 119 s before the origin: 3.3 per device and hour.
RUNS = [
    ((0.8,), 3.3, 0),
    ((0.8, 1.6), 3.3, 0),
    ((0.8,), 0.5, 0),
    ((0.8,), 10.0, 0),
    ((0.8,), 3.3 / 2, 1),
    ((0.8,), 3.3 / 5, 4),
]


def check(lateral: float = SLOWNESS_LATERAL_SD, runs: int | None = None) -> list[Record]:
    """Replay the stream with the first `runs` of the backgrounds and scatters, all by default."""
    triggers, truth = datasets.load_myshake()
    devices = triggered_devices(triggers)
    devices = devices.assign(device=[f"phone{i}" for i in range(len(devices))])
    named = triggers.merge(devices, on=["latitude", "longitude"], how="left", validate="m:1")
    records = []
    for scatter, rate, beside in RUNS[:runs]:
        silent = [devices.assign(device=devices["device"] + f" silent{i}") for i in range(beside)]
        unknown = nodes(
            share=(0.05, 0.2, 0.6),
            first_share=(0.95, 0.5),
            reach_km=(60.0, 150.0, np.inf),
            delay_s=2.5,
            sd_s=scatter,
        )
        quake = earthquake(velocity=VELOCITY, nodes=unknown, slots=60, slowness_lateral_sd=lateral)
        watch = detector(
            pd.concat([devices, *silent], ignore_index=True),
            causes=(quake, *default_causes()[1:]),
            background=BackgroundRate(np.full(24, rate)),
        )
        result = replay(
            watch,
            named,
            start=truth["time"] + pd.Timedelta(seconds=BEGIN_S),
            end=truth["time"] + pd.Timedelta(seconds=END_S),
        )
        scatter_text = " or ".join(f"{sd:g}" for sd in scatter)
        label = f"scatter {scatter_text} s, background {rate:.2g}/h, {beside} silent"
        records += judge(watch, result, truth, label)
    for peaks in ("no", "corrected", "all"):
        records += magnitude(triggers, truth, peaks)
    return show(records)


def magnitude(triggers: pd.DataFrame, truth: dict[str, Any], peaks: str) -> list[Record]:
    """Magnitude of the first alarm with the default causes and these peaks."""
    used = (triggers["pga"] > 0) & ((triggers["corrected"] == 1) | (peaks == "all"))
    table = triggers.drop(columns="pga").assign(
        pga_m_s2=np.where(used & (peaks != "no"), 9.80665 * triggers["pga"], np.nan)
    )
    quake = earthquake(velocity="iasp91")
    watch = detector(triggered_devices(table), causes=(quake, *default_causes()[1:]))
    result = replay(
        watch,
        table,
        start=truth["time"] + pd.Timedelta(seconds=BEGIN_S),
        end=truth["time"] + pd.Timedelta(seconds=END_S),
    )
    located = result.located
    if located is None:
        return [record(f"magnitude, {peaks} peaks: alarms", 0, bounds=(1, 1))]
    low, high = (float(located[f"magnitude_{end}"]) for end in ("low", "high"))
    mean = float(located["magnitude_mean"])
    return [
        record(f"magnitude, {peaks} peaks", mean, interval=(low, high), level=0.9, target=MAGNITUDE,
               data_sets=int(used.sum()) if peaks != "no" else 0)
    ]  # fmt: skip


def judge(watch: Detector, result: Replay, truth: dict[str, Any], label: str) -> list[Record]:
    """Figures of one run."""
    history = result.history
    late_s = (history["time"] - truth["time"]).dt.total_seconds().to_numpy()
    early = history[late_s < 0]
    count = len(result.triggers)

    def figure(name: str, value: float, unit: str = "", **options: Any) -> Record:
        return record(f"{label}: {name}", value, unit=unit, data_sets=count, **options)

    records = [
        figure("greatest probability before the origin", early["probability"].max()),
        figure(
            "greatest log Shiryaev-Roberts statistic before the origin less its threshold",
            early["log_shiryaev_roberts"].max() - result.settings["log_threshold"],
        ),
        figure("alarms", len(result.alarms), bounds=(1, 1)),
    ]
    place = truth["latitude"], truth["longitude"]
    for alarm, located in zip(result.alarms, result.locations, strict=True):
        row = history[history["time"] == alarm["time"]].iloc[0]
        mean = float(located["latitude_mean"]), float(located["longitude_mean"])
        first = float(row["latitude"]), float(row["longitude"])
        records += [
            figure("alarm after the origin", (alarm["time"] - truth["time"]).total_seconds(), "s"),
            figure("triggers at the alarm", int(row["triggered"])),
            figure(
                "epicentral error at the alarm", float(great_circle_distance(*place, *first)), "km"
            ),
            figure(
                "epicentral error at the end", float(great_circle_distance(*place, *mean)), "km"
            ),
            figure("area of the 90 % region", float(located["region_area_km2"]), "km²"),
            figure(
                "90 % region holds the catalogue epicentre (1 yes, 0 no)",
                int(contains(located, *place)),
            ),
            figure(
                "origin time less the catalogue's",
                float(located["origin_mean_s"]) - truth["time"].timestamp(),
                "s",
            ),
        ]
    return records


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lateral", type=float, default=SLOWNESS_LATERAL_SD)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
