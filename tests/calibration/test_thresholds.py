"""Thresholds are those of brute force; their intervals cover what who knows all would choose."""

import json

import jax
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.calibration import (
    at_false_alarm_probability,
    at_miss_probability,
    error_rates,
    of_least_total,
)
from eqstat.calibration._order import order_ends
from eqstat.calibration._total import _least

from . import cases

KEY = jax.random.key(3)


def every_threshold(score, label, larger):
    """Miss and false-alarm probability of every distinct threshold."""
    at = np.append(np.unique(score), np.inf if larger == "earthquake" else -np.inf)
    accepted = score >= at[:, None] if larger == "earthquake" else score <= at[:, None]
    return at, 1 - accepted[:, label].mean(axis=1), accepted[:, ~label].mean(axis=1)


@pytest.mark.parametrize("draw", [cases.normal, cases.tied])
@pytest.mark.parametrize("larger", ["earthquake", "noise"])
def test_thresholds_are_those_of_brute_force(draw, larger):
    rng = np.random.default_rng(8)
    for level in (0.004, 0.05, 0.29, 0.5, 0.9):
        score, label = draw(rng)
        score = score if larger == "earthquake" else -score
        at, miss, alarm = every_threshold(score, label, larger)
        found = at_miss_probability(score, label, level, larger=larger)
        assert found.miss_probability.estimate <= level
        allowed = miss <= level + 1e-12
        assert found.false_alarm_probability.estimate == pytest.approx(alarm[allowed].min())
        found = at_false_alarm_probability(score, label, level, larger=larger)
        assert found.false_alarm_probability.estimate <= level
        allowed = alarm <= level + 1e-12
        assert found.miss_probability.estimate == pytest.approx(miss[allowed].min())
        for cost in (1.0, 4.0):
            best = of_least_total(KEY, score, label, larger=larger, miss_cost=cost, replicates=20)
            total = cost * miss + alarm
            assert best.settings["total"] == pytest.approx(total.min())
            assert best.miss_probability.estimate == pytest.approx(
                miss[np.isclose(total, total.min(), rtol=0, atol=1e-12)].min()
            )
            assert best.value in at


def test_what_is_told_is_what_the_threshold_does():
    score, label = cases.normal(np.random.default_rng(9))
    for found in (
        at_miss_probability(-score, label, 0.05, larger="noise"),
        at_false_alarm_probability(-score, label, 0.05, larger="noise"),
    ):
        rates = error_rates(-score, label, found.value, larger="noise").sel(interval="exact")
        for own, name in (
            (found.miss_probability, "miss"), (found.false_alarm_probability, "false_alarm")
        ):  # fmt: skip
            assert own.estimate == rates[f"{name}_probability"].item()
            assert own.low == pytest.approx(rates[f"{name}_low"].item())
            assert own.high == pytest.approx(rates[f"{name}_high"].item())
        assert np.array_equal(found.accepts(-score), -score <= found.value)
        assert found.low <= found.value <= found.high
        assert json.loads(json.dumps(found.to_dict()))["probability"] == 0.9


def test_few_earthquakes_leave_an_end_open():
    score, label = cases.normal(np.random.default_rng(10), 20, 20)
    strict = at_miss_probability(score, label, 0.01, larger="earthquake")
    assert strict.low == -np.inf
    assert np.isfinite(strict.high)
    assert at_miss_probability(-score, label, 0.01, larger="noise").high == np.inf
    assert at_false_alarm_probability(score, label, 0.01, larger="earthquake").high == np.inf


def test_constant_scores_give_all_or_nothing():
    label = np.arange(20) < 8
    assert at_miss_probability(np.ones(20), label, 0.1, larger="noise").value == 1.0
    none = at_false_alarm_probability(np.ones(20), label, 0.1, larger="earthquake")
    assert none.value == np.nextafter(1.0, 2.0)
    assert not none.accepts(np.ones(20)).any()
    total = of_least_total(KEY, np.ones(20), label, larger="earthquake", replicates=20)
    assert total.settings["total"] == 1.0


def test_delta_of_the_travel_time_test():
    """Scatter of trigger times about the best wave: chi-square for earthquakes, wide for noise."""
    rng = np.random.default_rng(11)
    sigma_hat = np.concatenate(
        [1.29 * np.sqrt(rng.chisquare(16, 1000) / 20), rng.uniform(1, 8, 1000)]
    )
    label = np.arange(2000) < 1000
    found = at_miss_probability(sigma_hat, label, 0.01, larger="noise")
    true = 1.29 * np.sqrt(stats.chi2.ppf(0.99, 16) / 20)
    assert found.low <= true <= found.high
    assert found.high - found.low < 0.15
    alarm = found.false_alarm_probability
    assert alarm.low <= (found.value - 1) / 7 <= alarm.high
    assert found.settings == {"miss_probability": 0.01}


@pytest.mark.parametrize("size", [20, 150, 900])
@pytest.mark.parametrize("level", [0.01, 0.2, 0.77])
def test_order_statistics_are_the_closest_that_cover(size, level):
    """Ranks l and u: too far out by chance no more than so often, and not further than needed."""
    low, high = order_ends(size, level, float(size), 0.05)
    count = stats.binom(size, level)
    # The quantile lies below s_(l) when fewer than l scores do, above s_(u) when u or more do.
    assert low == 0 or count.cdf(low - 1) <= 0.05
    assert count.cdf(low) > 0.05
    assert high == size + 1 or count.sf(high - 1) <= 0.05
    assert count.sf(high - 2) > 0.05


