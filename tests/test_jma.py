"""Japanese intensities as data: joins, silence, splits, and reporting without the truth."""

import jax
import jma
import jma_reporting
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.exceedance.alerts import StationConditioned
from eqstat.ground_motion import PointSource

PLACES = [(36.0 + i / 10, 139.0 + j / 10) for i in range(3) for j in range(3)]


@pytest.fixture
def folder(tmp_path):
    """Nine places; two stations share the first, one starts in the year, one has long closed."""
    listed = pd.DataFrame(
        [(k, round(a, 4), round(b, 4), "1996-04-01", "") for k, (a, b) in enumerate(PLACES)],
        columns=["station", "latitude", "longitude", "start", "end"],
    )
    extra = [
        (20, 36.0, 139.0, "2001-99-99", ""),
        (21, 36.05, 139.0, "2004-06-99", ""),
        (22, 36.0, 139.05, "1955-01-01", "9999-99-99"),
    ]
    listed = pd.concat([listed, pd.DataFrame(extra, columns=listed.columns)])
    root = tmp_path / "jma_intensity"
    root.mkdir()
    listed.to_csv(root / "stations.csv.gz", index=False)
    events = pd.DataFrame(
        {
            "event": [7, 8, 9],
            "year": [2004, 2012, 2012],
            "latitude": [35.99, 36.3, 36.1],
            "longitude": [139.01, 139.3, 139.1],
            "depth_km": [10.0, 30.0, np.nan],
            "magnitude": [5.0, 6.0, 4.0],
        }
    )
    events.to_csv(root / "events.csv.gz", index=False)
    rows = [(7, 36.0, 139.0, 4.0), (7, 36.0, 139.0, 5.0), (7, 36.05, 139.0, 5.5)]
    rows += [(8, a, b, 3.0) for a, b in PLACES[4:]]
    reports = pd.DataFrame(rows, columns=["event", "latitude", "longitude", "intensity"])
    single = {"latitude": "f4", "longitude": "f4", "intensity": "f4", "event": "i4"}
    reports.astype(single).to_parquet(root / "intensities.parquet")
    return tmp_path


def test_stations_are_joined_by_place_and_year(folder):
    shaking = jma.load(folder, stations=5)
    assert shaking.event.tolist() == [7, 8]
    assert list(shaking.left_out.values()) == [1, 1, 0]
    assert len(shaking.places) == 11
    where = shaking.places.iloc[shaking.station[0]]
    assert where.iloc[0].tolist() == [36.0, 139.0]
    # The station that started in the year and the closed one are not there.
    assert not ((where["latitude"] == 36.05) | (where["longitude"] == 139.05)).any()
    assert shaking.silent[0].tolist() == [False, True, True, True, True]
    assert shaking.log10_pga[0, 0] == pytest.approx((4.55 - 0.94) / 2 - 2)
    assert shaking.log10_pga[0, 1] == jma.LOG10_FLOOR
    assert not shaking.silent[1].any()
    assert shaking.station_km[:, 0] == pytest.approx(np.zeros((2, 3)), abs=1e-9)
    assert np.all(np.diff(np.linalg.norm(shaking.station_km, axis=-1)) > 0)
    distance = np.linalg.norm(shaking.station_km - shaking.hypocentre_km[:, None], axis=-1)
    assert distance[0, 0] == pytest.approx(np.sqrt(0.9**2 + 1.11**2 + 100), abs=0.05)
    assert np.all(shaking.s_s > shaking.p_s)


def test_intensities_and_accelerations_are_inverse():
    # 1 m/s2 is 100 Gal, of intensity 4.94.
    assert jma.log10_pga(4.94) == pytest.approx(0.0)
    assert jma.intensity(jma.log10_pga([0.5, 6.5])) == pytest.approx([0.5, 6.5])


def test_no_earthquake_is_in_two_parts(folder):
    shaking = jma.load(folder, stations=5)
    parts = jma.split(shaking)
    assert {name: part.event.tolist() for name, part in parts.items()} == {
        "training": [7], "validation": [8], "test": []
    }  # fmt: skip
    with pytest.raises(InputError, match="2012"):
        jma.split(shaking, {"a": (2000, 2012), "b": (2012, 2015)})


def many(rng, events=40, stations=12):
    """Earthquakes with known shaking about a first station."""
    place = rng.uniform(-60, 60, (events, stations, 3)) * [1, 1, 0]
    place[:, 0] = 0
    source = np.column_stack([rng.uniform(-20, 20, (events, 2)), -rng.uniform(5, 30, events)])
    distance = np.linalg.norm(place - source[:, None], axis=-1)
    pga = rng.normal(-1.5, 0.5, distance.shape)
    silent = pga < jma.LOG10_FLOOR
    return jma.Shaking(
        event=np.arange(events),
        year=np.full(events, 2005),
        magnitude=rng.uniform(4, 7, events),
        latitude=np.zeros(events),
        longitude=np.zeros(events),
        depth_km=-source[:, 2],
        hypocentre_km=source,
        station=np.tile(np.arange(stations), (events, 1)),
        station_km=place,
        log10_pga=np.where(silent, jma.LOG10_FLOOR, pga),
        silent=silent,
        p_s=distance / 6.0,
        s_s=distance / 3.5,
        places=pd.DataFrame(),
        left_out={},
    )


