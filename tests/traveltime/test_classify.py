"""True or false: the chi-square test against NumPy and the printed critical values."""

import json

import numpy as np
import pytest
from scipy import stats

from eqstat.inference import InferenceError, Result
from eqstat.traveltime import classify, prepare

from . import cases


@pytest.fixture(scope="module")
def lima():
    """A clean earthquake of 108 devices, and its verdict."""
    observations = prepare(cases.quake(108, 1, sd_s=1.1))
    return observations, classify(observations)


def test_critical_values_are_those_in_print(lima):
    observations, four = lima
    three = classify(observations, estimated_parameters=3)
    for verdict, value, freedom in ((four, 140.46, 104), (three, 141.62, 105)):
        for test in verdict.models.values():
            assert test.critical_value == pytest.approx(value, abs=0.005)
            assert test.degrees_of_freedom == freedom


@pytest.mark.parametrize("wave", ["P", "S"])
def test_the_statistic_is_that_of_the_residuals(lima, wave):
    observations, verdict = lima
    test = verdict.models[wave]
    speed = {"P": cases.P_KM_S, "S": cases.S_KM_S}[wave]
    travel = cases.travel_times(observations, *test.fit.estimate[:3], speed)
    residual = cases.seconds(observations) - travel
    assert test.variance_s2 == pytest.approx(np.var(residual), rel=1e-6)
    assert test.statistic == pytest.approx(108 * np.var(residual) / 1.29**2, rel=1e-6)
    assert test.rejected == (test.statistic > test.critical_value)


def test_a_clean_earthquake_is_true_under_both_waves():
    verdict = classify(prepare(cases.quake(21, 21, sd_s=0.4)))
    assert verdict.is_earthquake
    assert not verdict.models["P"].rejected and not verdict.models["S"].rejected


@pytest.mark.parametrize("seed", [0, 1])
def test_a_sound_front_and_a_random_detection_are_false(seed):
    sound = classify(prepare(cases.front(108, seed)))
    random = classify(prepare(cases.noise(108, seed)))
    for verdict in (sound, random):
        assert not verdict.is_earthquake
        assert all(test.rejected for test in verdict.models.values())


def test_one_wave_that_fits_is_enough():
    verdict = classify(prepare(cases.quake(108, 5, speed=cases.S_KM_S, depth_km=8.0, sd_s=1.2)))
    assert verdict.is_earthquake
    assert verdict.models["S"].statistic < verdict.models["P"].statistic
    assert not verdict.models["S"].rejected


def test_the_options_move_the_verdict(lima):
    observations, verdict = lima
    strict = classify(observations, delta_s=0.7)
    assert not strict.is_earthquake
    ratio = strict.models["P"].statistic / verdict.models["P"].statistic
    assert ratio == pytest.approx((1.29 / 0.7) ** 2)
    often = classify(observations, miss_probability=0.3)
    expected = stats.chi2(104).ppf(0.7)
    assert often.models["P"].critical_value == pytest.approx(expected)
    assert often.miss_probability == 0.3


def test_misses_are_as_rare_as_asked():
    """Under the null the P test rejects with the nominal probability."""
    rejected = 0
    for seed in range(80):
        verdict = classify(prepare(cases.quake(16, seed, sd_s=1.29)), miss_probability=0.2)
        rejected += verdict.models["P"].rejected
    low, high = stats.binom(80, 0.2).interval(0.999)
    assert low <= rejected <= high


def test_the_dictionary_has_the_promised_keys(lima):
    _, verdict = lima
    given = json.loads(json.dumps(verdict.to_dict()))
    assert set(given) == {"is_earthquake", "miss_probability", "delta", "models"}
    assert given["is_earthquake"] is True
    assert given["delta"] == 1.29
    assert set(given["models"]) == {"P", "S"}
    promised = {"statistic", "critical_value", "degrees_of_freedom", "rejected", "variance_s2"}
    for wave, test in given["models"].items():
        assert promised <= set(test)
        assert test["statistic"] == verdict.models[wave].statistic
        assert isinstance(test["rejected"], bool) and isinstance(test["degrees_of_freedom"], int)


def test_too_few_triggers_give_no_verdict():
    for observations, options in (
        (prepare(cases.quake(3)), {}),
        (prepare(cases.quake(6)), {"estimated_parameters": 6}),
    ):
        with pytest.raises(InferenceError) as caught:
            classify(observations, **options)
        assert caught.value.result is Result.TOO_FEW


@pytest.mark.parametrize(
    "options", [{"delta_s": 0.0}, {"miss_probability": 0.0}, {"miss_probability": 1.0}]
)
def test_options_out_of_range_are_refused(lima, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        classify(lima[0], **options)
