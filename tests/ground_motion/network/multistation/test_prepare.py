"""From tables to views: what a view holds, and tables that cannot be used."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.ground_motion.network.multistation import Recording, prepare, view_at, views_at

START = 1.8e9
STATIONS = pd.DataFrame(
    {
        "station": ["a", "b", "c", "d"],
        "latitude": [35.0, 35.1, 35.3, 36.5],
        "longitude": [179.9, -179.9, 179.8, 179.9],
        "elevation_m": [10.0, 2000.0, np.nan, 0.0],
    }
)
REPORTS = pd.DataFrame(
    {
        "event": ["e1", "e1", "e1", "e1", "e2"],
        "station": ["b", "a", "a", "c", "d"],
        "time": [START + 4.2, START, START + 2.5, START + 9.0, START + 5000.0],
        "pga_m_s2": [0.5, 0.1, 0.4, 0.2, 1.0],
    }
)


def test_views_hold_what_was_reported_by_then():
    recordings = prepare(STATIONS, REPORTS, nearest=3)
    assert recordings.event.tolist() == ["e1", "e2"]
    assert recordings.name[0].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(recordings.recording.place_km[0, 0], [0.0, 0.0, 0.01], atol=1e-6)
    # Across the antimeridian b is 18 km east, not a world away.
    np.testing.assert_allclose(recordings.recording.place_km[0, 1], [18.2, 11.1, 2.0], atol=0.1)
    views = recordings.views([3.0, 6.0], samples=10)
    assert views.reporting.tolist()[:2] == [[True, False, False], [True, True, False]]
    early, later = np.asarray(views.signal[:2, :, :, 0])
    # Second 2 is the last whole one before 3 s.
    np.testing.assert_allclose(early[0, -3:], [0.1, 0.0, 0.4], rtol=1e-6)
    np.testing.assert_allclose(later[1, -2:], [0.5, 0.0], rtol=1e-6)
    assert not early[1:].any() and not later[2].any()
    np.testing.assert_allclose(10 ** recordings.log10_pga[0], [0.4, 0.5, 0.2], rtol=1e-6)


def test_peaks_hold_until_the_next_report():
    views = prepare(STATIONS, REPORTS, nearest=3, kind="peaks").views([6.0], samples=6)
    np.testing.assert_allclose(views.signal[0, 0, :, 0], [0.1, 0.1, 0.4, 0.4, 0.4, 0.4], rtol=1e-6)


def test_silent_stations_are_upper_bounds_where_there_is_a_floor():
    recordings = prepare(STATIONS, REPORTS, nearest=4)
    plain, bound = recordings.examples([3.0]), recordings.examples([3.0], floor_m_s2=0.05)
    assert plain.mask[0].tolist() == [True, True, True, False] and not plain.upper.any()
    assert bound.mask[0].all() and bound.upper[0].tolist() == [False, False, False, True]
    assert bound.log10_pga[0, 3] == pytest.approx(np.log10(0.05))


def test_fewer_stations_are_padded_and_padding_does_not_work():
    recordings = prepare(STATIONS, REPORTS, nearest=6)
    assert recordings.recording.working[0].tolist() == [True] * 4 + [False] * 2
    assert recordings.recording.station[0].tolist() == [0, 1, 2, 3, -1, -1]
    assert not recordings.examples([3.0], floor_m_s2=0.05).mask[0, 4:].any()


def test_stations_that_a_network_does_not_know_have_no_number():
    recordings = prepare(STATIONS, REPORTS, nearest=3, known=["b", "z"])
    assert recordings.recording.station[0].tolist() == [-1, 0, -1]


def test_nothing_after_the_time_is_in_a_view():
    rng = np.random.default_rng(0)
    first = jnp.asarray(rng.uniform(0, 20, 5), jnp.float32)
    signal = jnp.asarray(rng.uniform(1, 2, (5, 40, 2)), jnp.float32)
    parts = jnp.zeros((5, 3)), jnp.arange(5), jnp.ones(5, bool), first
    one = Recording(*parts, signal, jnp.array(-3.0), rate_hz=2.0)
    for time in (0.0, 4.3, 11.0, 19.9):
        view = view_at(one, time, 8)
        after = jnp.arange(40) / 2.0 - 3.0 + 0.5 > time + 1e-3
        other = jnp.where(after[:, None], 99.0, signal)
        other = jnp.where((first > time)[:, None, None], 77.0, other)
        again = view_at(Recording(*parts, other, jnp.array(-3.0), rate_hz=2.0), time, 8)
        np.testing.assert_array_equal(view.signal, again.signal)
        last = int(np.floor((time + 3.0) * 2 + 1e-4))
        for n in range(5):
            for k in range(8):
                index = last - 8 + k
                known = 0 <= index < 40 and float(first[n]) <= time
                wanted = np.asarray(signal[n, index]) if known else np.zeros(2)
                np.testing.assert_allclose(view.signal[n, k], wanted, rtol=1e-6)


def test_views_are_those_of_each_earthquake_at_each_time():
    recordings = prepare(STATIONS, REPORTS, nearest=3).recording
    views = views_at(recordings, jnp.array([2.0, 8.0]), 5)
    assert views.elapsed_s.tolist() == [2.0, 8.0, 2.0, 8.0]
    own = views_at(recordings, jnp.array([[2.0, 8.0], [1.0, 3.0]]), 5)
    assert own.elapsed_s.tolist() == [2.0, 8.0, 1.0, 3.0]


@pytest.mark.parametrize(
    ("stations", "reports", "words"),
    [
        (pd.concat([STATIONS, STATIONS[:1]]), REPORTS, "a station must occur once"),
        (STATIONS[:3], REPORTS, "not in the table of stations"),
        (STATIONS.assign(latitude=[95.0, 35.1, 35.3, 36.5]), REPORTS, "latitude"),
        (STATIONS, REPORTS.assign(pga_m_s2=[500.0, 0.1, 0.4, 0.2, 1.0]), "%g"),
        (STATIONS, REPORTS.assign(pga_m_s2=[0.0, 0.1, 0.4, 0.2, 1.0]), "pga_m_s2"),
        (STATIONS, REPORTS.assign(event="one"), "a name of its own"),
        (STATIONS, REPORTS[:0], "no rows"),
        (STATIONS, REPORTS.drop(columns="time"), "time"),
        (STATIONS.drop(columns="station"), REPORTS, "station"),
        (
            STATIONS.rename(columns={"latitude": "longitude", "longitude": "latitude"}).assign(
                latitude=[45.0] * 4, longitude=[35.0, 35.1, 35.3, 36.5]
            ),
            REPORTS.assign(latitude=35.0, longitude=45.0),
            "swapped",
        ),
    ],
)
def test_tables_that_cannot_be_used_are_named(stations, reports, words):
    with pytest.raises(InputError, match=words):
        prepare(stations, reports, nearest=3)


def test_options_are_checked():
    for bad in ({"nearest": 1}, {"total_s": 0}, {"kind": "sums"}):
        with pytest.raises(InputError, match=next(iter(bad))):
            prepare(STATIONS, REPORTS, **bad)
