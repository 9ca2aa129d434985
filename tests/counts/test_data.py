"""From tables of counts to cells: what is counted, left out and refused."""

import time

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.counts import combine, prepare
from eqstat.counts._data import active_bin
from eqstat.schema import check_counts, check_detections

START = pd.Timestamp("2026-01-05T00:00:00Z")  # a Monday


def table(rows=8, **columns):
    good = {
        "time": pd.date_range(START, periods=rows, freq="10s"),
        "triggers": np.zeros(rows, int),
        "active": np.full(rows, 80),
        "region": ["a"] * (rows // 2) + ["b"] * (rows - rows // 2),
        "window_s": 10.0,
    }
    return pd.DataFrame({**good, **columns})


def test_cells_hold_every_window_once():
    rng = np.random.default_rng(1)
    rows = 5000
    given = table(rows, triggers=rng.poisson(0.7, rows), active=rng.integers(20, 400, rows))
    history = prepare(given)
    assert history.total_windows == rows
    assert history.total_triggers == given["triggers"].sum()
    np.testing.assert_allclose(history.device_hours, given["active"].sum() * 10 / 3600)
    one = history.of_region("b")
    mine = given[given["region"] == "b"]
    assert one.total_triggers == mine["triggers"].sum()
    assert set(zip(one.triggers, active_bin(one.active), strict=True)) == set(
        zip(mine["triggers"], active_bin(mine["active"].to_numpy()), strict=True)
    )


def test_bins_of_active_devices_are_narrow():
    active = np.arange(1, 20001)
    bins = active_bin(active)
    assert np.all(bins[:50] == active[:50])
    for number in np.unique(bins):
        inside = active[bins == number]
        assert inside.max() / inside.min() <= 1.0201


def test_hours_are_local():
    given = table(4, time=[START, START + pd.Timedelta("90min")] * 2)
    history = prepare(given, utc_offset_h={"a": 0, "b": -3.5})
    hours = {name: set(history.of_region(name).hour_of_week) for name in "ab"}
    # Half past eight in the evening of a Sunday, and ten.
    assert hours == {"a": {0, 1}, "b": {164, 166}}
    with pytest.raises(InputError, match="no entry for the region 'b'"):
        prepare(given, utc_offset_h={"a": 0})
    with pytest.raises(InputError, match=r"\[-14, 14\]"):
        prepare(given, utc_offset_h=60)


def test_earthquakes_and_their_neighbours_are_left_out():
    quake = np.zeros(8, bool)
    quake[3] = True  # the last window of region a
    active = np.full(8, 80)
    active[7] = 0
    given = table(triggers=[0, 0, 1, 9, 0, 0, 0, 0], active=active, is_earthquake=quake)
    history = prepare(given)
    assert dict(history.left_out) == {
        "earthquake": 1,
        "next to an earthquake": 1,
        "no active device": 1,
    }
    assert history.total_windows == 5
    assert history.total_triggers == 0
    assert prepare(given, exclude_earthquakes=False).total_triggers == 10


def test_the_length_of_windows_is_found_and_said():
    given = table().drop(columns="window_s")
    history = prepare(given)
    assert history.window_s == 10.0
    assert "usual spacing, 10 s" in history.notes[-1]
    assert prepare(given, window_s=5.0).window_s == 5.0
    with pytest.raises(InputError, match="overlap"):
        prepare(given, window_s=20.0)
    with pytest.raises(InputError, match="give window_s"):
        prepare(given.iloc[:1])
    with pytest.raises(InputError, match="the table's is 10"):
        prepare(table(), window_s=5.0)


def test_rows_may_stand_for_many_windows():
    given = table(4, windows=[5, 1, 1, 1], triggers=[0, 1, 0, 0])
    assert prepare(given).total_windows == 8


def test_parts_are_combined():
    rng = np.random.default_rng(2)
    given = table(400, triggers=rng.poisson(1.0, 400), active=rng.integers(30, 200, 400))
    parts = [prepare(given[given["region"] == name]) for name in "ba"]
    whole, put = prepare(given), combine(parts)
    assert put.regions == ("a", "b")
    for name in ("region", "hour_of_week", "active", "triggers", "windows"):
        np.testing.assert_allclose(getattr(put, name), getattr(whole, name))
    doubled = combine([whole, whole])
    np.testing.assert_allclose(doubled.windows, 2 * whole.windows)
    np.testing.assert_allclose(doubled.span_days, 2 * whole.span_days)
    with pytest.raises(InputError, match="different lengths"):
        combine([whole, prepare(table(window_s=5.0))])
    with pytest.raises(InputError, match="no history"):
        combine([])


BAD = {
    "more than active": ({"triggers": [0, 0, 81, 0]}, "more triggers than active.*row 2: 81"),
    "negative": ({"triggers": [0, -1, 0, 0]}, "row 1: -1"),
    "fraction": ({"triggers": [0, 0.5, 0, 0]}, "whole number.*row 1: 0.5"),
    "fraction of devices": ({"active": [80, 80, 80, 80.5]}, "'active'.*whole number.*row 3"),
    "missing": ({"triggers": [0, None, 0, 0]}, "missing values.*row 1"),
    "twice": (
        {"time": START + pd.to_timedelta([0, 0, 0, 10], unit="s")},
        "comes twice.*row 1",
    ),
    "unsorted": (
        {"time": START + pd.to_timedelta([10, 0, 0, 10], unit="s")},
        "sorted by time.*row 1",
    ),
    "overlap": (
        {"time": START + pd.to_timedelta([0, 5, 0, 10], unit="s")},
        "overlaps.*row 1",
    ),
    "mixed lengths": ({"window_s": [10, 10, 30, 30]}, "as long as the first, 10 s.*row 2: 30"),
    "no region": ({"region": ["a", "a", None, "b"]}, "name the region"),
}


@pytest.mark.parametrize(("change", "pattern"), BAD.values(), ids=BAD)
def test_bad_tables_get_one_clear_line(change, pattern):
    given = table(4, **change)
    before = given.copy(deep=True)
    with pytest.raises(InputError, match=pattern) as caught:
        prepare(given)
    assert "\n" not in str(caught.value)
    pd.testing.assert_frame_equal(given, before)


def test_order_matters_within_a_region_only():
    given = table(6).iloc[[0, 3, 1, 4, 2, 5]]
    assert check_counts(given)["triggers"].sum() == 0


def test_nothing_left_is_said():
    with pytest.raises(InputError, match="no window is left"):
        prepare(table(is_earthquake=True))


def test_detections():
    good = pd.DataFrame(
        {"time": [START], "latitude": [1.0], "longitude": [2.0], "is_earthquake": ["true"]}
    )
    assert check_detections(good)["is_earthquake"].tolist() == [True]
    with pytest.raises(InputError, match="more triggers than active"):
        check_detections(good.assign(triggers=5, active=4))
    with pytest.raises(InputError, match="is_earthquake"):
        check_detections(good.drop(columns="is_earthquake"))


@pytest.mark.long
def test_a_million_windows_take_seconds():
    rng = np.random.default_rng(3)
    rows = 1_000_000
    given = pd.DataFrame(
        {
            "time": pd.date_range(START, periods=rows, freq="10s"),
            "triggers": rng.poisson(0.5, rows),
            "active": rng.integers(100, 300, rows),
            "region": "a",
        }
    )
    start = time.process_time()
    assert prepare(given).total_windows == rows
    assert time.process_time() - start < 20
