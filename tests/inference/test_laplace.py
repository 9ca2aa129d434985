"""The Laplace approximation against posteriors that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from eqstat.inference import Fit, InferenceError, LaplaceFit, Result, laplace


def regression(design, response):
    slope = numpyro.sample("slope", dist.Normal(0.0, 10.0).expand([2]).to_event(1))
    level = numpyro.sample("level", dist.Normal(0.0, 10.0))
    numpyro.deterministic("sum", level + jnp.sum(slope))
    mean = level + design @ slope
    numpyro.factor("response", jnp.sum(dist.Normal(mean, 0.5).log_prob(response)))


@pytest.fixture(scope="module")
def known():
    """Data of a conjugate regression, with the exact mean and covariance: level, slopes."""
    rng = np.random.default_rng(4)
    design = rng.normal(size=(30, 2))
    response = 2.0 + design @ [1.0, -3.0] + rng.normal(0, 0.5, 30)
    columns = np.column_stack([np.ones(30), design])
    precision = columns.T @ columns / 0.25 + np.eye(3) / 100
    return (design, response), np.linalg.solve(precision, columns.T @ response / 0.25), precision


STARTS = {"slope": np.zeros((2, 2)), "level": np.array([0.0, 5.0])}
LABELS = {"level": ["level"], "slope": ["east", "north"], "sum": ["sum"]}


@pytest.fixture(scope="module")
def approximation(known):
    return laplace(regression, known[0], STARTS)


def test_a_normal_posterior_is_exact(approximation, known):
    _, mean, precision = known
    names, estimate, covariance = approximation.marginal(LABELS)
    assert names == ("level", "east", "north", "sum")
    np.testing.assert_allclose(estimate[:3], mean, atol=1e-5)
    inverse = np.linalg.inv(precision)
    np.testing.assert_allclose(covariance[:3, :3], inverse, rtol=1e-4, atol=1e-7)
    # The delta method is exact for a linear deterministic site.
    assert covariance[3, 3] == pytest.approx(inverse.sum(), rel=1e-4)
    assert approximation.result is Result.CONVERGED
    assert approximation.diagnostics["starts_agreeing"] == 2


def test_draws_have_the_mean_and_the_covariance(approximation, known):
    draws = approximation.draws(jax.random.key(0), 40_000)
    flat = np.column_stack([draws["level"], draws["slope"]])
    np.testing.assert_allclose(flat.mean(axis=0), known[1], atol=0.005)
    np.testing.assert_allclose(np.cov(flat.T), np.linalg.inv(known[2]), atol=2e-4)
    np.testing.assert_allclose(draws["sum"], flat.sum(axis=1))


@pytest.mark.slow
def test_a_scale_and_rounds_change_the_path_and_not_the_end(approximation, known):
    scale = {"slope": np.array([0.1, 0.1]), "level": np.array(0.1)}
    other = laplace(regression, known[0], STARTS, scale=scale, rounds=3, stages=1)
    np.testing.assert_allclose(other.optimum.value, approximation.optimum.value, atol=1e-5)
    np.testing.assert_allclose(other.covariance, approximation.covariance, rtol=1e-4, atol=1e-8)
    assert float(other.optimum.objective) == pytest.approx(float(approximation.optimum.objective))


def pull(sites, strength):
    return 0.5 * strength * sites["level"] ** 2


@pytest.mark.slow
def test_an_adjustment_is_part_of_the_objective(known):
    pulled = laplace(regression, known[0], STARTS, adjustment=pull, adjustment_args=np.array(1e6))
    assert abs(float(pulled.sites["level"])) < 1e-3


def flat(data):
    a = numpyro.sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
    b = numpyro.sample("b", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.factor("data", jnp.sum(dist.Normal(a + b, 1.0).log_prob(data)))


@pytest.mark.slow
def test_a_flat_direction_is_reported_and_bounded():
    start = {"a": np.zeros(1), "b": np.zeros(1)}
    ridge = laplace(flat, (np.array([1.0, 2.0]),), start)
    assert not ridge.regular
    assert ridge.result is Result.NOT_CONVERGED
    assert np.all(np.linalg.eigvalsh(ridge.bounded_covariance) > 0)
    draws = ridge.draws(jax.random.key(1), 2000)
    assert np.std(draws["a"] + draws["b"]) == pytest.approx(2**-0.5, rel=0.1)


def test_a_fit_of_an_approximation_draws_from_it(approximation):
    names, estimate, covariance = approximation.marginal(LABELS)
    fit = LaplaceFit(names, estimate, covariance, 0.0, approximation.result, laplace=approximation)
    draws = fit.draws(jax.random.key(3), 10)
    again = approximation.draws(jax.random.key(3), 10)
    np.testing.assert_array_equal(draws["slope"], again["slope"])


def test_draws_of_a_plain_fit_keep_to_the_ranges_and_the_bound():
    spread = np.array([[4.0, 1.0, np.nan], [1.0, 9.0, np.nan], [np.nan] * 3])
    fit = Fit(
        ("east_km", "depth_km", "north_km"),
        np.array([1.0, 2.0, 500.0]),
        spread,
        0.0,
        Result.AT_BOUND,
        at_bound=("north_km",),
        ranges={"depth_km": (0.0, 700.0)},
    )
    draws = fit.draws(jax.random.key(0), 4000)
    assert draws["depth_km"].min() >= 0
    assert np.all(draws["north_km"] == 500.0)
    assert draws["east_km"].mean() == pytest.approx(
        1 + 1 / 9 * (draws["depth_km"].mean() - 2), abs=0.15
    )
    with pytest.raises(InferenceError, match="no covariance"):
        Fit(("a",), np.ones(1), np.full((1, 1), np.nan), 0.0, Result.CONVERGED).draws(
            jax.random.key(0), 3
        )


def scale(data):
    sd = numpyro.sample("sd", dist.HalfNormal(10.0))
    share = numpyro.sample("share", dist.Dirichlet(jnp.ones(3)))
    numpyro.deterministic("variance", sd**2)
    numpyro.factor("data", jnp.sum(dist.Normal(0.0, sd).log_prob(data)) + jnp.log(share[0]))


@pytest.mark.slow
def test_intervals_are_those_of_the_unconstrained_space():
    start = {"sd": np.ones(1), "share": np.full((1, 3), 1 / 3)}
    approximation = laplace(scale, (np.array([0.5, -1.0, 2.0]),), start)
    labels = {"sd": ["sd"], "share": ["a", "b", "c"], "variance": ["variance"]}
    fit = LaplaceFit(*approximation.marginal(labels), objective=0.0, result=Result.CONVERGED,
                     laplace=approximation, labels=labels)  # fmt: skip
    ends = fit.interval(0.9)
    error = np.sqrt(approximation.covariance[0, 0])
    expected = np.exp(approximation.free["sd"] + 1.6449 * error * np.array([-1.0, 1.0]))
    assert ends["sd"] == pytest.approx(expected, rel=1e-3)
    assert ends["variance"] == pytest.approx(np.square(ends["sd"]), rel=1e-6)
    for name in "abc":
        assert 0 < ends[name][0] < fit[name] < ends[name][1] < 1
    # Far out, where the plain Wald interval of sd would reach below zero.
    assert fit.interval(0.9999)["sd"][0] > 0
