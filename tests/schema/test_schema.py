"""Contracts of tables: what is read, what is refused and in which words."""

import datetime as dt
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqstat import InputError, schema
from eqstat.schema import Column, Contract, NaiveTimeWarning

MOMENT = pd.Timestamp("2016-06-10T08:04:38.700Z")
LATER = pd.Timestamp("2016-06-10T08:04:44.250Z")
SECONDS = 1465545878.7


def triggers(**columns):
    """Two good triggers, with the columns given in place of the good ones."""
    good = {"time": [MOMENT, LATER], "latitude": [33.4, 33.5], "longitude": [-116.4, -116.5]}
    return pd.DataFrame({**good, **columns})


def message(table, checker=schema.check_triggers):
    before = table.copy(deep=True)
    with pytest.raises(InputError) as caught:
        checker(table)
    pd.testing.assert_frame_equal(table, before)
    text = str(caught.value)
    assert "\n" not in text
    return text


AWARE = {
    "z": ["2016-06-10T08:04:38.700Z", "2016-06-10T08:04:44.25Z"],
    "offset": ["2016-06-10 13:34:38.700+05:30", "2016-06-10 01:04:44.25-0700"],
    "short offset": ["2016-06-10 08:04:38.7+00", "2016-06-10 08:04:44.25+00"],
    "utc word": ["2016-06-10 08:04:38.700 UTC", "2016-06-10 08:04:44.250 GMT"],
    "comma and blanks": [" 2016-06-10T08:04:38,700Z", "2016-06-10T08:04:44.25Z "],
    "python": [MOMENT.to_pydatetime(), LATER.to_pydatetime()],
    "other zones": [MOMENT.tz_convert("Asia/Tokyo"), LATER.tz_convert("America/Lima")],
    "seconds": [SECONDS, 1465545884.25],
    "seconds as text": ["1465545878.7", "1465545884.25"],
    "decimal objects": pd.Series([SECONDS, 1465545884.25], dtype=object),
    "nullable seconds": pd.array([SECONDS, 1465545884.25], dtype="Float64"),
    "categories": pd.Categorical(["2016-06-10T08:04:38.7Z", "2016-06-10T08:04:44.25Z"]),
}


@pytest.mark.parametrize("times", AWARE.values(), ids=AWARE)
def test_times_that_tell_their_zone(times):
    checked = schema.check_triggers(triggers(time=times))
    assert str(checked["time"].dtype) == "datetime64[ns, UTC]"
    assert checked["time"].tolist() == [MOMENT, LATER]
    assert checked.attrs["notes"] == []


NAIVE = {
    "text": ["2016-06-10T08:04:38.700", "2016-06-10 08:04:44.25"],
    "python": [MOMENT.to_pydatetime().replace(tzinfo=None), LATER.tz_localize(None)],
    "numpy objects": pd.Series(
        [np.datetime64("2016-06-10T08:04:38.700"), np.datetime64("2016-06-10T08:04:44.25")],
        dtype=object,
    ),
    "kinds of datetimes": pd.Series(
        [np.datetime64("2016-06-10T08:04:38.700"), dt.datetime(2016, 6, 10, 8, 4, 44, 250000)],
        dtype=object,
    ),
}


