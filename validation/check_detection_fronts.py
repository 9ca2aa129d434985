"""Alarms for coherent causes that are no earthquakes, and for earthquakes beside them.

Run: python validation/check_detection_fronts.py [--number N] [--rivals earlier].

N streams of each kind, from a simulator of its own, with 300 phones in a box about Lima and a
background of 0.5 triggers per phone and hour, each from 20 s before its first trigger until 10 s
after its last, at most for a minute: a power cut in rings of 8 km, 2 to 5 s apart; fronts of 0.5
to 3 km/s; bursts in two towns; an update that rolls over the network; fronts of 4 to 7 km/s;
earthquakes of which phones trigger alike everywhere, many or few; and such as shake phones by their
magnitude, M 5 to 7 and M 3.5 to 4.5 within the box (`shaken_phones`). Alarms are those of `replay`
at one false alarm a year. With `--rivals earlier` the detector has the causes of earlier versions
only: sound, venues and bursts of the network.
"""

from __future__ import annotations

import argparse
from functools import cache

import numpy as np
import pandas as pd
from records import Record, each, record, show
from shaken_phones import earthquake

from eqstat.calibration import binomial_interval
from eqstat.detection import Detector, detector, init, shiryaev_roberts_threshold, step
from eqstat.detection.causes import default_causes

DEVICES, RATE_H, LEAST = 300, 0.5, 0.9
SOUTH, NORTH, WEST, EAST = -12.39, -11.74, -77.17, -76.66
BEFORE_S, AFTER_S, QUIET_S = 20, 60, 10
KINDS = ("power cut in rings", "front of 0.5 to 3 km/s", "bursts in two towns", "rolling update",
         "front of 4 to 7 km/s", "earthquake", "weak earthquake", "earthquake of M 5 to 7",
         "earthquake of M 3.5 to 4.5")  # fmt: skip


@cache
def watched(rivals: str) -> tuple[Detector, np.ndarray]:
    """The detector and the places of its phones, km."""
    rng = np.random.default_rng(0)
    latitude, longitude = rng.uniform(SOUTH, NORTH, DEVICES), rng.uniform(WEST, EAST, DEVICES)
    causes = default_causes()[: 4 if rivals == "earlier" else None]
    network = pd.DataFrame({"latitude": latitude, "longitude": longitude})
    watch = detector(network, causes=causes, background=RATE_H)
    local = watch.frame.to_local(latitude, longitude)
    return watch, np.stack([np.asarray(values) for values in local], axis=-1)


def event(rng: np.random.Generator, kind: str, at: np.ndarray) -> np.ndarray:
    """Trigger times after the start of one event; infinite where a phone does not trigger."""
    count = len(at)
    centre = rng.uniform(at.min(axis=0), at.max(axis=0))
    away = np.hypot(*(at - centre).T)
    if " of M " in kind:
        low, high = (3.5, 4.5) if "3.5" in kind else (5.0, 7.0)
        depth, magnitude = rng.uniform(3.0, 60.0), rng.uniform(low, high)
        return earthquake(rng, magnitude, at[:, :2], centre[:2], depth, rate_s=1e-12).time_s
    delay = rng.gamma(9.8, 0.256, count)
    share = np.full(count, rng.uniform(0.3, 0.7))
    if kind == "power cut in rings":
        after = np.floor(away / 8.0) * rng.uniform(2.0, 5.0) + rng.normal(1.0, 0.3, count)
    elif kind.startswith("front"):
        low, high = (4.0, 7.0) if "4 to 7" in kind else (0.5, 3.0)
        after = away / np.exp(rng.uniform(np.log(low), np.log(high))) + delay
    elif kind == "bursts in two towns":
        second = rng.uniform(at.min(axis=0), at.max(axis=0))
        other = np.hypot(*(at - second).T)
        near = np.minimum(away, other)
        start = np.where(away < other, 0.0, rng.uniform(0.0, 20.0))
        after, share = start + rng.normal(2.0, 0.8, count), np.where(near < 12.0, share, 0.0)
    elif kind == "rolling update":
        # Batches of districts, in an order of no geography, each within a few seconds.
        batches = int(rng.integers(4, 12))
        district = np.floor(at / 10.0).astype(int)
        key = np.unique(district, axis=0, return_inverse=True)[1].ravel()
        batch = rng.integers(0, batches, key.max() + 1)[key]
        after = batch * rng.uniform(2.0, 6.0) + rng.uniform(0.0, 2.0, count)
    else:
        depth = rng.uniform(3.0, 60.0)
        share = share * (0.25 if kind.startswith("weak") else 1.0)
        path = np.hypot(away, depth)
        speed = np.where(rng.uniform(size=count) < rng.uniform(0.3, 0.9), 7.8, 4.5)
        after = path / speed * np.exp(0.04 * rng.standard_normal()) + delay
        after = after - depth / 7.8
    return np.where(rng.uniform(size=count) < share, after, np.inf)


