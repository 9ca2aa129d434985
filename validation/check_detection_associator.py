"""The sequential posterior beside an associator of seismic networks, PyOcto, on the same triggers.

Run: python validation/check_detection_associator.py [--number N] [--phones D]. PyOcto is not needed
by the package: `pip install pyocto`. Streams of 60 s of phones in Lima amid human triggers, N each:
earthquakes, thunder, crowds, server bursts and nothing. PyOcto sees each stream whole and with
hindsight; the posterior sees it second by second and is scored by its largest log odds. PyOcto's
score of a stream is the number of picks of its largest event. Prints how many earthquakes
are found, how many of the other streams are called one where 1 % of the earthquakes are missed, the
error of the epicentre, and the time that a second of stream takes.

PyOcto is made for stations that pick P and S and label them; a phone's trigger has no label. So it
is handed over twice, as P and as S (`both`), or as the wave that triggers most phones (`S`). The
mean delay of the phones shifts the origin time only. PyOcto knows of silent stations by one
criterion, the least share of picks among the stations nearer than a pick: with phones, of which
most stay silent, it is switched off.
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

from eqstat.calibration import at_miss_probability
from eqstat.detection import Detector, Report, State, init, locate, shiryaev_roberts_threshold, step
from eqstat.geodesy import great_circle_distance
from eqstat.simulation import Crowd, HumanTriggers, Network, ServerBurst, Streams, Thunder, simulate

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
    who = np.flatnonzero(np.isfinite(times))
    picks = pd.concat(
        [
            pd.DataFrame({"station": who.astype(str), "time": times[who], "phase": phase})
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
        who = np.flatnonzero((times <= now) & (times > now - 1))
        state, report = step(watch, state, float(now), who, times[who])
        ratio.append(np.asarray(report.log_shiryaev_roberts))
        alarm |= bool(ratio[-1][0] >= level and report.probability[0] > LIKELY)
        if best is None or ratio[-1][0] >= best[0]:
            best = ratio[-1][0], (state, report)
    return float(np.max(odds(watch, np.array(ratio)[None]))), alarm, best[1]


def away(streams: Streams, number: int, place: tuple[float, float]) -> float:
    """From a stream's true epicentre to a place, km."""
    truth, frame = streams.truth, streams.network.frame
    at = frame.to_geographic(truth.east_km[number], truth.north_km[number])
    return float(great_circle_distance(*at, *place))


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=40)
    parser.add_argument("--phones", type=int, default=300)
    options = parser.parse_args()
    box, watch = region(options.phones)
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
        streams = simulate(jax.random.key(40 + index), box, source, options.number)
        for number, times in enumerate(streams.first_trigger_s.astype(np.float64)):
            times = np.where(times <= AFTER_S, times, np.inf)
            if index == number == 0:
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
                row["posterior_km"] = away(streams, number, mean)
            for method, phases in (("both", "PS"), ("S", "S")):
                began = time.perf_counter()
                events = associate(octo, stations, times, phases)
                spent[method] += time.perf_counter() - began
                row[method] = float(events["picks"].max()) if len(events) else 0.0
                row[f"{method}_found"] = row[method] >= DEFAULT_PICKS
                if kind == "earthquake" and row[f"{method}_found"]:
                    largest = events.loc[events["picks"].idxmax()]
                    at = box.frame.to_geographic(float(largest["x"]), float(largest["y"]))
                    row[f"{method}_km"] = away(streams, number, (float(at[0]), float(at[1])))
            rows.append(row)
    table = pd.DataFrame(rows)
    seconds = len(table) * (BEFORE_S + AFTER_S)
    print(table.groupby("kind", sort=False)["triggers"].describe(percentiles=[0.5]).round(1))
    truth = (table["kind"] == "earthquake").to_numpy()
    for method in methods:
        print(
            f"{method}: found {table[f'{method}_found'][truth].sum()} of {truth.sum()} earthquakes "
            + ("at one false alarm a year" if method == "posterior" else "with 10 picks or more")
            + "; epicentre {:.1f} / {:.1f} / {:.1f} km off (16/50/84 %)".format(
                *np.nanpercentile(table[f"{method}_km"][truth], [16, 50, 84])
            )
            + f"; {1e3 * spent[method] / seconds:.1f} ms per second of stream"
        )
        for kind, others in table[~truth].groupby("kind", sort=False):
            score = np.concatenate([table[method][truth], others[method]])
            mark = np.arange(len(score)) < truth.sum()
            at = at_miss_probability(score, mark, 0.01, larger="earthquake")
            rate = at.false_alarm_probability
            print(
                f"  {kind}: events in {others[f'{method}_found'].mean():.0%}; {rate.estimate:.1%} "
                f"({rate.low:.1%} to {rate.high:.1%}) where 1 % of the earthquakes are missed"
            )
    located = np.isfinite(table["posterior_km"]).sum()
    print(f"locate: {spent['locate'] / max(located, 1):.1f} s each")


if __name__ == "__main__":
    main()
