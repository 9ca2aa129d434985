"""Simulated histories have the moments of their generating process, and both forms agree."""

import jax
import numpy as np
import pytest

from eqstat.counts import Design, prepare, simulate, simulate_table
from eqstat.counts._families import FAMILIES
from eqstat.counts._simulate import week_means

from . import cases


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_moments_are_those_of_the_family(family):
    background = cases.truth(family)
    history = simulate(jax.random.key(1), background, cases.design(days=60))
    n, w, k = history.active, history.windows, history.triggers
    mean = week_means(background, history.region, history.hour_of_week, n)
    if family == "beta_binomial":
        p = -np.expm1(-mean / n)
        d = 0.004 * (n / 100) ** -0.2
        mean, variance = n * p, n * p * (1 - p) * (1 + (n - 1) * d / (1 + d))
    elif family == "poisson":
        variance = mean
    else:
        variance = mean + mean**2 * 0.15 * (n / 100) ** -0.2
    apart = np.sum(w * (k - mean)) / np.sqrt(np.sum(w * variance))
    assert abs(apart) < 4
    # Relative error of a variance from so many windows, with fat tails, is below a percent.
    assert abs(np.sum(w * (k - mean) ** 2) / np.sum(w * variance) - 1) < 0.01
    assert history.total_windows == 4 * 60 * 8640


def test_bursts_come_as_often_and_as_large_as_said():
    background = cases.truth("poisson", bursts=True)
    history = simulate(jax.random.key(2), background, cases.design(days=60))
    quiet = simulate(jax.random.key(2), cases.truth("poisson"), cases.design(days=60))
    extra = history.total_triggers - quiet.total_triggers
    expected = 60 * 8640 * 2e-4 * 0.12 * (60 + 150 + 400 + 900)
    # Of about 100 bursts in each region the share scatters by 0.11 about 0.12.
    assert abs(extra / expected - 1) < 0.35
    assert np.all(history.triggers <= history.active)


def test_a_key_gives_one_history():
    background = cases.truth()
    one, two = (simulate(jax.random.key(k), background, cases.design(days=3)) for k in (5, 5))
    other = simulate(jax.random.key(6), background, cases.design(days=3))
    np.testing.assert_array_equal(one.windows, two.windows)
    assert one.total_triggers != other.total_triggers


@pytest.mark.long
def test_tables_agree_with_histories():
    background = cases.truth(bursts=True)
    table = simulate_table(
        jax.random.key(3), background, cases.design(days=7, active=(40, 90, 90, 300))
    )
    history = prepare(table)
    assert history.total_windows == 4 * 7 * 8640
    mean = week_means(background, history.region, history.hour_of_week, history.active)
    burst = table["is_burst"].to_numpy()
    assert abs(burst.mean() / 2e-4 - 1) < 0.5
    expected = np.sum(history.windows * mean)
    plain = table.loc[~burst, "triggers"].sum()
    assert abs(plain / expected - 1) < 0.01


@pytest.mark.parametrize("bad", [{"active": 0}, {"active": 5, "days": 0.0}])
def test_bad_designs_are_refused(bad):
    with pytest.raises(ValueError, match="Design"):
        Design(**bad)
