"""Scores agree with scikit-learn, parts add up, bands and test hold their probabilities."""

import jax
import numpy as np
import pytest
import scoringrules
from scipy import stats
from sklearn import isotonic, metrics

from eqstat import InputError
from eqstat.calibration import (
    brier_score,
    calibration_test,
    crps,
    decompose,
    log_score,
    reliability,
)

from . import cases

KEY = jax.random.key(7)


def forecasts(rng, number=300, sharp=1.0):
    """Probabilities and labels that come true; with sharp above 1 the forecasts say too much."""
    odds = rng.normal(size=number) * 1.5
    label = rng.random(number) < 1 / (1 + np.exp(-odds))
    return 1 / (1 + np.exp(-sharp * odds)), label


def test_scores_are_those_of_scikit_learn():
    p, y = forecasts(np.random.default_rng(0))
    assert brier_score(p, y).mean() == pytest.approx(metrics.brier_score_loss(y, p))
    assert log_score(p, y).mean() == pytest.approx(metrics.log_loss(y, p))
    np.testing.assert_allclose(brier_score(p, y), scoringrules.brier_score(y.astype(float), p))
    assert log_score([0.0, 1.0], [True, True]).tolist() == [np.inf, 0.0]


@pytest.mark.parametrize("score", ["brier", "log"])
@pytest.mark.parametrize("digits", [1, 12])
def test_parts_add_up_to_the_score(score, digits):
    p, y = forecasts(np.random.default_rng(1), sharp=2.0)
    p = np.clip(p.round(digits), 0.01, 0.99)
    found = decompose(p, y, score=score)
    own = brier_score if score == "brier" else log_score
    fitted = isotonic.IsotonicRegression().fit(p, y).predict(p)
    base = np.full(y.size, y.mean())
    assert found.mean == pytest.approx(own(p, y).mean())
    assert found.miscalibration == pytest.approx(own(p, y).mean() - own(fitted, y).mean())
    assert found.discrimination == pytest.approx(own(base, y).mean() - own(fitted, y).mean())
    assert found.uncertainty == pytest.approx(own(base, y).mean())
    assert found.mean == pytest.approx(
        found.miscalibration - found.discrimination + found.uncertainty
    )
    assert min(found.miscalibration, found.discrimination) >= 0


def test_parts_of_plain_cases():
    y = np.arange(10) < 3
    none = decompose(np.full(10, 0.3), y)
    assert none.miscalibration == pytest.approx(0.0, abs=1e-15)
    assert none.discrimination == pytest.approx(0.0, abs=1e-15)
    assert decompose(y.astype(float), y, score="log").mean == 0.0
    assert decompose(1 - y, y, score="log").miscalibration == np.inf
    assert decompose([0.2], [True]).uncertainty == 0.0


def test_crps_is_that_of_the_normal():
    rng = np.random.default_rng(2)
    draws = rng.normal(size=(100, 2000))
    observed = rng.normal(size=100)
    exact = scoringrules.crps_normal(observed, 0.0, 1.0)
    np.testing.assert_allclose(crps(observed, draws), exact, atol=0.06)
    shifted = crps(observed, draws + 1.0)
    assert shifted.mean() > crps(observed, draws).mean()
    for bad in (draws[:5], draws[:, :1], draws.astype(str), np.full((100, 3), np.nan)):
        with pytest.raises(InputError, match="crps: draws"):
            crps(observed, bad)


def test_curves_are_shares():
    p, y = forecasts(np.random.default_rng(3))
    corp = reliability(KEY, p, y, replicates=50)
    np.testing.assert_allclose(corp["forecast"], np.sort(p))
    fitted = isotonic.IsotonicRegression().fit(p, y).predict(np.sort(p))
    np.testing.assert_allclose(corp["observed"], fitted)
    bins = reliability(KEY, p, y, form="bins", bins=5, replicates=50)
    order = np.argsort(p).reshape(5, 60)
    np.testing.assert_allclose(bins["observed"], y[order].mean(axis=1))
    np.testing.assert_allclose(bins["forecast"], p[order].mean(axis=1))
    assert bins["number"].values.tolist() == [60] * 5
    assert bins.attrs["interval_probability"] == 0.9
    few = reliability(KEY, np.repeat([0.2, 0.8], 20), np.arange(40) > 20, form="bins")
    assert few["number"].values.tolist() == [20, 20]


@pytest.mark.parametrize("form", ["corp", "bins"])
def test_bands_hold_their_probability(form):
    rng, number = np.random.default_rng(4), 150
    inside, cells = np.zeros(number), 0
    at = 1 / (1 + np.exp(-1.5 * rng.normal(size=200)))
    for i in range(number):
        y = rng.random(200) < at
        found = reliability(jax.random.fold_in(KEY, i), at, y, form=form, replicates=100)
        inside[i] = np.mean(
            (found["observed"] >= found["low"]) & (found["observed"] <= found["high"])
        )
        cells = found.sizes["forecast"]
    # Cells of one set of labels hang together: the scatter is that of the means of the sets.
    error = inside.std() / np.sqrt(number)
    assert abs(inside.mean() - 0.9) < 4 * error + (0.05 if form == "bins" else 0.02), inside.mean()
    assert cells == (10 if form == "bins" else 200)


@pytest.mark.parametrize("form", ["corp", "bins"])
def test_bands_show_what_is_too_sure(form):
    p, y = forecasts(np.random.default_rng(5), 2000, sharp=2.5)
    found = reliability(KEY, p, y, form=form, replicates=200)
    outside = (found["observed"] < found["low"]) | (found["observed"] > found["high"])
    assert outside.mean() > 0.5


def test_the_test_holds_its_level_and_has_power():
    rng, number = np.random.default_rng(6), 200
    p_values = []
    for i in range(number):
        p, y = forecasts(rng, 100)
        p_values.append(calibration_test(jax.random.fold_in(KEY, i), p, y, replicates=99).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    assert cases.within(np.sum(np.array(p_values) <= 0.1), number, 0.1, least=False)
    found = calibration_test(KEY, *forecasts(rng, 1000, sharp=2.0))
    assert found.p_value == 0.001
    assert found.statistic > 2.5 * found.expected


def test_the_statistic_is_the_miscalibration():
    p, y = forecasts(np.random.default_rng(8), 60)
    p = p.round(1)
    found = calibration_test(KEY, p, y, replicates=500)
    assert found.statistic == decompose(p, y).miscalibration
    rng = np.random.default_rng(9)
    drawn = [decompose(p, rng.random(60) < p).miscalibration for _ in range(500)]
    assert found.expected == pytest.approx(np.mean(drawn), rel=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"form": "wheel"}, 'form is "corp" or "bins"'), ({"bins": 1}, "bins must be"),
     ({"probability": 1.5}, "probability"), ({"replicates": 2}, "replicates")],
)  # fmt: skip
def test_bad_settings_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        reliability(KEY, [0.1, 0.9], [False, True], **options)
    with pytest.raises(InputError, match='score is "brier" or "log"'):
        decompose([0.1, 0.9], [False, True], score="crps")
