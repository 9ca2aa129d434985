"""The fine grid: finds the source, agrees with the coarse grid, and keeps within the prior."""

import dataclasses

import numpy as np
import pytest

from eqstat import InputError
from eqstat.detection import detector, init, locate, step
from eqstat.detection._fine import narrowed
from eqstat.detection._locate import _at_ends, beyond_ends
from eqstat.detection._sequential import log_background
from eqstat.hypocentre import contains
from eqstat.velocity import ConstantVelocity

from . import cases


@pytest.fixture(scope="module")
def watch():
    return cases.small(300, seed=4)


def seen(watch, at=(4.0, -9.0), depth=15.0, share=0.6, now=109.0, seed=0, travel=None):
    """State and report after an earthquake at 100 s."""
    rng = np.random.default_rng(seed)
    position = np.asarray(watch.core.position, float)
    away = np.hypot(position[:, 0] - at[0], position[:, 1] - at[1])
    travel = watch.causes[0].velocity.travel_time if travel is None else travel
    time = 100.0 + np.asarray(travel(away, depth)[0], float) + rng.normal(1.0, 1.0, len(away))
    who = np.flatnonzero((rng.uniform(size=len(away)) < share) & (time <= now))
    return step(watch, init(watch, 80.0), now, who, time[who])


@pytest.mark.long
def test_finds_the_source(watch):
    state, report = seen(watch)
    found = locate(watch, state, report)
    latitude, longitude = watch.frame.to_geographic(4.0, -9.0)
    east, north = watch.frame.to_local(
        float(found["latitude_mean"]), float(found["longitude_mean"])
    )
    assert np.hypot(east - 4.0, north + 9.0) < 5.0
    assert abs(float(found["origin_mean_s"]) - 100.0) < 3 * float(found["origin_sd_s"]) + 0.2
    assert contains(found, float(latitude), float(longitude), 0.999)
    assert not contains(found, 0.0, 0.0)
    assert float(found["place_probability"].sum()) == pytest.approx(1.0)
    assert float(found["depth_probability"].sum()) == pytest.approx(1.0)
    assert float(found["cause_probability"].sum()) == pytest.approx(1.0)
    assert found["cause"].to_numpy().tolist() == ["earthquake", "venue", "network", "none"]
    held = float(found["place_probability"].where(found["in_region"]).sum())
    assert 0.9 <= held < 0.97
    assert found.attrs["interval_probability"] == 0.9
    assert found["region_area_km2"].attrs["units"] == "km2"


@pytest.mark.slow
def test_a_location_at_the_end_of_a_range_is_said(watch):
    """A wave from 60 km beyond the region: nearly plane, as from the greatest depth."""
    east_km = float(watch.extent_km[0][1][0])
    beyond = locate(watch, *seen(watch, at=(east_km + 60.0, 0.0), now=135.0))
    (note,) = beyond_ends(beyond)
    assert note.startswith("the depth is piled up at its greatest")
    inside = locate(watch, *seen(watch))
    assert all(0 <= float(inside[f"{name}_end_probability"]) < 0.01 for name in ("east", "north"))
    assert beyond_ends(inside) == []
    (note,) = beyond_ends(inside.assign(north_end_probability=0.8))
    assert note.startswith("the epicentre is piled up at the edge of the region (probability 0.80)")


def test_probability_at_the_ends_of_a_range():
    edges = np.linspace(-50.0, 50.0, 101)
    uniform = np.full(100, 0.01)
    assert _at_ends(uniform, edges, -50.0, 50.0) == pytest.approx(0.05)
    assert _at_ends(uniform, edges, -np.inf, 50.0) == pytest.approx(0.0125)
    assert _at_ends(uniform[:90] / 0.9, edges[:91], -50.0, 50.0) == pytest.approx(0.025 / 0.9)
    assert _at_ends(uniform, edges, -80.0, 80.0) == 0.0


@pytest.mark.slow
def test_evidence_is_that_of_the_coarse_grid_where_little_is_known(watch):
    """One or two triggers: both grids sum over nearly all of the prior."""
    who = np.array([3, 40])
    state, report = step(watch, init(watch, 80.0), 101.0, who, np.array([99.0, 100.5]))
    found = locate(watch, state, report)
    coarse = float(report.log_shiryaev_roberts[0])
    assert float(found["log_shiryaev_roberts"]) == pytest.approx(coarse, abs=0.35)


@pytest.mark.slow
def test_keeps_within_the_prior(watch):
    state, report = step(watch, init(watch, 80.0), 101.0, np.array([3]), np.array([100.5]))
    found = locate(watch, state, report)
    low, high = watch.extent_km[0]
    assert found["east_km"].min() > low[0]
    assert found["east_km"].max() < high[0]
    assert found["north_km"].min() > low[1]
    assert found["north_km"].max() < high[1]
    assert found["depth_km"].min() > 0
    assert np.ptp(found["east_km"].to_numpy()) > 0.7 * (high[0] - low[0])


@pytest.mark.long
def test_more_triggers_say_more(watch):
    few = locate(watch, *seen(watch, now=103.5))
    many = locate(watch, *seen(watch, now=110.0))
    assert float(many["region_area_km2"]) < 0.5 * float(few["region_area_km2"])


