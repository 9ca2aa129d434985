"""Point estimates against SciPy's least squares from many starts."""

import jax
import numpy as np
import pytest
from scipy import optimize, stats

from eqstat.inference import InferenceError, Result
from eqstat.inference._mode import find_mode
from eqstat.traveltime import Prior, fit, prepare
from eqstat.traveltime._fit import HYPOCENTRE
from eqstat.velocity import ConstantVelocity, load_velocity

from . import cases

REGION_KM = 500.0


def best_squares(observations, speed, starts=12):
    """Least sum of squares found by SciPy, bounded, from many starts."""
    times = cases.seconds(observations)
    rng = np.random.default_rng(0)
    devices = cases.vector(observations.triggers["latitude"], observations.triggers["longitude"])
    aperture = np.median(np.linalg.norm(devices - devices.mean(0), axis=1))

    def residual(three):
        left = times - cases.travel_times(observations, *three, speed)
        return left - left.mean()

    best = np.inf
    for number in range(starts):
        radius = aperture * 20 ** rng.uniform(-1, 1) if number else 0.0
        turn = rng.uniform(0, 2 * np.pi)
        start = [radius * np.sin(turn), radius * np.cos(turn), 10 ** rng.uniform(0, 2.6)]
        start[:2] = np.clip(start[:2], -490, 490)
        found = optimize.least_squares(
            residual,
            start,
            bounds=([-REGION_KM, -REGION_KM, 0], [REGION_KM, REGION_KM, 500]),
            x_scale=[10, 10, 10],
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-12,
            max_nfev=300,
        )
        best = min(best, 2 * found.cost)
    return best


def compare(triggers):
    """Sums of squares of both waves here and by SciPy, and whether fit says it converged."""
    observations = prepare(triggers)
    out = []
    for wave, speed in (("P", cases.P_KM_S), ("S", cases.S_KM_S)):
        found = fit(observations, wave=wave, throw=False)
        out.append((found, best_squares(observations, speed)))
    return out


DETECTIONS = {
    "true 6": cases.quake(6, 6),
    "true 9": cases.quake(9, 9, sd_s=1.29),
    "true 13": cases.quake(13, 13, depth_km=110.0),
    "true 16 outside": cases.quake(16, 16, at=(150.0, 40.0)),
    "S 14": cases.quake(14, 14, speed=cases.S_KM_S),
    "false 8": cases.noise(8, 8),
    "false 15": cases.noise(15, 15, 12.0),
    "front 16": cases.front(16, 16),
    "shallow 16": cases.quake(16, 3, depth_km=0.5),
}
# SciPy takes its time where there is no earthquake.
LONG = {"false 8", "front 16"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long if n in LONG else ()) for n in DETECTIONS]
)
def test_reaches_the_optimum_of_scipy_or_says_that_it_did_not(name):
    for found, expected in compare(DETECTIONS[name]):
        # A front that is no earthquake has its optimum at the end of the region.
        assert found.result.ok or found.result is Result.BEYOND_PRIOR
        assert found.diagnostics["sum_of_squares_s2"] <= expected * (1 + 1e-4) + 1e-9
        # And never less than possible: the residuals at the estimate give that sum.
        assert found.diagnostics["sum_of_squares_s2"] >= expected * (1 - 1e-3) - 1e-9


@pytest.mark.long
@pytest.mark.parametrize("count", [7, 12, 21, 40, 108, 200])
def test_reaches_the_optimum_of_scipy_for_many_sizes(count):
    missed = []
    for seed in range(3):
        kinds = (
            cases.quake(count, seed, sd_s=1.29),
            cases.quake(count, seed + 50, at=(90.0, -60.0), depth_km=60.0),
            cases.noise(count, seed),
            cases.front(count, seed),
        )
        for kind, triggers in enumerate(kinds):
            for found, expected in compare(triggers):
                good = found.diagnostics["sum_of_squares_s2"] <= expected * (1 + 1e-4)
                if not good and found.result.ok:
                    missed.append((kind, seed, found.diagnostics["sum_of_squares_s2"], expected))
    assert missed == []


@pytest.mark.parametrize("wave", ["P", "S"])
def test_recovers_the_truth_without_noise(wave):
    speed = {"P": cases.P_KM_S, "S": cases.S_KM_S}[wave]
    triggers = cases.quake(12, 3, sd_s=0.0, speed=speed, depth_km=22.0)
    observations = prepare(triggers)
    found = fit(observations, wave=wave)
    latitude, longitude = cases.geographic(observations, found["east_km"], found["north_km"])
    truth = cases.destination(-12.0, -77.0, 8.0, -5.0)
    apart = cases.vector(latitude, longitude) - cases.vector(*truth)
    assert np.linalg.norm(apart) < 0.02
    assert found["depth_km"] == pytest.approx(22.0, abs=0.05)
    origin = observations.time_of(found["origin_time_s"]) - cases.EPOCH
    assert origin.total_seconds() == pytest.approx(0.0, abs=0.005)
    assert found["sd_s"] < 1e-3
    other = fit(observations, wave="S" if wave == "P" else "P", throw=False)
    assert other["sd_s"] > 0.05


