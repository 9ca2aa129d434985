"""The report of a location."""

import json

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat.traveltime import fit, grid, prepare, report, sample

from . import cases

# What the tests share takes tens of seconds to compile.
pytestmark = pytest.mark.slow

PROMISED = {
    "method",
    "hypocentre",
    "standard_error",
    "interval",
    "region",
    "triggers",
    "result",
    "diagnostics",
}


@pytest.fixture(scope="module")
def observations():
    """Sixteen triggers in use, one that is a copy, and one of another place."""
    triggers = cases.quake(16, 3, sd_s=0.2, depth_km=14.0)
    far = triggers.iloc[[0]].assign(latitude=20.0)
    table = pd.concat([triggers, triggers.iloc[[5]], far], ignore_index=True)
    return prepare(table, centre=(-12.0, -77.0), max_distance_km=400.0)


@pytest.fixture(scope="module")
def results(observations):
    return {
        "bfgs": fit(observations),
        "grid": grid(observations),
        "nuts": sample(jax.random.key(2), observations, progress=False),
    }


@pytest.fixture(scope="module")
def locations(observations, results):
    return {name: report(observations, result) for name, result in results.items()}


METHODS = ("bfgs", "grid", "nuts")


@pytest.mark.parametrize("method", METHODS)
def test_the_dictionary_has_the_promised_keys_and_is_json(locations, method):
    given = json.loads(json.dumps(locations[method].to_dict(), allow_nan=False))
    assert set(given) >= PROMISED
    assert given["method"] == method
    assert set(given["hypocentre"]) == {"latitude", "longitude", "depth_km", "origin_time"}
    errors = {"latitude_km", "longitude_km", "depth_km", "origin_time_s"}
    assert set(given["standard_error"]) == errors
    assert given["interval"]["probability"] == given["region"]["probability"] == 0.9
    assert {"probability", "area_km2", "polygon"} <= set(given["region"])
    assert given["triggers"]["given"] == 18 and given["triggers"]["used"] == 16
    assert given["triggers"]["left_out"] == {
        "duplicate of an earlier row": 1,
        "farther than 400 km": 1,
    }
    assert pd.Timestamp(given["hypocentre"]["origin_time"]).tzinfo is not None
    assert np.asarray(given["region"]["polygon"][0]).shape[1] == 2
    assert isinstance(given["result"], str) and given["diagnostics"]


@pytest.mark.parametrize("method", METHODS)
def test_the_hypocentre_is_near_the_truth(locations, method):
    location = locations[method]
    truth = cases.destination(-12.0, -77.0, 8.0, -5.0)
    apart = cases.vector(location.latitude, location.longitude) - cases.vector(*truth)
    assert np.linalg.norm(apart) < 8.0
    assert location.region.contains(*truth)
    assert not location.region.contains(*cases.destination(-12.0, -77.0, 90.0, 80.0))
    assert abs((location.origin_time - cases.EPOCH).total_seconds()) < 2.0
    low, high = location.interval["depth_km"]
    assert low < 14.0 < high


SITES = {"longitude_km": "east_km", "latitude_km": "north_km"}


def test_the_three_methods_agree(results, locations):
    exact, nuts = locations["grid"], locations["nuts"]
    assert nuts.region.area_km2 == pytest.approx(exact.region.area_km2, rel=0.15)
    of_grid = results["grid"].draws(jax.random.key(3), 200_000)
    size = results["nuts"].attrs["ess_bulk_min"]
    for name, error in exact.standard_error.items():
        site = SITES.get(name, name)
        # Tails are heavy (excess kurtosis 30 to 300): the Monte Carlo error of a standard deviation
        # from n draws, sqrt((kurtosis - 1) / 4n), is 5 to 16 %, that of the middle 68 % only 2 %.
        tails = 0.5 * np.sqrt((stats.kurtosis(of_grid[site]) + 2) / size)
        assert nuts.standard_error[name] == pytest.approx(error, rel=4 * tails), name
        draws = results["nuts"]["posterior"][site].to_numpy()
        middle = [np.subtract(*np.quantile(each, [0.84, 0.16])) for each in (draws, of_grid[site])]
        assert middle[0] == pytest.approx(middle[1], rel=0.08), name
    assert nuts.depth_km == pytest.approx(
        exact.depth_km, abs=0.2 * exact.standard_error["depth_km"]
    )


