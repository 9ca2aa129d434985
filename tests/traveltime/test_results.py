"""Verdicts: a posterior that the prior contradicts, or that says nothing, is never converged."""

from dataclasses import replace

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

from eqstat import hypocentre
from eqstat.inference import InferenceError, Result
from eqstat.traveltime import Prior, fit, grid, prepare, report, sample, to_hypocentre

from . import cases

DEEP = {"depth_km": 90.0, "sd_s": 0.05}


def deep(count=24, **more):
    return prepare(cases.quake(count, 3, **{**DEEP, **more}))


@pytest.mark.parametrize("method", [fit, grid])
def test_a_depth_beyond_the_prior_is_said(method):
    observations = deep(depth_km=620.0, sd_s=0.2)
    found = method(observations, **({"throw": False} if method is fit else {}))
    assert found.result is Result.BEYOND_PRIOR
    assert not found.result.ok
    assert "depth" in report(observations, found).result


def test_a_prior_that_reaches_there_finds_the_depth():
    observations = deep()
    narrow = grid(observations, prior=Prior(depth=dist.Uniform(0.0, 60.0)))
    assert narrow.result is Result.BEYOND_PRIOR and "60 km" in narrow.result_text
    wide = grid(observations, prior=Prior(depth=dist.Uniform(0.0, 200.0)))
    assert wide.result is Result.CONVERGED
    low, high = wide.quantile("depth_km", np.array([0.01, 0.99]))
    assert low < 90.0 < high


def test_a_source_near_the_end_of_the_prior_but_within_is_good():
    found = grid(deep(), prior=Prior(depth=dist.Uniform(0.0, 93.0)))
    assert found.result is Result.CONVERGED


def test_a_shallow_source_is_not_at_the_end_of_anything():
    found = grid(prepare(cases.quake(16, 4, depth_km=0.0, sd_s=0.6)))
    assert found.result in (Result.CONVERGED, Result.NOT_RESOLVED)


def test_a_mixture_beyond_its_prior_is_said():
    found = grid(deep(), likelihood="mixture", key=jax.random.key(0),
                 prior=Prior(depth=dist.Uniform(0.0, 50.0)))  # fmt: skip
    assert found.result is Result.BEYOND_PRIOR


@pytest.mark.slow
def test_nuts_judges_its_draws_by_the_prior():
    tree = sample(jax.random.key(0), deep(), progress=False,
                  prior=Prior(depth=dist.Uniform(0.0, 60.0)))  # fmt: skip
    assert tree.attrs["result"] == "BEYOND_PRIOR"
    assert "depth" in tree.attrs["result_text"]


def test_an_epicentre_beyond_the_region_is_said():
    found = grid(prepare(cases.quake(14, 4, at=(300.0, 0.0), sd_s=0.02)),
                 prior=Prior(region_km=100.0))  # fmt: skip
    assert found.result is Result.BEYOND_PRIOR
    assert "epicentre" in found.result_text


def test_times_that_say_nothing_do_not_determine_an_epicentre():
    devices = cases.network(6, 3)
    times = np.random.default_rng(1).uniform(0, 60, 6)
    observations = prepare(cases.stamp(devices, times))
    found = grid(observations)
    assert not found.result.ok
    with pytest.raises(InferenceError):
        fit(observations)


def test_no_depth_of_a_fit_is_above_ground():
    observations = prepare(cases.quake(12, 3, depth_km=4.0, sd_s=0.5))
    found = fit(observations, throw=False)
    low, high = report(observations, found, probability=0.99).interval["depth_km"]
    assert 0 <= low < high
    # A normal that plain Wald intervals would take 9 km above ground.
    normal = replace(
        found,
        estimate=np.array([0.0, 0.0, 4.0, 0.0, 1.0]),
        covariance=np.diag([9.0, 9.0, 64.0, 1.0, 0.01]),
    )
    posterior = to_hypocentre(observations, normal)
    assert float(posterior["depth_km"].min()) >= 0
    table = hypocentre.summary(posterior, probability=0.9)
    # The 5 % and 95 % quantiles of |N(4, 8)|.
    assert float(table["depth_km"].sel(statistic="low")) == pytest.approx(0.57, abs=0.1)
    assert float(table["depth_km"].sel(statistic="high")) == pytest.approx(17.6, abs=0.5)
