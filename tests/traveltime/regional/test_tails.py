"""Tails of the epicentre: marginalised, whatever the number of events that taught them."""

import numpy as np
import pytest
from scipy.stats import binom

from eqstat.traveltime.regional._tails import Tails, calibrated, learn_tails, spread


def _contents(rng, width, freedom, count):
    """Contents of epicentres that scatter as Student variables about normal posteriors."""
    squared = np.sum(rng.normal(size=(count, 2)) ** 2, 1)
    squared = squared * np.square(width) / (rng.chisquare(freedom, count) / freedom)
    return -np.expm1(-squared / 2)


@pytest.mark.slow
def test_tails_of_a_true_posterior_are_left_alone_and_student_ones_found():
    rng = np.random.default_rng(4)
    even, picks = rng.uniform(size=2000), rng.integers(8, 80, 2000)
    np.testing.assert_allclose(calibrated(even, learn_tails(even, picks), 30), even, atol=0.04)
    content = _contents(rng, 1.3, 4, 2000)
    tails = learn_tails(content, picks)
    assert tails.weight @ tails.width == pytest.approx(1.3, rel=0.07)
    assert tails.weight @ tails.degrees_of_freedom == pytest.approx(4, rel=0.2)
    assert tails.weight @ tails.slope == pytest.approx(0.0, abs=0.1)
    found = calibrated(content, tails, float(np.exp(tails.mean_log_picks)))
    assert np.mean(found <= 0.9) == pytest.approx(0.9, abs=0.02)


def test_tails_may_depend_on_the_number_of_picks():
    rng = np.random.default_rng(5)
    picks = rng.integers(8, 90, 4000)
    content = _contents(rng, 1.2 * (picks / 30) ** 0.4, 6, 4000)
    tails = learn_tails(content, picks)
    assert tails.weight @ tails.slope == pytest.approx(0.4, abs=0.1)
    for few in (10, 85):
        new = _contents(rng, 1.2 * (few / 30) ** 0.4, 6, 4000)
        assert np.mean(calibrated(new, tails, few) <= 0.9) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("events", [0, 10, 40])
def test_marginalised_tails_are_true_however_few_events_taught_them(events):
    # The tails of each world are drawn from their prior: new contents are then uniform exactly.
    rng = np.random.default_rng(6)
    levels = []
    for _ in range(400):
        width, freedom = np.exp(rng.normal(0, 0.3)), np.exp(rng.normal(np.log(6), 0.7))
        slope, picks = rng.normal(0, 0.3), np.exp(rng.normal(3.4, 0.6, events + 1))
        centre = np.mean(np.log(picks[:-1])) if events else np.log(picks[-1])
        own = width * np.exp(slope * (np.log(picks) - centre))
        content = _contents(rng, own, freedom, events + 1)
        tails = learn_tails(content[:-1], picks[:-1])
        if not events:
            tails = tails._replace(mean_log_picks=centre)
        levels.append(calibrated(content[-1:], tails, float(picks[-1]))[0])
    for probability in (0.5, 0.9, 0.97):
        low, high = binom.interval(0.998, 400, probability)
        assert low <= np.sum(np.array(levels) <= probability) <= high, probability


def test_a_truth_outside_the_grid_counts_as_at_least_that_far():
    tails = learn_tails(np.array([0.3, 0.6, 1.0, 1.0]), np.full(4, 20))
    inside = learn_tails(np.array([0.3, 0.6, 0.7, 0.8]), np.full(4, 20))
    far = np.array([0.9])
    assert calibrated(far, tails, 20) < calibrated(far, inside, 20)


def test_spread_keeps_the_order_and_moves_mass_outwards():
    x = np.linspace(-6, 6, 60)
    mass = np.exp(-0.5 * (x[:, None] ** 2 + x[None] ** 2))
    mass /= mass.sum()

    def fixed(freedom):
        return Tails(np.ones(1), np.ones(1), np.full(1, freedom), np.zeros(1), 0.0)

    same = spread(mass, fixed(1e4), 20)
    np.testing.assert_allclose(same, mass, atol=1e-6)
    wide = spread(mass, fixed(5.0), 20)
    assert wide.sum() == pytest.approx(1)
    inside = x[:, None] ** 2 + x[None] ** 2 <= 4.0
    assert wide[inside].sum() == pytest.approx(1 - (1 + 4 / 5) ** -2.5, abs=0.02)
    assert wide[30, 50] > mass[30, 50]
    peaked = np.exp(-20 * (x[:, None] ** 2 + x[None] ** 2))
    by_many = spread(peaked / peaked.sum(), learn_tails(np.array([0.2, 0.99]), np.full(2, 20)), 20)
    assert np.all(by_many >= 0) and by_many.sum() == pytest.approx(1)
