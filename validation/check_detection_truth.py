"""Calibration of the sequential posterior on streams simulated from its own model.

Run: python validation/check_detection_truth.py [--number N] [--locate L] [--faster 0.06].

N streams are drawn with `eqstat.detection.simulate`: none or one of the causes, at continuous
places and times, evaluated at one moment. Records the calibration of the earthquake's probability
(on the coarse grid and, for the first L streams, on the fine one), and the coverage of the 50 and
90 % regions of the epicentre. With --faster the waves of the streams are faster by that share than
the detector's velocity model.
"""

from __future__ import annotations

import argparse
import dataclasses

import jax
import numpy as np
import pandas as pd
from records import Record, each, record, show

from eqstat._core.constants import YEAR_S
from eqstat.calibration import calibration_test, coverage, decompose, reliability
from eqstat.detection import (
    Detector,
    SimulatedStreams,
    detector,
    init,
    locate,
    simulate,
    step,
)
from eqstat.detection.causes import Cause, default_causes
from eqstat.hypocentre import contains
from eqstat.velocity import ConstantVelocity

DEVICES = 200
# Expected number of each cause within its slots: the earthquake is drawn in two streams of seven.
PRIOR = (1.0, *(0.25,) * 6)


def watch(network: pd.DataFrame, p_km_s: float = 7.8) -> Detector:
    """A detector whose causes are frequent."""
    usual = default_causes(velocity=ConstantVelocity(p_km_s, p_km_s / 1.733))
    causes: list[Cause] = []
    for cause, expected in zip(usual, PRIOR, strict=True):
        rate = expected * YEAR_S / (cause.slots * cause.slot_s)
        causes.append(dataclasses.replace(cause, rate_per_year=rate))
    return detector(network, causes=causes)


def judge(watched: Detector, drawn: SimulatedStreams, located: int) -> pd.DataFrame:
    """Probability of each stream; with the fine grid, and with regions, of the first ones."""

    def one(number: int) -> dict[str, float]:
        times = drawn.trigger_s[number]
        device = np.flatnonzero(np.isfinite(times))
        start = init(watched, drawn.now_s - watched.dead_time_s + 1e-3)
        state, report = step(watched, start, drawn.now_s, device, times[device])
        row = {"true": int(drawn.cause[number] == 0), "coarse": float(report.probability[0])}
        row["fine"] = row["coarse"] if number < located else np.nan
        if number < located and row["coarse"] > 0.02 and len(device):
            location = locate(watched, state, report)
            row["fine"] = float(location["cause_probability"][0])
            place = float(drawn.latitude[number]), float(drawn.longitude[number])
            if row["true"] and len(device) >= 4:
                for level in (0.5, 0.9):
                    row[f"inside_{level}"] = int(contains(location, *place, level))
        return row

    return pd.DataFrame(each(range(len(drawn.trigger_s)), one))


def check(number: int = 2000, located: int = 2000, faster: float = 0.0) -> list[Record]:
    """Draw and judge `number` streams, the first `located` on the fine grid."""
    rng = np.random.default_rng(0)
    network = pd.DataFrame(
        {
            "latitude": rng.uniform(-12.39, -11.74, DEVICES),
            "longitude": rng.uniform(-77.17, -76.66, DEVICES),
        }
    )
    drawn = simulate(jax.random.key(5), watch(network, 7.8 * (1 + faster)), number)
    table = judge(watch(network), drawn, located)
    records = [record("streams with an earthquake", int(table["true"].sum()), data_sets=number)]
    for name, label in (("coarse", "one step"), ("fine", "`locate`")):
        forecast, outcome = (table.dropna(subset=name)[key] for key in (name, "true"))
        forecast, outcome = forecast.to_numpy(np.float64), outcome.to_numpy(bool)
        test = calibration_test(jax.random.key(6), forecast, outcome)
        bins = reliability(jax.random.key(7), forecast, outcome, form="bins")
        print(bins.to_dataframe().round(3).to_string())
        records += [
            record(
                f"{label}: p of the calibration test",
                test.p_value,
                bounds=(0.01, None) if not faster else None,
                data_sets=len(forecast),
            ),
            record(
                f"{label}: Brier score", decompose(forecast, outcome).mean, data_sets=len(forecast)
            ),
        ]
    for level in (0.5, 0.9):
        inside = table[f"inside_{level}"].dropna().to_numpy(bool)
        held = coverage(inside, level, probability=0.95)
        records.append(
            record(
                f"epicentre in its {level:.0%} region",
                held.rate,
                interval=(held.low, held.high),
                target=level if not faster else None,
                unit="%",
                data_sets=len(inside),
            )
        )
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--locate", type=int, default=2000, dest="located")
    parser.add_argument("--faster", type=float, default=0.0)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
