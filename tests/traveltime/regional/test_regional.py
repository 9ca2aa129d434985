import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, multivariate_normal

from eqstat import InputError, hypocentre
from eqstat.geodesy import LocalFrame, great_circle_distance
from eqstat.hypocentre import credible_level
from eqstat.inference import InferenceError
from eqstat.traveltime.regional import DepthPrior, RegionalError, learn, locate, report, simulate
from eqstat.traveltime.regional import _learn as regional_learn
from eqstat.traveltime.regional import _locate as regional
from eqstat.traveltime.regional._core import (
    Picks,
    Target,
    effects,
    laplace,
    log_posterior,
    moveout,
    pick_log_density,
)
from eqstat.traveltime.regional._evidence import Optimum
from eqstat.traveltime.regional._spd import inverse_and_log_determinant

# What the tests share takes tens of seconds to compile.
pytestmark = pytest.mark.slow

CENTRE = (36.0, -98.0)
TRUTH = {"latitude": 36.2, "longitude": -98.3, "depth_km": 9.0}


def _stations(count=40, seed=3, radius_km=350.0):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, count)
    radius = radius_km * np.sqrt(rng.uniform(0.002, 1, count))
    latitude, longitude = LocalFrame(*CENTRE).to_geographic(
        radius * np.sin(angle), radius * np.cos(angle)
    )
    return pd.DataFrame(
        {
            "device": [f"A.{i}" for i in range(count)],
            "latitude": latitude,
            "longitude": longitude,
            "elevation_m": rng.uniform(0, 900, count),
        }
    )


def _picks(count=12, seed=0, s_from=7):
    table = _stations(count, seed)
    return Picks(
        jnp.asarray(LocalFrame(*CENTRE).position(table.latitude, table.longitude)),
        jnp.asarray(table.elevation_m.to_numpy()) / 1000,
        jnp.zeros(count),
        jnp.arange(count) < s_from,
        jnp.ones(count, bool),
    )


@pytest.fixture(scope="module")
def event():
    return simulate(jax.random.key(9), RegionalError(), _stations(), **TRUTH)


@pytest.fixture(scope="module")
def location(event):
    return locate(event, RegionalError())


def test_branches_are_straight_and_refracted():
    error = RegionalError()
    with jax.enable_x64(True):
        picks = _picks()
        move = moveout(error, jnp.asarray(10.0), jnp.asarray(-5.0), jnp.asarray(12.0), picks)
        where = LocalFrame(*CENTRE).to_geographic(10.0, -5.0)
        place = LocalFrame(*CENTRE).position(*where)
        chord = np.linalg.norm(np.asarray(picks.position_km) - place, axis=1)
    distance = 2 * 6371 * np.arcsin(chord / 2 / 6371)
    np.testing.assert_allclose(move.distance_km, distance, rtol=1e-5)
    rise = 12 + np.asarray(picks.elevation_km)
    np.testing.assert_allclose(move.time_s[:, 0], np.hypot(chord, rise) / 6.2, rtol=3e-3)
    # Down from 12 km to the Moho at 40 km and up from it to the station, at the critical angle.
    cosine = np.sqrt(1 - (6.2 / 8.1) ** 2)
    legs = 28 + 40 + np.asarray(picks.elevation_km)
    np.testing.assert_allclose(move.time_s[:, 1], distance / 8.1 + legs * cosine / 6.2, rtol=1e-5)


def test_shared_error_grows_with_distance_and_is_more_alike_for_near_azimuths():
    with jax.enable_x64(True):
        picks = _picks(30, s_from=15)
        move = moveout(RegionalError(), jnp.asarray(0.0), jnp.asarray(0.0), jnp.asarray(8.0), picks)
        design = np.asarray(effects(RegionalError(), move, picks))[:, 1:]
    covariance = design @ design.T
    p = np.asarray(picks.is_p)
    order = np.argsort(np.asarray(move.distance_km)[p])
    assert np.all(np.diff(np.diag(covariance)[p][order]) > 0)
    # The azimuthal part has the stated size in every direction.
    near = np.minimum(np.asarray(move.distance_km), 150.0)[p] / 100
    far = np.maximum(np.asarray(move.distance_km) - 150.0, 0.0)[p] / 100
    late = 1 / (1 + np.exp(-(np.asarray(move.distance_km)[p] - 200) / 20))
    expected = near**2 * (0.2**2 + 0.4**2) + far**2 * (0.2**2 + 0.3**2) + (0.5 * late) ** 2
    np.testing.assert_allclose(np.diag(covariance)[p], expected, rtol=1e-5)


