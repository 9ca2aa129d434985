"""Simulation-based calibration of the grid posterior (Talts et al. 2018): ranks are uniform."""

import importlib
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eqstat import hypocentre
from eqstat.calibration import coverage, rank_uniformity
from eqstat.traveltime import Design, GaussianParameters, Prior, grid, prepare, simulate

from . import cases

DRAWS = 99
CENTRE = (-12.0, -77.0)


def inside_region(posterior, east, north, probability=0.9):
    """Whether an epicentre lies in the highest-density region of the grid."""
    place = posterior.observations.frame.to_geographic(east, north)
    return hypocentre.contains(posterior.hypocentre, *place, probability)


def judge(ranks, covered, bins):
    """Chi-square of each rank histogram, and the count of covered epicentres."""
    for name, values in ranks.items():
        found = rank_uniformity(values, DRAWS, bins=bins)
        assert found.p_value > 0.01, (name, found.histogram["observed"].values)
    found = coverage(covered, 0.9, probability=0.99)
    assert found.consistent, found


def rank(draws, truth):
    return {name: int(np.sum(draws[name] < value)) for name, value in truth.items()}


@pytest.mark.long
def test_the_plain_grid_is_calibrated():
    rng = np.random.default_rng(20260101)
    prior = Prior(region_km=60.0)
    ranks, covered = {}, []
    for number in range(160):
        count = int(rng.integers(7, 17))
        devices = cases.network(count, 5000 + number)
        place = devices["latitude"].to_numpy(), devices["longitude"].to_numpy()
        design = Design(*place)
        truth = {
            "east_km": rng.uniform(-60, 60),
            "north_km": rng.uniform(-60, 60),
            "depth_km": 500 * rng.beta(1, 12),
            "origin_time_s": rng.uniform(0, 10),
            "sd_s": 1.29 * np.exp(0.3 * rng.normal()),
        }
        table = simulate(jax.random.key(number), GaussianParameters(**truth), design)
        observations = prepare(table)
        posterior = grid(observations, prior=prior)
        reference = pd.Timestamp(design.reference_time) - observations.reference_time
        truth["origin_time_s"] += reference.total_seconds()
        draws = posterior.draws(jax.random.key(number), DRAWS)
        for name, value in rank(draws, truth).items():
            ranks.setdefault(name, []).append(value)
        covered.append(inside_region(posterior, truth["east_km"], truth["north_km"]))
    judge(ranks, covered, bins=10)


def seismicity(sd_km):
    """Normal past seismicity about the centre: a prior that does not move with the triggers."""
    latitude, longitude = np.linspace(-15, -9, 241), np.linspace(-80, -74, 241)
    apart = cases.vector(*np.meshgrid(latitude, longitude, indexing="ij")) - cases.vector(*CENTRE)
    values = np.exp(-0.5 * np.sum(apart**2, axis=-1) / sd_km**2)
    return xr.DataArray(values, {"latitude": latitude, "longitude": longitude})


@pytest.mark.long
def test_the_grid_with_silent_devices_is_calibrated_while_the_wave_arrives():
    """Only moments are judged at which the last trigger is fresh: the front is on its way."""
    rng = np.random.default_rng(7)
    base, density = Prior(region_km=150.0), seismicity(20.0)
    ranks, covered = {}, []
    number = 0
    while len(covered) < 50:
        number += 1
        devices = cases.network(40, 9000 + number)
        design = Design(
            devices["latitude"].to_numpy(), devices["longitude"].to_numpy(), window_s=(-60.0, 0.0)
        )
        truth = {
            "depth_km": 500 * rng.beta(1, 12),
            "sd_s": 1.29 * np.exp(0.3 * rng.normal()),
            "trigger_probability": rng.beta(2, 2),
        }
        east, north = 20 * rng.normal(size=2)
        # The truth is drawn about a fixed centre; the design's frame is the devices' own.
        place = cases.destination(*CENTRE, east, north)
        own = [float(v) for v in design.frame.to_local(*place)]
        origin = rng.uniform(-35, 5)
        params = GaussianParameters(
            *own, truth["depth_km"], origin, truth["sd_s"], truth["trigger_probability"]
        )
        table = simulate(jax.random.key(number), params, design, silent=True)
        now = pd.Timestamp(design.reference_time)
        if not 8 <= len(table) <= 32 or now - table["time"].max() > pd.Timedelta(seconds=2):
            continue
        network = devices.assign(device=[f"d{i}" for i in range(40)], elevation_m=0.0)
        observations = prepare(
            table, network=network, now=now, start=now - pd.Timedelta(seconds=60)
        )
        prior = base.with_seismicity(density, observations.frame)
        posterior = grid(observations, prior=prior)
        local = [float(v) for v in observations.frame.to_local(*place)]
        truth["east_km"], truth["north_km"] = local
        truth["origin_time_s"] = origin + (now - observations.reference_time).total_seconds()
        for name, value in rank(posterior.draws(jax.random.key(number), DRAWS), truth).items():
            ranks.setdefault(name, []).append(value)
        covered.append(inside_region(posterior, *local))
    judge(ranks, covered, bins=5)


@pytest.mark.long
@pytest.mark.parametrize("silent", [False, True], ids=["triggers only", "silent devices"])
def test_the_mixture_is_calibrated(silent, monkeypatch):
    """A reduced run of the validation check; the full one has 300 data sets."""
    folder = Path(__file__).parents[2] / "validation"
    monkeypatch.syspath_prepend(str(folder))
    check = importlib.import_module("check_mixture_sbc").check
    for item in check(datasets=40, method="grid", silent=silent):
        assert importlib.import_module("records").passed(item) is not False, item