@pytest.mark.parametrize("times", NAIVE.values(), ids=NAIVE)
def test_naive_times_are_utc_and_said_once(times):
    with pytest.warns(NaiveTimeWarning, match="time zone") as caught:
        checked = schema.check_triggers(triggers(time=times))
    assert len(caught) == 1
    assert checked["time"].tolist() == [MOMENT, LATER]
    assert checked.attrs["notes"] == [
        "triggers: times without a time zone in time were taken as UTC"
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_datetime64_of_any_resolution(unit, zone):
    times = pd.Series([MOMENT, LATER]).dt.floor("s").dt.tz_convert(zone or "UTC").dt.as_unit(unit)
    if zone is None:
        times = times.dt.tz_localize(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if zone is None else "error", NaiveTimeWarning)
        checked = schema.check_triggers(triggers(time=times))
    assert checked["time"].tolist() == [MOMENT.floor("s"), LATER.floor("s")]


def test_arrow_times():
    arrow = pytest.importorskip("pyarrow")
    times = pd.Series([MOMENT, LATER])
    aware = times.astype(pd.ArrowDtype(arrow.timestamp("us", tz="UTC")))
    assert schema.check_triggers(triggers(time=aware))["time"].tolist() == times.tolist()
    naive = times.dt.tz_localize(None).astype(pd.ArrowDtype(arrow.timestamp("ms")))
    with pytest.warns(NaiveTimeWarning):
        assert schema.check_triggers(triggers(time=naive))["time"].tolist() == times.tolist()
    text = pd.Series(AWARE["z"]).astype(pd.ArrowDtype(arrow.string()))
    assert schema.check_triggers(triggers(time=text))["time"].tolist() == times.tolist()


def test_nanoseconds_of_texts_are_kept():
    times = ["2016-06-10T08:04:38.123456789Z", "2016-06-10T08:04:38Z"]
    checked = schema.check_triggers(triggers(time=times))
    assert checked["time"].dt.nanosecond.tolist() == [789, 0]


@given(st.floats(1e8, 4e9, allow_nan=False))
def test_float_seconds_are_kept_to_a_microsecond(seconds):
    checked = schema.check_triggers(triggers(time=[seconds, -seconds / 2 - 1e8]))
    whole, rest = divmod(checked["time"].iloc[0].value, 10**9)
    assert abs((whole - seconds) + rest / 1e9) <= 6e-7
    assert checked["time"].iloc[1].value % 1000 == 0


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([SECONDS * 1e3] * 2, "milliseconds: divide by 1000 ("),
        ([SECONDS * 1e6] * 2, "microseconds: divide by 1000000 ("),
        ([int(SECONDS * 1e9)] * 2, "nanoseconds: divide by 1000000000 ("),
        ([3.5, 7.25], "seconds after another start"),
        ([42531.3, 42531.4], "days"),
        ([20160610, 20160611], "yyyymmdd)"),
        (["20160610", "20160611"], "yyyymmdd)"),
        ([20160610080438, 20160610080439], "yyyymmddhhmmss"),
        ([6e9, 6e9], "outside the years"),
        ([np.inf, SECONDS], "outside the years"),
        (np.array([SECONDS, SECONDS], np.float32), "single precision"),
        ([True, False], "true and false"),
        ([1j, 2j], "complex"),
        ([MOMENT, "2016-06-10T08:04:44Z"], "mixes datetimes and texts; not datetimes are (row 1:"),
        ([SECONDS, "2016-06-10T08:04:44Z"], "mixes numbers and texts"),
        (pd.Series([{}, {}], dtype=object), "dict objects"),
        (["2016-06-10T08:04:38Z", "2016-06-10T08:04:44"], "without one are (row 1: '2016-06-10T"),
        ([MOMENT, dt.datetime(2016, 6, 10)], "without a time zone"),
        (["2016-06-10T08:04:38Z", "10/06/2016 08:04"], "(row 1: '10/06/2016 08:04')"),
        (["now", "2016-06-10T08:04:38Z"], "(row 0: 'now')"),
        (["2016", "2016-06-10T08:04:38Z"], "(row 0: '2016')"),
        (["0216-06-10T08:04:38Z", "2016-06-10T08:04:38Z"], "row 0: '0216"),
        ([MOMENT, None], "missing values (row 1: "),
        ([SECONDS, None], "missing values (row 1: "),
        (["2016-06-10T08:04:38Z", " "], "missing values (row 1: "),
        ([None, None], "missing values"),
    ],
)
def test_times_that_cannot_be_used(times, words):
    text = message(triggers(time=times))
    assert text.startswith("triggers: column 'time': ")
    assert words in text
    assert ";" in text


def test_datetime64_beyond_nanoseconds():
    far = np.array(["20160-06-10", "2016-06-10"], "datetime64[s]")
    assert "outside the years 1880 to 2200 (row 0: 20160" in message(triggers(time=far))


