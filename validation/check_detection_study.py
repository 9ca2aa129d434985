"""Detections of the 2023 study put to three judges: test, truncated mixture, sequential posterior.

Run: python validation/check_detection_study.py [--number N] [--ratios 0.03,0.1] [--locate L]
[--mixture M] [--out FILE.jsonl].

The streams are those of `eqstat.simulation.study2023` (Lima, 1,000 phones, N true and N false), cut
at the moment at which the ratio rule claims a detection. Scores: the smallest delta at which the
test of 2023 accepts the detection; the log Bayes factor of the triggers-only mixture of the
travel-time room against uniform triggers, plain and truncated at the present, for the first M
of each (some seconds each); and the log odds of the earthquake in the sequential posterior, against
all usual causes and against those of the study alone (a higher background, or nothing: no crowd,
no thunder), after one step ("step") and, of the first L of each, on the fine grid of `locate`
("fine"). For each ratio: false-alarm probability where 1 % of the earthquakes are missed, errors
of epicentre and depth, coverage of the regions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from eqstat import traveltime
from eqstat.calibration import at_miss_probability
from eqstat.detection import (
    Detector,
    detector,
    earthquake,
    init,
    locate,
    network_burst,
    region_contains,
    sound,
    step,
    venue,
)
from eqstat.detection._sequential import log_weights
from eqstat.geodesy import great_circle_distance
from eqstat.simulation import Streams, first_detections, observations, ratio_rule, simulate
from eqstat.simulation.study2023 import _study as study2023

MISS = 0.01


def watch(network: pd.DataFrame) -> Detector:
    """The detector: usual causes, with depths to those of the study."""
    quake = earthquake(depth_km=(5.0, 20.0, 40.0, 65.0, 90.0), margin_km=10.0)
    return detector(network, causes=(quake, sound(), venue(), network_burst()))


def log_odds(detector: Detector, log_shiryaev_roberts: Any, name: str) -> dict[str, float]:
    """Log odds of the earthquake: against all, and against what the study has."""
    weight = np.asarray(log_weights(detector.core, log_shiryaev_roberts), np.float64)
    studied = [i for i, cause in enumerate(detector.causes) if cause.name == "network"]
    rest = weight[[*studied, len(detector.causes)]]
    return {
        name: float(weight[0] - np.logaddexp.reduce(weight[1:])),
        f"{name}, study": float(weight[0] - np.logaddexp.reduce(rest)),
    }


def sequential(
    detector: Detector, streams: Streams, number: int, now_s: float, *, fine: bool
) -> dict[str, Any]:
    """Log odds of the earthquake at this moment, and where it is."""
    times = streams.first_trigger_s[number].astype(np.float64)
    who = np.flatnonzero(times <= now_s)
    state, report = step(detector, init(detector, now_s - 30.0), now_s, who, times[who])
    out: dict[str, Any] = log_odds(detector, report.log_shiryaev_roberts, "step")
    if not fine:
        return out
    found = locate(detector, state, report)
    ratios = report.log_shiryaev_roberts.at[0].set(float(found["log_shiryaev_roberts"]))
    out |= log_odds(detector, ratios, "fine")
    truth = streams.truth
    if np.isfinite(truth.east_km[number]):
        frame = streams.network.frame
        place = frame.to_geographic(truth.east_km[number], truth.north_km[number])
        mean = float(found["latitude_mean"]), float(found["longitude_mean"])
        out["epicentre_km"] = float(great_circle_distance(*place, *mean))
        out["depth_km"] = float(found["depth_mean_km"] - truth.depth_km[number])
        for level in (0.5, 0.9):
            inside = region_contains(detector, found, *(float(x) for x in place), probability=level)
            out[f"inside_{level:g}"] = inside
    return out


def mixture(streams: Streams, number: int, truncated: bool) -> float:
    """Log Bayes factor of the triggers-only mixture against uniform triggers."""
    seen = observations(streams, number, truncated=truncated)
    if not seen.enough:
        return -np.inf
    found = traveltime.grid(seen, likelihood="mixture")
    start, end = (float(x) for x in np.asarray(seen.data.window_s))
    return found.log_evidence + len(seen.triggers) * np.log(end - start)


def report(table: Any) -> None:
    """Print what was found."""
    for ratio, rows in table.groupby("ratio"):
        truth = rows["is_earthquake"].to_numpy(bool)
        print(
            f"ratio {ratio:g}: {truth.sum()} true, {(~truth).sum()} false detections; the true ones "
            f"claimed {rows['claimed_s'][truth].median():.1f} s after the origin in the median"
        )
        for name, larger in (
            ("delta", "noise"),
            ("plain", "earthquake"),
            ("truncated", "earthquake"),
            ("step", "earthquake"),
            ("step, study", "earthquake"),
            ("fine", "earthquake"),
            ("fine, study", "earthquake"),
        ):
            use = rows[name].notna().to_numpy() if name in rows else np.zeros(len(rows), bool)
            if len(np.unique(truth[use])) < 2:
                continue
            score = np.clip(rows[name].to_numpy(np.float64)[use], -1e6, 1e6)
            found = at_miss_probability(score, truth[use], MISS, larger=larger)
            rate = found.false_alarm_probability
            print(
                f"  {name:12s} false-alarm probability {rate.estimate:.4f} "
                f"({rate.low:.4f} to {rate.high:.4f}) at {MISS:.0%} missed, n = {use.sum()}"
            )
        quakes = rows[truth]
        deltas = quakes["delta_epicentre_km"].median(), quakes["delta_depth_km"].abs().median()
        print(
            f"  test of 2023: median error of epicentre {deltas[0]:.1f}, depth {deltas[1]:.1f} km"
        )
        error, depth = quakes["epicentre_km"], quakes["depth_km"].abs()
        inside = [
            quakes[f"inside_{level}"].dropna().astype(float).mean() for level in ("0.5", "0.9")
        ]
        print(
            f"  posterior:    median error of epicentre {error.median():.1f}, depth "
            f"{depth.median():.1f} km; inside 50 % region {inside[0]:.1%}, 90 % {inside[1]:.1%}"
        )


def main() -> None:
    """Simulate, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--ratios", default="0.015,0.03,0.05,0.1,0.2")
    parser.add_argument("--locate", type=int, default=1000)
    parser.add_argument("--mixture", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    box = study2023.lima(jax.random.key(0))
    detector = watch(box.to_table())
    sets = {
        True: simulate(jax.random.key(1), box, study2023.true_detections(box), options.number),
        False: simulate(jax.random.key(2), box, study2023.false_detections(), options.number),
    }
    lines: list[dict[str, Any]] = []
    for ratio in (float(text) for text in options.ratios.split(",")):
        for truth, streams in sets.items():
            claims = first_detections(streams, ratio_rule(ratio))
            tested = study2023.test_detections(streams, claims).set_index("stream")
            cut = streams.seen(claims.time_s)
            for number in np.flatnonzero(claims.detected).tolist():
                line = {"ratio": ratio, "is_earthquake": truth, "stream": int(number)}
                now_s, fine = float(claims.time_s[number]), number < options.locate
                line |= sequential(detector, cut, number, now_s, fine=fine) | {"claimed_s": now_s}
                if number in tested.index:
                    row = tested.loc[number]
                    line["delta"] = float(row["smallest_delta_s"])
                    if truth:
                        line["delta_epicentre_km"] = float(row["epicentral_error_km"])
                        line["delta_depth_km"] = float(row["depth_error_km"])
                if number < options.mixture:
                    line["plain"] = mixture(cut, number, False)
                    line["truncated"] = mixture(cut, number, True)
                lines.append(line)
                if options.out is not None:
                    with options.out.open("a") as file:
                        file.write(json.dumps(line) + "\n")
        report(pd.DataFrame([line for line in lines if line["ratio"] == ratio]))


if __name__ == "__main__":
    main()
