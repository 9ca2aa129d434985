"""Are the posteriors true? Grid against NUTS, simulation-based calibration, coverage.

Run: python validation/check_calibration.py [number]. Parameters are drawn from the prior (its
region 60 km wide, so that the earthquakes are the network's), triggers from the model, and the
rank of the truth among draws of the grid posterior is uniform if the posterior is true.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from detections import LATITUDES, LONGITUDES, detection

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


def ranks(number: int) -> None:
    """Simulation-based calibration of `grid` and coverage of its regions."""
    rng = np.random.default_rng(20261121)
    prior = Prior(region_km=60.0)
    found = {name: [] for name in SITES}
    contents = []
    for _ in range(number):
        observations, truth = simulate(rng, prior)
        posterior = traveltime.grid(observations, prior=prior)
        draws = posterior.draws(int(rng.integers(2**31)), DRAWS)
        for name in SITES:
            found[name].append(int(np.sum(draws[name] < truth[name])))
        contents.append(content_at(posterior, truth["east_km"], truth["north_km"]))
    print(f"simulation-based calibration of grid, {number} detections, {BINS} bins", flush=True)
    for name, values in found.items():
        uniform = rank_uniformity(values, DRAWS, bins=BINS)
        print(
            f"  {name:14s} chi-square p = {uniform.p_value:.3f}, distribution function p = "
            f"{uniform.ecdf_p_value:.3f}  {uniform.histogram['observed'].values}"
        )
    for probability in (0.5, 0.9):
        held = coverage(np.array(contents) <= probability, probability, probability=0.95)
        print(
            f"  {probability:.0%} regions cover {held.rate:.3f} "
            f"(95 % {held.low:.3f} to {held.high:.3f})"
        )


def agreement(number: int) -> None:
    """Largest difference of grid and NUTS quantiles in Monte Carlo standard errors."""
    rng = np.random.default_rng(7)
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    scores = []
    for index in range(number):
        observations = traveltime.prepare(detection(rng, int(rng.choice([21, 40, 108])), "true P"))
        posterior = traveltime.grid(observations)
        tree = traveltime.sample(jax.random.key(index), observations, progress=False)
        exact = posterior.draws(index, 40_000)
        for name in SITES:
            values = tree["posterior"][name].to_numpy()
            for level in levels:
                error = array_stats.mcse(values, method="quantile", prob=level)
                own = np.sqrt(level * (1 - level) / 40_000) / np.sqrt(level * (1 - level))
                target = np.quantile(exact[name], level)
                spread = float(np.std(exact[name])) * own
                score = (np.quantile(values, level) - target) / np.hypot(float(error), spread)
                scores.append((abs(float(score)), index, name, level))
    sizes = np.array([score[0] for score in scores])
    print(f"grid against NUTS, {number} detections, {len(sizes)} quantiles:")
    print(
        f"  {np.mean(sizes < 2):.3f} within 2 and {np.mean(sizes < 3):.3f} within 3 Monte Carlo "
        f"errors; largest {max(scores)}"
    )


if __name__ == "__main__":
    ranks(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    agreement(20)
