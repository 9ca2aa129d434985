"""Fits: known parameters come back, the balance of classes does not matter, groups widen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from eqstat import InputError
from eqstat.waveform import classifier
from eqstat.waveform.classifier import Design, Perceptron, Prior, fit, prepare, simulate

from .feature_tables import FEATURES, table_of

TRUTH = Perceptron(-0.5, [2.0, -1.0, 0.0])


def deviations(odds, seed):
    """Errors of the estimates in standard errors."""
    windows = simulate(jax.random.key(seed), TRUTH, Design(windows=900, training_odds=odds))
    result = fit(windows)
    truth = np.array([-0.5, 2.0, -1.0, 0.0])
    return (result.estimate - truth) / np.array(list(result.standard_error.values()))


@pytest.mark.parametrize("odds", [1.0, 0.05])
def test_known_parameters_come_back_at_any_training_odds(odds):
    errors = np.array([deviations(odds, seed) for seed in range(4)])
    assert np.abs(errors).max() < 3.5
    assert 0.4 < np.mean(errors**2) < 2.2


def test_the_mode_is_that_of_a_plain_oracle():
    windows = simulate(jax.random.key(5), TRUTH, Design(windows=300, training_odds=0.3))
    x, y = windows.values, windows.labels

    def objective(v):
        logit = v[0] + x @ v[1:] + np.log(0.3)
        prior = v[0] ** 2 / (2 * 3.0**2) + np.sum(v[1:] ** 2) / (2 * 2.0**2)
        return np.sum(np.logaddexp(0, np.where(y, -logit, logit))) + prior

    mode = optimize.minimize(objective, np.zeros(4), tol=1e-10).x
    assert np.allclose(fit(windows).estimate, mode, atol=1e-4)


def test_repeated_windows_say_nothing_more():
    single = table_of(6, 60, 60, windows=1)
    copies = single.loc[single.index.repeat(8)].reset_index(drop=True)
    alone, repeated = (fit(prepare(t, FEATURES, group="event")) for t in (single, copies))
    assert alone.exponent == 1.0
    assert repeated.exponent == pytest.approx(1 / 8, rel=0.35)
    errors = [np.array(list(f.standard_error.values())) for f in (alone, repeated)]
    assert np.allclose(errors[0], errors[1], rtol=0.3)


def test_the_network_has_the_likelihood_of_its_formula():
    rng = np.random.default_rng(7)
    u, b, v, w = (rng.normal(size=s) for s in ((2, 3), 2, 2, 3))
    perceptron = Perceptron(0.3, w, u, b, v)
    windows = simulate(jax.random.key(8), perceptron, Design(windows=50, training_odds=0.5))
    got = classifier.pointwise_log_likelihood(perceptron, windows.data)[:50]
    for row, label, value in zip(windows.values, windows.labels, got, strict=True):
        ratio = 0.3 + w @ row + sum(v[j] * np.tanh(u[j] @ row + b[j]) for j in range(2))
        odds = np.exp(ratio) * 0.5
        assert value == pytest.approx(
            np.log(odds / (1 + odds) if label else 1 / (1 + odds)), abs=1e-4
        )
    total = classifier.log_likelihood(perceptron, windows.data)
    assert float(total) == pytest.approx(float(jnp.sum(got)), rel=1e-5)


def test_a_wrong_argument_is_named():
    windows = simulate(jax.random.key(0), TRUTH, Design(windows=50))
    for options, word in (({"hidden": 65}, "hidden"), ({"exponent": 0.0}, "exponent")):
        with pytest.raises(InputError, match=word):
            fit(windows, **options)
    with pytest.raises(InputError, match="windows"):
        fit(windows.table)
    with pytest.raises(InputError, match="fit each other"):
        Perceptron(0.0, [1.0], [[1.0, 2.0]], [0.0], [1.0])
    with pytest.raises(InputError, match="training_odds"):
        Design(training_odds=-1.0)


@pytest.mark.long
def test_laplace_and_nuts_predict_the_same():
    windows = simulate(jax.random.key(1), TRUTH, Design(windows=400))
    tree = classifier.sample(
        jax.random.key(2), windows, prior=Prior(), chains=2, draws=500, progress=False
    )
    draws = classifier.posterior_from(tree, 500).members
    fitted = fit(windows)
    error = np.array(list(fitted.standard_error.values()))
    means = np.r_[np.mean(draws.level), np.mean(draws.weight, axis=0)]
    assert np.all(np.abs(means - fitted.estimate) < 0.35 * error)
    assert tree["log_likelihood"]["is_earthquake"].sizes["window"] == 400
