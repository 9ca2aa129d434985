"""What dead phones that stay on the list of devices cost: weak earthquakes with and without them.

Run: python validation/check_detection_dead.py [--number N].

N earthquakes of each of two kinds of `check_detection_fronts`, in networks of 300 phones of which
90 are dead: such as shake phones by their magnitude, M 3.5 to 4.5, and such as make a few phones
trigger alike everywhere. One detector has all 300 on its list and counts the dead ones as silent;
the other has the 210 that work.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from check_detection_fronts import AFTER_S, BEFORE_S, EAST, LEAST, NORTH, RATE_H, SOUTH, WEST, event
from records import Record, each, record, show

from eqstat.calibration import binomial_interval
from eqstat.detection import Detector, detector, init, shiryaev_roberts_threshold, step

DEVICES, WORKING = 300, 210
KINDS = ("earthquake of M 3.5 to 4.5", "weak earthquake")


def listed(count: int) -> Detector:
    """A detector with the first phones on its list."""
    rng = np.random.default_rng(0)
    place = {
        "latitude": rng.uniform(SOUTH, NORTH, DEVICES),
        "longitude": rng.uniform(WEST, EAST, DEVICES),
    }
    return detector(pd.DataFrame(place)[:count], background=RATE_H)


def alarm(watch: Detector, times: np.ndarray, first: float) -> float:
    """1 if there is an alarm within a minute of the first trigger."""
    level, state, last = shiryaev_roberts_threshold(watch), init(watch, first - BEFORE_S), -np.inf
    for now in first + np.arange(AFTER_S + 1):
        device = np.flatnonzero((times <= now) & (times > last))
        state, report = step(watch, state, float(now), device, times[device])
        last = now
        reached = float(report.log_shiryaev_roberts[0]) >= level
        if reached and float(report.probability[0]) >= LEAST:
            return 1.0
    return 0.0


def one(number: int, kind: int, everyone: Detector, working: Detector) -> dict[str, float]:
    """Alarms of both detectors for one stream."""
    rng = np.random.default_rng([number, 41, kind])
    at = np.asarray(working.core.position, np.float64)
    times = 100.0 + event(rng, KINDS[kind], at)
    if not np.isfinite(times).any():
        return {"kind": kind, "listed": 0.0, "working": 0.0}
    first = times.min()
    times = np.minimum(times, first - BEFORE_S + rng.exponential(3600 / RATE_H, len(at)))
    silent = np.full(DEVICES - WORKING, np.inf)
    listed = alarm(everyone, np.append(times, silent), first)
    return {"kind": kind, "listed": listed, "working": alarm(working, times, first)}


def check(number: int = 40) -> list[Record]:
    """Follow `number` earthquakes of each kind with both lists."""
    detectors, kinds = (listed(DEVICES), listed(WORKING)), len(KINDS)
    rows = pd.DataFrame(
        each(range(number * kinds), lambda n: one(n // kinds, n % kinds, *detectors))
    )
    records = []
    for kind, name in enumerate(KINDS):
        table = rows[rows["kind"] == kind]
        for column, label in (("listed", "90 of 300 dead"), ("working", "the 210 that work")):
            alarms = int(table[column].sum())
            interval = binomial_interval(alarms, number)
            records.append(
                record(
                    f"{name}: with an alarm, {label}", alarms / number, interval=interval,
                    level=0.9, unit="%", data_sets=number,
                )
            )  # fmt: skip
        lost = float(table["working"].mean() - table["listed"].mean())
        label = f"{name}: share of alarms lost by the dead phones"
        records.append(record(label, lost, bounds=(None, 0.05), unit="%", data_sets=number))
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=40)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