def quantile_coverage(rng, number, level, rounded):
    """How often both order-statistic intervals hold the true thresholds."""
    true = [stats.norm.ppf(level) + 1.5, stats.norm.isf(level)]
    if rounded:
        at = np.arange(-9, 10)
        # Strictest that misses no more; the noise that is the last to be accepted.
        true = [at[stats.norm.cdf(at - 0.5 - 1.5) <= level].max(),
                at[stats.norm.sf(at + 0.5) <= level].min()]  # fmt: skip
    hits = np.zeros(2)
    for _ in range(number):
        score, label = cases.normal(rng, 120, 150)
        score = np.round(score) if rounded else score
        for i, rule in enumerate((at_miss_probability, at_false_alarm_probability)):
            found = rule(score, label, level, larger="earthquake")
            hits[i] += found.low <= true[i] <= found.high
    return hits


@pytest.mark.parametrize(("level", "rounded"), [(0.05, False), (0.3, False), (0.1, True)])
def test_intervals_of_thresholds_cover(level, rounded):
    number = 150
    hits = quantile_coverage(np.random.default_rng(12), number, level, rounded)
    assert all(cases.within(each, number, 0.9) for each in hits), hits


def test_what_the_threshold_truly_misses_is_covered():
    rng, number, hits = np.random.default_rng(13), 200, np.zeros(2)
    for _ in range(number):
        score, label = cases.normal(rng, 120, 150)
        found = at_miss_probability(score, label, 0.1, larger="earthquake")
        for i, (own, true) in enumerate((
            (found.miss_probability, stats.norm.cdf(found.value - 1.5)),
            (found.false_alarm_probability, stats.norm.sf(found.value)),
        )):  # fmt: skip
            hits[i] += own.low <= true <= own.high
    assert all(cases.within(each, number, 0.9) for each in hits), hits


def test_clusters_widen_thresholds_as_they_should():
    rng = np.random.default_rng(14)
    number, hits, plain = 150, 0, 0
    for _ in range(number):
        # Twenty regions of fifteen earthquakes with a level of their own; variance 1 in all.
        region = np.repeat(np.arange(20), 15)
        quakes = np.sqrt(0.5) * (rng.normal(size=20)[region] + rng.normal(size=300))
        score = np.concatenate([quakes, rng.normal(size=20) - 3])
        label = np.arange(320) < 300
        groups = np.concatenate([region, 100 + np.arange(20)])
        true = stats.norm.ppf(0.2)
        for own in (groups, None):
            found = at_miss_probability(score, label, 0.2, larger="earthquake", cluster=own)
            inside = found.low <= true <= found.high
            hits, plain = hits + inside * (own is not None), plain + inside * (own is None)
    assert cases.within(hits, number, 0.9), hits
    assert plain < 0.8 * number


def test_prevalence_and_costs_are_weights():
    score, label = cases.normal(np.random.default_rng(15))
    one = of_least_total(KEY, score, label, larger="earthquake", miss_cost=100.0,
                         prevalence=0.01, replicates=50)  # fmt: skip
    two = of_least_total(KEY, score, label, larger="earthquake", miss_cost=1.0,
                         false_alarm_cost=0.99, replicates=50)  # fmt: skip
    assert one.settings["miss_weight"] == pytest.approx(1.0)
    assert one.settings["false_alarm_weight"] == pytest.approx(0.99)
    assert (one.value, one.low, one.high) == (two.value, two.low, two.high)
    none = of_least_total(KEY, score, label, larger="earthquake", miss_cost=0, replicates=20)
    assert none.false_alarm_probability.estimate == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [({"miss_cost": -1.0}, "costs must be finite"), ({"miss_cost": np.inf}, "costs must be"),
     ({"miss_cost": 0, "false_alarm_cost": 0}, "not both 0"), ({"prevalence": 1.0}, "prevalence"),
     ({"replicates": 5}, "replicates must be a whole number from 20"),
     ({"cluster": ["a"] * 500}, "one cluster only")],
)  # fmt: skip
def test_bad_settings_of_the_total_are_refused(options, message):
    score, label = cases.normal(np.random.default_rng(16))
    with pytest.raises(InputError, match=message):
        of_least_total(KEY, score, label, larger="earthquake", **options)


def least_coverage(number, quakes, noise, replicates):
    """How often the bootstrap holds the best threshold and what it misses."""
    rng, hits = np.random.default_rng(17), np.zeros(2)
    for i in range(number):
        score, label = cases.normal(rng, quakes, noise)
        found = of_least_total(
            jax.random.fold_in(KEY, i), score, label, larger="earthquake", replicates=replicates
        )
        missed = found.miss_probability
        hits += [found.low <= 0.75 <= found.high,
                 missed.low <= stats.norm.cdf(-0.75) <= missed.high]  # fmt: skip
    return hits


def test_the_bootstrap_of_the_least_total_covers_nearly():
    hits = least_coverage(60, 100, 100, 100)
    # 0.88 to 0.95 in long runs: see the docstring.
    assert np.all(hits / 60 > 0.85 - 3 * np.sqrt(0.09 / 60)), hits


@pytest.mark.long
def test_the_bootstrap_of_the_least_total_covers_in_the_long_run():
    hits = least_coverage(400, 200, 300, 300)
    assert np.all(hits / 400 > 0.85), hits
    assert np.all(hits / 400 < 0.98), hits


def test_the_least_of_equal_totals_misses_least():
    at, total, miss, alarm = _least(
        np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, False]), (1.0, 1.0)
    )
    assert (at, total, miss, alarm) == (1.0, 1.0, 0.0, 1.0)
