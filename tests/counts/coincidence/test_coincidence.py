"""Coincidences of few sensors against enumeration and against streams by brute force."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom, gamma

from eqstat.counts.coincidence import (
    Sensors,
    log_chance,
    log_coincidences_per_year,
    log_odds_of_earthquake,
    probability_of_earthquake,
    smallest_required,
)

from .. import streams

FRAME_S = 20.0
HOUR_S = 3600.0
YEAR_H = 8766.0


def known(rates_per_h, pick=0.8):
    """Sensors whose rates are known."""
    sensors = Sensors.alike(
        len(rates_per_h), rate_per_h=1.0, prior_hours=1e-9, pick_probability=pick
    )
    return sensors.update(np.asarray(rates_per_h) * 1e9, 1e9)


def by_enumeration(chances, required):
    total = []
    for on in itertools.product([0, 1], repeat=len(chances)):
        if sum(on) >= required:
            total.append(math.prod(q if o else 1 - q for o, q in zip(on, chances, strict=True)))
    return math.fsum(total)


def test_chance_is_the_sum_over_all_patterns():
    rates = np.array([0.3, 2.0, 12.0, 40.0, 7.0])
    chances = -np.expm1(-rates * FRAME_S / HOUR_S)
    logs = log_chance(known(rates), np.arange(7), FRAME_S)
    exact = [by_enumeration(chances, m) for m in range(6)]
    np.testing.assert_allclose(np.exp(logs[:6]), exact, rtol=1e-6)
    assert logs[6] == -np.inf


def test_chance_is_exact_far_in_the_tail():
    sensors = known(np.full(40, 1e-3))
    q = -np.expm1(-1e-3 * FRAME_S / HOUR_S)
    assert log_chance(sensors, 30, FRAME_S) == pytest.approx(
        float(binom(40, q).logpmf(30)), rel=1e-6
    )
    assert log_chance(sensors, 30, FRAME_S) < -300


def test_uncertain_rates_are_integrated():
    """Draws of the rates, averaged, against the closed form."""
    sensors = Sensors([2.0, 5.0, 0.7], [0.05, 0.1, 0.02], 1.0, 1.0)
    rng = np.random.default_rng(1)
    rates = gamma(sensors.shape, scale=1 / sensors.exposure_h).rvs((100_000, 3), random_state=rng)
    on = -np.expm1(-rates * FRAME_S / HOUR_S)
    for m in (2, 3):
        every = on.prod(axis=1)
        pairs = sum(on[:, i] * on[:, j] for i, j in ((0, 1), (0, 2), (1, 2))) - 2 * every
        each = every if m == 3 else pairs
        error = each.std() / np.sqrt(each.size)
        assert np.exp(log_chance(sensors, m, FRAME_S)) == pytest.approx(each.mean(), abs=4 * error)
    turn = rates * np.exp(-rates * FRAME_S / HOUR_S)
    each = sum(turn[:, i] * on[:, j] * on[:, k] for i, j, k in ((0, 1, 2), (1, 0, 2), (2, 0, 1)))
    error = each.std() / np.sqrt(each.size)
    rate = np.exp(log_coincidences_per_year(sensors, 3, FRAME_S)) / YEAR_H
    assert rate == pytest.approx(each.mean(), abs=4 * error)


@pytest.mark.parametrize(
    ("rates", "required"),
    [([6.0, 12.0, 30.0], 2), ([20.0, 30.0, 60.0], 3), ([10.0] * 8, 3), ([90.0, 60.0, 5.0, 3.0], 2)],
)
def test_sliding_rate_against_the_stream(rates, required):
    rng, hours = np.random.default_rng(6), 4000.0
    times = [np.sort(rng.random(rng.poisson(r * hours)) * hours * HOUR_S) for r in rates]
    found = streams.distinct_alarms(times, required, FRAME_S).size
    expected = np.exp(log_coincidences_per_year(known(rates), required, FRAME_S)) / YEAR_H * hours
    assert found > 100
    assert found == pytest.approx(expected, abs=5 * np.sqrt(expected))
    # Alarms in the frame after another are few: their share is of the order of the chance.
    merged = streams.distinct_alarms(times, required, FRAME_S, merge_s=FRAME_S).size
    q = -np.expm1(-np.sum(rates) * FRAME_S / HOUR_S)
    assert 1.0 >= merged / found > 1.0 - 2.0 * required * q


def test_separate_frames_understate_the_rate():
    sensors = known([0.5, 0.5, 0.5])
    frames = np.exp(log_chance(sensors, 3, FRAME_S)) * YEAR_H * HOUR_S / FRAME_S
    sliding = np.exp(log_coincidences_per_year(sensors, 3, FRAME_S))
    assert sliding == pytest.approx(3.0 * frames, rel=0.02)


def test_learning_is_conjugate_and_online():
    prior = Sensors.alike(2, rate_per_h=0.5, prior_hours=4.0, pick_probability=0.5, prior_picks=4.0)
    at_once = prior.update([3, 40], 100.0).update_picks([2, 0], 2)
    in_parts = prior.update([1, 15], 30.0).update_picks([1, 0], 1)
    in_parts = in_parts.update([2, 25], [70.0, 70.0]).update_picks([1, 0], 1)
    np.testing.assert_allclose(at_once.rate_per_h, [5 / 104, 42 / 104])
    np.testing.assert_allclose(at_once.pick_probability, [4 / 6, 2 / 6])
    for name in ("shape", "exposure_h", "picked", "missed"):
        np.testing.assert_allclose(getattr(in_parts, name), getattr(at_once, name))
    low, high = at_once.interval(0.9)["rate_per_h"]
    np.testing.assert_allclose(gamma(at_once.shape, scale=1 / 104).cdf(low), 0.05)
    np.testing.assert_allclose(gamma(at_once.shape, scale=1 / 104).cdf(high), 0.95)


def test_learned_rates_cover_the_truth():
    rng, rates = np.random.default_rng(3), np.array([0.02, 0.5, 5.0])
    inside = np.zeros(3)
    for _ in range(400):
        learned = Sensors.alike(3, rate_per_h=1.0, prior_hours=1.0).update(
            rng.poisson(rates * 500), 500
        )
        low, high = learned.interval(0.9)["rate_per_h"]
        inside += (low < rates) & (rates < high)
    # Discrete counts, 400 draws with a standard error of 0.015.
    assert np.all(np.abs(inside / 400 - 0.9) < 0.06)


def test_posterior_is_bayes_rule_on_simulated_frames():
    """Of the frames with a pattern, the share with an earthquake."""
    rng, frames = np.random.default_rng(5), 2_000_000
    rates, picks = np.array([30.0, 60.0, 9.0]), np.array([0.9, 0.5, 0.7])
    base = Sensors(1.0, 1.0, picks * 1e9, (1 - picks) * 1e9)
    sensors = Sensors(rates * 1e9, 1e9, base.picked, base.missed)
    share = 0.02
    per_year = -np.log1p(-share) / FRAME_S * HOUR_S * YEAR_H
    quake = rng.random(frames) < share
    on = rng.random((frames, 3)) < -np.expm1(-rates * FRAME_S / HOUR_S)
    on |= quake[:, None] & (rng.random((frames, 3)) < picks)
    for pattern in itertools.product([False, True], repeat=3):
        seen = np.all(on == pattern, axis=1)
        found, number = quake[seen].mean(), int(seen.sum())
        p = probability_of_earthquake(
            sensors, pattern, frame_s=FRAME_S, earthquakes_per_year=per_year
        )
        assert found == pytest.approx(float(p), abs=4.5 * np.sqrt(p * (1 - p) / number) + 1e-5)


def test_a_silent_sensor_speaks_against_it():
    sensors = known([0.5, 0.5, 0.5])
    keywords = {"frame_s": 2.0, "earthquakes_per_year": 5.0}
    odds = log_odds_of_earthquake(sensors, [[1, 1, 0], [1, 1, 1], [0, 0, 0]], **keywords)
    two = log_odds_of_earthquake(known([0.5, 0.5]), [1, 1], **keywords)
    assert odds[0] == pytest.approx(float(two) + np.log(0.2))
    assert odds[1] > two > odds[2]


def test_more_sensors_make_fewer_false_alarms_at_the_same_share():
    rates = []
    for number in (3, 6, 12, 24):
        sensors = Sensors.alike(number, rate_per_h=1.0, prior_hours=100.0)
        rates.append(float(log_coincidences_per_year(sensors, 2 * number // 3, 2.0)))
    assert np.all(np.diff(rates) < -5.0)
    assert smallest_required(sensors, frame_s=2.0) == 4
    assert smallest_required(known([100.0, 100.0]), frame_s=10.0) is None


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Sensors([], 1.0, 1.0, 1.0), "at least one sensor"),
        (lambda: Sensors([0.0], 1.0, 1.0, 1.0), "shape must be"),
        (lambda: known([1.0]).update([-1], 1.0), "at least 0"),
        (lambda: known([1.0]).update_picks([3], 2), "between 0"),
        (lambda: log_chance(known([1.0]), 1.5, 1.0), "whole number"),
        (lambda: log_chance(known([1.0]), 1, 0.0), "frame_s"),
        (lambda: log_coincidences_per_year(known([1.0]), 0, 1.0), "whole number from 1"),
        (
            lambda: probability_of_earthquake(
                known([1.0]), [True, False], frame_s=1.0, earthquakes_per_year=1.0
            ),
            "1 entries",
        ),
        (
            lambda: probability_of_earthquake(
                known([1.0]), [True], frame_s=1.0, earthquakes_per_year=0.0
            ),
            "earthquakes_per_year",
        ),
        (
            lambda: smallest_required(known([1.0]), frame_s=1.0, false_alarm_rate_per_year=0.0),
            "above",
        ),
        (lambda: Sensors.alike(2, rate_per_h=1.0, prior_hours=1.0, pick_probability=1.0), "pick"),
    ],
)
def test_bad_arguments_get_one_clear_error(call, match):
    with pytest.raises(ValueError, match=match):
        call()