def test_the_fit_reports_wald_intervals_and_an_ellipse(results, locations):
    location, found = locations["bfgs"], results["bfgs"]
    covariance = found.covariance[:2, :2]
    area = np.pi * stats.chi2(2).ppf(0.9) * np.sqrt(np.linalg.det(covariance))
    assert location.region.area_km2 == pytest.approx(area, rel=1e-6)
    assert location.interval["kind"] == "Wald, depth by profile likelihood"
    assert location.interval["depth_km"] == list(found.interval(0.9)["depth_km"])
    errors = found.standard_error
    assert location.standard_error["longitude_km"] == errors["east_km"]
    assert location.standard_error["latitude_km"] == errors["north_km"]


def test_intervals_of_the_grid_are_its_quantiles(observations, results, locations):
    location, posterior = locations["grid"], results["grid"]
    expected = posterior.quantile("depth_km", np.array([0.05, 0.95]))
    # Mass is even in kilometres within a cell here, in stretched coordinates there.
    np.testing.assert_allclose(location.interval["depth_km"], expected, rtol=0.02)
    middle = posterior.quantile("east_km", 0.5), posterior.quantile("north_km", 0.5)
    place = cases.geographic(observations, *middle)
    assert location.latitude == pytest.approx(float(place[0]), abs=1e-4)
    assert location.longitude == pytest.approx(float(place[1]), abs=1e-4)
    narrower = report(observations, posterior, probability=0.5)
    assert narrower.region.area_km2 < location.region.area_km2
    assert narrower.interval["probability"] == 0.5


def test_gap_distances_and_azimuths(observations, locations):
    location = locations["bfgs"]
    used = observations.triggers
    source = cases.vector(location.latitude, location.longitude, 1.0)
    devices = cases.vector(used["latitude"], used["longitude"], 1.0)
    distance = cases.RADIUS_KM * np.arccos(np.clip(devices @ source, -1, 1))
    np.testing.assert_allclose(location.triggers["distance_km"], distance, atol=1e-3)
    assert location.nearest_device_km == pytest.approx(distance.min(), abs=1e-3)
    pole = np.array([0.0, 0.0, 1.0])
    north = pole - source * source[2]
    east = np.cross(pole, source)
    azimuth = np.degrees(np.arctan2(devices @ east, devices @ north)) % 360
    np.testing.assert_allclose(location.triggers["azimuth_deg"] % 360, azimuth, atol=0.05)
    ordered = np.sort(azimuth)
    gap = np.max(np.diff(np.append(ordered, ordered[0] + 360)))
    assert location.azimuthal_gap_deg == pytest.approx(gap, abs=0.1)


def test_residuals_are_observed_minus_expected(observations, results, locations):
    location, found = locations["bfgs"], results["bfgs"]
    travel = cases.travel_times(observations, *found.estimate[:3])
    expected = cases.seconds(observations) - found["origin_time_s"] - travel
    np.testing.assert_allclose(location.triggers["residual_s"], expected, atol=1e-6)
    chances = location.triggers[["probability_p", "probability_s", "probability_background"]]
    assert np.all(chances.to_numpy() == [1.0, 0.0, 0.0])


def test_known_phases_of_the_gaussian_likelihood_are_certain():
    labelled = prepare(cases.quake(12, 3).assign(phase=["P", "S"] * 6))
    location = report(labelled, fit(labelled))
    np.testing.assert_array_equal(location.triggers["probability_s"], [0.0, 1.0] * 6)


def test_classes_of_the_mixture_sum_to_one_and_find_the_background():
    triggers, cause = cases.phones(30, 4)
    observations = prepare(triggers)
    location = report(observations, fit(observations, likelihood="mixture"))
    names = ["probability_p", "probability_s", "probability_background"]
    chances = location.triggers[names].to_numpy()
    np.testing.assert_allclose(chances.sum(1), 1.0)
    assert location.likelihood == "mixture"
    # The Brier score beats that of the shares alone by far.
    truth = np.eye(3)[cause]
    plain = np.mean(np.sum((truth - truth.mean(0)) ** 2, axis=1))
    assert np.mean(np.sum((truth - chances) ** 2, axis=1)) < 0.6 * plain
    likely = location.triggers[chances[:, 2] < 0.3]
    assert np.abs(likely["residual_s"]).median() < 1.5


def test_what_is_not_known_is_null_in_json():
    surface = prepare(cases.quake(16, 4, depth_km=0.0, sd_s=0.6))
    found = fit(surface)
    assert found.at_bound == ("depth_km",)
    given = report(surface, found).to_dict()
    json.dumps(given, allow_nan=False)
    assert given["standard_error"]["depth_km"] is None
    assert given["diagnostics"]["at_bound"] == ["depth_km"]