def test_the_input_stays_and_extra_columns_are_kept():
    table = triggers(time=AWARE["z"], longitude=[243.6, 190.0], corrected=["yes", None])
    table.index = pd.Index([7, 7])
    before = table.copy(deep=True)
    checked = schema.check_triggers(table)
    pd.testing.assert_frame_equal(table, before)
    assert table.attrs == {}
    assert checked.columns.tolist() == table.columns.tolist()
    assert checked.index.tolist() == [7, 7]
    pd.testing.assert_series_equal(checked["corrected"], table["corrected"])
    assert checked["longitude"].tolist() == pytest.approx([-116.4, -170.0])
    assert checked.attrs["notes"] == [
        "triggers: 2 rows with a longitude of 180 or more brought into [-180, 180)"
    ]


def test_checking_twice_changes_nothing():
    once = schema.check_triggers(triggers(device=[1, 1], time=[MOMENT, MOMENT]))
    twice = schema.check_triggers(once)
    pd.testing.assert_frame_equal(once, twice)
    assert once.attrs == twice.attrs


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"latitude": [95.2, 33.0]}, "column 'latitude': must lie in [-90, 90] degrees (row 0: 95"),
        ({"latitude": [-116.4, -116.5], "longitude": [33.4, 33.5]}, "longitude swapped?"),
        ({"latitude": [33.4, np.nan]}, "column 'latitude': has missing values (row 1: nan)"),
        ({"latitude": ["33.4", "33,5"]}, "column 'latitude': is not a number (row 1: '33,5')"),
        ({"latitude": [True, False]}, "true and false"),
        ({"latitude": [33.4, np.inf]}, "not finite (row 1: inf)"),
        ({"longitude": [360.0, 0.0]}, "must lie in [-180, 360) degrees (row 0: 360.0)"),
        ({"longitude": [-180.5, 0.0]}, "(row 0: -180.5)"),
        ({"longitude": [MOMENT, MOMENT]}, "not real numbers"),
        ({"phase": ["P", "Pn"]}, "must be P or S, or missing (row 1: 'Pn'); if that is what they"),
        ({"phase": ["p-wave", "iS"]}, "replace them: {'p-wave': 'P', 'iS': 'S'}"),
        ({"phase": ["P", "X"]}, "(row 1: 'X'); leave it empty where it is not known"),
        ({"time_sd_s": [0.1, 0.0]}, "must be greater than 0 s (row 1: 0.0)"),
        ({"pga_m_s2": [-0.1, 0.0]}, "must lie in [0, 500] m/s2 (row 0: -0.1)"),
        ({"pga_m_s2": [981.0, 0.0]}, "divide Gal by 100"),
        ({"elevation_m": [120000.0, 0.0]}, "elevations are metres"),
    ],
)
def test_columns_that_cannot_be_used(columns, words):
    assert words in message(triggers(**columns))


def test_only_the_first_rows_are_shown_and_all_are_counted():
    table = pd.concat([triggers(latitude=[91.0, 92.0])] * 4, ignore_index=True)
    words = "(row 0: 91.0, row 1: 92.0, row 2: 91.0; 8 rows in all)"
    assert words in message(table)
    long = message(triggers(time=["x" * 100, "2016-06-10T08:04:38Z"]))
    assert "x" * 60 not in long


def test_missing_columns_name_what_may_be_meant():
    table = triggers().rename(columns={"time": "triggerTime", "latitude": "Lat"})
    text = message(table)
    assert "no columns 'time', 'latitude' (the table has: triggerTime, Lat, longitude)" in text
    assert "--columns time=triggerTime latitude=Lat" in text
    assert "rename_columns(table, {'time': 'triggerTime', 'latitude': 'Lat'})" in text
    assert "longitud" in message(triggers().rename(columns={"longitude": "longitud"}))
    assert message(triggers()[["time", "latitude"]]).endswith("give it")
    text = message(table.drop(columns="longitude"))
    assert "--columns time=triggerTime latitude=Lat" in text
    assert text.endswith("no column looks like 'longitude': add it")


