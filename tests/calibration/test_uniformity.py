"""Ranks, bands and coverage hold their probabilities, and see what is wrong."""

import jax
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.calibration import coverage, rank_uniformity, sbc_ranks
from eqstat.calibration._uniformity import _inside

from . import cases


def test_ranks_count_draws_below():
    rng = np.random.default_rng(0)
    truth, draws = rng.normal(size=30), rng.normal(size=(30, 9))
    expected = [int(sum(d < t for d in row)) for t, row in zip(truth, draws, strict=True)]
    assert sbc_ranks(truth, draws).tolist() == expected


def test_ties_are_broken_evenly():
    rng = np.random.default_rng(1)
    truth, draws = rng.integers(0, 3, 3000), rng.integers(0, 3, (3000, 4))
    with pytest.raises(InputError, match="give a key"):
        sbc_ranks(truth, draws)
    ranks = sbc_ranks(truth, draws, key=jax.random.key(0))
    assert stats.chisquare(np.bincount(ranks, minlength=5)).pvalue > 1e-3


def test_chi_square_has_the_exact_expected_numbers():
    """Of 11 ranks in 4 bins the last holds two, the others three."""
    found = rank_uniformity(np.tile(np.arange(11), 8), 10, bins=4)
    assert found.histogram["expected"].values.tolist() == pytest.approx([24.0, 24.0, 24.0, 16.0])
    assert found.statistic == pytest.approx(0.0, abs=1e-12)
    ranks = np.random.default_rng(2).integers(0, 1000, 300)
    found = rank_uniformity(ranks, 999, bins=20)
    plain = stats.chisquare(np.bincount(ranks * 20 // 1000, minlength=20))
    assert found.statistic == pytest.approx(plain.statistic)
    assert found.p_value == pytest.approx(plain.pvalue)
    assert found.degrees_of_freedom == 19


def test_probability_of_staying_inside_is_exact():
    """All 3^4 sets of four ranks from 0 to 2, one by one."""
    sets = np.stack(np.meshgrid(*[np.arange(3)] * 4), axis=-1).reshape(-1, 4)
    fraction = np.array([1 / 3, 2 / 3])
    count = (sets[:, :, None] < np.array([1, 2])).sum(axis=1)
    tail = 2 * np.minimum(
        stats.binom.cdf(count, 4, fraction), stats.binom.sf(count - 1, 4, fraction)
    )
    for level in (0.01, 0.05, 0.2, 0.5):
        share = np.mean(np.all(tail > level, axis=1))
        assert _inside(4, tuple(fraction.tolist()), level) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(("number", "draws"), [(25, 9), (120, 63)])
def test_uniform_ranks_stay_inside_as_often_as_said(number, draws):
    rng, trials = np.random.default_rng(3), 150
    inside, p_values = 0, []
    for _ in range(trials):
        found = rank_uniformity(rng.integers(0, draws + 1, number), draws, bins=5, probability=0.9)
        assert found.inside == (found.ecdf_p_value > 0.1)
        ecdf = found.ecdf
        held = (ecdf["difference"] >= ecdf["low"] - 1e-12) & (
            ecdf["difference"] <= ecdf["high"] + 1e-12
        )
        assert bool(held.all()) == found.inside
        inside += found.inside
        p_values.append(found.ecdf_p_value)
    assert cases.within(inside, trials, 0.9)
    assert inside / trials < 0.99
    assert cases.within(trials - np.sum(np.array(p_values) <= 0.5), trials, 0.5)


@pytest.mark.parametrize("wrong", ["shifted", "narrow", "wide"])
def test_wrong_posteriors_are_seen(wrong):
    rng = np.random.default_rng(4)
    truth = rng.normal(size=300)
    data = truth + rng.normal(size=300)
    centre, sd = data / 2 + 0.25 * (wrong == "shifted"), np.sqrt(0.5)
    sd *= {"shifted": 1.0, "narrow": 0.7, "wide": 1.4}[wrong]
    draws = centre[:, None] + sd * rng.normal(size=(300, 99))
    found = rank_uniformity(sbc_ranks(truth, draws), 99, bins=10)
    assert found.p_value < 0.01
    assert found.ecdf_p_value < 0.01
    assert not found.inside
    right = data[:, None] / 2 + np.sqrt(0.5) * rng.normal(size=(300, 99))
    found = rank_uniformity(sbc_ranks(truth, right), 99, bins=10)
    assert found.p_value > 1e-3
    assert found.ecdf_p_value > 1e-3


def test_coverage_is_binomial():
    held = np.arange(200) < 171
    found = coverage(held, 0.9, probability=0.99)
    assert (found.hits, found.number, found.rate) == (171, 200, 0.855)
    exact = stats.binomtest(171, 200, 0.9).proportion_ci(0.99)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert (found.expected_low, found.expected_high) == stats.binom(200, 0.9).interval(0.99)
    assert found.p_value == pytest.approx(stats.binomtest(171, 200, 0.9).pvalue)
    assert found.consistent
    assert not coverage(np.arange(200) < 160, 0.9, probability=0.99).consistent
    assert not coverage(np.arange(200) < 198, 0.9, probability=0.99).consistent


@pytest.mark.parametrize(
    ("ranks", "draws", "options", "message"),
    [([0, 5], 4, {}, "from 0 to 4"), ([0.5], 4, {}, "whole numbers"), ([], 4, {}, "one row"),
     ([1], 4, {"bins": 6}, "5 ranks only"), ([1], 4, {"bins": 1}, "bins"),
     ([1], 0, {}, "draws must be"), ([1], 4, {"bins": 2, "probability": 2.0}, "probability")],
)  # fmt: skip
def test_bad_ranks_are_refused(ranks, draws, options, message):
    with pytest.raises(InputError, match=message):
        rank_uniformity(ranks, draws, **({"bins": 5} | options))


@pytest.mark.parametrize(
    ("truth", "draws", "message"),
    [([1.0], [[1.0], [2.0]], r"\(1, draws\)"), ([1.0], [["a"]], "numbers"),
     ([np.nan], [[1.0]], "truth is not finite"), ([1.0], [[np.inf]], "missing or not finite"),
     ([1.0], [[]], "draws")],
)  # fmt: skip
def test_bad_draws_are_refused(truth, draws, message):
    with pytest.raises(InputError, match=message):
        sbc_ranks(truth, draws)
    with pytest.raises(InputError, match="true or false"):
        coverage([0.2, 0.8], 0.9)
