"""Fits recover what made the history, and predict with the draws of their posterior."""

import dataclasses
import importlib

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

from eqstat import InputError
from eqstat.detectability.history import (
    Design,
    HistoryPosterior,
    Prior,
    Sensitivity,
    detection_probability,
    fit,
    posterior_from,
    sample,
    simulate,
)
from eqstat.inference import InferenceError, Result

# What the tests share takes tens of seconds to compile.
pytestmark = pytest.mark.slow

LAPLACE = importlib.import_module("eqstat.inference._laplace")
KEY = jax.random.key(5)
TRUTH = Sensitivity(
    magnitude_50_km=1.8, event_sd=0.35, system_share=0.9, masked_share=0.6, masking_s=900.0
)
DESIGN = Design(events=1000, stations=20, neighbours=12, days=10.0, masking_km=150.0)


@pytest.fixture(scope="module")
def fitted():
    prior = Prior(masking_s=dist.LogNormal(np.log(900.0), 0.7))
    return fit(simulate(KEY, TRUTH, DESIGN), prior=prior)


def test_the_truth_is_recovered(fitted):
    errors = {
        name: (fitted[name] - float(getattr(TRUTH, name))) / fitted.standard_error[name]
        for name in fitted.names
    }
    assert max(map(abs, errors.values())) < 3.5, errors
    assert fitted.standard_error["magnitude_50_km"] < 0.2
    assert fitted.standard_error["event_sd"] < 0.1
    assert fitted.standard_error["system_share"] < 0.1


@pytest.mark.long
def test_probability_is_that_of_the_draws(fitted):
    posterior = fitted.posterior(KEY, 100)
    curve = detection_probability(posterior, [0.5, 2.0, 5.0], 35.0, -117.5, probability=0.8)
    middle = curve["detection_probability"].to_numpy()
    assert np.all(curve["low"] <= middle) and np.all(middle <= curve["high"])
    assert middle[0] < 0.05 and abs(middle[2] - 0.9) < 0.05
    soon = detection_probability(posterior, 5.0, 35.0, -117.5, preceding_s=1.0)
    assert float(soon["detection_probability"][0]) < 0.65
    far = detection_probability(posterior, 2.0, -35.0, 60.0)
    assert float(far["detection_probability"][0]) < 0.01


@pytest.mark.long
def test_predictions_are_checked(fitted):
    posterior = fitted.posterior(KEY, 8)
    with pytest.raises(InputError, match="latitude must lie in"):
        detection_probability(posterior, 2.0, 95.0, -117.5)
    with pytest.raises(InputError, match="not grids"):
        detection_probability(posterior, np.ones((2, 2)), 35.0, -117.5)
    with pytest.raises(InputError, match="shape mismatch"):
        detection_probability(posterior, np.ones(2), np.ones(3), -117.5)


@pytest.mark.long
def test_terms_of_groups_and_stations_are_recovered():
    truth = dataclasses.replace(TRUTH, group_shift=(0.0, 0.8), station_sd=0.4, masked_share=0.0)
    design = Design(events=1500, stations=16, neighbours=12, groups=2, station_effects=True)
    history = simulate(KEY, truth, design)
    result = fit(history, station_sd=0.4)
    error = result.standard_error["group_shift[g1]"]
    assert abs(result["group_shift[g1]"] - 0.8) < 3.5 * error and error < 0.3
    # Neighbours cannot be told apart by the network's detections, but what they detect is known.
    latitude, longitude = (v.ravel() for v in np.meshgrid([34.2, 35.0, 35.8], [-118.5, -117, -116]))
    curve = detection_probability(result.posterior(KEY), 2.0, latitude, longitude, depth_km=8.0)
    known = dataclasses.replace(truth, station_shift=history.stations["station_term"].to_numpy())
    certain = HistoryPosterior(jax.tree.map(lambda leaf: np.asarray(leaf)[None], known), history)
    wanted = detection_probability(certain, 2.0, latitude, longitude, depth_km=8.0)
    gap = curve["detection_probability"] - wanted["detection_probability"]
    assert float(np.abs(gap).mean()) < 0.06 and float(wanted["detection_probability"].std()) > 0.1


@pytest.mark.long
def test_detections_alone_give_the_threshold_but_no_ceiling():
    design = Design(events=4000, stations=20, neighbours=12, only_detected=True)
    truth = dataclasses.replace(TRUTH, system_share=0.7, masked_share=0.0)
    result = fit(simulate(KEY, truth, design))
    error = result.standard_error
    assert abs(result["magnitude_50_km"] - 1.8) < 3.5 * error["magnitude_50_km"]
    assert abs(result["b_value"] - 1.0) < 3.5 * error["b_value"] and error["b_value"] < 0.1
    # The share of time is what its prior says: the data know nothing of it.
    low, high = result.interval(0.9)["system_share"]
    prior = Prior().system_share
    assert abs(result["system_share"] - float(prior.mean)) < 0.06 and high - low > 0.1


@pytest.mark.long
def test_several_counts_share():
    design = Design(events=1500, stations=20, neighbours=12, counts=(3, 8))
    truth = dataclasses.replace(TRUTH, count_share=(0.2, 0.8), masked_share=0.0)
    result = fit(simulate(KEY, truth, design))
    error = result.standard_error["count_share[8]"]
    assert abs(result["count_share[8]"] - 0.8) < 3.5 * error


@pytest.mark.long
def test_nuts_agrees_with_the_fit():
    history = simulate(KEY, TRUTH, Design(events=300, stations=10, neighbours=8))
    result = fit(history)
    tree = sample(jax.random.key(2), history, chains=2, draws=250, progress=False)
    assert tree["log_likelihood"]["detected"].dims == ("chain", "draw", "event")
    posterior = tree["posterior"]
    for name in ("magnitude_50_km", "event_sd", "system_share"):
        gap = abs(float(posterior[name].mean()) - result[name])
        assert gap < 0.7 * result.standard_error[name], name
    own = posterior_from(tree, history, 100)
    assert own.draws == 100
    curve = detection_probability(own, 2.0, 35.0, -117.5)
    other = detection_probability(result.posterior(KEY), 2.0, 35.0, -117.5)
    gap = curve["detection_probability"] - other["detection_probability"]
    assert abs(float(gap[0])) < 0.03


def test_priors_can_be_replaced():
    history = simulate(KEY, TRUTH, Design(events=60, stations=8, neighbours=8))
    sure = fit(history, prior=Prior(magnitude_50_km=dist.Normal(3.0, 1e-3)))
    assert abs(sure["magnitude_50_km"] - 3.0) < 0.01


def test_without_throw_a_fit_answers_its_code(monkeypatch):
    history = simulate(KEY, TRUTH, Design(events=60))
    optimum = LAPLACE.find_mode

    def lost(*args, **settings):
        """End nowhere finite."""
        return jax.tree.map(
            lambda leaf: leaf * np.nan if leaf.dtype == float else leaf, optimum(*args, **settings)
        )

    monkeypatch.setattr(LAPLACE, "find_mode", lost)
    found = fit(history, throw=False)
    assert found.result is Result.NOT_FINITE and found.mode is None
    for use in (
        lambda: found.sensitivity,
        lambda: found.posterior(KEY, 10),
        lambda: fit(history),
    ):
        with pytest.raises(InferenceError, match="not finite"):
            use()
