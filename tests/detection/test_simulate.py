"""Streams of the detector's own model, and its probabilities held to them."""

import dataclasses

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat._core.constants import YEAR_S
from eqstat.calibration import calibration_test, coverage
from eqstat.detection import cause_prior, init, locate, simulate, step
from eqstat.detection.causes import network_burst, venue
from eqstat.hypocentre import contains

from . import cases


def often(cause, expected):
    """The cause so frequent that so many are expected within its slots."""
    rate = expected * YEAR_S / (cause.slots * cause.slot_s)
    return dataclasses.replace(cause, rate_per_year=rate)


@pytest.fixture(scope="module")
def watch():
    causes = often(cases.small_quake(), 1.0), often(venue(cells=40), 0.3)
    return cases.small(causes=(*causes, often(network_burst(), 0.3)))


@pytest.mark.slow
def test_prior_is_that_of_the_detector(watch):
    np.testing.assert_allclose(cause_prior(watch), np.array([1.0, 0.3, 0.3, 1.0]) / 2.6)
    _, report = step(watch, init(watch, 999.0), 999.0)
    # Nothing seen and no time gone by: every ratio is 1 but those of starts long ago.
    assert float(report.probability[0]) < 1 / 2.6


def test_streams_are_as_drawn(watch):
    drawn = simulate(jax.random.key(0), watch, 400)
    share = np.bincount(drawn.cause, minlength=4) / 400
    prior = cause_prior(watch)
    assert np.all(np.abs(share - prior) < 4 * np.sqrt(prior * (1 - prior) / 400))
    assert drawn.trigger_s.shape == (400, 120)
    assert np.all((drawn.trigger_s <= drawn.now_s) | np.isinf(drawn.trigger_s))
    none = drawn.cause == 3
    assert np.all(np.isnan(drawn.latitude[none]))
    assert np.all(np.isfinite(drawn.latitude[~none]))
    # Background alone: half a trigger a device and hour in 90 s.
    count = np.isfinite(drawn.trigger_s[none]).sum(axis=1)
    mean = 120 * cases.RATE_H / 3600 * 90
    assert np.mean(count) == pytest.approx(mean, abs=5 * np.sqrt(mean / none.sum()))
    again = simulate(jax.random.key(0), watch, 3)
    np.testing.assert_array_equal(again.trigger_s, drawn.trigger_s[:3])
    with pytest.raises(InputError, match="count"):
        simulate(jax.random.key(0), watch, 0)


@pytest.mark.long
def test_probabilities_and_regions_are_true(watch):
    drawn = simulate(jax.random.key(1), watch, 150)
    coarse, fine, held = [], [], {0.5: [], 0.9: []}
    for number, times in enumerate(drawn.trigger_s):
        who = np.flatnonzero(np.isfinite(times))
        begun = init(watch, drawn.now_s - watch.dead_time_s + 1e-3)
        state, report = step(watch, begun, drawn.now_s, who, times[who])
        coarse.append(float(report.probability[0]))
        fine.append(coarse[-1])
        if coarse[-1] > 0.05 and len(who):
            found = locate(watch, state, report)
            fine[-1] = float(found["cause_probability"][0])
            if drawn.cause[number] == 0 and len(who) >= 4:
                place = float(drawn.latitude[number]), float(drawn.longitude[number])
                for level, inside in held.items():
                    inside.append(contains(found, *place, level))
    truth = drawn.cause == 0
    for forecast in (coarse, fine):
        found = calibration_test(jax.random.key(2), np.array(forecast), truth)
        assert found.p_value > 0.002, found
    for level, inside in held.items():
        found = coverage(np.array(inside), level, probability=0.999)
        assert found.consistent, found
