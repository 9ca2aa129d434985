"""The NumPyro models are the likelihood plus the priors in sight."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pandas as pd
import pytest
from numpyro.infer import Predictive
from numpyro.infer.util import log_density
from scipy import stats

from eqstat.traveltime import (
    GaussianParameters,
    MixtureParameters,
    Prior,
    log_likelihood,
    model,
    prepare,
)

from . import cases

SITES = {"east_km": 5.0, "north_km": -20.0, "depth_km": 12.0, "arrival_s": 1.5}


@pytest.fixture(scope="module")
def observations():
    return prepare(cases.quake(10, 3))


def log_place(observations, prior):
    low, high = observations.data.window_s + np.array([-60.0, 60.0])
    return (
        -2 * np.log(2 * prior.region_km)
        - np.log(high - low)
        + stats.beta.logpdf(12.0 / 500, 1, 12)
        - np.log(500)
    )


def density(observations, prior, sites, **options):
    with jax.enable_x64(True):
        args = (jax.tree.map(jnp.asarray, observations.data), prior)
        values = {name: jnp.asarray(value) for name, value in sites.items()}
        total, trace = log_density(model, args, options, values)
        return float(total), trace


@pytest.mark.slow
def test_the_gaussian_model_is_prior_times_likelihood(observations):
    prior = Prior(region_km=200.0)
    total, trace = density(observations, prior, {**SITES, "sd_s": 0.9})
    travel = cases.travel_times(observations, 5.0, -20.0, 12.0)
    origin = 1.5 - travel.mean()
    assert float(trace["origin_time_s"]["value"]) == pytest.approx(origin, abs=1e-6)
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        likelihood = float(log_likelihood(GaussianParameters(5.0, -20.0, 12.0, origin, 0.9), data))
    expected = likelihood + log_place(observations, prior)
    expected += stats.lognorm(0.3, scale=1.29).logpdf(0.9)
    assert total == pytest.approx(expected, abs=1e-5)


def test_the_mixture_model_is_prior_times_likelihood(observations):
    prior = Prior()
    extra = {"delay_s": 1.4, "scatter_s": 0.6, "shares": np.array([0.5, 0.2, 0.3])}
    errors = {
        "p_slowness_ratio": 1.03,
        "s_slowness_ratio": 0.98,
        "slowness_east": 0.01,
        "slowness_north": -0.02,
    }
    total, trace = density(observations, prior, {**SITES, **extra, **errors}, likelihood="mixture")
    travel = cases.travel_times(observations, 5.0, -20.0, 12.0)
    origin = 1.5 - 1.4 - 1.03 * travel.mean()
    assert float(trace["origin_time_s"]["value"]) == pytest.approx(origin, abs=1e-6)
    with jax.enable_x64(True):
        params = MixtureParameters(
            5.0, -20.0, 12.0, origin, delay_s=1.4, scatter_s=0.6, p_share=0.5, s_share=0.2, **errors
        )
        likelihood = float(log_likelihood(params, jax.tree.map(jnp.asarray, observations.data)))
    expected = (
        likelihood
        + log_place(observations, prior)
        + stats.truncnorm(-2.0, np.inf, 2.0, 1.0).logpdf(1.4)
        + stats.lognorm(0.5, scale=0.8).logpdf(0.6)
        + stats.dirichlet([2, 2, 1]).logpdf(extra["shares"])
        + sum(stats.lognorm(0.04).logpdf(errors[f"{w}_slowness_ratio"]) for w in ("p", "s"))
        + sum(stats.norm(0, 0.02).logpdf(errors[f"slowness_{side}"]) for side in ("east", "north"))
    )
    assert total == pytest.approx(expected, abs=1e-4)


def test_the_trigger_probability_is_learned_from_silence_only(observations):
    triggers = cases.quake(10, 3)
    others = cases.network(30, 3)
    listed = pd.concat([others, triggers[list(others)]], ignore_index=True)
    silent = prepare(triggers, network=listed, now=cases.EPOCH + np.timedelta64(60, "s"))
    _, plain = density(observations, Prior(), {**SITES, "sd_s": 0.9})
    assert "trigger_probability" not in plain
    sites = {**SITES, "sd_s": 0.9, "trigger_probability": 0.3}
    one, trace = density(silent, Prior(), sites)
    two, _ = density(silent, Prior(), {**sites, "trigger_probability": 0.6})
    assert "trigger_probability" in trace
    # All waves have passed: a binomial count of 10 in 40, with its Beta(2, 2) prior.
    law = stats.beta(2, 2)
    expected = 10 * np.log(2) + 30 * np.log(0.4 / 0.7) + law.logpdf(0.6) - law.logpdf(0.3)
    assert two - one == pytest.approx(expected, abs=1e-6)


def test_users_can_condition_and_draw_from_the_model(observations):
    held = numpyro.handlers.condition(model, {"depth_km": jnp.asarray(7.0)})
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        draws = Predictive(held, num_samples=40)(jax.random.key(0), data)
    assert np.all(np.asarray(draws["depth_km"]) == 7.0)
    assert np.all(np.abs(np.asarray(draws["east_km"])) <= 500.0)
    assert np.asarray(draws["east_km"]).std() > 150
