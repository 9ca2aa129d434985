"""Posteriors as ArviZ knows them: groups, names, predictions, and its own functions on them."""

import warnings

import arviz_stats
import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eqstat.traveltime import grid, prepare, sample, simulate
from eqstat.traveltime._parameters import GaussianParameters, MixtureParameters
from eqstat.traveltime._simulate import Design

# What the tests share takes tens of seconds to compile.
pytestmark = pytest.mark.slow

OF_TIMES = ("log_likelihood", "observed_data", "posterior_predictive", "prior_predictive")
TRUTH = {
    "gaussian": GaussianParameters(10.0, 5.0, 12.0, 0.0, sd_s=0.5),
    "mixture": MixtureParameters(10.0, 5.0, 12.0, 0.0, delay_s=1.5, scatter_s=0.5, p_share=0.6,
                                 s_share=0.3),
}  # fmt: skip


@pytest.fixture(scope="module")
def triggers():
    rng = np.random.default_rng(0)
    design = Design(latitude=46 + 0.2 * rng.normal(size=16),
                    longitude=7 + 0.3 * rng.normal(size=16))  # fmt: skip
    return {name: simulate(jax.random.key(1), truth, design) for name, truth in TRUTH.items()}


def tree_of_grid(table, name, **given):
    observations = prepare(table.drop(columns="cause"), **given)
    posterior = grid(observations, likelihood=name, key=jax.random.key(0))
    return posterior.to_tree(jax.random.key(2), chains=2, draws=300)


@pytest.fixture(scope="module")
def trees(triggers):
    return {name: tree_of_grid(triggers[name], name) for name in TRUTH}


@pytest.fixture(scope="module")
def sampled(triggers):
    observations = prepare(triggers["gaussian"].drop(columns="cause"))
    return sample(jax.random.key(0), observations, chains=2, warmup=50, draws=50, progress=False)


@pytest.mark.parametrize("name", TRUTH)
def test_all_groups_have_the_same_names(trees, name):
    tree = trees[name]
    assert set(tree["prior"].data_vars) == set(tree["posterior"].data_vars)
    sizes = tree["posterior"].sizes
    assert (sizes["chain"], sizes["draw"]) == (2, 300)
    for group in OF_TIMES:
        assert list(tree[group].data_vars) == ["time_s"]
        assert tree[group]["time_s"].dims[-1] == "trigger"
    assert {"likelihood", "result", "reference_time"} <= set(tree.attrs)


def test_a_sampled_tree_has_the_groups_of_a_grid_and_its_own(trees, sampled):
    assert set(sampled.children) == {*trees["gaussian"].children, "sample_stats"}
    assert set(sampled["posterior"].data_vars) == set(trees["gaussian"]["posterior"].data_vars)
    assert "energy" in sampled["sample_stats"]


def test_predicted_times_scatter_about_the_observed_ones(trees):
    for name, sd in (("gaussian", 0.5), ("mixture", None)):
        tree = trees[name]
        observed = tree["observed_data"]["time_s"]
        predicted = tree["posterior_predictive"]["time_s"]
        below = (predicted < observed).mean(("chain", "draw"))
        assert 0.25 < float(below.mean()) < 0.75
        if sd:
            spread = float((predicted - predicted.mean(("chain", "draw"))).std())
            assert 0.7 * sd < spread < 2.0 * sd
        prior = tree["prior_predictive"]["time_s"]
        assert float(prior.std()) > 2 * float(predicted.std())  # background fills the window


def test_the_prior_is_that_of_the_model(trees):
    prior = trees["gaussian"]["prior"].to_dataset()
    assert float(np.abs(prior["east_km"]).max()) <= 500.0
    assert float(prior["east_km"].std()) == pytest.approx(1000 / np.sqrt(12), rel=0.1)
    assert float(prior["depth_km"].min()) > 0


def test_no_truncated_time_comes_after_now(triggers):
    table = triggers["gaussian"]
    now = table["time"].sort_values().iloc[11] + pd.Timedelta(milliseconds=1)
    tree = tree_of_grid(table[table["time"] <= now], "gaussian", now=now, truncated=True)
    end = float(tree["constant_data"]["window_s"][1])
    late = tree["posterior_predictive"]["time_s"] > end
    assert not late.any()


def test_known_phases_are_kept(triggers):
    table = triggers["mixture"].assign(phase="S")
    tree = tree_of_grid(table, "mixture")
    one_wave = tree["posterior_predictive"]["time_s"].std(("chain", "draw"))
    free = tree_of_grid(triggers["mixture"], "mixture")["posterior_predictive"]["time_s"]
    assert float(one_wave.mean()) < float(free.std(("chain", "draw")).mean())


@pytest.mark.parametrize("name", TRUTH)
def test_arviz_summarises_and_compares(trees, name):
    tree = trees[name]
    table = arviz_stats.summary(tree, var_names=["depth_km", "east_km"])
    assert list(table.index) == ["depth_km", "east_km"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # single triggers of weight
        assert np.isfinite(arviz_stats.loo(tree).elpd)


@pytest.mark.filterwarnings("ignore")
def test_arviz_draws_every_posterior(trees, sampled):
    try:
        import arviz_plots as plots
    except (ImportError, AttributeError) as error:  # 0.8 with matplotlib 3.11
        pytest.skip(f"arviz-plots cannot be imported: {error}")
    names = ["depth_km", "east_km"]
    for tree in (*trees.values(), sampled):
        assert isinstance(tree, xr.DataTree)
        plots.plot_dist(tree, var_names=names, backend="matplotlib")
        plots.plot_pair(tree, var_names=names, backend="matplotlib")
        plots.plot_ppc_dist(tree, backend="matplotlib")
        plots.plot_loo_pit(tree, backend="matplotlib")
        plots.plot_prior_posterior(tree, var_names=names, backend="matplotlib")
    plots.plot_energy(sampled, backend="matplotlib")
