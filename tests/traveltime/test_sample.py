"""NUTS: its form, its verdict, and its agreement with the grid."""

import jax
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr
from arviz_stats.base import array_stats
from scipy import stats

from eqstat.inference import InferenceError, Result
from eqstat.inference._sampling import _advance
from eqstat.traveltime import MixtureParameters, Prior, grid, log_likelihood, prepare, sample
from eqstat.traveltime._sample import _with_delay
from eqstat.velocity import ConstantVelocity

from . import cases

# What the tests share takes tens of seconds to compile.
pytestmark = pytest.mark.slow

PROBABILITIES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
HYPOCENTRE = ("east_km", "north_km", "depth_km", "origin_time_s")

GROUPS = ("log_likelihood", "observed_data", "posterior_predictive", "prior_predictive")


@pytest.fixture(scope="module")
def observations():
    return prepare(cases.quake(14, 2, sd_s=0.4, depth_km=14.0))


@pytest.fixture(scope="module")
def tree(observations):
    return sample(jax.random.key(1), observations, progress=False)


def check_agreement(tree, posterior, cell_share=0.02):
    """Quantiles of grid and NUTS within four Monte Carlo errors, and the width of cells."""
    exact = posterior.draws(jax.random.key(11), 200_000)
    for name in (*HYPOCENTRE, "sd_s"):
        draws = tree["posterior"][name].to_numpy()
        found = np.quantile(draws, PROBABILITIES)
        error = [
            float(array_stats.mcse(draws, chain_axis=0, draw_axis=1, method="quantile", prob=p))
            for p in PROBABILITIES
        ]
        expected = np.quantile(exact[name], PROBABILITIES)
        spread = (expected[-1] - expected[0]) / 3.3
        apart = np.abs(found - expected)
        assert np.all(apart < 4 * np.array(error) + cell_share * spread), (name, apart, error)


def test_grid_and_nuts_agree(observations, tree):
    check_agreement(tree, grid(observations))


def test_the_verdict_is_good(tree):
    assert tree.attrs["result"] == Result.CONVERGED.name
    assert tree.attrs["r_hat_max"] <= 1.01
    assert tree.attrs["divergences"] == 0
    assert tree.attrs["ess_bulk_min"] > 800
    for name in HYPOCENTRE:
        draws = tree["posterior"][name].to_numpy()
        assert float(array_stats.rhat(draws, chain_axis=0, draw_axis=1)) <= 1.01


def test_the_tree_has_the_form_of_arviz(observations, tree):
    assert {"posterior", "sample_stats", "constant_data", *GROUPS, "prior"} == set(tree.children)
    posterior = tree["posterior"]
    assert dict(posterior.sizes) == {"chain": 4, "draw": 1000}
    assert {*HYPOCENTRE, "arrival_s", "sd_s", "latitude", "longitude"} == set(posterior.data_vars)
    assert posterior["depth_km"].attrs["units"] == "km"
    assert posterior["origin_time_s"].attrs["units"] == "s"
    assert posterior["latitude"].attrs["units"] == "degrees_north"
    assert tree["log_likelihood"]["time_s"].dims == ("chain", "draw", "trigger")
    np.testing.assert_allclose(tree["observed_data"]["time_s"], cases.seconds(observations))
    np.testing.assert_allclose(tree["constant_data"]["latitude"], observations.triggers["latitude"])
    wanted = {"likelihood", "centre_latitude", "centre_longitude", "reference_time", "result"}
    assert wanted <= set(tree.attrs)
    assert not jax.config.jax_enable_x64