def test_phases_are_read_in_any_case():
    checked = schema.check_triggers(triggers(phase=["p", "S"]))
    assert checked["phase"].tolist() == ["P", "S"]


@pytest.mark.parametrize("column", ["active", "Is_Active", "status"])
def test_devices_that_are_switched_off_are_said(column):
    off, on = ("off", "on") if column == "status" else (0, 1)
    network = triggers()[["latitude", "longitude"]]
    with pytest.raises(InputError, match="and they are all; a network needs active devices"):
        schema.check_network(network.assign(**{column: off}))
    with pytest.warns(UserWarning, match=rf"column '{column}' marks devices .*row 1: '?{off}"):
        schema.check_network(network.assign(**{column: [on, off]}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schema.check_network(network.assign(**{column: on}))


def test_empty_and_doubled_columns():
    assert "no rows; give at least one row with time, latitude" in message(triggers().iloc[:0])
    doubled = pd.concat([triggers(), triggers()[["latitude"]]], axis=1)
    assert "2 columns are called 'latitude'" in message(doubled)


def test_optional_columns():
    checked = schema.check_triggers(
        triggers(
            device=[7.0, 12.0],
            phase=[" P ", None],
            time_sd_s=[None, "0.2"],
            pga_m_s2=pd.array([0, None], dtype="Int64"),
            elevation_m=[-20, 4000],
        )
    )
    assert checked["device"].tolist() == ["7", "12"]
    assert checked["phase"].tolist() == ["P", None]
    assert checked["time_sd_s"].tolist()[1] == 0.2
    assert np.isnan(checked["time_sd_s"].iloc[0])
    assert checked["pga_m_s2"].iloc[0] == 0.0
    assert checked["elevation_m"].dtype == np.float64


def test_repeated_rows_are_kept_and_noted():
    table = pd.concat([triggers(device=["a", "b"])] * 2, ignore_index=True)
    table.loc[4] = [MOMENT, 10.0, 20.0, "a"]
    table.loc[5] = [MOMENT, 11.0, 20.0, None]
    table.loc[6] = [MOMENT, 12.0, 20.0, None]
    checked = schema.check_triggers(table)
    assert len(checked) == 7
    assert checked.attrs["notes"] == [
        "triggers: 2 rows that repeat an earlier row, kept",
        "triggers: 1 row that repeat an earlier device and time, kept",
    ]


def test_suspicious_units_are_noted():
    radians = schema.check_triggers(triggers(latitude=[0.58, 0.59], longitude=[-2.03, -2.04]))
    assert "radians" in radians.attrs["notes"][0]
    table = pd.concat([triggers()] * 2, ignore_index=True).assign(elevation_m=[0.1, 1.5, 2.2, 0.3])
    assert any("kilometres" in note for note in schema.check_triggers(table).attrs["notes"])


def network(**columns):
    return pd.DataFrame({"latitude": [1.0, 2.0, 3.0], "longitude": [4.0, 5.0, 6.0], **columns})


def test_network():
    day = ["2020-01-01T00:00Z", "2020-01-02T00:00Z", "2020-01-03T00:00Z"]
    checked = schema.check_network(
        network(
            device=["a", "a", "b"], active_from=[None, day[1], day[0]], active_to=[day[1], None, ""]
        )
    )
    assert str(checked["active_from"].dtype) == "datetime64[ns, UTC]"
    assert checked["active_to"].isna().tolist() == [False, True, True]
    schema.check_network(network(device=[None, None, "b"]))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"device": ["a", "b", "a"]}, "column 'device': the same device is active twice"),
        (
            {
                "device": ["a", "b", "a"],
                "active_from": ["2020-01-03Z", "2020-01-01Z", "2020-01-01Z"],
                "active_to": [None, None, "2020-01-03T00:00:00.000000001Z"],
            },
            "(row 0: 'a')",
        ),
        (
            {
                "active_from": ["2020-01-03T00Z", "2020-01-01T00Z", "2020-01-01T00Z"],
                "active_to": ["2020-01-02T00Z", None, "2020-01-01T00Z"],
            },
            "column 'active_to': comes before active_from (row 0: '2020-01-02T00Z')",
        ),
    ],
)
def test_networks_that_cannot_be_used(columns, words):
    columns = {
        name: [v.replace("-03Z", "-03T00Z").replace("-01Z", "-01T00Z") if v else v for v in values]
        for name, values in columns.items()
    }
    assert words in message(network(**columns), schema.check_network)