def test_the_wave_of_the_observations_is_the_default():
    triggers = cases.quake(12, 3, speed=cases.S_KM_S)
    by_table = fit(prepare(triggers, wave="S"))
    by_call = fit(prepare(triggers), wave="S")
    np.testing.assert_allclose(by_table.estimate, by_call.estimate, rtol=1e-9)


def test_objective_and_scatter_are_those_of_the_maximum_likelihood():
    observations = prepare(cases.quake(14, 5))
    found = fit(observations)
    residual = cases.seconds(observations) - cases.travel_times(observations, *found.estimate[:3])
    residual -= found["origin_time_s"]
    assert np.mean(residual) == pytest.approx(0.0, abs=1e-6)
    assert found["sd_s"] == pytest.approx(np.std(residual), rel=1e-6)
    expected = -np.sum(stats.norm.logpdf(residual, 0, np.std(residual)))
    assert found.objective == pytest.approx(expected, rel=1e-6)
    assert found.names == (*HYPOCENTRE, "sd_s")


def test_standard_errors_are_about_the_scatter_of_estimates():
    """Standard errors in the mean over detections agree with the estimates' own scatter."""
    estimates, errors = [], []
    for seed in range(40):
        devices = cases.network(16, 11)
        rng = np.random.default_rng(seed)
        place = cases.destination(-12.0, -77.0, 3.0, 2.0)
        times = cases.straight(*place, 25.0, devices) / cases.P_KM_S + 0.1 * rng.normal(size=16)
        found = fit(prepare(cases.stamp(devices, times)))
        estimates.append(found.estimate[:3])
        errors.append([found.standard_error[name] for name in HYPOCENTRE[:3]])
    ratio = np.std(estimates, axis=0) / np.sqrt(np.mean(np.square(errors), axis=0))
    assert np.all((ratio > 0.75) & (ratio < 1.3))


@pytest.mark.parametrize("seed", [1, 4, 6])
def test_a_surface_source_is_at_bound_and_has_no_depth_error(seed):
    found = fit(prepare(cases.quake(16, seed, depth_km=0.0, sd_s=0.6)))
    assert found.result is Result.AT_BOUND
    assert found.at_bound == ("depth_km",)
    assert np.isnan(found.standard_error["depth_km"])
    assert np.isfinite(found.standard_error["east_km"])
    low, high = found.interval(0.9)["depth_km"]
    assert low == 0.0 and 1.0 < high < 30.0


def test_a_source_beyond_the_region_is_at_its_edge():
    triggers = cases.quake(14, 4, at=(300.0, 0.0), sd_s=0.02)
    found = fit(prepare(triggers), prior=Prior(region_km=100.0), throw=False)
    assert found.result is Result.BEYOND_PRIOR
    assert "east_km" in found.at_bound
    assert found["east_km"] == pytest.approx(100.0, abs=0.2)
    with pytest.raises(InferenceError, match="epicentre lies at the end of its range"):
        fit(prepare(triggers), prior=Prior(region_km=100.0))


def test_says_when_the_depth_is_not_resolved():
    found = fit(prepare(cases.quake(12, 3, at=(80.0, 0.0), depth_km=60.0, sd_s=0.5)))
    assert found.result is Result.NOT_RESOLVED
    low, high = found.interval(0.9)["depth_km"]
    assert 0 <= low < 0.1 * high and high - low > 50
    near = fit(prepare(cases.quake(16, 3, sd_s=0.05)))
    assert near.result is Result.CONVERGED


def test_too_few_triggers_give_no_hypocentre():
    observations = prepare(cases.quake(2))
    with pytest.raises(InferenceError, match="too few triggers") as caught:
        fit(observations)
    assert caught.value.result is Result.TOO_FEW
    for likelihood in ("gaussian", "mixture"):
        found = fit(observations, likelihood=likelihood, throw=False)
        assert found.result is Result.TOO_FEW
        assert np.all(np.isnan(found.estimate))
        assert found.diagnostics["triggers"] == 2


@pytest.mark.long
def test_tables_of_travel_times_serve_as_well():
    """The estimate under ak135 leaves no smaller residual nearby."""
    velocity = load_velocity("ak135")
    observations = prepare(cases.quake(12, 3, depth_km=22.0), velocity=velocity)
    found = fit(observations)

    def squares(three):
        place = cases.geographic(observations, *three[:2])
        devices = cases.vector(
            observations.triggers["latitude"], observations.triggers["longitude"], 1.0
        )
        angle = np.arccos(np.clip(devices @ cases.vector(*place, 1.0), -1, 1))
        p, _ = velocity.travel_time(angle * cases.RADIUS_KM, max(three[2], 0.0))
        residual = cases.seconds(observations) - np.asarray(p)
        return np.sum((residual - residual.mean()) ** 2)

    here = squares(found.estimate)
    polished = optimize.minimize(squares, found.estimate[:3], method="Nelder-Mead")
    assert polished.fun > here * (1 - 2e-3)


