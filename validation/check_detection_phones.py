"""The sequential posterior on real phones: Borrego Springs 2016, from 121 s before the origin.

Run with EQSTAT_DATA at a folder that holds the MyShake triggers (see `eqstat.datasets`):
python validation/check_detection_phones.py [--lateral 0]. No list of the silent devices exists: the network is
those that triggered within the table (`devices_that_triggered`); rows "k silent beside each" put k
devices at the place of each that never trigger, to see what silence does. Prints whether there was
an alarm before the origin, when it came, and where it put the earthquake.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd

from eqstat import datasets
from eqstat.detection import (
    BackgroundRate,
    Detector,
    Replay,
    detector,
    devices_that_triggered,
    earthquake,
    nodes,
    region_contains,
    replay,
    usual_causes,
)
from eqstat.detection._causes import SLOWNESS_LATERAL_SD
from eqstat.geodesy import great_circle_distance
from eqstat.velocity import ConstantVelocity

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


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lateral", type=float, default=SLOWNESS_LATERAL_SD)
    options = parser.parse_args()
    triggers, truth = datasets.load_myshake()
    there = devices_that_triggered(triggers)
    there = there.assign(device=[f"phone{i}" for i in range(len(there))])
    named = triggers.merge(there, on=["latitude", "longitude"], how="left", validate="m:1")
    for scatter, rate, beside in RUNS:
        silent = [there.assign(device=there["device"] + f" silent{i}") for i in range(beside)]
        unknown = nodes(
            share=(0.05, 0.2, 0.6),
            first_share=(0.95, 0.5),
            reach_km=(60.0, 150.0, np.inf),
            delay_s=2.5,
            sd_s=scatter,
        )
        quake = earthquake(
            velocity=VELOCITY, unknown=unknown, slots=60, slowness_lateral_sd=options.lateral
        )
        watch = detector(
            pd.concat([there, *silent], ignore_index=True),
            causes=(quake, *usual_causes()[1:]),
            background=BackgroundRate(np.full(24, rate)),
        )
        found = replay(
            watch,
            named,
            start=truth["time"] + pd.Timedelta(seconds=BEGIN_S),
            end=truth["time"] + pd.Timedelta(seconds=END_S),
        )
        report(
            watch, found, truth, f"scatter {scatter} s, {rate:.2g}/h, {beside} silent beside each"
        )


def report(watch: Detector, found: Replay, truth: dict[str, Any], label: str) -> None:
    """Print a run."""
    history = found.history
    late = (history["time"] - truth["time"]).dt.total_seconds().to_numpy()
    chance = history["probability"].to_numpy()
    print(f"{label}: {len(found.triggers)} triggers, {len(found.left_out)} after the end")
    print(
        f"  before the origin: greatest probability {chance[late < 0].max():.4f}, greatest log "
        f"Shiryaev-Roberts {history['log_shiryaev_roberts'][late < 0].max():.1f} "
        f"(threshold {found.settings['log_threshold']:.1f})"
    )
    path = ", ".join(
        f"{s:+d} s {chance[late <= s + 0.01][-1]:.3f}" for s in (5, 6, 7, 8, 9, 10, 12, 20)
    )
    print(f"  probability after the origin: {path}")
    if not found.alarms:
        print("  no alarm")
    for alarm, located in zip(found.alarms, found.locations, strict=True):
        after = (alarm["time"] - truth["time"]).total_seconds()
        row = history[history["time"] == alarm["time"]].iloc[0]
        first, last = (
            great_circle_distance(truth["latitude"], truth["longitude"], *(float(x) for x in at))
            for at in (
                (row["latitude"], row["longitude"]),
                (located["latitude_mean"], located["longitude_mean"]),
            )
        )
        inside = region_contains(watch, located, truth["latitude"], truth["longitude"])
        origin = float(located["origin_mean_s"]) - truth["time"].timestamp()
        print(
            f"  alarm {after:+.0f} s after the origin with {int(row['triggered'])} devices "
            f"triggered, then {float(first):.0f} km off; at the end {float(last):.1f} km off, "
            f"90 % region {float(located['region_area_km2']):.0f} km2, catalogue epicentre "
            f"inside: {inside}, sd {float(located['east_sd_km']):.1f} and "
            f"{float(located['north_sd_km']):.1f} km, depth {float(located['depth_mean_km']):.1f} "
            f"+- {float(located['depth_sd_km']):.1f} km, origin {origin:+.1f} s"
        )


if __name__ == "__main__":
    main()
