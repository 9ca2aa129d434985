"""Calibrations: exact intervals, and the sentence that a service prints."""

import math

import pytest
from scipy import stats

from eqstat import InputError, realtime

COUNTED = {"false_alarms": 8, "years": 10, "missed": 4, "events": 100,
           "earthquakes": "M 5 within 50 km", "data": "simulated networks"}  # fmt: skip


def test_intervals_are_exact():
    made = realtime.measured_calibration(**COUNTED)
    rate, low, high = made.false_alarms_per_year
    assert rate == 0.8
    assert stats.poisson.sf(7, low * 10) == pytest.approx(0.05)
    assert stats.poisson.cdf(8, high * 10) == pytest.approx(0.05)
    share, low, high = made.miss_probability
    assert share == 0.04
    assert stats.binom.sf(3, 100, low) == pytest.approx(0.05)
    assert stats.binom.cdf(4, 100, high) == pytest.approx(0.05)


def test_nothing_counted_has_an_upper_limit():
    made = realtime.measured_calibration(**COUNTED | {"false_alarms": 0, "missed": 0})
    assert made.false_alarms_per_year[:2] == (0.0, 0.0)
    assert made.false_alarms_per_year[2] == pytest.approx(-math.log(0.05) / 10)
    assert "false alarms 0 a year (0 to 0.3), misses 0 % (0 to 3)" in str(made)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"false_alarms": -1}, "false_alarms must be a whole number"),
        ({"years": 0}, "years must be above 0"),
        ({"missed": 101}, "count must lie in"),
        ({"probability": 1.0}, "probability must lie in"),
    ],
)
def test_bad_numbers_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        realtime.measured_calibration(**COUNTED | change)
