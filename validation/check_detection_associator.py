"""The sequential posterior beside an associator of seismic networks, PyOcto, on the same triggers.

Run: python validation/check_detection_associator.py [--number N] [--phones D]. PyOcto is not needed
by the package: `pip install pyocto`. Streams of 60 s of phones in Lima amid human triggers, N each:
earthquakes, thunder, crowds, server bursts and nothing. PyOcto gets each stream whole and in
hindsight; the posterior gets it second by second and is scored by its largest log odds. PyOcto's
score of a stream is the number of picks of its largest event. Records the earthquakes found, the
share of the other streams declared one where 1 % of the earthquakes are missed, the epicentral
error, and the computing time for a second of stream.

PyOcto is made for stations that pick P and S and label them; a phone's trigger has no label. So it
is passed twice, as P and as S (`both`), or as the wave that triggers most phones (`S`). The mean
delay of the phones shifts the origin time only. PyOcto uses silent stations in one criterion, the
least share of picks among the stations nearer than a pick; with phones, most of which stay silent,
it is switched off.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import jax
import numpy as np
import pandas as pd
from check_detection_alarms import (
    AFTER_S,
    BEFORE_S,
    LIKELY,
    RATE_H,
    amid,
    earthquakes,
    odds,
    region,
)
from records import Record, record, show

from eqstat.calibration import at_miss_probability
from eqstat.detection import Detector, Report, State, init, locate, shiryaev_roberts_threshold, step
from eqstat.geodesy import great_circle_distance
from eqstat.simulation import Network, Streams, simulate
from eqstat.simulation.sources import Crowd, HumanTriggers, ServerBurst, Thunder

try:
    import pyocto  # pyright: ignore[reportMissingImports]
except ImportError as missing:
    raise SystemExit(f"{missing}: this comparison needs PyOcto, `pip install pyocto`") from missing

MAGNITUDE = (4.0, 5.5)
LEAST_PICKS = 5
DEFAULT_PICKS = 10
P_KM_S, S_KM_S, TOLERANCE_S = 7.8, 4.5, 2.0


def associator(network: Network) -> tuple[Any, pd.DataFrame]:
    """PyOcto for the phones of a region and 20 km about it, and its table of stations."""
    east, north = np.asarray(network.east_km), np.asarray(network.north_km)
    stations = pd.DataFrame({"id": [str(i) for i in range(len(east))], "x": east, "y": north})
    stations["z"] = 0.0
    return pyocto.OctoAssociator(
        xlim=(float(east.min()) - 20, float(east.max()) + 20),
        ylim=(float(north.min()) - 20, float(north.max()) + 20),
        zlim=(0.0, 50.0),
        velocity_model=pyocto.VelocityModel0D(P_KM_S, S_KM_S, TOLERANCE_S),
        time_before=20.0,
        pick_match_tolerance=TOLERANCE_S,
        n_picks=LEAST_PICKS,
        n_p_picks=0,
        n_s_picks=0,
        n_p_and_s_picks=0,
        min_pick_fraction=0.0,
        n_threads=1,
    ), stations


def associate(octo: Any, stations: pd.DataFrame, times: np.ndarray, phases: str) -> pd.DataFrame:
    """PyOcto's events of a stream."""
    device = np.flatnonzero(np.isfinite(times))
    picks = pd.concat(
        [
            pd.DataFrame({"station": device.astype(str), "time": times[device], "phase": phase})
            for phase in phases
        ],
        ignore_index=True,
    )
    return octo.associate(picks, stations)[0] if len(picks) else pd.DataFrame()


def follow(
    watch: Detector, times: np.ndarray, level: float
) -> tuple[float, bool, tuple[State, Report]]:
    """Largest log odds of a stream, whether it alarms, and the step of the greatest evidence."""
    state, ratio, alarm = init(watch, -BEFORE_S), [], False
    best: Any = None
    for now in range(-BEFORE_S + 1, AFTER_S + 1):
        device = np.flatnonzero((times <= now) & (times > now - 1))
        state, report = step(watch, state, float(now), device, times[device])
        ratio.append(np.asarray(report.log_shiryaev_roberts))
        alarm |= bool(ratio[-1][0] >= level and report.probability[0] > LIKELY)
        if best is None or ratio[-1][0] >= best[0]:
            best = ratio[-1][0], (state, report)
    return float(np.max(odds(watch, np.array(ratio)[None]))), alarm, best[1]


