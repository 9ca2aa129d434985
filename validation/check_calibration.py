"""Simulation-based calibration and coverage of the grid posterior; grid against NUTS.

Run: python validation/check_calibration.py [number]. Parameters are drawn from the prior (with a
region of 60 km, so that the earthquakes are within the network), triggers from the model; the rank
of the true value among draws of the grid posterior is uniform if the posterior is calibrated.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from detections import LATITUDES, LONGITUDES, detection
from records import Record, record, show

from eqstat import traveltime
from eqstat.calibration import coverage, rank_uniformity
from eqstat.traveltime import Design, GaussianParameters, GridPosterior, Observations, Prior

SITES = ("east_km", "north_km", "depth_km", "origin_time_s", "sd_s")
DRAWS, BINS = 999, 20


def simulate(rng: np.random.Generator, prior: Prior) -> tuple[Observations, dict]:
    """Parameters from the prior and one detection from the model."""
    count = int(rng.choice([12, 21, 40, 100]))
    design = Design(
        latitude=rng.uniform(*LATITUDES, count), longitude=rng.uniform(*LONGITUDES, count)
    )
    key = jax.random.key(int(rng.integers(2**31)))
    half = float(prior.region_km)
    truth = {
        "east_km": rng.uniform(-half, half),
        "north_km": rng.uniform(-half, half),
        "depth_km": float(prior.depth.sample(jax.random.fold_in(key, 0))),
        "origin_time_s": 0.0,
        "sd_s": float(prior.sd_s.sample(jax.random.fold_in(key, 1))),
    }
    table = traveltime.simulate(jax.random.fold_in(key, 2), GaussianParameters(**truth), design)
    observations = traveltime.prepare(table)
    zero = pd.Timestamp(design.reference_time)
    truth["origin_time_s"] = (zero - observations.reference_time).total_seconds()
    # The design's frame and that of the observations agree: every device triggers.
    return observations, truth


def content_at(posterior: GridPosterior, east_km: float, north_km: float) -> float:
    """Probability of the smallest highest-density region that holds an epicentre."""
    mass = posterior.mass.sum(axis=2)
    edges = posterior.edges("east_km"), posterior.edges("north_km")
    density = mass / np.outer(*(np.diff(edge) for edge in edges))
    at = [int(np.searchsorted(e, v)) - 1 for e, v in zip(edges, (east_km, north_km), strict=True)]
    if not all(0 <= index < size for index, size in zip(at, mass.shape, strict=True)):
        return 1.0
    return float(mass[density >= density[at[0], at[1]]].sum())


def ranks(number: int) -> list[Record]:
    """Simulation-based calibration of `grid` and coverage of its regions."""
    rng = np.random.default_rng(20261121)
    prior = Prior(region_km=60.0)
    ranks: dict[str, list[int]] = {name: [] for name in SITES}
    contents = []
    for _ in range(number):
        observations, truth = simulate(rng, prior)
        posterior = traveltime.grid(observations, prior=prior)
        draws = posterior.draws(jax.random.key(int(rng.integers(2**31))), DRAWS)
        for name in SITES:
            ranks[name].append(int(np.sum(draws[name] < truth[name])))
        contents.append(content_at(posterior, truth["east_km"], truth["north_km"]))
    records = []
    for name, values in ranks.items():
        uniform = rank_uniformity(values, DRAWS, bins=BINS)
        records.append(
            record(
                f"{name}: p of uniform ranks, chi-square in {BINS} bins",
                uniform.p_value,
                bounds=(0.01 / len(SITES), None),
                data_sets=number,
            )
        )
    for probability in (0.5, 0.9):
        held = coverage(np.array(contents) <= probability, probability, probability=0.95)
        records.append(
            record(
                f"epicentre in its {probability:.0%} region",
                held.rate,
                interval=(held.low, held.high),
                target=probability,
                unit="%",
                data_sets=number,
            )
        )
    return records


def agreement(number: int) -> list[Record]:
    """Differences of grid and NUTS quantiles in Monte Carlo standard errors."""
    rng = np.random.default_rng(7)
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    scores = []
    for index in range(number):
        observations = traveltime.prepare(detection(rng, int(rng.choice([21, 40, 108])), "true P"))
        posterior = traveltime.grid(observations)
        tree = traveltime.sample(jax.random.key(index), observations, progress=False)
        exact = posterior.draws(jax.random.key(index), 40_000)
        for name in SITES:
            values = tree["posterior"][name].to_numpy()
            for level in levels:
                error = array_stats.mcse(values, method="quantile", prob=level)
                own = float(np.std(exact[name])) / np.sqrt(40_000)
                difference = np.quantile(values, level) - np.quantile(exact[name], level)
                scores.append(abs(float(difference / np.hypot(float(error), own))))
    scores = np.array(scores)
    return [
        record(
            f"grid and NUTS quantiles within {limit} Monte Carlo errors",
            np.mean(scores < limit),
            bounds=(least, None),
            unit="%",
            data_sets=len(scores),
        )
        for limit, least in ((2, 0.9), (3, 0.98))
    ] + [record("largest difference in Monte Carlo errors", scores.max(), data_sets=len(scores))]


def check(number: int = 500, agree: int = 20) -> list[Record]:
    """Calibration on `number` detections, comparison with NUTS on `agree`."""
    return show(ranks(number) + agreement(agree))


if __name__ == "__main__":
    check(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
