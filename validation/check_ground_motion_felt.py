"""Ground motion from felt-only records: coverage in simulation, and Japanese intensities.

Run: python validation/check_ground_motion_felt.py [--part coverage|jma] [--datasets 40] [--step 1].

`coverage` draws complete records, cuts them at a floor, and counts the 90 % intervals that hold the
truth: of the censored fit, of the truncated one (in a catalogue from magnitude 5.5, in which most
earthquakes have many reports; those that nobody felt are missing), and of the ordinary
`ground_motion.fit` to the same reports.

`jma` fits the training years of Japanese intensities, with the stations that were silent and a
share out of order; `step` takes every so many earthquakes. The correlation of residuals is that of
pairs of stations in earthquakes that nearly all of the stations felt, so that few are cut.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import time

import jax
import jma
import numpy as np
import numpyro.distributions as dist
from records import Record, each, record, show
from scipy import optimize

from eqstat.calibration import binomial_interval
from eqstat.ground_motion import Design, GroundMotion, felt, fit, simulate

TRUE = GroundMotion(
    vs30_slope=0.0, station_sd=0.0, spreading_sd=0.0, correlated_share=0.0, depth_slope=0.1
)
FLOOR_M_S2 = 0.15
DESIGN = Design(events=100, stations=25, extent_km=200.0, recorded=1.0)
NAMES = ("level", "magnitude_slope", "spreading", "event_sd", "record_sd")
LEVEL = 0.9
# Pairs of stations: ends of the classes of distance, km; and least share of stations that felt it.
APART_KM = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
FELT_SHARE = 0.95


def one_data_set(number: int) -> dict:
    """Whether each interval of each fit holds the truth."""
    held = {}
    for kind, low in (("censored", 4.0), ("truncated", 5.5)):
        design = dataclasses.replace(DESIGN, min_magnitude=low)
        keys = jax.random.split(jax.random.fold_in(jax.random.key(18), number))
        complete = simulate(keys[0], TRUE, design).table
        table = felt.thin(keys[1], complete, FLOOR_M_S2)[
            ["event", "magnitude", "depth_km", "distance_km", "pga_m_s2"]
        ]
        reports = table.dropna(subset=["pga_m_s2"])
        given = table if kind == "censored" else reports
        results = {kind: felt.fit(felt.prepare(given, FLOOR_M_S2), throw=False)}
        if kind == "truncated":
            results["ordinary"] = fit(reports, throw=False)
        for name, result in results.items():
            ends = result.interval(LEVEL)
            held[name] = {
                each: bool(ends[each][0] < float(getattr(TRUE, each)) < ends[each][1])
                for each in NAMES
            }
    return held


def coverage(datasets: int) -> list[Record]:
    """Coverage of the intervals of each fit."""
    results = each(range(datasets), one_data_set)
    out = []
    for kind in ("censored", "truncated", "ordinary"):
        for name in NAMES:
            hits = sum(line[kind][name] for line in results)
            ends = binomial_interval(hits, datasets)
            target = {} if kind == "ordinary" else {"target": LEVEL}
            out.append(
                record(f"{kind}: {name} in its 90 % interval", hits / datasets,
                       interval=(float(ends[0]), float(ends[1])), unit="%", data_sets=datasets,
                       **target)
            )  # fmt: skip
    return out


def correlation(shaking: jma.Shaking, motion: GroundMotion) -> list[Record]:
    """Correlation of residuals within events by distance between stations, and its range."""
    share = 1.0 - shaking.silent.mean(axis=1)
    strong = shaking.chosen(share >= FELT_SHARE)
    distance = np.linalg.norm(strong.station_km - strong.hypocentre_km[:, None], axis=-1)
    predictor = felt.FeltPredictor(motion)
    where = (strong.magnitude[:, None], distance, strong.depth_km[:, None])
    residual = strong.log10_pga - np.asarray(predictor(*where, np.nan).mean[..., 0])
    residual = np.where(strong.silent, np.nan, residual)
    residual = residual - np.nanmean(residual, axis=1, keepdims=True)
    apart = np.linalg.norm(strong.station_km[:, :, None] - strong.station_km[:, None], axis=-1)
    half = 0.5 * (residual[:, :, None] - residual[:, None]) ** 2
    upper = np.triu(np.ones(apart.shape[1:], bool), 1) & np.isfinite(half)
    variance = float(np.nanvar(residual))
    out, middle, value = [], [], []
    for low, high in itertools.pairwise(APART_KM):
        pairs = upper & (apart >= low) & (apart < high)
        if pairs.sum() < 100:
            continue
        middle.append(float(apart[pairs].mean()))
        value.append(1.0 - float(half[pairs].mean()) / variance)
        out.append(record(f"correlation of residuals at {low:g} to {high:g} km", value[-1],
                          data_sets=int(pairs.sum())))  # fmt: skip

    def off(rho_and_range: np.ndarray) -> np.ndarray:
        return rho_and_range[0] * np.exp(-3 * np.array(middle) / rho_and_range[1]) - value

    best = optimize.least_squares(off, [0.5, 30.0], bounds=([0, 1], [1, 1000])).x
    out.append(record("correlated share of residuals", best[0], data_sets=len(strong.event)))
    out.append(record("range of the correlation", best[1], unit="km", data_sets=len(strong.event)))
    return out


def japan(step: int) -> list[Record]:
    """Parameters of the training years."""
    training = jma.split(jma.load())["training"].chosen(slice(None, None, step))
    motions = jma.felt_records(training)
    start = time.perf_counter()
    result = felt.fit(motions, out_of_order=dist.Beta(1, 9))
    seconds = time.perf_counter() - start
    out = []
    for name, (low, high) in result.interval(LEVEL).items():
        out.append(record(f"Japan: {name}", result[name], interval=(low, high), level=LEVEL))
    out.append(record("Japan: duration of the fit, with compilation", seconds, unit="s"))
    out.append(record("Japan: reports", motions.reports, data_sets=len(training.event)))
    out.append(record("Japan: silent stations", len(motions.table) - motions.reports))
    return out + correlation(training, result.motion)


def check(part: str = "coverage", datasets: int = 40, step: int = 1) -> list[Record]:
    """One part of the check."""
    return coverage(datasets) if part == "coverage" else japan(step)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("coverage", "jma"), default="coverage")
    parser.add_argument("--datasets", type=int, default=40)
    parser.add_argument("--step", type=int, default=1)
    show(check(**vars(parser.parse_args())))
