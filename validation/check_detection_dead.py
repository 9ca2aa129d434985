"""What dead phones that stay on the list of devices cost: weak earthquakes with and without them.

Run: python validation/check_detection_dead.py [--number N].

N weak earthquakes of `check_detection_fronts`, of whose 300 phones 90 are dead. One detector has
all 300 on its list and counts the dead ones as silent; the other has the 210 that work.
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


def listed(count: int) -> Detector:
    """A detector with the first phones on its list."""
    rng = np.random.default_rng(0)
    place = {
        "latitude": rng.uniform(SOUTH, NORTH, DEVICES),
        "longitude": rng.uniform(WEST, EAST, DEVICES),
    }
    return detector(pd.DataFrame(place)[:count], background=RATE_H)


def alarm(watch: Detector, times: np.ndarray, first: float) -> bool:
    """Whether there is an alarm within a minute of the first trigger."""
    level, state, last = shiryaev_roberts_threshold(watch), init(watch, first - BEFORE_S), -np.inf
    for now in first + np.arange(AFTER_S + 1):
        device = np.flatnonzero((times <= now) & (times > last))
        state, report = step(watch, state, float(now), device, times[device])
        last = now
        reached = float(report.log_shiryaev_roberts[0]) >= level
        if reached and float(report.probability[0]) >= LEAST:
            return True
    return False


def one(number: int, everyone: Detector, working: Detector) -> dict[str, float]:
    """Alarms of both detectors for one stream."""
    rng = np.random.default_rng([number, 41])
    at = np.asarray(working.core.position, np.float64)[:, :2]
    times = 100.0 + event(rng, "weak earthquake", at)
    first = times.min()
    times = np.minimum(times, first - BEFORE_S + rng.exponential(3600 / RATE_H, len(at)))
    return {
        "listed": float(
            alarm(everyone, np.append(times, np.full(DEVICES - WORKING, np.inf)), first)
        ),
        "working": float(alarm(working, times, first)),
    }


def check(number: int = 40) -> list[Record]:
    """Follow `number` weak earthquakes with both lists."""
    detectors = listed(DEVICES), listed(WORKING)
    rows = pd.DataFrame(each(range(number), lambda index: one(index, *detectors)))
    records = []
    for name, label in (("listed", "90 of 300 dead"), ("working", "the 210 that work")):
        alarms = int(rows[name].sum())
        interval = binomial_interval(alarms, number)
        records.append(
            record(
                f"weak earthquakes with an alarm, {label}", alarms / number, interval=interval,
                level=0.9, unit="%", data_sets=number,
            )
        )  # fmt: skip
    lost = float((rows["working"] - rows["listed"]).mean())
    records.append(
        record("share of alarms lost by the dead phones", lost, bounds=(None, 0.05), unit="%")
    )
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=40)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
