"""The form of a sampling run, and its pointwise log likelihood."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from eqstat.counts import (
    background_from,
    log_likelihood,
    pointwise_log_likelihood,
    sample,
    simulate,
)
from eqstat.counts._arrays import count_data

from . import cases

# What the tests share takes tens of seconds to compile.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run():
    history = simulate(
        jax.random.key(3),
        cases.truth(effects=(0.2, -0.2)),
        cases.design(days=7, active=(20, 30), variation=0.0),
    )
    return history, sample(jax.random.key(1), history, chains=2, draws=250, progress=False)


def test_groups_dims_and_units(run):
    history, tree = run
    groups = {"posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data"}
    assert groups == set(tree.children)
    posterior = tree["posterior"]
    assert posterior["daily"].dims == ("chain", "draw", "harmonic_day")
    assert list(posterior["region"].to_numpy()) == list(history.regions)
    assert posterior["rate_per_device_h"].attrs == {"units": "1/h", "long_name": "rate"}
    np.testing.assert_array_equal(tree["observed_data"]["triggers"], history.triggers)
    assert tree["constant_data"]["windows"].dims == ("cell",)
    named = {"diverging", "n_steps", "tree_depth", "acceptance_rate", "energy", "lp", "step_size"}
    assert named == set(tree["sample_stats"].data_vars)
    for name in ("tree_depth_max", "at_max_tree_depth", "e_bfmi_min", "ess_tail_min", "family"):
        assert name in tree.attrs


def test_groups_sum_to_the_likelihood(run):
    history, tree = run
    values = tree["log_likelihood"]["counts"]
    assert values.dims == ("chain", "draw", "group")
    backgrounds = background_from(tree)
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, count_data(history))
        one = jax.tree.map(lambda leaf: jnp.asarray(leaf)[17], backgrounds)
        expected = float(log_likelihood(one, data))
    assert float(values[0, 17].sum()) == pytest.approx(expected, rel=1e-9)
    windows = tree["constant_data"]["windows_by_hour"].to_numpy()
    assert windows.sum() == pytest.approx(history.total_windows)
    assert tree["observed_data"]["triggers_by_hour"].sum() == history.total_triggers


def test_each_group_has_the_likelihood_of_its_own_windows(run):
    history, tree = run
    label = f"{history.regions[1]}, hour 30"
    backgrounds = background_from(tree)
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, count_data(history))
        one = jax.tree.map(lambda leaf: jnp.asarray(leaf)[3], backgrounds)
        (rows,), (points,) = data.rows, pointwise_log_likelihood(one, data)
        own = (history.region == 1) & (history.hour_of_week == 30)
        first = slice(0, len(own))  # rows are the cells, then padding
        expected = np.sum(np.asarray(rows.windows * points)[first][own])
    assert own.any()
    assert float(tree["log_likelihood"]["counts"].sel(group=label)[0, 3]) == pytest.approx(expected)


def test_leave_one_out_works(run):
    _, tree = run
    values = tree["log_likelihood"]["counts"].transpose("group", "chain", "draw").to_numpy()
    elpd, k, *_ = array_stats.loo(values)
    effective = np.sum(logsumexp(values, axis=(1, 2)) - np.log(values[0].size)) - np.sum(elpd)
    # Two regions share ten parameters.
    assert 2 < effective < 25
    assert np.max(k) < 0.7