def one(number: int, kind: str, rivals: str) -> dict[str, float]:
    """The greatest probability, and the alarm of one stream; seconds after the first trigger."""
    watch, at = watched(rivals)
    rng = np.random.default_rng([number, KINDS.index(kind)])
    times = 100.0 + event(rng, kind, at)
    times = np.where(times < 1e6, times, np.inf)
    if not np.any(np.isfinite(times)):
        return {"kind": KINDS.index(kind), "greatest": 0.0}
    first, ended = times.min(), np.max(times[np.isfinite(times)])
    background = first - BEFORE_S + rng.exponential(3600 / RATE_H, len(at))
    times = np.minimum(times, background)
    level = shiryaev_roberts_threshold(watch)
    state, alarm, greatest = init(watch, first - BEFORE_S), np.nan, 0.0
    until = min(AFTER_S, np.ceil(ended - first) + QUIET_S)
    last = float(state.now_s)
    for now in first + np.arange(until + 1):
        device = np.flatnonzero((times <= now) & (times > last))
        state, report = step(watch, state, float(now), device, times[device])
        probability, last = float(report.probability[0]), now
        if float(report.log_shiryaev_roberts[0]) >= level:
            greatest = max(greatest, probability)
            if np.isnan(alarm) and probability >= LEAST:
                alarm = now - first
                if "4 to 7" not in kind:
                    break
    row = {"kind": KINDS.index(kind), "greatest": greatest}
    return row | ({} if np.isnan(alarm) else {"alarm_s": float(alarm)})


def check(number: int = 40, rivals: str = "all") -> list[Record]:
    """Follow `number` streams of each kind."""
    numbers = range(number * len(KINDS))
    rows = pd.DataFrame(each(numbers, lambda n: one(n % number, KINDS[n // number], rivals)))
    rows["alarm_s"] = rows.get("alarm_s", np.nan)
    records = []
    for index, kind in enumerate(KINDS):
        table = rows[rows["kind"] == index]
        alarms = int(table["alarm_s"].notna().sum())
        interval = binomial_interval(alarms, len(table))
        bounded = rivals == "all" and index < 4
        records.append(
            record(
                f"{kind}: alarms",
                alarms / len(table),
                interval=interval,
                level=0.9,
                bounds=(None, 0.01) if bounded else None,
                unit="%",
                data_sets=len(table),
            )
        )
        if "earthquake" in kind:
            name = f"{kind}: median alarm after the first trigger"
            records.append(record(name, table["alarm_s"].median(), unit="s"))
        elif "4 to 7" in kind:
            name = f"{kind}: greatest probability of an earthquake, median"
            records.append(record(name, table["greatest"].median(), unit="%"))
            name = f"{kind}: greatest probability of an earthquake, largest"
            records.append(record(name, table["greatest"].max(), unit="%"))
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=40)
    parser.add_argument("--rivals", choices=("all", "earlier"), default="all")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
