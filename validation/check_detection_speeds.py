"""Calibration of the probability on a mixture of earthquakes and of fronts as fast as their waves.

Run: python validation/check_detection_speeds.py [--number N].

N streams, of which half are earthquakes and half fronts of 4 to 7 km/s, which nothing but S after
P, depth, the scatter and the rates can tell apart; the detector has equal rates of both. The
earthquakes are those of `check_detection_sbc`; fronts have the same phones, background, shares and
delays. Judged is the probability of an earthquake among these two causes at one moment, at which at
least six phones have triggered.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import jax
import numpy as np
import pandas as pd
from check_detection_sbc import (
    DEAD_S,
    LEAD_S,
    LEAST,
    MARGIN_KM,
    NOW_S,
    WINDOW_S,
    network,
    stream,
)
from records import Record, each, record, show
from scipy import stats

from eqstat.calibration import binomial_interval, calibration_test
from eqstat.detection import Detector, detector, init, step
from eqstat.detection.causes import earthquake, fast_front

RATE_PER_YEAR, EDGES = 10.0, (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)


def front(rng: np.random.Generator, at: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Trigger times of the phones at `at` (km) in a front from a point of the box."""
    centre = rng.uniform(box[0] + MARGIN_KM / 2, box[1] - MARGIN_KM / 2)
    speed = np.exp(rng.uniform(np.log(4.0), np.log(7.0)))
    delay = float(stats.truncnorm(-2.0, np.inf, loc=2.0).rvs(random_state=rng))
    share = rng.choice([0.05, 0.12, 0.28, 0.6])
    origin = NOW_S - rng.uniform(0.0, WINDOW_S) + LEAD_S - (delay - 2.0)
    away = np.hypot(*(at - centre).T)
    times = origin + away / speed + rng.normal(delay, 1.3, len(at))
    times = np.where(rng.uniform(size=len(at)) < share, times, np.inf)
    rate_s = 0.5 / 3600 * rng.gamma(1 / 0.09) * 0.09
    times = np.minimum(times, NOW_S - DEAD_S + rng.exponential(1 / rate_s, len(at)))
    return np.where(times <= NOW_S, times, np.inf)


def one(number: int, watch: Detector) -> dict[str, float]:
    """Probability of an earthquake among both causes for one stream, and the truth."""
    rng = np.random.default_rng([number, 29])
    table = network()
    local = watch.frame.to_local(table["latitude"].to_numpy(), table["longitude"].to_numpy())
    at = np.stack([np.asarray(x) for x in local], axis=-1)
    box = np.stack([at.min(axis=0) - MARGIN_KM, at.max(axis=0) + MARGIN_KM])
    is_earthquake = number % 2 == 0
    times = stream(rng, at, box, skewed=False)[0] if is_earthquake else front(rng, at, box)
    device = np.flatnonzero(np.isfinite(times))
    row = {"earthquake": float(is_earthquake)}
    if len(device) < LEAST:
        return row
    _, report = step(watch, init(watch, NOW_S - DEAD_S + 1e-3), NOW_S, device, times[device])
    probability = np.asarray(report.probability, np.float64)
    return row | {"probability": float(probability[0] / probability[:2].sum())}


def check(number: int = 600) -> list[Record]:
    """Judge `number` streams."""
    causes = earthquake(rate_per_year=RATE_PER_YEAR), fast_front(rate_per_year=RATE_PER_YEAR)
    watch = detector(network(), causes=causes)
    rows = pd.DataFrame(each(range(number), lambda index: one(index, watch))).dropna()
    forecast, outcome = rows["probability"].to_numpy(), rows["earthquake"].to_numpy(bool)
    records = []
    for low, high in pairwise(EDGES):
        inside = (forecast >= low) & ((forecast < high) | (high == 1.0))
        if not inside.any():
            continue
        count, hits = int(inside.sum()), int(outcome[inside].sum())
        records.append(
            record(
                f"earthquakes where the probability is {low:g} to {high:g}",
                hits / count,
                interval=binomial_interval(hits, count, probability=0.99),
                level=0.99,
                target=round(float(forecast[inside].mean()), 4),
                unit="%",
                data_sets=count,
            )
        )
    test = calibration_test(jax.random.key(6), forecast, outcome)
    records += [
        record(
            "p of the calibration test", test.p_value, bounds=(0.01, None), data_sets=len(forecast)
        ),
        record(
            "greatest probability of a front",
            float(forecast[~outcome].max()),
            bounds=(None, 0.9999),
            unit="%",
            data_sets=int(np.sum(~outcome)),
        ),
    ]
    return show(records)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=600)
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