def test_places_and_log_likelihoods_are_those_of_the_draws(observations, tree):
    posterior = tree["posterior"].isel(chain=2, draw=77)
    east, north, depth, origin = (float(posterior[name]) for name in HYPOCENTRE)
    place = cases.geographic(observations, east, north)
    assert float(posterior["latitude"]) == pytest.approx(place[0], abs=1e-8)
    assert float(posterior["longitude"]) == pytest.approx(place[1], abs=1e-8)
    travel = cases.travel_times(observations, east, north, depth)
    assert float(posterior["arrival_s"]) == pytest.approx(origin + travel.mean(), abs=1e-6)
    residual = (cases.seconds(observations) - origin - travel) / float(posterior["sd_s"])
    expected = -0.5 * residual**2 - np.log(float(posterior["sd_s"]) * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(
        tree["log_likelihood"]["time_s"].isel(chain=2, draw=77), expected, atol=1e-6
    )


def test_the_tree_can_be_written_and_read(tree, tmp_path):
    tree.to_netcdf(tmp_path / "posterior.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "posterior.nc", engine="h5netcdf") as back:
        np.testing.assert_array_equal(back["posterior"]["east_km"], tree["posterior"]["east_km"])
        assert back.attrs["result"] == tree.attrs["result"]


def test_the_key_decides_and_other_data_of_the_bucket_do_not_recompile(observations, tree):
    before = _advance._cache_size()
    again = sample(jax.random.key(1), observations, progress=False)
    np.testing.assert_array_equal(again["posterior"]["east_km"], tree["posterior"]["east_km"])
    other = prepare(cases.quake(11, 5), velocity=ConstantVelocity(6.2, 3.6))
    one = sample(jax.random.key(2), other, prior=Prior(region_km=300.0), progress=False)
    assert one["log_likelihood"]["time_s"].sizes["trigger"] == 11
    assert _advance._cache_size() == before
    two = sample(jax.random.key(3), observations, draws=300, progress=False)
    assert two["posterior"].sizes["draw"] == 300
    assert not np.array_equal(two["posterior"]["east_km"][0], tree["posterior"]["east_km"][0, :300])


def test_too_few_triggers_are_not_sampled():
    with pytest.raises(InferenceError) as caught:
        sample(jax.random.key(0), prepare(cases.quake(4)), progress=False)
    assert caught.value.result is Result.TOO_FEW


def test_triggers_and_silence_determine_origin_time_plus_delay_only():
    """So the sampler may leave the delay out."""
    triggers, _ = cases.phones(12, 3)
    now = cases.EPOCH + pd.Timedelta(seconds=9)
    for network in (None, pd.concat([cases.network(12, 3), cases.network(20, 30)])):
        data = prepare(triggers[triggers["time"] < now], network=network, now=now).data
        values = [
            float(log_likelihood(MixtureParameters(4.0, 3.0, 12.0, 1.0 - d, delay_s=d), data))
            for d in (0.1, 2.0, 5.0)
        ]
        assert values == pytest.approx([values[0]] * 3, rel=1e-5)


def test_the_delay_is_drawn_from_its_prior_and_the_origin_time_is_earlier_by_it():
    origin = np.random.default_rng(0).normal(size=(4, 1000))
    found = _with_delay(jax.random.key(0), {"origin_time_s": origin}, Prior())
    law = stats.truncnorm(-2.0, np.inf, loc=2.0, scale=1.0)
    assert stats.kstest(found["delay_s"].ravel(), law.cdf).pvalue > 1e-3
    sum_of_both = found["origin_time_s"] + found["delay_s"]
    np.testing.assert_allclose(sum_of_both, origin + law.mean(), atol=1e-5)


DEPTHS = {
    "log-normal": dist.LogNormal(np.log(10.0), 0.5),
    "uniform": dist.Uniform(0.0, 100.0),
    "half-normal": dist.HalfNormal(20.0),
    "off the surface": dist.Uniform(5.0, 60.0),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", DEPTHS)
def test_every_depth_prior_samples_well(observations, kind):
    prior = Prior(depth=DEPTHS[kind])
    found = sample(jax.random.key(4), observations, prior=prior, progress=False)
    assert found.attrs["result"] == Result.CONVERGED.name, dict(found.attrs)
    check_agreement(found, grid(observations, prior=prior), cell_share=0.04)


RESOLVED = [
    {"count": 8, "sd_s": 0.3},
    {"count": 16, "at": (70.0, 20.0)},
    {"count": 12, "depth_km": 80.0},
    {"count": 15, "sd_s": 0.8, "depth_km": 3.0},
    {"count": 10, "at": (-30.0, 30.0), "sd_s": 0.2},
]
RIDGES = [{"count": 8, "sd_s": 0.8}, {"count": 15, "sd_s": 1.29}, {"count": 16, "at": (140.0, 0.0)}]


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(RESOLVED)))
def test_grid_and_nuts_agree_on_more_detections(number):
    options = dict(RESOLVED[number])
    count = options.pop("count")
    observations = prepare(cases.quake(count, 100 + number, radius_km=110.0, **options))
    tree = sample(jax.random.key(number), observations, draws=2000, progress=False)
    assert tree.attrs["result"] == Result.CONVERGED.name, dict(tree.attrs)
    check_agreement(tree, grid(observations), cell_share=0.04)


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(RIDGES)))
def test_where_the_prior_region_alone_bounds_the_posterior_the_verdict_is_plain(number):
    """A small network sees a distant ridge: NUTS agrees with the grid, or says that it may not."""
    options = dict(RIDGES[number])
    observations = prepare(cases.quake(options.pop("count"), 100 + number, **options))
    tree = sample(jax.random.key(number), observations, draws=2000, progress=False)
    found = tree.attrs
    good = found["r_hat_max"] <= 1.01 and found["divergences"] == 0 and found["ess_bulk_min"] >= 400
    assert good == (found["result"] == Result.CONVERGED.name)
    check_agreement(tree, grid(observations), cell_share=0.1)


@pytest.mark.long
def test_the_mixture_samples_well_with_silent_devices():
    triggers, _ = cases.phones(25, 6)
    network = cases.network(25, 6)
    more = cases.network(40, 60)
    observations = prepare(
        triggers,
        network=pd.concat([network, more]),
        now=cases.EPOCH + pd.Timedelta(seconds=60),
        start=cases.EPOCH - pd.Timedelta(seconds=20),
    )
    # Of 1,000 draws a chain one tail has an effective size of 320, short of the 400 asked.
    tree = sample(jax.random.key(0), observations, likelihood="mixture", draws=2000, progress=False)
    assert tree.attrs["result"] == Result.CONVERGED.name, dict(tree.attrs)
    chance = tree["posterior"]["trigger_probability"].to_numpy()
    assert chance.mean() == pytest.approx(27 / 69, abs=0.03)
    shares = tree["posterior"]["shares"]
    assert shares.dims == ("chain", "draw", "component")
    assert list(shares["component"].to_numpy()) == ["P", "S", "background"]
    np.testing.assert_allclose(shares.sum("component"), 1.0)
