"""Several earthquakes at a time have an alarm each; one has one."""

import numpy as np
import pandas as pd
import pytest

from eqstat.detection import detector, replay
from eqstat.detection.causes import network_burst

from . import cases

START = pd.Timestamp("2027-01-15T08:00:00Z")
DEVICES = 400


def network():
    rng = np.random.default_rng(1)
    east, north = rng.uniform(-130, 130, DEVICES), rng.uniform(-30, 30, DEVICES)
    latitude, longitude = cases.FRAME.to_geographic(east, north)
    return pd.DataFrame({"latitude": latitude, "longitude": longitude}), np.stack([east, north], 1)


def replayed(events, share=0.4):
    """The replay of earthquakes (east, north, origin time) that are felt within 90 km."""
    table, at = network()
    quake = cases.small_quake(cells=250)
    watch = detector(table, causes=(quake, network_burst()), background=cases.RATE_H)
    rng = np.random.default_rng(2)
    first = np.full(DEVICES, np.inf)
    for east, north, origin in events:
        away = np.hypot(at[:, 0] - east, at[:, 1] - north)
        speed = np.where(rng.uniform(size=DEVICES) < 0.8, 7.8, 4.5)
        times = origin + np.hypot(away, 12.0) / speed + rng.normal(1.0, 0.8, DEVICES)
        felt = (away < 90.0) & (rng.uniform(size=DEVICES) < share)
        first = np.minimum(first, np.where(felt, times, np.inf))
    number = np.flatnonzero(np.isfinite(first))
    triggers = table.iloc[number].assign(time=START + pd.to_timedelta(first[number], unit="s"))
    last = START + pd.Timedelta(seconds=max(event[2] for event in events) + 45.0)
    found = replay(watch, triggers, start=START + pd.Timedelta(seconds=80), end=last)
    rows = []
    for each in found.locations:
        place = watch.frame.to_local(float(each["latitude_mean"]), float(each["longitude_mean"]))
        rows.append([*map(float, place), float(each["origin_mean_s"]) - START.timestamp()])
    return np.array(rows), found


@pytest.mark.long
@pytest.mark.parametrize(
    "events",
    [
        [(10.0, 5.0, 100.0)],
        [(-100.0, 0.0, 100.0), (100.0, 5.0, 120.0)],
        [(30.0, -5.0, 100.0), (30.0, 0.0, 140.0)],
    ],
    ids=("one", "far from each other", "at one place"),
)
def test_each_earthquake_has_an_alarm(events):
    rows, found = replayed(events)
    assert len(found.alarms) == len(events)
    np.testing.assert_allclose(rows[:, :2], np.array(events)[:, :2], atol=15.0)
    np.testing.assert_allclose(rows[:, 2], np.array(events)[:, 2], atol=4.0)
    late = [(each["time"] - START).total_seconds() for each in found.alarms]
    assert np.all(np.array(late) - np.array(events)[:, 2] < 15.0)