def test_two_naive_columns_warn_once():
    table = network(active_from=["2020-01-01"] * 3, active_to=["2020-01-02"] * 3)
    with pytest.warns(NaiveTimeWarning, match="active_from, active_to") as caught:
        schema.check_network(table)
    assert len(caught) == 1


def test_rename_columns():
    table = triggers().rename(columns={"time": "triggerTime", "latitude": "lat"})
    renamed = schema.rename_columns(table, {"time": "triggerTime", "latitude": "lat"})
    assert renamed.columns.tolist() == ["time", "latitude", "longitude"]
    assert table.columns.tolist() == ["triggerTime", "lat", "longitude"]
    swapped = schema.rename_columns(triggers(), {"latitude": "longitude", "longitude": "latitude"})
    assert swapped.columns.tolist() == ["time", "longitude", "latitude"]
    with pytest.raises(InputError, match="did you mean 'triggerTime'"):
        schema.rename_columns(table, {"time": "triggertime"})
    with pytest.raises(InputError, match="is there already"):
        schema.rename_columns(table, {"longitude": "lat"})
    with pytest.raises(InputError, match="more than once"):
        schema.rename_columns(table, {"time": "lat", "latitude": "lat"})


def test_flags_of_a_contract_of_ones_own():
    contract = Contract("detections", (Column("is_earthquake", "flag", required=True),))
    table = pd.DataFrame({"is_earthquake": ["True", "no", 1, 0.0]})
    assert schema.check(table, contract)["is_earthquake"].tolist() == [True, False, True, False]
    with pytest.raises(InputError, match=r"mine: column 'is_earthquake': must be true or false"):
        schema.check(pd.DataFrame({"is_earthquake": ["maybe"]}), contract, name="mine")


@pytest.mark.slow
@pytest.mark.parametrize("texts", [True, False])
def test_a_million_rows_take_two_seconds_at_most(texts):
    n = 1_000_000
    times = pd.Series(pd.date_range("2020-01-01", periods=n, freq="s", tz="UTC"))
    texts_of = np.datetime_as_string(
        times.dt.tz_localize(None).to_numpy(), unit="s", timezone="UTC"
    )
    table = pd.DataFrame(
        {
            "time": texts_of.astype(object) if texts else times,
            "latitude": np.linspace(-80.0, 80.0, n),
            "longitude": np.linspace(-170.0, 170.0, n),
            "device": np.arange(n),
            "phase": "P",
        }
    )
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        checked = schema.check_triggers(table)
        best = min(best, time.process_time() - start)
        # Twice the promise, for slow machines.
        if best < 2.0 * 2.0:
            break
    assert len(checked) == n
    assert best < 2.0 * 2.0


@pytest.mark.parametrize("mark", [-9999, 9999, -999, -12345.0])
def test_markers_of_a_missing_number_are_missing_and_said(mark):
    elevation = [12.0, mark, 340.0]
    checked = schema.check_network(network(elevation_m=elevation))
    assert checked["elevation_m"].isna().tolist() == [False, True, False]
    (note,) = checked.attrs["notes"]
    assert f"{mark:g} in elevation_m taken as missing in 1 row" in note


@pytest.mark.parametrize("mark", [9999, -32768])
def test_a_column_of_markers_alone_is_missing(mark):
    checked = schema.check_network(network(elevation_m=[mark] * 3))
    assert checked["elevation_m"].isna().all()


