"""Tests of NUTS on models whose posterior is known, and of its diagnostics."""

import arviz_base
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

from eqstat.inference import Result, diagnose, run_nuts
from eqstat.inference._sampling import _advance, _start

SD_S = 2.0


def normal_mean(data):
    """Conjugate: a normal mean with a normal prior, and a positive scale known from its prior."""
    mean = numpyro.sample("mean", dist.Normal(0.0, 10.0))
    numpyro.sample("scale", dist.LogNormal(1.0, 0.5))
    numpyro.deterministic("twice", 2 * mean)
    numpyro.factor("data", jnp.sum(dist.Normal(mean, SD_S).log_prob(data)))


def conjugate(data):
    precision = 1 / 100 + len(data) / SD_S**2
    return stats.norm(np.sum(data) / SD_S**2 / precision, precision**-0.5)


def draw(seed, data, **options):
    rng = np.random.default_rng(3)
    cloud = {
        "mean": conjugate(data).rvs(64, random_state=rng),
        "scale": np.exp(rng.normal(1.0, 0.5, 64)),
    }
    settings = {"chains": 4, "warmup": 250, "draws": 500, "progress": False} | options
    with jax.enable_x64(True):
        key, arrays = jax.random.key(seed), (jnp.asarray(data),)
        return run_nuts(key, normal_mean, arrays, cloud, **settings)


DATA = np.array([1.0, 2.5, -0.5, 3.0, 4.0])


@pytest.fixture(scope="module")
def tree():
    return draw(1, DATA)


def standard_error(values):
    return np.std(values) / np.sqrt(len(values) / 3)


def test_finds_the_conjugate_posterior(tree):
    draws = tree["posterior"]["mean"].to_numpy().ravel()
    exact = conjugate(DATA)
    assert np.mean(draws) == pytest.approx(exact.mean(), abs=4 * standard_error(draws))
    assert np.std(draws) == pytest.approx(exact.std(), rel=0.1)
    logs = np.log(tree["posterior"]["scale"].to_numpy().ravel())
    assert np.mean(logs) == pytest.approx(1.0, abs=4 * standard_error(logs))
    assert np.std(logs) == pytest.approx(0.5, rel=0.1)


def test_has_the_form_of_arviz(tree):
    assert tree["posterior"]["mean"].dims == ("chain", "draw")
    assert dict(tree["posterior"].sizes) == {"chain": 4, "draw": 500}
    np.testing.assert_allclose(tree["posterior"]["twice"], 2 * tree["posterior"]["mean"])
    assert {"diverging", "n_steps", "acceptance_rate", "lp"} <= set(tree["sample_stats"].data_vars)
    accepted = tree["sample_stats"]["acceptance_rate"].to_numpy()
    assert np.all((accepted >= 0) & (accepted <= 1))
    assert 0.7 < accepted.mean() < 0.97


def test_a_good_run_is_called_good(tree):
    assert tree.attrs["result"] == Result.CONVERGED.name
    assert tree.attrs["r_hat_max"] <= 1.01
    assert tree.attrs["ess_bulk_min"] >= 400
    assert tree.attrs["divergences"] == 0


def test_the_key_decides_and_other_data_of_the_shape_do_not_recompile(tree):
    before = _advance._cache_size(), _start._cache_size()
    again = draw(1, DATA)
    np.testing.assert_array_equal(again["posterior"]["mean"], tree["posterior"]["mean"])
    other = draw(2, DATA + 5)
    assert abs(float(other["posterior"]["mean"].mean() - again["posterior"]["mean"].mean())) > 3
    assert (_advance._cache_size(), _start._cache_size()) == before


def test_chains_differ(tree):
    chains = tree["posterior"]["mean"].to_numpy()
    assert len({tuple(chain) for chain in chains}) == 4


def test_asks_for_as_many_draws_as_wanted(tree):
    few = draw(5, DATA, draws=120)
    assert few["posterior"].sizes["draw"] == 120


def contrived(kind):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 500))
    diverging = np.zeros((4, 500), bool)
    if kind == "stuck chain":
        values[0] += 3
    elif kind == "sticky":
        values = np.repeat(values[:, :10], 50, axis=1)
    elif kind == "one divergence":
        diverging[1, 7] = True
    tree = {"posterior": {"x": values, "y": rng.normal(size=(4, 500, 2))}}
    return arviz_base.from_dict({**tree, "sample_stats": {"diverging": diverging}})


@pytest.mark.parametrize("kind", ["stuck chain", "sticky", "one divergence"])
def test_a_poor_run_is_called_poor(kind):
    judged = diagnose(contrived(kind))
    assert judged["result"] == Result.POORLY_MIXED.name
    assert judged["result_text"] == Result.POORLY_MIXED.value
    assert judged["divergences"] == (kind == "one divergence")
    if kind == "stuck chain":
        assert judged["r_hat_max"] > 1.1
    if kind == "sticky":
        assert judged["ess_bulk_min"] < 400


def test_independent_draws_are_called_good():
    judged = diagnose(contrived("fine"))
    assert judged["result"] == Result.CONVERGED.name
    assert judged["ess_bulk_min"] > 1200
