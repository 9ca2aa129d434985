"""Detections of the 2023 study: its test, the truncated mixture and the sequential posterior.

Run: python validation/check_detection_study.py [--number N] [--ratios 0.03,0.1] [--locate L]
[--mixture M] [--out FILE.jsonl].

The streams are those of `eqstat.simulation.study2023` (Lima, 1,000 phones, N true and N false), cut
at the moment at which the ratio rule claims a detection. Scores: the smallest delta at which the
test of 2023 accepts the detection; the log Bayes factor of the triggers-only mixture of
`eqstat.traveltime` against uniform triggers, plain and truncated at the present, for the first M
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
from records import Record, record, show

from eqstat import traveltime
from eqstat.calibration import at_miss_probability, coverage
from eqstat.detection import Detector, detector, init, locate, step
from eqstat.detection._sequential import log_weights
from eqstat.detection.causes import earthquake, network_burst, sound, venue
from eqstat.geodesy import great_circle_distance
from eqstat.hypocentre import contains
from eqstat.simulation import (
    Streams,
    first_detections,
    observations,
    ratio_rule,
    simulate,
    study2023,
)

MISS = 0.01


def watch(network: pd.DataFrame) -> Detector:
    """The detector: usual causes, with depths to those of the study."""
    quake = earthquake(depth_km=(5.0, 20.0, 40.0, 65.0, 90.0), margin_km=10.0)
    return detector(network, causes=(quake, sound(), venue(), network_burst()))


def log_odds(detector: Detector, log_shiryaev_roberts: Any, name: str) -> dict[str, float]:
    """Log odds of the earthquake: against all causes, and against those of the study."""
    weight = np.asarray(log_weights(detector.core, log_shiryaev_roberts), np.float64)
    studied = [i for i, cause in enumerate(detector.causes) if cause.name == "network"]
    others = weight[[*studied, len(detector.causes)]]
    return {
        name: float(weight[0] - np.logaddexp.reduce(weight[1:])),
        f"{name}, study": float(weight[0] - np.logaddexp.reduce(others)),
    }


def sequential(
    detector: Detector, streams: Streams, number: int, now_s: float, *, fine: bool
) -> dict[str, Any]:
    """Log odds of the earthquake at this moment, and its location."""
    times = streams.first_trigger_s[number].astype(np.float64)
    device = np.flatnonzero(times <= now_s)
    state, report = step(detector, init(detector, now_s - 30.0), now_s, device, times[device])
    out: dict[str, Any] = log_odds(detector, report.log_shiryaev_roberts, "step")
    if not fine:
        return out
    location = locate(detector, state, report)
    ratios = report.log_shiryaev_roberts.at[0].set(float(location["log_shiryaev_roberts"]))
    out |= log_odds(detector, ratios, "fine")
    truth = streams.truth
    if np.isfinite(truth.east_km[number]):
        frame = streams.network.frame
        place = frame.to_geographic(truth.east_km[number], truth.north_km[number])
        mean = float(location["latitude_mean"]), float(location["longitude_mean"])
        out["epicentre_km"] = float(great_circle_distance(*place, *mean))
        out["depth_km"] = float(location["depth_mean_km"] - truth.depth_km[number])
        for level in (0.5, 0.9):
            out[f"inside_{level:g}"] = contains(location, *(float(x) for x in place), level)
    return out


def mixture(streams: Streams, number: int, truncated: bool) -> float:
    """Log Bayes factor of the triggers-only mixture against uniform triggers."""
    data = observations(streams, number, truncated=truncated)
    if not data.enough:
        return -np.inf
    posterior = traveltime.grid(data, likelihood="mixture", key=jax.random.key(0))
    start, end = (float(x) for x in np.asarray(data.data.window_s))
    return posterior.log_evidence + len(data.triggers) * np.log(end - start)


SCORES = {
    "delta": "test of 2023",
    "plain": "mixture",
    "truncated": "truncated mixture",
    "step": "posterior after one step, all causes",
    "step, study": "posterior after one step, causes of the study",
    "fine": "posterior of `locate`, all causes",
    "fine, study": "posterior of `locate`, causes of the study",
}


def summary(ratio: float, rows: pd.DataFrame) -> list[Record]:
    """False-alarm probabilities and errors at one detection ratio."""
    truth = rows["is_earthquake"].to_numpy(bool)
    label, records = f"ratio {ratio:g}", []
    for name, text in SCORES.items():
        use = rows[name].notna().to_numpy() if name in rows else np.zeros(len(rows), bool)
        if len(np.unique(truth[use])) < 2:
            continue
        score = np.clip(rows[name].to_numpy(np.float64)[use], -1e6, 1e6)
        larger = "noise" if name == "delta" else "earthquake"
        rate = at_miss_probability(score, truth[use], MISS, larger=larger).false_alarm_probability
        records.append(
            record(
                f"{label}, {text}: false-alarm probability where {MISS:.0%} are missed",
                rate.estimate,
                interval=(rate.low, rate.high),
                level=0.9,
                data_sets=int(use.sum()),
            )
        )
    quakes = rows[truth]
    for method, prefix in (("test of 2023", "delta_"), ("posterior", "")):
        for name in ("epicentre", "depth"):
            errors = quakes[f"{prefix}{name}_km"].abs().dropna()
            text = f"{label}, {method}: median error of {name}"
            records.append(record(text, errors.median(), unit="km", data_sets=len(errors)))
    for level in (0.5, 0.9):
        inside = quakes[f"inside_{level:g}"].dropna().to_numpy(bool)
        held = coverage(inside, level, probability=0.95)
        records.append(
            record(
                f"{label}: epicentre in its {level:.0%} region",
                held.rate,
                interval=(held.low, held.high),
                unit="%",
                data_sets=len(inside),
            )
        )
    return records


def check(
    number: int = 1000,
    ratios: str = "0.015,0.03,0.05,0.1,0.2",
    located: int = 1000,
    mixtures: int = 0,
    out: Path | None = None,
) -> list[Record]:
    """Simulate the study's detections and score them."""
    box = study2023.lima(jax.random.key(0))
    detector = watch(box.to_table())
    sets = {
        True: simulate(jax.random.key(1), box, study2023.true_detections(box), number),
        False: simulate(jax.random.key(2), box, study2023.false_detections(), number),
    }
    lines: list[dict[str, Any]] = []
    records: list[Record] = []
    for ratio in (float(text) for text in ratios.split(",")):
        for truth, streams in sets.items():
            claims = first_detections(streams, ratio_rule(ratio))
            tested = study2023.test_detections(streams, claims).set_index("stream")
            cut = streams.seen(claims.time_s)
            for stream in np.flatnonzero(claims.detected).tolist():
                line = {"ratio": ratio, "is_earthquake": truth, "stream": int(stream)}
                now_s, fine = float(claims.time_s[stream]), stream < located
                line |= sequential(detector, cut, stream, now_s, fine=fine) | {"claimed_s": now_s}
                if stream in tested.index:
                    row = tested.loc[stream]
                    line["delta"] = float(row["smallest_delta_s"])
                    if truth:
                        line["delta_epicentre_km"] = float(row["epicentral_error_km"])
                        line["delta_depth_km"] = float(row["depth_error_km"])
                if stream < mixtures:
                    line["plain"] = mixture(cut, stream, False)
                    line["truncated"] = mixture(cut, stream, True)
                lines.append(line)
                if out is not None:
                    with out.open("a") as file:
                        file.write(json.dumps(line) + "\n")
        own = pd.DataFrame([line for line in lines if line["ratio"] == ratio])
        records += show(summary(ratio, own))
    return records


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--ratios", default="0.015,0.03,0.05,0.1,0.2")
    parser.add_argument("--locate", type=int, default=1000, dest="located")
    parser.add_argument("--mixture", type=int, default=0, dest="mixtures")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    check(**vars(options))


if __name__ == "__main__":
    main()