def error_km(streams: Streams, number: int, place: tuple[float, float]) -> float:
    """Distance of a place from a stream's true epicentre."""
    truth, frame = streams.truth, streams.network.frame
    at = frame.to_geographic(truth.east_km[number], truth.north_km[number])
    return float(great_circle_distance(*at, *place))


def check(number: int = 40, phones: int = 300) -> list[Record]:
    """Compare on `number` streams of each kind."""
    box, watch = region(phones)
    octo, stations = associator(box)
    level = shiryaev_roberts_threshold(watch)
    kinds: dict[str, Any] = {
        "earthquake": amid(earthquakes(magnitude=MAGNITUDE)),
        "thunder": amid(Thunder()),
        "crowd": amid(Crowd()),
        "server": amid(ServerBurst()),
        "nothing": HumanTriggers(RATE_H, window_s=(-BEFORE_S, AFTER_S)),
    }
    methods = ("posterior", "both", "S")
    rows, spent = [], dict.fromkeys((*methods, "locate"), 0.0)
    for index, (kind, source) in enumerate(kinds.items()):
        streams = simulate(jax.random.key(40 + index), box, source, number)
        for stream, times in enumerate(streams.first_trigger_s.astype(np.float64)):
            times = np.where(times <= AFTER_S, times, np.inf)
            if index == stream == 0:
                follow(watch, times, level)  # compiles
            row: dict[str, Any] = {"kind": kind, "triggers": int(np.isfinite(times).sum())}
            began = time.perf_counter()
            row["posterior"], row["posterior_found"], best = follow(watch, times, level)
            spent["posterior"] += time.perf_counter() - began
            if kind == "earthquake" and row["posterior_found"]:
                began = time.perf_counter()
                place = locate(watch, *best)
                spent["locate"] += time.perf_counter() - began
                mean = float(place["latitude_mean"]), float(place["longitude_mean"])
                row["posterior_km"] = error_km(streams, stream, mean)
            for method, phases in (("both", "PS"), ("S", "S")):
                began = time.perf_counter()
                events = associate(octo, stations, times, phases)
                spent[method] += time.perf_counter() - began
                row[method] = float(events["picks"].max()) if len(events) else 0.0
                row[f"{method}_found"] = row[method] >= DEFAULT_PICKS
                if kind == "earthquake" and row[f"{method}_found"]:
                    largest = events.loc[events["picks"].idxmax()]
                    at = box.frame.to_geographic(float(largest["x"]), float(largest["y"]))
                    row[f"{method}_km"] = error_km(streams, stream, (float(at[0]), float(at[1])))
            rows.append(row)
    table = pd.DataFrame(rows)
    seconds = len(table) * (BEFORE_S + AFTER_S)
    truth = (table["kind"] == "earthquake").to_numpy()
    records = []
    for method in methods:
        label = "posterior" if method == "posterior" else f"PyOcto, {method}"
        found = table[f"{method}_found"][truth]
        low, middle, high = np.nanpercentile(table[f"{method}_km"][truth], [16, 50, 84])
        records += [
            record(f"{label}: earthquakes found", int(found.sum()), data_sets=int(truth.sum())),
            record(f"{label}: epicentral error, median (16 to 84 %)", middle, interval=(low, high),
                   level=0.68, unit="km", data_sets=int(found.sum())),
            record(f"{label}: per second of stream", 1e3 * spent[method] / seconds, unit="ms"),
        ]  # fmt: skip
        for kind, others in table[~truth].groupby("kind", sort=False):
            score = np.concatenate([table[method][truth], others[method]])
            mark = np.arange(len(score)) < truth.sum()
            at = at_miss_probability(score, mark, 0.01, larger="earthquake")
            rate = at.false_alarm_probability
            records += [
                record(f"{label}, {kind}: detections", others[f"{method}_found"].mean(), unit="%",
                       data_sets=len(others)),
                record(f"{label}, {kind}: declared where 1 % of the earthquakes are missed",
                       rate.estimate, interval=(rate.low, rate.high), level=0.9, unit="%",
                       data_sets=len(others)),
            ]  # fmt: skip
    located = int(np.isfinite(table["posterior_km"]).sum())
    each_s = spent["locate"] / max(located, 1)
    return show([*records, record("`locate`, each", each_s, unit="s", data_sets=located)])


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=40)
    parser.add_argument("--phones", type=int, default=300)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
