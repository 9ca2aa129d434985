"""From tables to arrays: what is used, what is left out, and where on the globe it may be."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqstat import InputError, traveltime
from eqstat.schema import NaiveTimeWarning, TableWarning
from eqstat.traveltime import prepare
from eqstat.velocity import squared_chord, surface_point

from . import cases


@pytest.fixture
def table():
    """Ten triggers of ten devices, a second apart but for a millisecond, in shuffled order."""
    devices = cases.network(10, 4).assign(device=[f"d{i}" for i in range(10)])
    order = np.random.default_rng(0).permutation(10)
    return cases.stamp(devices, [*range(9), 9.001]).iloc[order].set_axis([f"r{i}" for i in order])


def reasons(observations):
    return observations.left_out["reason"].to_dict()


def test_arrays_hold_the_table_in_its_order_and_are_padded(table):
    observations = prepare(table.assign(elevation_m=1500.0, time_sd_s=0.3, phase="S"))
    data = observations.data
    assert len(data.time_s) == 16 and data.mask.sum() == 10 and np.all(data.mask[:10])
    for name in ("time_s", "time_sd_s", "elevation_km", "phase", "position_km"):
        assert np.all(getattr(data, name)[10:] == 0)
    expected = (table["time"] - observations.reference_time).dt.total_seconds()
    np.testing.assert_allclose(data.time_s[:10], expected)
    np.testing.assert_allclose(data.elevation_km[:10], 1.5)
    np.testing.assert_allclose(data.time_sd_s[:10], 0.3)
    assert np.all(data.phase[:10] == 2)
    assert list(observations.triggers.index) == list(table.index)
    assert observations.enough and reasons(observations) == {}


def test_phase_labels_and_missing_values(table):
    phases = ["P", "S", None, *["P"] * 7]
    sds = [np.nan, 0.5, *[np.nan] * 8]
    data = prepare(table.assign(phase=phases, time_sd_s=sds)).data
    assert data.phase[:4].tolist() == [1, 2, 0, 1]
    assert data.time_sd_s[:3].tolist() == [0.0, 0.5, 0.0]


def test_the_reference_keeps_microseconds(table):
    late = table.assign(time=table["time"] + pd.Timedelta(microseconds=123_456))
    observations = prepare(late)
    back = [observations.time_of(s) for s in observations.data.time_s[:10]]
    apart = np.abs((pd.Series(back, index=late.index) - late["time"]).dt.total_seconds())
    assert apart.max() < 2e-6
    assert np.abs(observations.data.time_s[:10]).max() < 6


def test_the_window_reaches_one_mean_interval_beyond_or_is_given(table):
    observations = prepare(table)
    reach = [observations.time_of(second) for second in observations.data.window_s]
    margin = pd.Timedelta(seconds=1)
    assert reach == [table["time"].min() - margin, table["time"].max() + margin]
    given_ = prepare(table, start=cases.EPOCH, now=cases.EPOCH + pd.Timedelta(seconds=30))
    assert [given_.time_of(s) for s in given_.data.window_s] == [
        cases.EPOCH,
        cases.EPOCH + pd.Timedelta(seconds=30),
    ]


@pytest.mark.parametrize("kind", ["naive text", "aware text", "zone", "float", "naive", "ms"])
def test_times_of_every_kind_mean_the_same(table, kind):
    times = table["time"]
    seconds = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    forms = {
        "naive text": times.dt.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "aware text": times.dt.tz_convert("Asia/Tokyo").map(lambda t: t.isoformat()),
        "zone": times.dt.tz_convert("America/Lima"),
        "float": seconds,
        "naive": times.dt.tz_localize(None),
        "ms": times.dt.tz_localize(None).astype("datetime64[ms]"),
    }
    given_ = table.assign(time=forms[kind])
    if kind in ("naive text", "naive", "ms"):
        with pytest.warns(NaiveTimeWarning):
            observations = prepare(given_)
        assert any("taken as UTC" in note for note in observations.notes)
    else:
        observations = prepare(given_)
        assert observations.notes == ()
    expected = prepare(table)
    np.testing.assert_allclose(observations.data.time_s, expected.data.time_s, atol=1e-6)
    assert abs(observations.reference_time - expected.reference_time) < pd.Timedelta("1us")


def test_a_naive_present_is_utc_and_any_zone_is_understood(table):
    one = prepare(table, start="2027-03-01T11:59", now="2027-03-01T12:00:30")
    two = prepare(table, start="2027-03-01T12:59+01:00", now="2027-03-01T21:00:30+09:00")
    np.testing.assert_array_equal(one.data.window_s, two.data.window_s)


def test_rows_are_left_out_with_their_reason(table):
    double = table.loc[["r3"]].set_axis(["copy"])
    far = table.loc[["r5"]].assign(latitude=-20.0, device="far").set_axis(["far"])
    observations = prepare(
        pd.concat([table, double, far]),
        start=cases.EPOCH + pd.Timedelta(seconds=0.5),
        now=cases.EPOCH + pd.Timedelta(seconds=8),
        max_distance_km=300.0,
        centre=(-12.0, -77.0),
    )
    assert reasons(observations) == {
        "r0": "before the window",
        "r9": "after now",
        "copy": "duplicate of an earlier row",
        "far": "farther than 300 km",
    }
    assert list(observations.left_out.columns[:-1]) == list(observations.triggers.columns)
    assert set(observations.triggers.index) == {f"r{i}" for i in range(1, 9)}


def test_p_and_s_of_one_device_are_no_duplicates(table):
    both = pd.concat([table.assign(phase="P"), table.assign(phase="S")])
    assert len(prepare(both).triggers) == 20


def test_the_callers_tables_stay_as_they_are(table):
    network = cases.network(10, 4).assign(device=[f"d{i}" for i in range(10)])
    before = table.copy(deep=True), network.copy(deep=True)
    prepare(table, network=network, now="2027-03-01T12:00:05Z", truncated=True)
    pd.testing.assert_frame_equal(table, before[0])
    pd.testing.assert_frame_equal(network, before[1])
    assert table.attrs == before[0].attrs == {}


NOW = cases.EPOCH + pd.Timedelta(seconds=20)


def places_of_silent(observations):
    data = observations.data
    return np.asarray(data.silent_position_km)[np.asarray(data.silent_mask)]


def listed(count):
    """The ten devices of the table and some more."""
    places = pd.concat([cases.network(10, 4), cases.network(count - 10, 5)], ignore_index=True)
    return places.assign(device=[f"d{i}" for i in range(count)])


def test_devices_that_have_not_triggered_are_silent(table):
    network = listed(14).assign(elevation_m=700.0)
    network[["latitude", "longitude"]] += 0.001  # ids decide, not places
    observations = prepare(table, network=network, now=NOW)
    silent = network.iloc[10:]
    expected = observations.frame.position(
        silent["latitude"].to_numpy(), silent["longitude"].to_numpy()
    )
    np.testing.assert_allclose(places_of_silent(observations), expected)
    assert observations.data.has_silent and len(observations.data.silent_mask) == 64
    np.testing.assert_allclose(observations.data.silent_elevation_km[:4], 0.7)
    assert observations.notes == ()


def test_without_ids_places_decide(table):
    network = pd.concat([table[["latitude", "longitude"]], cases.network(3, 99)])
    observations = prepare(table.drop(columns="device"), network=network, now=NOW)
    assert len(places_of_silent(observations)) == 3
    network = network.iloc[4:]
    observations = prepare(table.drop(columns="device"), network=network, now=NOW)
    assert len(places_of_silent(observations)) == 3
    assert observations.notes == ("4 triggers come from devices that the network lacks",)


@pytest.mark.parametrize("rename", [str.upper, "XX.{}".format])
def test_a_network_of_other_names_is_refused(table, rename):
    other = listed(14)
    other["device"] = [rename(each) for each in other["device"]]
    with pytest.raises(InputError, match=r"10 of 10 triggers .*each name written alike"):
        prepare(table, network=other, now=NOW)
    away = other.drop(columns="device").assign(latitude=lambda each: each["latitude"].round(1))
    with pytest.raises(InputError, match=r"10 of 10 triggers .*each place written alike"):
        prepare(table.drop(columns="device"), network=away, now=NOW)


def test_only_active_devices_are_silent(table):
    network = listed(15)
    day = pd.Timedelta(days=1)
    begin = [pd.Timestamp("2020-01-01", tz="UTC")] * 15
    end = [None] * 15
    begin[10], begin[11] = NOW + day, None
    end[12], end[13] = NOW - day, NOW + day
    network["active_from"] = pd.to_datetime(begin, utc=True)
    network["active_to"] = pd.to_datetime(end, utc=True)
    observations = prepare(table, network=network, now=NOW)
    silent = network.iloc[[11, 13, 14]]
    expected = observations.frame.position(
        silent["latitude"].to_numpy(), silent["longitude"].to_numpy()
    )
    np.testing.assert_allclose(places_of_silent(observations), expected)


def test_with_a_network_only_the_first_trigger_of_a_device_counts(table):
    again = table.loc[["r2"]].assign(time=cases.EPOCH - pd.Timedelta(seconds=3)).set_axis(["first"])
    network = listed(12)
    observations = prepare(pd.concat([table, again]), network=network, now=NOW)
    assert reasons(observations) == {"r2": "later trigger of the same device"}
    assert reasons(prepare(pd.concat([table, again]))) == {}


def test_a_device_that_triggers_after_now_is_silent_still(table):
    network = cases.network(10, 4).assign(device=[f"d{i}" for i in range(10)])
    observations = prepare(table, network=network, now=cases.EPOCH + pd.Timedelta(seconds=6.5))
    assert len(observations.triggers) == 7
    assert len(places_of_silent(observations)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"truncated": True}, "give `now`"),
        ({"network": cases.network(3)}, "give `now`"),
        ({"max_distance_km": 10.0}, "needs `centre`"),
        ({"start": NOW, "now": NOW}, "ends .* before it starts"),
        ({"now": "noon"}, "now: 'noon' is not a time"),
        ({"start": "NaT"}, "start: .* time"),
    ],
)
def test_options_that_do_not_fit_are_refused(table, options, message):
    with pytest.raises(InputError, match=message):
        prepare(table, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="longitude"), "no column 'longitude'"),
        (lambda t: t.iloc[:0], "no rows"),
        (lambda t: t.assign(latitude=91.0), "latitude"),
        (lambda t: t.assign(time="yesterday"), "time"),
        (lambda t: t.assign(phase="Lg"), "phase"),
        (lambda t: t.assign(time_sd_s=-1.0), "time_sd_s"),
    ],
)
def test_tables_that_break_the_contract_are_refused(table, change, message):
    with pytest.raises(InputError, match=message) as caught:
        prepare(change(table))
    assert "\n" not in str(caught.value)


def test_five_triggers_at_three_places_are_enough(table):
    assert not prepare(table.iloc[:4]).enough
    assert prepare(table.iloc[:5]).enough
    two_places = table.iloc[[0, 1] * 4].assign(time=table["time"].iloc[:8].to_numpy())
    assert not prepare(two_places).enough


def test_with_no_row_left_nothing_breaks(table):
    with pytest.warns(TableWarning, match="none of the 10, .* lies in the window"):
        observations = prepare(table, now=cases.EPOCH - pd.Timedelta(days=1))
    assert len(observations.triggers) == 0 and not observations.enough
    assert set(observations.left_out["reason"]) == {"after now"}
    assert not observations.data.mask.any()


places = st.tuples(st.floats(-900, 900), st.floats(-900, 900))


@given(source=places, device=places)
def test_chords_are_those_of_the_sphere(source, device):
    latitude, longitude = (
        np.array(side)
        for side in zip(
            *(cases.destination(35.0, 170.0, *p) for p in (source, device)), strict=True
        )
    )
    expected = np.sum((np.subtract(*cases.vector(latitude, longitude))) ** 2)
    with jax.enable_x64(True):
        point = surface_point(jnp.asarray(device[0]), jnp.asarray(device[1]))
        found = squared_chord(
            jnp.asarray(source[0]), jnp.asarray(source[1]), jnp.stack(point)[None]
        )
    assert float(found[0]) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "centre", [(0.0, 180.0), (64.0, -179.97), (90.0, 0.0), (-90.0, 40.0), (89.9, 10.0)]
)
@pytest.mark.parametrize("longitudes", ["signed", "to 360"])
def test_the_answer_does_not_depend_on_where_on_the_globe(centre, longitudes):
    """The same detection about the equator, the antimeridian and a pole."""

    def locate(middle):
        triggers = cases.quake(14, 6, centre=middle)
        if longitudes == "to 360":
            triggers["longitude"] %= 360
        observations = prepare(triggers)
        fit = traveltime.fit(observations)
        place = cases.geographic(observations, fit["east_km"], fit["north_km"])
        network = cases.vector(triggers["latitude"], triggers["longitude"])
        chords = np.linalg.norm(network - cases.vector(*place), axis=1)
        origin = observations.time_of(fit["origin_time_s"])
        return chords, fit["depth_km"], (origin - cases.EPOCH).total_seconds()

    expected, found = locate((0.0, 20.0)), locate(centre)
    np.testing.assert_allclose(found[0], expected[0], atol=2e-3)
    assert found[1] == pytest.approx(expected[1], abs=5e-3)
    assert found[2] == pytest.approx(expected[2], abs=1e-3)


def test_whole_seconds_two_earthquakes_and_devices_that_sleep_are_said(table):
    whole = table.assign(time=table["time"].dt.floor("s"))
    assert "every time is a whole second" in prepare(whole).notes[0]
    later = table.assign(time=table["time"] + pd.Timedelta(300, unit="s"))
    twice = pd.concat([table, later.assign(device=[f"e{i}" for i in range(10)])])
    assert any("2 groups" in note for note in prepare(twice).notes)
    network = listed(14).assign(active_to=["2027-02-01T00:00Z"] * 3 + [None] * 11)
    notes = prepare(table, network=network, now=NOW).notes
    assert any("3 triggers come from devices that are not active" in note for note in notes)


def test_rows_left_out_are_named_by_the_callers_labels(table):
    broken = table.assign(time=table["time"].where(table.index != "r4", pd.Timestamp(0, tz="UTC")))
    with pytest.warns(TableWarning, match="row r4"):
        prepare(broken)


@pytest.mark.parametrize("name", ["event", "Event", "event_id", "evid", "publicID"])
def test_a_table_of_several_events_is_refused_whatever_their_column_is_called(name):
    first = cases.quake(8, 1).assign(**{name: "a"})
    second = cases.quake(8, 2).assign(**{name: "b"})
    second["time"] += pd.Timedelta(seconds=200)
    with pytest.raises(InputError, match=f"column '{name}' names 2 events.*--each {name}"):
        prepare(pd.concat([first, second], ignore_index=True))