def test_density_of_one_pick_integrates_to_one():
    error = RegionalError(student_degrees_of_freedom=6.0, outlier_probability=1e-12)
    with jax.enable_x64(True):
        picks = _picks(3, s_from=2)
        move = moveout(error, jnp.asarray(0.0), jnp.asarray(0.0), jnp.asarray(8.0), picks)

        grid = jnp.arange(-30.0, 170.0, 0.01)
        value = jax.jit(
            jax.vmap(
                lambda x: pick_log_density(error, x - move.time_s, move.scatter_s, move.log_weight)[
                    0
                ]
            )
        )(grid)
        total = np.sum(np.exp(np.asarray(value)), axis=0) * 0.01
    np.testing.assert_allclose(total, 1, atol=2e-3)


@pytest.mark.long
def test_laplace_is_exact_where_all_is_gaussian():
    # Student with very many degrees of freedom, one branch only: a multivariate normal.
    error = RegionalError(
        student_degrees_of_freedom=1e7,
        outlier_probability=1e-250,
        wrong_phase_probability=1e-250,
        p_mantle_share=1e-12,
        s_mantle_share=1e-12,
    )
    with jax.enable_x64(True):
        picks = _picks(14, s_from=9)
        move = moveout(error, jnp.asarray(0.0), jnp.asarray(0.0), jnp.asarray(8.0), picks)
        design = effects(error, move, picks)
        rng = np.random.default_rng(5)
        branch = np.where(np.asarray(picks.is_p), 0, 2)
        noise = rng.normal(0, 0.8, 14)
        observed = noise + np.asarray(move.time_s)[np.arange(14), branch] + 3.0
        result = laplace(error, jnp.asarray(observed)[:, None] - move.time_s, move, design, picks)
        scatter = np.asarray(move.scatter_s)[np.arange(14), branch]
        design = np.asarray(design)
        prior = design @ design.T
        total = prior + np.diag(scatter**2)
    middle = np.median(noise + 3.0)
    expected = multivariate_normal(np.full(14, middle), total).logpdf(noise + 3.0)
    assert float(result.log_evidence) == pytest.approx(expected, abs=1e-4)
    mean = middle + prior @ np.linalg.solve(total, noise + 3.0 - middle)
    np.testing.assert_allclose(result.shared_s, mean, atol=1e-6)
    # The origin time, with a flat prior, by generalised least squares.
    other = design[:, 1:] @ design[:, 1:].T + np.diag(scatter**2)
    weight = np.linalg.solve(other, np.ones(14))
    assert float(result.origin_sd_s) == pytest.approx(weight.sum() ** -0.5, rel=1e-3)
    assert float(result.origin_s) == pytest.approx(weight @ (noise + 3.0) / weight.sum(), abs=1e-3)


def test_padding_changes_nothing(event):
    with jax.enable_x64(True):
        frame = LocalFrame(*CENTRE)
        table = event.iloc[:13]
        small = regional.pad_picks(table, frame)
        few = Picks(*(part[: len(table)] for part in small))
        values = []
        for part in (small, few):
            picks = Picks(*(jnp.asarray(column) for column in part))
            target = Target(RegionalError(), picks, jnp.log(8.0), jnp.asarray(0.8))
            at = (jnp.asarray(3.0), jnp.asarray(5.0), jnp.log(9.0))
            values.append(float(jax.jit(lambda t, at=at: log_posterior(*at, t))(target)))
    assert len(small.mask) > len(few.mask)
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_student_and_label_of_simulated_picks():
    error = RegionalError(
        wrong_phase_probability=0.3, outlier_probability=1e-9, poor_event_probability=1e-9
    )
    table = simulate(
        jax.random.key(2), error, _stations(400), latitude=36.0, longitude=-98.0, depth_km=8.0
    )
    wrong = (table["branch"] >= 2) != (table["phase"] == "S")
    low, high = binom.interval(0.9999, len(table), 0.3)
    assert low <= wrong.sum() <= high
    assert table["time"].is_monotonic_increasing


