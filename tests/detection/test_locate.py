"""The fine grid: finds the source, agrees with the coarse grid, and keeps within the prior."""

import numpy as np
import pytest

from eqstat.detection import init, step
from eqstat.detection.locate import locate, region_contains
from eqstat.schema import InputError

from . import cases


@pytest.fixture(scope="module")
def watch():
    return cases.small(300, seed=4)


def seen(watch, at=(4.0, -9.0), depth=15.0, share=0.6, now=109.0, seed=0):
    """State and report after an earthquake at 100 s."""
    rng = np.random.default_rng(seed)
    position = np.asarray(watch.core.position, float)
    away = np.hypot(position[:, 0] - at[0], position[:, 1] - at[1])
    travel = np.asarray(watch.causes[0].velocity.travel_time(away, depth)[0], float)
    time = 100.0 + travel + rng.normal(1.0, 1.0, len(away))
    who = np.flatnonzero((rng.uniform(size=len(away)) < share) & (time <= now))
    return step(watch, init(watch, 80.0), now, who, time[who])


def test_finds_the_source(watch):
    state, report = seen(watch)
    found = locate(watch, state, report)
    latitude, longitude = watch.frame.to_geographic(4.0, -9.0)
    east, north = watch.frame.to_local(
        float(found["latitude_mean"]), float(found["longitude_mean"])
    )
    assert np.hypot(east - 4.0, north + 9.0) < 5.0
    assert abs(float(found["origin_mean_s"]) - 100.0) < 3 * float(found["origin_sd_s"]) + 0.2
    assert region_contains(watch, found, float(latitude), float(longitude), probability=0.999)
    assert not region_contains(watch, found, 0.0, 0.0)
    assert float(found["place_probability"].sum()) == pytest.approx(1.0)
    assert float(found["depth_probability"].sum()) == pytest.approx(1.0)
    assert float(found["cause_probability"].sum()) == pytest.approx(1.0)
    assert found["cause"].to_numpy().tolist() == ["earthquake", "venue", "network", "none"]
    held = float(found["place_probability"].where(found["in_region"]).sum())
    assert 0.9 <= held < 0.97
    assert found.attrs["interval_probability"] == 0.9
    assert found["region_area_km2"].attrs["units"] == "km2"


def test_evidence_is_that_of_the_coarse_grid_where_little_is_known(watch):
    """One or two triggers: both grids sum over nearly all of the prior."""
    who = np.array([3, 40])
    state, report = step(watch, init(watch, 80.0), 101.0, who, np.array([99.0, 100.5]))
    found = locate(watch, state, report)
    coarse = float(report.log_shiryaev_roberts[0])
    assert float(found["log_shiryaev_roberts"]) == pytest.approx(coarse, abs=0.35)


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
