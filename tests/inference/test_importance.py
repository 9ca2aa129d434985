"""Importance draws against a posterior by quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

from eqstat.inference import importance_draws, laplace

DATA = np.array([0.4, -1.1, 0.7])


def scatter(data):
    """A standard deviation from three values: skewed even in its logarithm."""
    sd = numpyro.sample("sd", dist.LogNormal(0.0, 2.0))
    numpyro.factor("data", jnp.sum(dist.Normal(0.0, sd).log_prob(data)))


@pytest.fixture(scope="module")
def approximation():
    return laplace(scatter, (DATA,), {"sd": np.array([1.0])})


@pytest.fixture(scope="module")
def exact():
    """Cumulative distribution of log sd, by quadrature."""
    log_sd = np.linspace(-4.0, 8.0, 4001)
    density = stats.norm.pdf(log_sd, 0.0, 2.0) * np.exp(
        stats.norm.logpdf(DATA[:, None], 0.0, np.exp(log_sd)).sum(axis=0)
    )
    return log_sd, np.cumsum(density) / density.sum()


@pytest.mark.slow
def test_draws_are_those_of_the_posterior(approximation, exact):
    draws, pareto_k = importance_draws(approximation, jax.random.key(1), 4000)
    plain = approximation.draws(jax.random.key(1), 4000)["sd"]
    for level in (0.05, 0.5, 0.95):
        at = np.exp(np.interp(level, exact[1], exact[0]))
        assert np.mean(draws["sd"] < at) == pytest.approx(level, abs=0.02)
    # The normal approximation lacks the upper tail.
    assert np.mean(plain > np.exp(np.interp(0.95, exact[1], exact[0]))) < 0.035
    assert pareto_k < 0.7


@pytest.mark.slow
def test_order_is_random_and_few_draws_have_many_candidates(approximation, exact):
    draws, _ = importance_draws(approximation, jax.random.key(2), 50)
    values = draws["sd"]
    assert values.shape == (50,) and len(np.unique(values)) > 40
    assert abs(stats.spearmanr(np.arange(50), values).statistic) < 0.5
    level = np.interp(np.log(values), *exact)
    assert stats.kstest(level, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_places_without_density_are_never_drawn():
    def bounded(data):
        scatter(data)
        numpyro.factor("bound", jnp.where(data[0] > 0, 0.0, -jnp.inf))
        sd = numpyro.sample("other", dist.Normal(0.0, 1.0))
        numpyro.factor("half", jnp.where(sd > -0.5, 0.0, -jnp.inf))

    approximation = laplace(bounded, (DATA,), {"sd": np.ones(1), "other": np.ones(1)})
    draws, _ = importance_draws(approximation, jax.random.key(3), 500)
    assert draws["other"].min() > -0.5