def test_a_clean_event_is_located(event, location):
    place = (TRUTH["latitude"], TRUTH["longitude"])
    assert great_circle_distance(*location.epicentre, *place) < 15
    posterior = location.hypocentre
    assert hypocentre.contains(posterior, *place, 0.99)
    assert float(posterior["weight"].sum()) == pytest.approx(1)
    assert location.edge_mass < 1e-3
    areas = [hypocentre.credible_region(posterior, p).area_km2 for p in (0.5, 0.9)]
    assert areas[0] < areas[1]
    zero = pd.Timestamp(posterior.attrs["reference_time"])
    truth = (pd.Timestamp("2020-01-01T00:00:00Z") - zero).total_seconds()
    origin = hypocentre.summary(posterior)["origin_time_s"]
    error = float(origin.sel(statistic="mean")) - truth
    assert 0.1 < float(origin.sel(statistic="sd")) < 2.0
    assert abs(error) < 3 * float(origin.sel(statistic="sd"))
    assert location.picks_used == len(event)


def test_the_report_has_all_that_other_reports_have(event, location):
    summary = report(location, probability=0.8)
    given = summary.to_dict()
    assert (given["method"], given["likelihood"]) == ("grid", "regional")
    assert given["interval"]["probability"] == given["region"]["probability"] == 0.8
    assert given["triggers"]["used"] == len(event) == len(summary.triggers)
    low, high = (pd.Timestamp(end) for end in given["interval"]["origin_time"])
    assert low < pd.Timestamp(given["hypocentre"]["origin_time"]) < high
    rows = summary.triggers
    is_p = rows["probability_p"] > 0.5
    true_p = rows["branch"] < 2
    assert np.mean(is_p == true_p) > 0.9
    fine = (rows["branch"] < 4) & (is_p == true_p)
    assert np.median(np.abs(rows["residual_s"][fine])) < 4.0  # errors of slowness are in them
    assert set(given) == set(location_keys())


def location_keys():
    """Keys of the reports of phone triggers."""
    return [
        "method",
        "likelihood",
        "hypocentre",
        "standard_error",
        "interval",
        "region",
        "azimuthal_gap_deg",
        "nearest_device_km",
        "triggers",
        "result",
        "diagnostics",
    ]


def test_a_wrong_label_does_no_harm(event, location):
    once = ~event["device"].duplicated(keep=False)
    far = event.index[(event["phase"] == "P") & once][-1]
    swapped = event.copy()
    swapped.loc[far, "phase"] = "S"
    again = locate(swapped, RegionalError())
    assert great_circle_distance(*again.epicentre, *location.epicentre) < 4


def test_a_catalogue_error_widens_the_region(location):
    off = LocalFrame(*location.epicentre).to_geographic(12.0, 8.0)
    levels = [credible_level(location.hypocentre, *off, point_sd_km=sd) for sd in (0.0, 2.0, 6.0)]
    assert levels[0] > levels[1] > levels[2]
    assert credible_level(location.hypocentre, 10.0, 10.0) == 1.0


def test_too_few_and_bad_tables_are_refused(event):
    known = pd.DataFrame({"event": ["a"], "latitude": [36.0], "longitude": [-98.0]})
    with pytest.raises(InferenceError, match="too few"):
        locate(event.iloc[:2], RegionalError())
    with pytest.raises(InputError, match="phase"):
        locate(event.drop(columns="phase"), RegionalError())
    with pytest.raises(InputError, match="event"):
        learn(event, known)
    with pytest.raises(InputError, match="no event has"):
        learn(event.assign(event="b"), known)
    with pytest.raises(InputError, match="deepest"):
        DepthPrior(deepest_km=0.5)


def test_doubled_picks_are_left_out_and_counted(event):
    doubled = pd.concat([event, event.iloc[[3]]], ignore_index=True)
    used, left_out = regional.usable_picks(doubled, "picks")
    assert len(used) == len(event)
    assert list(left_out["reason"]) == ["another pick of this phase and station"]


def test_inverse_by_sweeps_agrees_with_lapack():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(6, 6))
    matrix = matrix @ matrix.T + np.eye(6)
    with jax.enable_x64(True):
        given = jnp.asarray(matrix)
        inverse, log_determinant = inverse_and_log_determinant(given)
        slope = jax.grad(lambda a: jnp.sum(inverse_and_log_determinant(a)[0] ** 2))(given)
        expected = jax.grad(lambda a: jnp.sum(jnp.linalg.inv(a) ** 2))(given)
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix), atol=1e-12)
    assert float(log_determinant) == pytest.approx(np.linalg.slogdet(matrix)[1])
    np.testing.assert_allclose(slope, expected, atol=1e-10)


