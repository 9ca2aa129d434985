"""Alarms of several earthquakes at a time, by `replay`: told apart, and none twice.

Run: python validation/check_detection_pairs.py [--number N].

N streams of each kind, from a simulator of its own, with 500 phones in a band of 300 by 80 km and a
background of 0.5 triggers per phone and hour: single earthquakes; two earthquakes 200 km and 20 s
apart; and swarms of four within 10 km of each other, 40 s apart. Waves are felt within 100 km. Each
phone triggers once in 90 s. An earthquake has an alarm of its own where the location of one is
within 30 km and 6 s of it.
"""

from __future__ import annotations

import argparse
from functools import cache

import numpy as np
import pandas as pd
from records import Record, each, record, show

from eqstat.calibration import binomial_interval
from eqstat.detection import Detector, detector, replay

DEVICES, RATE_H, DEAD_S = 500, 0.5, 90.0
START = pd.Timestamp("2027-03-01T00:00:00Z")
KINDS = ("single", "pair", "swarm")
NEAR_KM, NEAR_S = 30.0, 6.0
# Numbers of earthquakes of each kind.
OF_EACH = {"single": 1, "pair": 2, "swarm": 4}


@cache
def watched() -> tuple[Detector, pd.DataFrame, np.ndarray]:
    """The detector, its phones, and their places, km."""
    rng = np.random.default_rng(0)
    network = pd.DataFrame(
        {
            "latitude": rng.uniform(-12.36, -11.64, DEVICES),
            "longitude": rng.uniform(-78.4, -75.6, DEVICES),
        }
    )
    watch = detector(network, background=RATE_H, dead_time_s=DEAD_S)
    local = watch.frame.to_local(network["latitude"].to_numpy(), network["longitude"].to_numpy())
    return watch, network, np.stack([np.asarray(x) for x in local], axis=-1)


def sources(rng: np.random.Generator, kind: str) -> np.ndarray:
    """East, north, depth (km) and origin time (s) of each earthquake."""
    if kind == "single":
        rows = [[rng.uniform(-120, 120), rng.uniform(-30, 30), 0.0]]
    elif kind == "pair":
        rows = [[-100.0, rng.uniform(-30, 30), 0.0], [100.0, rng.uniform(-30, 30), 20.0]]
    else:
        east, north = rng.uniform(-100, 100), rng.uniform(-30, 30)
        rows = [[east + rng.normal(0, 5), north + rng.normal(0, 5), 40.0 * i] for i in range(4)]
    east, north, late = np.array(rows).T
    return np.stack([east, north, rng.uniform(5.0, 25.0, len(rows)), 30.0 + late], axis=1)


def stream(rng: np.random.Generator, events: np.ndarray, at: np.ndarray) -> pd.DataFrame:
    """Numbers and times of the triggers, with a dead time after each."""
    device, seconds = [], []
    for east, north, depth, origin in events:
        away = np.hypot(at[:, 0] - east, at[:, 1] - north)
        speed = np.where(rng.uniform(size=len(at)) < 0.6, 7.8, 4.5)
        felt = (away < 100.0) & (rng.uniform(size=len(at)) < 0.35)
        time = origin + np.hypot(away, depth) / speed + rng.gamma(9.8, 0.256, len(at))
        device.append(np.flatnonzero(felt))
        seconds.append(time[felt])
    count = rng.poisson(RATE_H / 3600 * 260.0 * len(at))
    device.append(rng.integers(0, len(at), count))
    seconds.append(rng.uniform(-20.0, 240.0, count))
    table = pd.DataFrame({"number": np.concatenate(device), "s": np.concatenate(seconds)})
    table = table.sort_values("s", ignore_index=True)
    kept, last = [], {}
    for number, s in table.itertuples(index=False):
        kept.append(s - last.get(number, -np.inf) > DEAD_S)
        if kept[-1]:
            last[number] = s
    return table[kept]


def one(number: int, kind: str) -> dict[str, float]:
    """Earthquakes with an alarm of their own, and alarms of none, of one stream."""
    watch, network, at = watched()
    rng = np.random.default_rng([number, KINDS.index(kind), 5])
    events = sources(rng, kind)
    table = stream(rng, events, at)
    triggers = network.iloc[table["number"]].assign(
        time=START + pd.to_timedelta(table["s"].to_numpy(), unit="s")
    )
    last = float(events[:, 3].max()) + 50.0
    result = replay(
        watch, triggers, start=START - pd.Timedelta(seconds=20),
        end=START + pd.Timedelta(seconds=last), progress=False,
    )  # fmt: skip
    own = np.zeros(len(events), bool)
    extra = 0
    for located in result.locations:
        place = watch.frame.to_local(
            float(located["latitude_mean"]), float(located["longitude_mean"])
        )
        away = np.hypot(events[:, 0] - float(place[0]), events[:, 1] - float(place[1]))
        late = np.abs(events[:, 3] + START.timestamp() - float(located["origin_mean_s"]))
        fits = (away < NEAR_KM) & (late < NEAR_S) & ~own
        extra += not fits.any()
        own[np.argmax(fits)] |= fits.any()
    return {"kind": KINDS.index(kind), "own": int(own.sum()), "extra": int(extra)}


def check(number: int = 30) -> list[Record]:
    """Replay `number` streams of each kind."""
    rows = pd.DataFrame(
        each(range(number * 3), lambda n: one(n // len(KINDS), KINDS[n % len(KINDS)]))
    )
    records = []
    for index, kind in enumerate(KINDS):
        table = rows[rows["kind"] == index]
        earthquakes = OF_EACH[kind] * len(table)
        own, extra = int(table["own"].sum()), int(table["extra"].sum())
        records += [
            record(
                f"{kind}: earthquakes with an alarm of their own",
                own / earthquakes,
                interval=binomial_interval(own, earthquakes),
                level=0.9,
                unit="%",
                data_sets=earthquakes,
            ),
            record(f"{kind}: alarms of no earthquake", extra, data_sets=len(table)),
        ]
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=30)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
