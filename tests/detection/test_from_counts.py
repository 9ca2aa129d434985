"""The detector's background rate is that of the counts at every hour."""

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat.counts import Background, rate_per_device_h
from eqstat.detection import background_rate

BACKGROUND = Background(
    "negative_binomial",
    0.6,
    daily=np.array([-0.4, -0.2, 0.1, 0.05]),
    weekly=np.array([0.1, 0.05]),
    region_effect=np.array([0.3, -0.2]),
    region_sd=0.4,
    dispersion=0.2,
    dispersion_slope=0.0,
    regions=("north", "south"),
)


def test_rates_are_those_of_the_counts_at_each_hour():
    rate = background_rate(BACKGROUND, region="south", day=3, utc_offset_h=-3.0)
    for hour in range(24):
        expected = float(rate_per_device_h(BACKGROUND, hour + 0.5, 3, 1))
        assert rate.rate_per_device_h[hour] == pytest.approx(expected, rel=1e-5)
    assert (rate.utc_offset_h, rate.relative_sd) == (-3.0, 0.1)


def test_the_mean_over_the_days_is_that_of_each_day():
    rate = background_rate(BACKGROUND, region="north", least_relative_sd=0.01)
    days = [background_rate(BACKGROUND, region="north", day=day) for day in range(7)]
    each = np.array([one.rate_per_device_h for one in days])
    np.testing.assert_allclose(rate.rate_per_device_h, each.mean(axis=0), rtol=1e-12)
    relative = each.mean(axis=1) / each.mean()
    assert rate.relative_sd == pytest.approx(relative.std(), rel=1e-6)


def test_the_uncertainty_is_that_of_the_draws_and_of_a_new_region():
    factors = np.exp(0.3 * np.random.default_rng(1).standard_normal(4000))
    draws = jax.tree.map(
        lambda leaf: np.broadcast_to(leaf, (len(factors), *np.shape(leaf))), BACKGROUND
    )
    draws = Background(
        draws.family,
        0.6 * factors,
        daily=draws.daily,
        weekly=draws.weekly,
        region_effect=draws.region_effect,
        region_sd=draws.region_sd,
        dispersion=draws.dispersion,
        dispersion_slope=draws.dispersion_slope,
        regions=draws.regions,
    )
    known = background_rate(draws, region="north", day=0)
    assert known.relative_sd == pytest.approx(factors.std() / factors.mean(), rel=1e-6)
    new = background_rate(draws, day=0)
    squared = (1 + known.relative_sd**2) * np.exp(0.4**2) - 1
    assert new.relative_sd == pytest.approx(np.sqrt(squared), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"region": "west"}, "known are north"),
        ({"day": 7}, "day"),
        ({"least_relative_sd": 0}, "sd"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        background_rate(BACKGROUND, **change)