def test_running_peaks_against_their_definition():
    shaking = many(np.random.default_rng(0))
    reporting = jma_reporting.report(jax.random.key(1), shaking, shaking, dead_share=0.2)
    views = jma_reporting.views(reporting, (3.0, 12.0), draws=16)
    floor = 10.0**jma.LOG10_FLOOR
    assert not reporting.working.all()
    seen = set()
    for event, station, time in np.ndindex(len(shaking.event), 12, 2):
        now = shaking.p_s[event].min() + views.time_s[time]
        for back in (0, 4):
            p_s, s_s = shaking.p_s[event, station], shaking.s_s[event, station]
            early, rise = (x[event, station] for x in (reporting.early_share, reporting.rise_s))
            share = early * (1 - np.exp(-max(min(now - back, s_s) - p_s, 0.0)))
            share += (1 - share) * min(max((now - back - s_s) / rise, 0.0), 1.0)
            peak = share * 10.0 ** shaking.log10_pga[event, station]
            hidden = shaking.silent[event, station] or not reporting.working[event, station]
            wanted = 0.0 if hidden or peak < floor else peak
            value = views.history_m_s2[event, time, station, -1 - back]
            assert value == pytest.approx(wanted, rel=1e-5)
            seen.add(wanted > 0)
    assert seen == {True, False}
    assert np.array_equal(views.peak_m_s2, views.history_m_s2[..., -1])


def test_peaks_pass_a_threshold_when_they_are_said_to():
    shaking = many(np.random.default_rng(2))
    reporting = jma_reporting.report(jax.random.key(3), shaking, shaking)
    threshold = 0.02
    passed = reporting.exceedance_times(threshold)
    over = shaking.log10_pga > np.log10(threshold)
    assert np.array_equal(np.isfinite(passed), over)
    time = np.sort(passed[over])[[5, 50]]
    peak = jma_reporting.views(reporting, time, history=False).peak_m_s2
    for number, when in enumerate(time):
        clear = np.abs(passed - when) > 1e-4
        assert np.array_equal((peak[:, number] > threshold)[clear], (passed < when)[clear])


def test_draws_sharpen_and_hold_the_source():
    shaking = many(np.random.default_rng(4), events=400)
    reporting = jma_reporting.report(jax.random.key(5), shaking, shaking)
    views = jma_reporting.views(reporting, (2.0, 20.0), history=False)
    sd = views.place_km[..., 0].std(axis=2)
    assert np.all(sd[:, 1] <= sd[:, 0]) and np.mean(sd[:, 1] < sd[:, 0]) > 0.9
    # Ranks of the true coordinate and magnitude among the draws are uniform.
    late = views.located[:, 1]
    for drawn, true in (
        (views.place_km[:, 1, :, 0], shaking.hypocentre_km[:, 0]),
        (views.source_magnitude[:, 1], shaking.magnitude),
    ):
        rank = (drawn < true[:, None]).mean(axis=1)[late]
        inside = np.mean((rank > 0.1) & (rank < 0.9))
        # Four standard errors of a share of 400.
        assert abs(inside - 0.8) < 4 * np.sqrt(0.16 / late.sum())


def test_no_draws_know_the_source_before_a_station_does():
    shaking = many(np.random.default_rng(9))
    reporting = jma_reporting.report(jax.random.key(10), shaking, shaking)
    views = jma_reporting.views(reporting, (0.0, 20.0), history=False)
    assert not views.located[:, 0].any()
    off = np.abs(views.place_km[:, 0, :, 0].mean(axis=1) - shaking.hypocentre_km[:, 0])
    # Errors of one station, of a standard deviation of 20 km.
    assert np.median(off) > 5


@pytest.mark.slow
def test_views_are_snapshots_of_rules():
    shaking = many(np.random.default_rng(6), events=3)
    reporting = jma_reporting.report(jax.random.key(7), shaking, many(np.random.default_rng(8)))
    views = jma_reporting.views(reporting, (5.0, 20.0), draws=16)
    batch = views.snapshots()
    rule = StationConditioned(PointSource())
    chance = jax.vmap(lambda one: rule(one, jax.numpy.log10(jax.numpy.array([0.01]))))(batch)
    assert chance.shape == (6, 12, 1) and bool(jax.numpy.isfinite(chance).all())
    assert np.array_equal(batch.peak_m_s2[3], views.peak_m_s2[1, 1])
    assert np.array_equal(batch.drawn.place_km[2], views.place_km[1, 0])
    one = views.chosen(slice(1, 2))
    assert one.peak_m_s2.shape == (1, 2, 12) and one.time_s.tolist() == [5.0, 20.0]


@pytest.mark.data
@pytest.mark.slow
def test_real_intensities(data_folder):
    shaking = jma.load(data_folder)
    parts = jma.split(shaking)
    events = [set(part.event.tolist()) for part in parts.values()]
    assert not events[0] & events[1] and not events[0] & events[2] and not events[1] & events[2]
    assert next(iter(shaking.left_out.values())) == 178
    assert np.all(np.isfinite(shaking.p_s)) and np.all(shaking.s_s > shaking.p_s)
    # Stations within 30 km of a shallow earthquake of magnitude 5 feel it, unless out of order.
    distance = np.linalg.norm(shaking.station_km - shaking.hypocentre_km[:, None], axis=-1)
    near = (distance < 30) & (shaking.magnitude >= 5)[:, None]
    assert near.sum() > 300 and shaking.silent[near].mean() < 0.2
    # Each station is in an event once.
    assert np.all(np.diff(np.sort(shaking.station, axis=1)) > 0)
