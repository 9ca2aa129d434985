"""Curves agree with scikit-learn, and their bands cover."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from eqstat.calibration import auc, error_rates, roc

from . import cases


@pytest.mark.parametrize("draw", [cases.normal, cases.tied])
@pytest.mark.parametrize("larger", ["earthquake", "noise"])
def test_curve_is_that_of_scikit_learn(draw, larger):
    score, label = draw(np.random.default_rng(4))
    sign = 1 if larger == "earthquake" else -1
    found = roc(sign * score, label, larger=larger)
    alarm, detected, threshold = metrics.roc_curve(label, score, drop_intermediate=False)
    np.testing.assert_allclose(found["false_alarm_probability"], alarm)
    np.testing.assert_allclose(found["detection_probability"], detected)
    np.testing.assert_allclose(found["threshold"][1:], sign * threshold[1:])
    assert found["threshold"][0] == sign * np.inf
    area = metrics.roc_auc_score(label, score)
    assert found.attrs["auc"] == pytest.approx(area)
    assert auc(sign * score, label, larger=larger)["auc"].item() == pytest.approx(area)
    rates = error_rates(sign * score, label, found["threshold"].values[1:], larger=larger)
    for name in ("miss_probability", "false_alarm_probability"):
        np.testing.assert_allclose(found[name][1:], rates[name])
    exact = rates.sel(interval="exact")
    for name in ("miss_low", "miss_high", "false_alarm_low", "false_alarm_high"):
        np.testing.assert_allclose(found[name][1:], exact[name])


def test_constant_scores_know_nothing():
    label = np.arange(20) < 8
    found = roc(np.ones(20), label, larger="noise")
    assert found["false_alarm_probability"].values.tolist() == [0.0, 1.0]
    assert found["detection_probability"].values.tolist() == [0.0, 1.0]
    assert found.attrs["auc"] == 0.5
    area = auc(np.ones(20), label, larger="noise")
    assert area["low"] < 0.5 < area["high"]


def test_classes_that_are_apart_leave_doubt():
    score = np.arange(30.0)
    area = auc(score, score > 9, larger="earthquake")
    assert area["auc"] == area["high"] == 1.0
    assert 0.7 < area["low"] < 0.99
    area = auc(score, score > 9, larger="noise")
    assert area["auc"] == area["low"] == 0.0


def band_coverage(rng, number, quakes, noise, rounded):
    """How often the band holds the true miss probability, level by level."""
    levels = np.array([0.01, 0.05, 0.2, 0.5])
    if rounded:
        # The mildest whole threshold that accepts no more noise than the level.
        at = np.arange(-8, 9)
        accepted = stats.norm.sf(at - 0.5)
        threshold = np.array([at[np.argmax(accepted <= level)] for level in levels]) - 0.5
    else:
        threshold = stats.norm.isf(levels)
    true = stats.norm.cdf(threshold - 1.5)
    hits = np.zeros(levels.size)
    for _ in range(number):
        score, label = cases.normal(rng, quakes, noise)
        score = np.round(score) if rounded else score
        found = roc(score, label, larger="earthquake", false_alarm_probability=levels)
        hits += (found["band_low"] <= true) & (true <= found["band_high"])
    return hits


@pytest.mark.parametrize("rounded", [False, True])
def test_bands_cover(rounded):
    number = 100
    hits = band_coverage(np.random.default_rng(5), number, 60, 150, rounded)
    assert all(cases.within(each, number, 0.9) for each in hits), hits


def area_coverage(rng, number, quakes, noise, shift):
    true = stats.norm.cdf(shift / np.sqrt(2))
    hits = 0
    for _ in range(number):
        score, label = cases.normal(rng, quakes, noise, shift)
        found = auc(score, label, larger="earthquake")
        hits += bool(found["low"] <= true <= found["high"])
    return hits


@pytest.mark.parametrize(("quakes", "noise", "shift"), [(100, 100, 1.5), (200, 11, 0.5)])
def test_area_is_covered(quakes, noise, shift):
    number = 300
    hits = area_coverage(np.random.default_rng(6), number, quakes, noise, shift)
    assert cases.within(hits, number, 0.9), hits


@pytest.mark.long
@pytest.mark.parametrize(("quakes", "noise", "shift"), [(20, 20, 2.5), (30, 1000, 1.0)])
def test_area_is_covered_in_hard_cases(quakes, noise, shift):
    number = 4000
    hits = area_coverage(np.random.default_rng(7), number, quakes, noise, shift)
    # Asymptotic: 2 % are allowed it.
    assert hits / number >= 0.88 - 4 * np.sqrt(0.09 / number), hits
    assert hits / number <= 0.97
