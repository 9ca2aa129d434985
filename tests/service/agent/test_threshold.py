"""Learned threshold: its quantile, its feedback, and what it does with states that cannot be."""

import os

import jaxtyping
import numpy as np
import pytest

import eqstat
from eqstat.service.agent import ThresholdLearner
from eqstat.service.agent._tail import Tail

CHECKED = os.environ.get("EQSTAT_CHECK_TYPES", "0") not in ("", "0")
REFUSED = (eqstat.InputError, jaxtyping.TypeCheckError) if CHECKED else eqstat.InputError


def learned(maxima, rate=2.0, start_s=0.0):
    learner = ThresholdLearner(rate, start=9.0)
    above = [learner.add(start_s + 30.0 * n, m) for n, m in enumerate(maxima)]
    return learner, np.array(above)


def test_set_rate_is_kept_on_a_still_record():
    rng = np.random.default_rng(1)
    learner, above = learned(rng.gumbel(1.5, 0.2, 6000))
    assert abs(above.sum() - 100) < 25  # 50 hours
    assert learner.threshold(0.0) == pytest.approx(1.5 - 0.2 * np.log(-np.log(1 - 1 / 60)), abs=0.1)
    rate = learner.rate(0.0)
    exact = 120 * -np.expm1(-np.exp(-(learner.threshold(0.0) - 1.5) / 0.2))
    assert rate.low < exact < rate.high


def test_first_hours_are_extrapolated_not_exceeded():
    exceeded = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        exceeded += learned(rng.gumbel(1.5, 0.2, 240), rate=0.5)[1].sum()
    # Two hours each at one in two hours, of which the first ten minutes have the start's threshold.
    assert 5 <= exceeded <= 26


def test_noisy_hours_have_a_higher_threshold():
    rng = np.random.default_rng(2)
    hour = (np.arange(3 * 2880) // 120) % 24
    noisy = (hour >= 8) & (hour < 18) & (rng.random(len(hour)) < 0.3)
    learner, above = learned(
        rng.gumbel(1.5, 0.2, len(hour)) + noisy * rng.exponential(0.7, len(hour))
    )
    assert learner.threshold(12 * 3600.0) > learner.threshold(3 * 3600.0) + 0.5
    assert abs(above[2880:].sum() - 96) < 30


def test_feedback_keeps_the_rate_while_noise_grows():
    rng = np.random.default_rng(3)
    growing = rng.gumbel(1.5, 0.2, 5 * 2880) + 0.1 * np.arange(5 * 2880) / 2880
    _, above = learned(growing)
    assert abs(above.sum() - 240) < 60


def test_state_goes_on_and_what_cannot_be_is_refused():
    learner, _ = learned(np.random.default_rng(4).gumbel(1.5, 0.2, 600))
    other = ThresholdLearner(2.0, start=9.0)
    assert other.restore(learner.state())
    assert other.count == 600
    assert other.threshold(0.0) == pytest.approx(learner.threshold(0.0), abs=0.1)
    state = learner.state()
    for change in (
        {"maxima": state["maxima"][:-1]}, {"maxima": np.full(600, np.nan)},
        {"hours": state["hours"] + 30}, {"feedback": np.zeros(2)}, {"feedback": np.array(["a"])},
        {"maxima": np.zeros((600, 1))},
    ):  # fmt: skip
        assert not other.restore(state | change)
    assert not other.restore({})
    assert other.count == 600


def test_memory_is_bounded():
    learner = ThresholdLearner(1.0, most_hours=2.0)
    for number in range(1000):
        learner.add(30.0 * number, float(number % 7))
    assert learner.count == 240
    assert {len(value) for value in learner.state().values()} == {240, 1}


def test_values_that_are_no_numbers_are_left_out():
    learner = ThresholdLearner(1.0)
    assert not learner.add(0.0, float("nan")) and not learner.add(0.0, float("inf"))
    assert learner.count == 0


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e9, float("nan")])
def test_rates_out_of_range_are_refused(rate):
    with pytest.raises(REFUSED, match="false_per_hour"):
        ThresholdLearner(rate)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_tail_agrees_with_its_own_distribution(shape):
    u = np.random.default_rng(5).random(4000)
    excess = -np.log(u) if shape == 0 else (u**-shape - 1) / shape
    tail = Tail(excess)
    for probability in (0.1, 0.01):
        exact = -np.log(probability) if shape == 0 else (probability**-shape - 1) / shape
        assert tail.quantile(probability) == pytest.approx(exact, rel=0.15)
        assert tail.survival(tail.quantile(probability)) == pytest.approx(probability, rel=0.05)
    few = Tail(excess[:10])
    assert few.survival(5.0) > tail.survival(5.0) or shape > 0