def test_slower_rock_is_heard():
    triggers = cases.quake(12, 3, sd_s=0.0, speed=6.0, depth_km=22.0)
    found = fit(prepare(triggers, velocity=ConstantVelocity(6.0, 3.5)))
    assert found["sd_s"] < 1e-3 and found["depth_km"] == pytest.approx(22.0, abs=0.1)


# --- the posterior mode


def negative_log_posterior(observations, five):
    """Of (east, north, depth, arrival, log sd) under the default priors, up to a constant."""
    east, north, depth, arrival, log_sd = five
    travel = cases.travel_times(observations, east, north, depth)
    own = np.nan_to_num(observations.triggers["time_sd_s"].to_numpy(float))
    sd = np.hypot(np.exp(log_sd), own)
    residual = cases.seconds(observations) - (arrival - travel.mean()) - travel
    return -(
        stats.norm.logpdf(residual, 0, sd).sum()
        + stats.beta.logpdf(depth / 500, 1, 12)
        + stats.norm.logpdf(log_sd, np.log(1.29), 0.3)
    )


@pytest.fixture(scope="module")
def uncertain():
    sds = np.where(np.arange(15) % 3 == 0, 0.4, np.nan)
    return prepare(cases.quake(15, 8, depth_km=30.0, sd_s=0.8).assign(time_sd_s=sds))


@pytest.mark.long
def test_with_time_errors_it_is_the_posterior_mode(uncertain):
    """In the sampler's unconstrained space: log-odds of depth, log of the scatter."""
    found = fit(uncertain)

    def objective(five):
        depth = 500 / (1 + np.exp(-five[2]))
        value = negative_log_posterior(uncertain, [five[0], five[1], depth, *five[3:]])
        # Jacobians of the unconstrained space: depth, and the two uniform sides of the box.
        share = depth / 500
        sides = [(np.array(five[i]) + 500) / 1000 for i in (0, 1)]
        return value - sum(np.log(x * (1 - x)) for x in (share, *sides))

    travel = cases.travel_times(uncertain, *found.estimate[:3])
    start = [
        found["east_km"],
        found["north_km"],
        np.log(found["depth_km"] / (500 - found["depth_km"])),
        found["origin_time_s"] + travel.mean(),
        np.log(found["sd_s"]),
    ]
    polished = optimize.minimize(
        objective, np.array(start) + 0.05, method="BFGS", options={"gtol": 1e-7}
    )
    expected = polished.x
    depth = 500 / (1 + np.exp(-expected[2]))
    np.testing.assert_allclose(found.estimate[:3], [*expected[:2], depth], atol=0.05)
    assert np.log(found["sd_s"]) == pytest.approx(expected[4], abs=0.02)


def test_another_table_of_the_bucket_does_not_recompile_the_mode(uncertain):
    fit(uncertain)
    before = find_mode._cache_size()
    other = cases.quake(9, 2).assign(time_sd_s=0.5)
    fit(prepare(other, velocity=ConstantVelocity(6.1, 3.6)), prior=Prior(region_km=200.0))
    assert find_mode._cache_size() == before


@pytest.fixture(scope="module")
def mixed():
    return cases.phones(30, 4)


@pytest.mark.long
def test_the_mixture_finds_place_and_shares(mixed):
    triggers, cause = mixed
    observations = prepare(triggers)
    found = fit(observations, likelihood="mixture")
    assert found.result.ok
    place = cases.geographic(observations, found["east_km"], found["north_km"])
    apart = cases.vector(*place) - cases.vector(*cases.destination(-12.0, -77.0, 8.0, -5.0))
    error = np.hypot(found.standard_error["east_km"], found.standard_error["north_km"])
    assert np.linalg.norm(apart) < 3 * error + 1.0
    shares = [found[f"{name}_share"] for name in ("p", "s", "background")]
    assert sum(shares) == pytest.approx(1.0)
    np.testing.assert_allclose(shares, np.bincount(cause) / 30, atol=0.2)
    assert found["scatter_s"] == pytest.approx(0.6, abs=0.3)
    assert set(HYPOCENTRE) | {"delay_s", "scatter_s"} <= set(found.names)


def test_the_answer_is_the_same_inside_and_outside_of_double_precision():
    observations = prepare(cases.quake(9, 2))
    plain = fit(observations, throw=False)
    with jax.enable_x64(True):
        double = fit(observations, throw=False)
    np.testing.assert_array_equal(plain.estimate, double.estimate)
    assert not jax.config.jax_enable_x64
