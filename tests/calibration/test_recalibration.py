"""Maps find the truth they were drawn from, and keep order, direction and prevalence."""

import numpy as np
import pytest
from scipy import optimize, special
from sklearn.isotonic import IsotonicRegression

from eqstat import InputError
from eqstat.calibration import decompose, recalibrate
from eqstat.calibration._recalibration import METHODS


def odds(rng, number=4000):
    """Log odds and the labels they mean."""
    true = 1.5 * rng.normal(size=number)
    return true, rng.random(number) < special.expit(true)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("larger", ["earthquake", "noise"])
def test_the_truth_is_found(method, larger):
    rng = np.random.default_rng(0)
    true, label = odds(rng)
    # Probabilities that say too much, on one side more than on the other.
    score = special.expit(2.0 * true + 0.7)
    score = special.logit(score) if method == "platt" else score
    if larger == "noise":
        score = -score if method == "platt" else 1 - score
    found = recalibrate(score, label, larger=larger, method=method)
    error = found(score) - special.expit(true)
    assert np.sqrt(np.mean(error**2)) < (0.035 if method == "isotonic" else 0.02)
    order = np.argsort(score if larger == "earthquake" else -score)
    assert np.all(np.diff(found(score[order])) >= -1e-12)
    fresh, happened = odds(rng)
    fresh = 2.0 * fresh + 0.7 if method == "platt" else special.expit(2.0 * fresh + 0.7)
    if larger == "noise":
        fresh = -fresh if method == "platt" else 1 - fresh
    before = special.expit(fresh) if method == "platt" else fresh
    before = before if larger == "earthquake" else 1 - before
    after = decompose(found(fresh), happened).miscalibration
    assert after < 0.3 * decompose(before, happened).miscalibration


def test_platt_maximises_its_likelihood():
    rng = np.random.default_rng(1)
    true, label = odds(rng, 80)
    found = recalibrate(true, label, larger="earthquake", method="platt")
    n1, n0 = label.sum(), (~label).sum()
    target = np.where(label, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))

    def loss(theta):
        z = theta[0] * true + theta[1]
        return np.sum(np.logaddexp(0, z) - target * z)

    best = optimize.minimize(loss, [1.0, 0.0], tol=1e-12).x
    np.testing.assert_allclose(found.coefficients, best, atol=1e-4)


def test_isotonic_is_that_of_scikit_learn():
    true, label = odds(np.random.default_rng(2), 200)
    found = recalibrate(true.round(1), label, larger="earthquake")
    plain = IsotonicRegression(out_of_bounds="clip").fit(true.round(1), label)
    at = np.append(true.round(1), [-99.0, 99.0])
    expected = np.clip(plain.predict(at), 1 / 202, 201 / 202)
    np.testing.assert_allclose(found(at), expected, atol=1e-9)
    assert found(true[0].round(1)).shape == ()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_certain(method):
    score = np.linspace(0.0, 1.0, 40)
    found = recalibrate(score, score > 0.5, larger="earthquake", method=method)
    assert 0.0 < found(0.0) < 0.2
    assert 0.8 < found(1.0) < 1.0
    assert np.all(np.isfinite(found.log_odds(score)))


@pytest.mark.parametrize("method", METHODS)
def test_a_score_of_the_wrong_sign_tells_nothing(method):
    score = np.linspace(0.1, 0.9, 40)
    found = recalibrate(score, score < 0.5, larger="earthquake", method=method)
    np.testing.assert_allclose(found(score), 0.5, atol=1e-6)
    if method == "beta":
        constant = recalibrate(np.full(40, 0.3), score < 0.3, larger="earthquake", method=method)
        np.testing.assert_allclose(constant(0.3), 10 / 40, atol=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_prevalence_multiplies_the_odds(method):
    true, label = odds(np.random.default_rng(3), 500)
    score = special.expit(true)
    plain = recalibrate(score, label, larger="earthquake", method=method)
    rare = recalibrate(score, label, larger="earthquake", method=method, prevalence=0.01)
    base = label.sum() / (~label).sum()
    difference = special.logit(rare(score)) - special.logit(plain(score))
    np.testing.assert_allclose(difference, np.log(0.01 / 0.99 / base), atol=1e-6)


def test_bad_settings_are_refused():
    score, label = [0.1, 2.0, 0.6], [False, True, True]
    with pytest.raises(InputError, match="isotonic, platt or beta"):
        recalibrate(score, label, larger="noise", method="spline")
    for larger in ("earthquake", "noise"):
        with pytest.raises(InputError, match=r"scores in \[0, 1\]"):
            recalibrate(score, label, larger=larger, method="beta")
    with pytest.raises(InputError, match="prevalence"):
        recalibrate(score, label, larger="earthquake", prevalence=0.0)
    with pytest.raises(InputError, match="missing"):
        recalibrate(score, label, larger="earthquake")([np.nan])
