"""Miss probabilities on maps: hours that are interpolated, and the circles that decide."""

import numpy as np
import pandas as pd
import pytest

from eqstat.detectability import Rule, miss_probability, poisson_rule, prepare
from eqstat.detectability._at_last import evaluated_hours
from eqstat.simulation import active_share

HOURS = np.arange(24.0)
PLACES = np.array([[-12.1, -77.0], [-12.4, -76.8], [-12.8, -76.6], [-13.2, -76.4]]).T
SIZES = np.arange(3.0, 6.6, 0.5)


@pytest.fixture(scope="module")
def coast():
    """A city, towns, and places with hardly a phone."""
    table = pd.DataFrame(
        {
            "latitude": [-12.0, -12.02, -12.5, -12.75, -13.0, -13.05, -13.3],
            "longitude": [-77.0, -76.97, -76.8, -76.6, -76.5, -76.45, -76.2],
            "phones": [1500, 300, 60, 20, 180, 11, 25],
        }
    )
    return prepare(table, devices="phones")


@pytest.mark.long
def test_hours_between_are_as_if_evaluated(coast, monkeypatch):
    rule, share = Rule(poisson_rule(0.016)), active_share(HOURS)
    needed = rule.required(coast.devices[:, None] * share, HOURS)
    assert len(evaluated_hours(share, needed)[0].share) < 8

    def miss():
        result = miss_probability(coast, rule, *PLACES, SIZES, hour=HOURS, active_share=share)
        return result["miss_probability"].to_numpy()

    some = miss()
    monkeypatch.setattr("eqstat.detectability._at_last.TOLERANCE", -1.0)
    every = miss()
    assert np.abs(some - every).mean() < 0.001
    assert np.abs(some - every).max() < 0.04
    # The share of active devices matters by far more than that.
    assert np.ptp(every, axis=-1).max() > 0.3


def test_hours_alike_are_evaluated_once_and_others_where_the_rule_changes():
    needed = np.full((3, 24), 8.0)
    hours, back = evaluated_hours(np.ones(24), needed)
    assert len(hours.log_share) == 1
    assert not back.any()
    # A rule that needs more at night whatever the share is not interpolated.
    needed[:, :6] = 40.0
    hours, back = evaluated_hours(active_share(HOURS), needed)
    assert len(hours.share) == len(hours.log_share)
    np.testing.assert_allclose(np.exp(hours.log_share)[back], active_share(HOURS), rtol=1e-6)


@pytest.mark.slow
def test_small_towns_nearby_do_not_hide_a_city():
    """A town without enough phones detects nothing, however near it is."""
    towns = pd.DataFrame(
        {
            "latitude": [0.0, 0.05, -0.05, 0.02, -0.03, 1.2],
            "longitude": 0.0,
            "phones": [9, 10, 11, 9, 10, 1500],
        }
    )
    options = {"hour": 14.0, "active_share": 0.2}
    city, both = (
        miss_probability(
            prepare(table, devices="phones"), Rule(poisson_rule(0.016)), 0.1, 0.05, 6.5, **options
        )["miss_probability"].item()
        for table in (towns[5:], towns)
    )
    assert city < 0.5
    assert both <= city + 0.01


@pytest.mark.long
def test_with_and_without_delays_agree(coast):
    """One window for each value of the shared term against all of them in time."""
    given = (coast, Rule(poisson_rule(0.016)), *PLACES, SIZES)
    at_last, in_time = (
        miss_probability(*given, delays=delays)["miss_probability"].to_numpy()
        for delays in (False, True)
    )
    assert np.abs(at_last - in_time).max() < 0.06
    assert np.abs(at_last - in_time).mean() < 0.015
