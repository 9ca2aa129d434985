"""Tables become arrays; what cannot be used is said in one line."""

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.detectability.history import Design, Sensitivity, prepare
from eqstat.geodesy import hypocentral_distance

STATIONS = pd.DataFrame(
    {
        "latitude": [0.0, 0.0, 0.3, 0.3, 3.0],
        "longitude": [0.0, 0.3, 0.0, 0.3, 3.0],
        "device": list("abcde"),
        "kind": ["x", "x", "y", "x", "y"],
    }
)
EVENTS = pd.DataFrame(
    {
        "time": pd.to_datetime(
            ["2026-01-01T00:00:00Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"]
        ),
        "latitude": [0.1, 0.2, 2.9],
        "longitude": [0.1, 0.1, 2.9],
        "depth_km": [8.0, 5.0, 10.0],
        "magnitude": [1.2, 3.0, 2.0],
        "detected": [False, True, True],
    }
)


def test_nearest_stations_and_groups():
    history = prepare(EVENTS, STATIONS, counts=2, neighbours=3, group="kind")
    assert history.groups == ("x", "y") and history.data.group.tolist() == [0, 0, 1, 0, 1]
    for row in range(3):
        place = EVENTS.loc[row, ["latitude", "longitude", "depth_km"]].astype(float)
        all_km = hypocentral_distance(*place, STATIONS["latitude"], STATIONS["longitude"])
        order = np.argsort(all_km)[:3]
        assert history.data.station[row].tolist() == order.tolist()
        np.testing.assert_allclose(history.data.distance_km[row], all_km[order])


def test_preceding_earthquakes_nearby():
    history = prepare(EVENTS, STATIONS, counts=2, masking_km=50.0)
    assert np.isinf(history.data.preceding_s[0]).all()
    assert history.data.preceding_s[1][0] == 40.0
    assert np.isinf(history.data.preceding_s[2]).all(), "300 km away"
    shuffled = prepare(EVENTS.iloc[[2, 1, 0]], STATIONS, counts=2, masking_km=50.0)
    assert shuffled.data.preceding_s[1][0] == 40.0


def test_inactive_stations_are_not_asked():
    stations = STATIONS.assign(active_from=pd.NaT, active_to=pd.NaT)
    stations["active_from"] = pd.to_datetime(stations["active_from"], utc=True)
    stations["active_to"] = pd.to_datetime(stations["active_to"], utc=True)
    stations.loc[0, "active_to"] = pd.Timestamp("2026-01-01T00:00:30Z")
    stations.loc[4, "active_from"] = pd.Timestamp("2027-01-01T00:00:00Z")
    history = prepare(EVENTS, stations, counts=4)
    assert history.events["magnitude"].tolist() == [1.2]
    assert history.left_out["reason"].tolist() == ["fewer than 4 stations active"] * 2
    assert any("2 left out" in note for note in history.notes)


def test_one_outcome_only_is_noted():
    history = prepare(EVENTS.assign(detected=True), STATIONS, counts=2)
    assert "only a limit" in history.notes[-1]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"magnitude": [1.0, np.nan, 2.0]}, {}, "events: column 'magnitude'"),
        ({"detected": ["yes!", "no", "no"]}, {}, "events: column 'detected'"),
        ({}, {"counts": 11}, "counts must be"),
        ({}, {"counts": 4, "neighbours": 3}, "neighbours must be"),
        ({}, {"group": "sensor"}, "no column 'sensor'"),
        ({}, {"counts": 6, "neighbours": 30}, "no earthquake is left"),
        ({"detected": [False] * 3}, {"only_detected": True}, "no earthquake was detected"),
        ({}, {"only_detected": True, "most_magnitude": 2.0}, "most_magnitude must be above"),
    ],
)
def test_errors(change, options, message):
    with pytest.raises(InputError, match=message):
        prepare(EVENTS.assign(**change), STATIONS, **{"counts": 2, **options})


def test_time_is_needed_where_it_matters():
    with pytest.raises(InputError, match="no column 'time', which masking_km needs"):
        prepare(EVENTS.drop(columns="time"), STATIONS, counts=2, masking_km=50.0)


def test_parameters_are_checked():
    with pytest.raises(InputError, match="Sensitivity: event_sd must be above 0"):
        Sensitivity(event_sd=0.0)
    with pytest.raises(InputError, match="Sensitivity: station_share must lie in"):
        Sensitivity(station_share=1.1)
    with pytest.raises(InputError, match="Design: stations"):
        Design(stations=0)