def test_bad_arguments(watch):
    state, report = step(watch, init(watch, 80.0), 81.0)
    with pytest.raises(InputError, match="no device has triggered"):
        locate(watch, state, report)
    with pytest.raises(InputError, match="probability"):
        locate(watch, *seen(watch), probability=1.0)


@pytest.mark.long
def test_grid_agrees_with_the_formula_device_by_device():
    """The last grid against the slow likelihood, at factors of the travel times other than 1."""
    watch = cases.small(40, seed=7, causes=(cases.small_quake(slowness_lateral_sd=0.0),))
    state, report = seen(watch, now=106.0, seed=3)
    fine = narrowed(watch, state, report)
    cause = watch.causes[0]
    devices = np.asarray(watch.core.position, float)[:, :2]
    times = np.asarray(state.trigger_s, float)
    widths = np.diff(fine.depth_edges_km)
    rate = np.exp(float(log_background(watch, state)))
    cells = [(8, 8, 3, 5, 1), (8, 8, 3, 5, 3), (5, 9, 2, 6, 2), (10, 7, 4, 4, 4)]
    slow = []
    for cell in cells:
        east, north, apparent, arrival, factor = (fine.axes[i][k] for i, k in enumerate(cell))
        depth = apparent / factor
        faster = dataclasses.replace(
            cause,
            velocity=ConstantVelocity(
                float(cause.velocity.p_velocity_km_s) / factor,
                float(cause.velocity.s_velocity_km_s) / factor,
            ),
        )
        within = cases.spread(cause, max(fine.steps[:2]), fine.steps[3], widths[cell[2]])
        logs = []
        for node in range(len(cause.nodes.weight)):
            start = arrival - cause.lead_s
            logs.append(
                cases.slow_log_ratio(faster, (east, north), depth, start, node, devices, times,
                                     0.0, rate, within)
            )  # fmt: skip
        normal = -0.5 * (np.log(factor) / cause.slowness_sd) ** 2 - np.log(factor)
        # Depths have the same density here; cells of apparent depth are narrower in depth.
        slow.append(np.logaddexp.reduce(logs) + normal + np.log(widths[cell[2]] / factor))
    fast = np.log([fine.joint[cell] for cell in cells])
    # Rings leave some hundredths.
    np.testing.assert_allclose(fast - fast[0], np.array(slow) - slow[0], atol=0.15)


@pytest.mark.long
def test_a_wrong_velocity_widens_the_region():
    # With a known delay: an unknown one widens the origin time by far more.
    sure, unsure = (
        cases.small(
            300, seed=4, causes=(cases.small_quake(slowness_sd=sd, delay_sd_s=0.0),)
        )
        for sd in (0.0, 0.08)
    )  # fmt: skip
    narrow, wide = (locate(each, *seen(each, now=112.0)) for each in (sure, unsure))
    assert float(wide["origin_sd_s"]) > 1.1 * float(narrow["origin_sd_s"])
    assert narrow.sizes["slowness"] == 1
    assert narrow["slowness"].to_numpy().tolist() == [1.0]


@pytest.mark.long
def test_an_unknown_delay_widens_the_origin_time_and_nothing_else():
    known, unknown = (
        locate(watch, *seen(watch))
        for watch in (
            cases.small(300, seed=4, causes=(cases.small_quake(delay_sd_s=sd),))
            for sd in (0.0, 0.4)
        )
    )
    # The delay of 1 s is normal with an sd of 0.4 s, above 0: its mean is 1.01, its sd 0.39 s.
    assert float(unknown["origin_sd_s"]) == pytest.approx(
        np.hypot(float(known["origin_sd_s"]), 0.39), rel=0.05
    )
    assert float(unknown["origin_mean_s"]) == pytest.approx(
        float(known["origin_mean_s"]) - 0.01, abs=0.03
    )
    np.testing.assert_allclose(unknown["place_probability"], known["place_probability"], atol=1e-6)
    np.testing.assert_allclose(unknown["depth_probability"], known["depth_probability"], atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("depth", [130.0, 270.0])
def test_deep_earthquakes_are_found(depth):
    """P reaches all devices at once like a burst; S, many seconds later, is no burst."""
    network = cases.network(300, seed=4)
    watch = detector(network, background=cases.RATE_H)
    rng = np.random.default_rng(2)
    position = np.asarray(watch.core.position, float)
    length = np.sqrt(np.hypot(position[:, 0] - 4, position[:, 1] + 9) ** 2 + depth**2)
    speed = np.where(rng.uniform(size=len(length)) < 0.5, 7.8, 4.5)
    times = 100.0 + length / speed + rng.normal(2.0, 0.8, len(length))
    times[rng.uniform(size=len(length)) > 0.6] = np.inf
    state, report = init(watch, times.min() - 5.0), None
    now = times[np.isfinite(times)].max() + 1.0
    device = np.flatnonzero(np.isfinite(times))
    state, report = step(watch, state, now, device, times[device])
    assert float(report.probability[0]) > 0.99
    found = locate(watch, state, report)
    assert abs(float(found["depth_mean_km"]) - depth) < 2.5 * float(found["depth_sd_km"])
    assert 0.02 * depth < float(found["depth_sd_km"]) < 0.08 * depth
    assert abs(float(found["origin_mean_s"]) - 100.0) < 2.5 * float(found["origin_sd_s"])
