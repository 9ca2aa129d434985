"""Are the probabilities of the sequential posterior true? Streams of its own model, at one moment.

Run: python validation/check_detection_truth.py [--number N] [--locate L] [--faster 0.06].

N streams are drawn with `eqstat.detection.simulate`: none or one of the causes, at continuous
places and times, seen at one moment. Printed are the reliability of the earthquake's
probability (of the coarse grid and, of the first L streams in which something triggered, of the
fine one), and how often the 50 and 90 % regions of the hypocentre hold the true epicentre. With
--faster the waves of the streams are faster by that share than the detector believes.
"""

from __future__ import annotations

import argparse
import dataclasses

import jax
import numpy as np
import pandas as pd

from eqstat.calibration import calibration_test, coverage, decompose, reliability
from eqstat.detection import (
    Cause,
    Detector,
    Drawn,
    detector,
    earthquake,
    init,
    locate,
    network_burst,
    region_contains,
    simulate,
    sound,
    step,
    venue,
)
from eqstat.detection._detector import YEAR_S
from eqstat.velocity import ConstantVelocity

DEVICES = 200
# Expected number of each cause within its slots: the earthquake is drawn in two streams of five.
PRIOR = (1.0, 0.25, 0.25, 0.25)


def watch(network: pd.DataFrame, p_km_s: float = 7.8) -> Detector:
    """A detector whose causes are frequent."""
    made = earthquake(velocity=ConstantVelocity(p_km_s, p_km_s / 1.733)), sound(), venue()
    causes: list[Cause] = []
    for cause, expected in zip((*made, network_burst()), PRIOR, strict=True):
        rate = expected * YEAR_S / (cause.slots * cause.slot_s)
        causes.append(dataclasses.replace(cause, rate_per_year=rate))
    return detector(network, causes=causes)


def judge(watched: Detector, drawn: Drawn, located: int) -> pd.DataFrame:
    """Probability of each stream; with the fine grid, and with regions, of the first ones."""
    rows = []
    for number, times in enumerate(drawn.trigger_s):
        who = np.flatnonzero(np.isfinite(times))
        begun = init(watched, drawn.now_s - watched.window_s + 1e-3)
        state, report = step(watched, begun, drawn.now_s, who, times[who])
        row = {"true": drawn.cause[number] == 0, "coarse": float(report.probability[0])}
        row["fine"] = row["coarse"] if number < located else np.nan
        if number < located and row["coarse"] > 0.02 and len(who):
            found = locate(watched, state, report)
            row["fine"] = float(found["cause_probability"][0])
            place = float(drawn.latitude[number]), float(drawn.longitude[number])
            if row["true"] and len(who) >= 4:
                for level in (0.5, 0.9):
                    row[f"inside_{level}"] = region_contains(
                        watched, found, *place, probability=level
                    )
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Draw, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--locate", type=int, default=2000)
    parser.add_argument("--faster", type=float, default=0.0)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    network = pd.DataFrame(
        {
            "latitude": rng.uniform(-12.39, -11.74, DEVICES),
            "longitude": rng.uniform(-77.17, -76.66, DEVICES),
        }
    )
    drawn = simulate(jax.random.key(5), watch(network, 7.8 * (1 + options.faster)), options.number)
    table = judge(watch(network), drawn, options.locate)
    truth = table["true"].to_numpy(bool)
    print(f"{len(table)} streams, {truth.sum()} of an earthquake")
    for name in ("coarse", "fine"):
        forecast, happened = (table.dropna(subset=name)[key] for key in (name, "true"))
        forecast, happened = forecast.to_numpy(np.float64), happened.to_numpy(bool)
        parts = decompose(forecast, happened)
        p = calibration_test(jax.random.key(6), forecast, happened)
        print(f"{name}, {len(forecast)} streams: Brier score {parts}; calibration test {p}")
        bins = reliability(jax.random.key(7), forecast, happened, form="bins")
        print(bins.to_dataframe().round(3).to_string())
    for level in (0.5, 0.9):
        column = f"inside_{level}"
        held = table[column].dropna().to_numpy(bool)
        print(f"{level:.0%} region: {coverage(held, level)}")


if __name__ == "__main__":
    main()