@pytest.mark.long
def test_tails_come_from_events_that_did_not_teach_the_numbers(monkeypatch):
    # The numbers of each fold are those of the other events; each event is located once.
    picks, truth = _synthetic(RegionalError(), 4, seed=3)
    taught, located = [], []

    def maximise(known, constant, start, max_iterations):
        taught.append({name for name, *_ in known})
        return Optimum(start + len(taught), 0.0, 0.0, 1, True, "")

    def contents(known, error, catalogue_sd_km, depth):
        located.append(({name for name, *_ in known}, error.moho_depth_km))
        return [(0.5, 20)] * len(known)

    monkeypatch.setattr(regional_learn, "_maximise", maximise)
    monkeypatch.setattr(regional_learn, "_contents", contents)
    monkeypatch.setattr(regional_learn, "_error", lambda free: RegionalError(moho_depth_km=free[0]))
    learned = learn(picks, truth, tail_folds=2)
    everyone = set(truth["event"])
    assert taught[0] == everyone and len(taught) == 3
    for others, (own, _) in zip(taught[1:], located, strict=True):
        assert others == everyone - own and own
    assert set.union(*(own for own, _ in located)) == everyone
    assert len({moho for _, moho in located}) == 2  # of its fold, not of all events
    assert learned.error.tail_content == (0.5,) * 4
    shuffled = learn(picks, truth.sample(frac=1, random_state=0), tail_folds=2)
    assert sorted(map(sorted, taught[4:])) == sorted(map(sorted, taught[1:3]))
    assert shuffled.events_used == 4
    with pytest.raises(InputError, match="tail_folds must be 0 or lie in 2 to 4"):
        learn(picks, truth, tail_folds=5)


def _synthetic(error, events, seed):
    rng = np.random.default_rng(seed)
    rows, tables = [], []
    for i in range(events):
        latitude, longitude = rng.uniform(35.2, 36.8), rng.uniform(-98.9, -97.1)
        table = simulate(
            jax.random.key(1000 * seed + i),
            error,
            _stations(20, seed=100 * seed + i),
            latitude=latitude,
            longitude=longitude,
            depth_km=float(np.clip(np.exp(rng.normal(np.log(8), 0.8)), 1, 40)),
            s_probability=0.5,
        )
        tables.append(table.assign(event=str(i)))
        east, north = rng.normal(0, 2, 2)
        where = LocalFrame(latitude, longitude).to_geographic(east, north)
        rows.append((str(i), latitude, longitude, float(where[0]), float(where[1])))
    truth = pd.DataFrame(rows, columns=["event", "lat", "lon", "latitude", "longitude"])
    return pd.concat(tables, ignore_index=True), truth


@pytest.mark.long
def test_numbers_are_found_again_and_regions_are_true_on_simulated_events():
    true = RegionalError(
        crust_p_velocity_km_s=6.4,
        crust_p_scatter_s=0.2,
        mantle_p_scatter_s=0.6,
        near_slowness_sd_s_100km=0.5,
        wrong_phase_probability=0.02,
    )
    picks, truth = _synthetic(true, 50, seed=1)
    learned = learn(picks, truth, tail_folds=0)
    assert learned.events_used == 50
    assert learned.converged
    found = learned.error
    for name, tolerance in {
        "crust_p_velocity_km_s": 0.03,
        "crust_s_velocity_km_s": 0.03,
        "mantle_p_velocity_km_s": 0.03,
        "mantle_s_velocity_km_s": 0.03,
        "p_crossover_km": 0.1,
        "s_crossover_km": 0.1,
        "near_slowness_sd_s_100km": 0.4,
        "wrong_phase_probability": 1.0,
        "student_degrees_of_freedom": 0.7,
    }.items():
        ratio = getattr(found, name) / getattr(true, name)
        assert abs(np.log(ratio)) < tolerance, name

    def scatter(error, branch, wave, distance_km):
        growth = getattr(error, f"{wave}_scatter_growth_per_100km") * distance_km / 100
        return getattr(error, f"{branch}_{wave}_scatter_s") * (1 + growth)

    # Scale and growth trade off; the scale where the picks are is what the data tell.
    for branch, distance_km in (("crust", 100.0), ("mantle", 280.0)):
        for wave in ("p", "s"):
            ratio = scatter(found, branch, wave, distance_km) / scatter(
                true, branch, wave, distance_km
            )
            assert abs(np.log(ratio)) < 0.35, (branch, wave)
    new, where = _synthetic(true, 30, seed=2)
    contents = [
        credible_level(locate(new[new["event"] == e.event], learned.error).hypocentre, e.lat, e.lon)
        for e in where.itertuples()
    ]
    for probability in (0.5, 0.9):
        low, high = binom.interval(0.99, len(contents), probability)
        assert low <= np.sum(np.array(contents) <= probability) <= high