def test_a_number_of_the_data_that_looks_like_a_marker_is_kept():
    # Ocean-bottom sensors lie near a kilometre deep.
    checked = schema.check_network(network(elevation_m=[-999.0, -1010.0, -985.0]))
    assert checked["elevation_m"].tolist() == [-999.0, -1010.0, -985.0]
    assert checked.attrs["notes"] == []


@pytest.mark.parametrize("depth", [-150.0, -2600.0, -10900.0])
def test_sensors_on_the_sea_floor_are_taken(depth):
    checked = schema.check_network(network(elevation_m=[depth, depth + 20.0, 5.0]))
    assert checked["elevation_m"].tolist() == [depth, depth + 20.0, 5.0]


@pytest.mark.parametrize(
    "end", ["2599-12-31T23:59:59Z", "9999-12-31", "2500-01-01T00:00:00", "2599-12-31 23:59:59.999"]
)
def test_open_ends_of_inventories_are_no_ends(end):
    checked = schema.check_network(network(active_to=["2020-01-02T00:00Z", end, ""]))
    assert checked["active_to"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("mark", [-9999, 9999])
def test_markers_in_a_required_column_are_refused(mark):
    assert "latitude" in message(triggers(latitude=[33.4, mark]))


@pytest.mark.parametrize("mark", [9999.0, 999.9, 99999.0])
def test_markers_within_the_range_of_a_required_column_are_refused(mark):
    counts = pd.DataFrame(
        {"time": [f"2027-01-15T08:00:{i:02d}Z" for i in range(20)], "triggers": 0, "active": 200.0}
    )
    with pytest.raises(InputError, match=r"'active'.*row 3: .*a marker of a missing"):
        schema.check_counts(counts.assign(active=[*[200.0] * 3, int(mark), *[210.0] * 16]))
    motions = pd.DataFrame(
        {"event": ["a"] * 4, "magnitude": 5.0, "depth_km": 8.0, "pga_m_s2": 0.1,
         "distance_km": [20.0, 60.0, 150.0, min(mark, 9999.0)]}
    )  # fmt: skip
    with pytest.raises(InputError, match=r"'distance_km'.*row 3"):
        schema.check_ground_motions(motions)


@pytest.mark.parametrize(("column", "mark"), [("latitude", -9999.0), ("longitude", 999.25)])
def test_a_marker_in_an_optional_place_is_said(column, mark):
    motions = pd.DataFrame(
        {"event": "a", "magnitude": 5.0, "depth_km": 8.0, "pga_m_s2": 0.1, "distance_km": 30.0,
         "latitude": [35.0, 35.1, 35.2], "longitude": [-117.0, -117.1, -117.2]}
    )  # fmt: skip
    motions.loc[1, column] = mark
    checked = schema.check_ground_motions(motions)
    assert checked[column].isna().tolist() == [False, True, False]
    assert f"{mark:g} in {column} taken as missing in 1 row" in " ".join(checked.attrs["notes"])


@pytest.mark.parametrize("mark", [1e20, 1e30, -1e35, 9.96921e36])
def test_fill_values_among_scores_are_missing(mark):
    table = pd.DataFrame(
        {"time": [1.8e9, 1.8e9 + 60, 1.8e9 + 99], "latitude": -12.0, "longitude": -77.0,
         "is_earthquake": [True, False, True], "score": [0.3, mark, 1.2]}
    )  # fmt: skip
    assert schema.check_detections(table)["score"].isna().tolist() == [False, True, False]


def test_many_triggers_are_no_marker():
    counts = pd.DataFrame(
        {"time": [f"2027-01-15T08:00:{i:02d}Z" for i in range(20)], "active": 2000,
         "triggers": [0] * 19 + [999]}
    )  # fmt: skip
    assert schema.check_counts(counts)["triggers"].max() == 999


def test_a_marker_in_the_place_is_no_exchange_of_coordinates():
    assert "marker of a missing value" in message(triggers(latitude=[33.4, -9999.0]))
    assert "swapped" in message(triggers(latitude=[33.4, -116.0], longitude=[33.4, 33.5]))
