"""Fits recover what made the records; predictions are those of the posterior's draws."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.ground_motion import Design, GroundMotion, Prior, fit, prepare, simulate
from eqstat.ground_motion._layout import station_distances
from eqstat.ground_motion._predict import condense
from eqstat.ground_motion.event import predict
from eqstat.ground_motion.mixture import _mixture as mx
from eqstat.inference import InferenceError, Result

# What the tests share takes tens of seconds to compile.
pytestmark = pytest.mark.slow

TRUTH = GroundMotion(
    level=-0.1,
    magnitude_slope=0.6,
    spreading=1.5,
    depth_slope=0.2,
    event_sd=0.2,
    station_sd=0.15,
    record_sd=0.2,
    record_sd_slope=-0.05,
    spreading_sd=0.25,
    correlated_share=0.6,
    correlation_km=40.0,
    correlation_growth=0.7,
)
DESIGN = Design(events=60, stations=50, unknown_share=0.3, recorded=0.5)

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def found():
    return fit(simulate(jax.random.key(8), TRUTH, DESIGN))


def test_the_truth_is_recovered(found):
    errors = {
        name: (found[name] - float(getattr(TRUTH, name))) / found.standard_error[name]
        for name in found.names
    }
    assert max(map(abs, errors.values())) < 4, errors
    assert found.standard_error["record_sd"] < 0.01
    assert found.standard_error["event_sd"] < 0.05
    assert found.diagnostics["records"] == len(found.motions.table)


@pytest.mark.long
def test_station_terms_are_recovered(found):
    posterior = found.posterior(KEY, 50)
    truth = found.motions.table.groupby("station")["station_term"].first()
    truth = truth.loc[list(posterior.stations)].to_numpy()
    mean = posterior.station_mean.mean(axis=0)
    spread = np.sqrt((posterior.station_sd**2).mean(axis=0) + posterior.station_mean.var(axis=0))
    z = (mean - truth) / spread
    assert np.corrcoef(mean, truth)[0, 1] > 0.8
    assert abs(z.mean()) < 0.8  # one level is shared by all terms
    assert 0.7 < z.std() < 1.4


def test_predictions_hold_for_new_events_and_sites(found):
    new = simulate(jax.random.key(9), TRUTH, Design(events=400, stations=400, recorded=0.01)).table
    mixture = found.predictor(KEY)(
        *(new[n].to_numpy() for n in ("magnitude", "distance_km", "depth_km", "vs30_m_s"))
    )
    one = new.groupby("event").head(1).index  # one of each event: nearly independent
    pit = 1 - np.asarray(mx.exceedance(mixture, np.log10(new["pga_m_s2"].to_numpy())))[one]
    assert len(pit) > 350
    assert stats.kstest(pit, "uniform").pvalue > 1e-3
    assert abs(np.mean(np.abs(pit - 0.5) < 0.45) - 0.9) < 4 * np.sqrt(0.09 / len(pit))


@pytest.mark.long
def test_new_sites_of_a_sequence_are_predicted_by_their_distance():
    # In a sequence a near station is near in all its records: what its term has of distance must
    # not be lost for new sites.
    truth = dataclasses.replace(
        TRUTH, station_distance_slope=0.6, spreading_sd=0.0, correlated_share=0.0
    )
    design = Design(events=60, stations=60, sequence_km=30.0, recorded=0.8, max_depth_km=10.0)
    motions = simulate(jax.random.key(1), truth, design)
    assert motions.data.station_distance_share > 0.7
    design = dataclasses.replace(design, stations=400, recorded=0.05)
    new = simulate(jax.random.key(2), truth, design).table
    names = ("magnitude", "distance_km", "depth_km", "vs30_m_s")

    def decay_of_residuals(result):
        given = (new[name].to_numpy() for name in names)
        centre = np.asarray(mx.quantile(result.predictor(KEY)(*given), 0.5))
        return np.polyfit(np.log10(new["distance_km"]), np.log10(new["pga_m_s2"]) - centre, 1)[0]

    result = fit(motions)
    error = result.standard_error["station_distance_slope"]
    assert abs(result["station_distance_slope"] - 0.6) < 4 * error
    assert abs(decay_of_residuals(result)) < 0.25
    without = fit(motions, prior=Prior(station_distance_slope=dist.Normal(0.0, 1e-3)))
    assert decay_of_residuals(without) > 0.25


def test_distances_of_stations_by_hand():
    station = np.array([0, 0, 1, 1, 1])
    covariate, mean_km, share = station_distances(10.0 ** np.array([1, 1, 2, 2, 2]), station)
    np.testing.assert_allclose(covariate, np.array([-0.6, -0.6, 0.4, 0.4, 0.4]))
    assert float(mean_km) == pytest.approx(10**1.6)
    assert float(share) == 1.0  # nothing varies within a station
    *_, share = station_distances(10.0 ** np.array([1, 2, 1, 2, 1.5]), station)
    assert float(share) == 0.0


@pytest.mark.long
def test_a_missing_vs30_is_integrated_not_replaced(found):
    predictor = found.predictor(KEY, components=None)
    known, unknown = (predictor(6.0, 30.0, 8.0, v) for v in (10**2.6, np.nan))
    assert known.mean.shape == (256,)
    apart = np.asarray(unknown.scale**2 - known.scale**2)
    motion = found.posterior(KEY).motion
    expected = np.sort((motion.vs30_slope * motion.vs30_log10_sd) ** 2)
    np.testing.assert_allclose(np.sort(apart), expected, atol=1e-6)
    assert np.all(expected > 0)


@pytest.mark.long
def test_few_components_keep_mean_and_variance(found):
    distance = jnp.array([8.0, 40.0, 200.0])
    every = eqx.filter_jit(found.predictor(KEY, components=None))(7.5, distance, 8.0, np.nan)
    for components in (1, 5):
        few = eqx.filter_jit(found.predictor(KEY, components=components))(
            7.5, distance, 8.0, np.nan
        )
        assert few.mean.shape == (3, components)
        # 256 is no multiple of 5: one draw is left out there.
        close = 1e-4 if components != 5 else 5e-3
        for got, expected in zip(mx.mean_and_sd(few), mx.mean_and_sd(every), strict=True):
            np.testing.assert_allclose(got, expected, atol=close)
    five = found.predictor(KEY)(7.5, distance, 8.0, np.nan)
    high = np.asarray(jax.jit(mx.quantile)(every, 0.999))
    np.testing.assert_allclose(mx.exceedance(five, high), 0.001, rtol=0.4)
    with pytest.raises(ValueError, match="components must lie in 1 to 256"):
        found.predictor(KEY, components=0)


def test_bins_without_weight_are_nowhere():
    weight = jnp.log(jnp.array([0.0, 0.0, 0.25, 0.75]))
    few = condense(jnp.array([1.0, 2.0, 3.0, 5.0]), jnp.ones(4), weight, 2)
    np.testing.assert_allclose(jnp.exp(few.log_weight), [0.0, 1.0], atol=1e-6)
    assert float(mx.mean_and_sd(few)[0]) == pytest.approx(4.5, abs=1e-5)
    assert bool(jnp.isfinite(mx.log_exceedance(few, 4.0)))


def test_predictor_follows_the_dtype_and_is_jit_safe(found):
    narrow = found.predictor(KEY)
    assert jax.jit(lambda p, r: p(6.0, r, 8.0, 400.0).mean)(narrow, 30.0).dtype == jnp.float32
    with jax.enable_x64(True):
        wide = found.predictor(KEY)(6.0, 30.0, 8.0, 400.0).mean
        assert wide.dtype == jnp.float64
    np.testing.assert_allclose(narrow(6.0, 30.0, 8.0, 400.0).mean, np.asarray(wide), rtol=1e-4)


@pytest.mark.long
def test_regions_are_partially_pooled():
    levels = np.array([0.3, -0.2, 0.0, 0.1])
    truth = GroundMotion(
        event_sd=0.15, station_sd=0.1, record_sd=0.2, region_sd=0.2, region_level=levels
    )
    motions = simulate(jax.random.key(2), truth, Design(events=80, stations=40, regions=4))
    found = fit(motions)
    got = np.array([found[f"region_level[r{i:02d}]"] for i in range(4)])
    assert np.corrcoef(got, levels)[0, 1] > 0.9
    inside = found.predictor(KEY, region="r00")(6.0, 40.0, 8.0, 400.0)
    outside = found.predictor(KEY)(6.0, 40.0, 8.0, 400.0)
    assert float(mx.mean_and_sd(outside)[1]) > float(mx.mean_and_sd(inside)[1])
    assert float(mx.mean_and_sd(inside)[0]) > float(mx.mean_and_sd(outside)[0])


@pytest.mark.long
def test_records_without_stations_can_be_fitted():
    truth = GroundMotion(event_sd=0.2, station_sd=0.0, record_sd=0.25)
    motions = simulate(jax.random.key(4), truth, Design(events=40, stations=20))
    assert motions.stations == ()
    found = fit(motions)
    assert "station_sd" not in found.names
    assert abs(found["record_sd"] - 0.25) < 4 * found.standard_error["record_sd"]
    assert predict(found.posterior(KEY), motions.table[:3]).mean.shape == (3, 5)


def test_what_cannot_be_fitted_says_so(found):
    with pytest.raises((InferenceError, InputError)):
        table = found.motions.table.assign(pga_m_s2=np.nan)
        fit(prepare(table, max_distance_km=200))


@pytest.mark.parametrize("name", ["log10_pga", "magnitude_sd", "population"])
def test_a_fit_that_is_not_finite_has_a_result_code(name):
    motions = simulate(jax.random.key(3), TRUTH, Design(events=2, stations=1, recorded=1.0))
    bad = np.full_like(getattr(motions.data, name), np.nan)
    data = eqx.tree_at(lambda data: getattr(data, name), motions.data, bad)
    motions = dataclasses.replace(motions, data=data)
    result = fit(motions, throw=False)
    assert result.result is Result.NOT_FINITE
    with pytest.raises(InferenceError, match="not finite"):
        fit(motions)
    for use in (lambda: result.motion, lambda: result.posterior(KEY)):
        with pytest.raises(InferenceError, match=r"not finite|no finite mode"):
            use()


def test_prepare_leaves_nothing_out_silently():
    table = simulate(jax.random.key(1), TRUTH, Design(events=10, stations=20)).table
    kept = prepare(table, max_distance_km=60, min_magnitude=5, check_unit=False)
    assert kept.table["distance_km"].max() <= 60
    assert sum(kept.left_out.values()) == len(table) - len(kept.table)
    assert any("beyond 60 km left out" in note for note in kept.notes)
    by_size = prepare(table, max_distance_km=lambda m: 20 * (m - 3), check_unit=False)
    assert np.all(by_size.table["distance_km"] <= 20 * (by_size.table["magnitude"] - 3))
    assert any("no limit of distance" in note for note in prepare(table, check_unit=False).notes)
    with pytest.raises(InputError, match="no record is left"):
        prepare(table, max_distance_km=0.1, check_unit=False)
    with pytest.raises(InputError, match="no column 'place' for the region"):
        prepare(table, region="place", check_unit=False)
    gaps = table.assign(station=[None, *table["station"][1:]])
    with pytest.raises(InputError, match=r"column 'station': has missing values \(rows \[0\]\)"):
        prepare(gaps, check_unit=False)
    with pytest.raises(InputError, match="no column 'sd' for the magnitudes' sd"):
        prepare(table, magnitude_sd="sd", check_unit=False)
    with pytest.raises(InputError, match="differs between rows of one event"):
        prepare(table.assign(sd=range(len(table))), magnitude_sd="sd", check_unit=False)
    with pytest.raises(InputError, match=r"not negative \(rows \[0, 1, 2\]\)"):
        prepare(table.assign(sd="unknown"), magnitude_sd="sd", check_unit=False)


def test_a_station_known_in_some_rows_is_known_in_all():
    table = simulate(jax.random.key(1), TRUTH, Design(events=10, stations=5)).table
    first = table.groupby("station").head(1).index
    table.loc[first, "vs30_m_s"] = np.nan
    motions = prepare(table, max_distance_km=np.inf, check_unit=False)
    assert np.sum(motions.data.unknown_site) == 0
    assert any("have their station's" in note for note in motions.notes)
    expected = pd.Series(table["vs30_m_s"]).groupby(table["station"]).transform("median")
    got = 10 ** np.asarray(motions.data.log10_vs30)[: len(table)]
    np.testing.assert_allclose(got, expected)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("event_sd", 0.0, "event_sd must be above 0"),
        ("station_sd", -1.0, "station_sd must be at least 0"),
        ("level", np.nan, "level must be finite"),
    ],
)
def test_parameters_that_no_motion_has(name, value, words):
    with pytest.raises(ValueError, match=words):
        GroundMotion(**{name: value})


@pytest.mark.parametrize("bad", [{"events": 0}, {"recorded": 0.0}, {"unknown_share": 2.0}])
def test_designs_that_are_none(bad):
    with pytest.raises(ValueError, match=r"whole number from 1|must lie in"):
        Design(**bad)
