"""Tests of result codes and of point estimates."""

import numpy as np
import pytest
from scipy import stats

from eqstat.inference import Fit, InferenceError, Result


def test_only_optima_and_good_draws_are_ok():
    good = {Result.CONVERGED, Result.AT_BOUND, Result.NOT_RESOLVED}
    assert {result for result in Result if result.ok} == good


def test_every_result_carries_its_own_sentence():
    sentences = [result.value for result in Result]
    assert len(set(sentences)) == len(sentences)
    assert all(" " in text or text == "converged" for text in sentences)


def test_the_error_tells_the_result_and_the_detail():
    error = InferenceError(Result.TOO_FEW, "2 triggers")
    assert error.result is Result.TOO_FEW
    assert str(error) == f"{Result.TOO_FEW.value} (2 triggers)"
    assert str(InferenceError(Result.NOT_FINITE)) == Result.NOT_FINITE.value


@pytest.fixture
def two():
    covariance = np.array([[4.0, 1.0], [1.0, 9.0]])
    return Fit(("east_km", "depth_km"), np.array([1.0, 20.0]), covariance, 3.5, Result.CONVERGED)


def test_estimates_are_found_by_name(two):
    assert two["depth_km"] == 20.0
    with pytest.raises(ValueError, match="not in tuple"):
        two["north_km"]


def test_standard_errors_are_roots_of_the_diagonal(two):
    assert two.standard_error == {"east_km": 2.0, "depth_km": 3.0}


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.95])
def test_intervals_hold_the_nominal_normal_mass(two, probability):
    low, high = two.interval(probability)["depth_km"]
    mass = stats.norm(20.0, 3.0).cdf([low, high])
    assert np.diff(mass)[0] == pytest.approx(probability)
    assert mass[0] == pytest.approx(1 - mass[1])


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1, 90.0])
def test_interval_probability_must_be_a_probability(two, probability):
    with pytest.raises(ValueError, match="probability must lie in"):
        two.interval(probability)


def test_parameters_at_a_bound_have_no_error():
    covariance = np.array([[4.0, np.nan], [np.nan, np.nan]])
    fit = Fit(
        ("east_km", "depth_km"),
        np.array([1.0, 0.0]),
        covariance,
        3.5,
        Result.AT_BOUND,
        ("depth_km",),
    )
    assert fit.standard_error["east_km"] == 2.0
    assert np.isnan(fit.standard_error["depth_km"])
    assert np.all(np.isnan(fit.interval(0.9)["depth_km"]))
