"""Verdicts: a posterior that the prior contradicts, or that says nothing, is never converged."""

from dataclasses import replace

import jax
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest

from eqstat import hypocentre
from eqstat.inference import InferenceError, Result
from eqstat.traveltime import Prior, fit, grid, prepare, report, sample, to_hypocentre
from eqstat.traveltime._results import advice_on, odd_trigger, of_depth, piled_end

from . import cases

DEEP = {"depth_km": 90.0, "sd_s": 0.05}


def deep(count=24, **more):
    return prepare(cases.quake(count, 3, **{**DEEP, **more}))


@pytest.mark.slow
@pytest.mark.parametrize("method", [fit, grid])
def test_a_depth_beyond_the_prior_is_said(method):
    observations = deep(depth_km=620.0, sd_s=0.2)
    found = method(observations, **({"throw": False} if method is fit else {}))
    assert found.result is Result.BEYOND_PRIOR
    assert not found.result.ok
    assert "depth" in report(observations, found).result


@pytest.mark.slow
def test_a_prior_that_reaches_there_finds_the_depth():
    observations = deep()
    narrow = grid(observations, prior=Prior(depth=dist.Uniform(0.0, 60.0)))
    assert narrow.result is Result.BEYOND_PRIOR and "60 km" in narrow.result_text
    wide = grid(observations, prior=Prior(depth=dist.Uniform(0.0, 200.0)))
    assert wide.result is Result.CONVERGED
    low, high = wide.quantile("depth_km", np.array([0.01, 0.99]))
    assert low < 90.0 < high


def test_the_thin_tail_of_a_prior_is_not_its_end():
    # Of phones and silent devices, whose depth is hardly resolved: the prior ends at 500 km.
    depth = np.array([0.3, 4.3, 13.1, 47.0, 149.9, 185.7, 208.6, 299.3])
    share = np.array([0.0, 0.05, 0.15, 0.5, 0.85, 0.95, 0.98, 1.0])
    unresolved = of_depth(lambda p: np.interp(p, share, depth), Prior())
    assert piled_end(unresolved) is None
    at_the_end = of_depth(lambda p: 500 + 20 * np.log(p), Prior())
    assert piled_end(at_the_end) == 500.0


@pytest.mark.slow
def test_a_source_near_the_end_of_the_prior_but_within_is_good():
    found = grid(deep(), prior=Prior(depth=dist.Uniform(0.0, 93.0)))
    assert found.result is Result.CONVERGED


def test_a_shallow_source_is_not_at_the_end_of_anything():
    found = grid(prepare(cases.quake(16, 4, depth_km=0.0, sd_s=0.6)))
    assert found.result in (Result.CONVERGED, Result.NOT_RESOLVED)


@pytest.mark.long
def test_a_mixture_beyond_its_prior_is_said():
    found = grid(deep(), likelihood="mixture", key=jax.random.key(0),
                 prior=Prior(depth=dist.Uniform(0.0, 50.0)))  # fmt: skip
    assert found.result is Result.BEYOND_PRIOR


@pytest.mark.long
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


def advice(result, observations):
    return " ".join(report(observations, result).advice)


def test_a_wrong_velocity_is_advised_against_and_a_right_one_is_not():
    table = cases.quake(40, 2, speed=5.5, sd_s=0.2, radius_km=90.0)
    wrong, right = prepare(table), prepare(table, velocity=5.5)
    assert "compare velocity models" in advice(fit(wrong, throw=False), wrong)
    assert advice(fit(right, throw=False), right) == ""


def test_phones_under_one_wave_are_advised_to_take_the_mixture():
    observations = prepare(cases.phones(40, 1)[0])
    assert "mixture" in advice(fit(observations, throw=False), observations)


def test_good_fits_rarely_get_advice():
    # A test at 1 %: of 2,000 sets of residuals some 20.
    rng = np.random.default_rng(0)
    chances = {"probability_p": 1.0, "probability_s": 0.0, "probability_background": 0.0}
    said = 0
    for _ in range(2000):
        residual_s, distance_km = rng.normal(size=40), rng.uniform(0, 100, 40)
        triggers = pd.DataFrame({"residual_s": residual_s, "distance_km": distance_km, **chances})
        said += bool(advice_on(triggers, one_wave=True))
    assert 5 < said < 40


def off_by(seconds, distance_km, rng, count=40):
    """Residuals of a least-squares fit, the first trigger late and at a distance."""
    triggers = pd.DataFrame(
        {
            "distance_km": np.r_[distance_km, rng.uniform(2, 80, count - 1)],
            "azimuth_deg": rng.uniform(0, 360, count),
        },
        index=np.arange(2, count + 2),
    )
    path_km = np.hypot(triggers["distance_km"], 25.0)
    slope = (triggers["distance_km"] / path_km).to_numpy()
    azimuth = np.radians(triggers["azimuth_deg"])
    design = np.stack([np.ones(count), slope * np.sin(azimuth), slope * np.cos(azimuth),
                       25.0 / path_km], axis=1)  # fmt: skip
    late_s = rng.normal(0, 0.4, count) + np.r_[seconds, np.zeros(count - 1)]
    fitted = design @ np.linalg.lstsq(design, late_s, rcond=None)[0]
    return triggers.assign(residual_s=late_s - fitted)


@pytest.mark.parametrize("distance_km", [5.0, 60.0, 200.0])
def test_one_trigger_off_the_wave_of_all_others_is_found(distance_km):
    rng = np.random.default_rng(2)
    for seconds in (-8.0, 8.0):
        assert odd_trigger(off_by(seconds, distance_km, rng), 25.0) == 2


def test_good_triggers_are_rarely_odd():
    rng = np.random.default_rng(3)
    assert sum(odd_trigger(off_by(0.0, 50.0, rng), 25.0) is not None for _ in range(2000)) <= 3


def test_a_trigger_at_a_wrong_place_is_said_of_a_location():
    table = cases.quake(40, 3, depth_km=25.0, sd_s=0.3)
    assert "off the wave" not in advice(fit(prepare(table)), prepare(table))
    table.loc[5, "latitude"] -= 150 / 111
    assert "row 5 is off the wave" in advice(fit(prepare(table), throw=False), prepare(table))


def test_triggers_that_may_be_either_wave_are_said():
    rng = np.random.default_rng(1)
    triggers = pd.DataFrame(
        {
            "residual_s": rng.normal(size=40),
            "distance_km": rng.uniform(0, 100, 40),
            "probability_p": 0.5,
            "probability_s": 0.45,
            "probability_background": 0.05,
        }
    )
    assert "100% of the triggers may be P or S" in advice_on(triggers, one_wave=False)[0]
    sure = triggers.assign(probability_p=0.9, probability_s=0.05)
    assert advice_on(sure, one_wave=False) == []


def test_exchanged_labels_are_said():
    triggers = pd.DataFrame(
        {
            "residual_s": np.random.default_rng(1).normal(size=40),
            "distance_km": np.linspace(1, 100, 40),
            "phase": ["P", "S"] * 20,
            "probability_p": 0.1,
            "probability_s": 0.1,
            "probability_background": 0.8,
        }
    )
    assert "exchanged" in " ".join(advice_on(triggers, one_wave=False))
    assert advice_on(triggers.drop(columns="phase"), one_wave=False) == []
