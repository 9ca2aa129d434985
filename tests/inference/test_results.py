"""Tests of result codes and of point estimates."""

import numpy as np
import pytest
from scipy import stats

from eqstat.inference import Fit, InferenceError, Profile, Result


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


@pytest.mark.parametrize("estimate", [0.3, 5.0, 49.0])
@pytest.mark.parametrize(("low", "high"), [(0.0, np.inf), (0.0, 50.0), (-np.inf, 50.0)])
def test_intervals_stay_within_the_range_of_the_parameter(estimate, low, high):
    def bounded(covariance):
        return Fit(
            ("depth_km",), np.array([estimate]), np.array([[covariance]]), 0.0, Result.CONVERGED,
            ranges={"depth_km": (low, high)}
        ).interval(0.9)["depth_km"]  # fmt: skip

    below, above = bounded(20.0**2)
    assert low <= below < estimate < above <= high
    # Where the error is small beside the distance to the bounds, they are Wald's.
    assert bounded(1e-6) == pytest.approx(estimate + 1.6449e-3 * np.array([-1, 1]), abs=1e-5)


def test_an_interval_of_a_positive_parameter_is_that_of_its_logarithm():
    fit = Fit(("sd_s",), np.array([2.0]), np.array([[0.25]]), 0.0, Result.CONVERGED,
              ranges={"sd_s": (0.0, np.inf)})  # fmt: skip
    low, high = np.log(fit.interval(0.9)["sd_s"])
    assert 0.5 * (low + high) == pytest.approx(np.log(2.0))
    assert high - low == pytest.approx(2 * 1.6449 * 0.25, rel=1e-4)


def test_a_profile_gives_an_interval_up_to_the_end_of_the_range():
    depth = np.linspace(0.0, 40.0, 401)
    profile = Profile(depth, np.abs(depth - 2.0) / 3.0, 10)
    reach = 3.0 * stats.t(10).ppf(0.95)
    assert profile.interval(0.9) == pytest.approx((0.0, 2.0 + reach), abs=1e-6)
    fit = Fit(("depth_km",), np.array([2.0]), np.array([[np.nan]]), 0.0, Result.CONVERGED,
              profiles={"depth_km": profile})  # fmt: skip
    assert fit.interval(0.9)["depth_km"] == profile.interval(0.9)
