"""Reports that cannot be used: repeats, wrong clocks and places, swapped phases, cut times."""

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError, schema
from eqstat.schema import TableWarning

START = pd.Timestamp("2027-01-15T08:00:00Z")


def reports(seconds=None, count=30, seed=0, **columns):
    """Devices about 12.1 S, 77.0 W."""
    rng = np.random.default_rng(seed)
    seconds = rng.uniform(3.0, 18.0, count) if seconds is None else np.asarray(seconds, float)
    table = pd.DataFrame(
        {
            "time": START + pd.to_timedelta(seconds, unit="s"),
            "latitude": rng.normal(-12.1, 0.3, len(seconds)),
            "longitude": rng.normal(-77.0, 0.3, len(seconds)),
            "device": [f"d{i}" for i in range(len(seconds))],
        }
    )
    return table.assign(**columns)


def judged(table, **options):
    checked = schema.check_triggers(table)
    reason = schema.unusable_reports(checked, **options)
    return reason.tolist(), checked.attrs["notes"]


def test_good_reports_are_used():
    assert judged(reports()) == ([""] * 30, [])


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("apart_s", [0.02, 0.4])
@pytest.mark.parametrize("named", [True, False])
def test_reports_that_a_queue_delivers_again(times, apart_s, named):
    table = reports()
    again = [table.assign(time=table["time"] + pd.Timedelta(seconds=apart_s * n))
             for n in range(1, times + 1)]  # fmt: skip
    whole = pd.concat([table, *again], ignore_index=True)
    with pytest.warns(TableWarning, match=f"repeats .*row 30.*{30 * times} rows in all"):
        reason, _ = judged(whole if named else whole.drop(columns="device"))
    assert reason == [""] * 30 + ["repeats a report of the same device"] * (30 * times)


@pytest.mark.parametrize("later_s", [1.5, 5.0, 60.0])
@pytest.mark.parametrize("named", [True, False])
def test_reports_that_are_all_delivered_again_after_one_lag(later_s, named):
    table = reports()
    again = [table.assign(time=table["time"] + pd.Timedelta(seconds=later_s * n)) for n in (1, 2)]
    whole = pd.concat([table, *again], ignore_index=True)
    with pytest.warns(TableWarning, match="repeats .*row 30.*60 rows in all"):
        reason, _ = judged(whole if named else whole.drop(columns="device"))
    assert reason == [""] * 30 + ["repeats a report of the same device"] * 60


@pytest.mark.parametrize("degrees", [1e-6, 1e-5, 0.02])
def test_a_repeat_of_a_device_that_measured_its_place_again(degrees):
    table = reports()
    again = table.assign(
        time=table["time"] + pd.Timedelta("20ms"), latitude=table["latitude"] + degrees
    )
    with pytest.warns(TableWarning, match="repeats .*30 rows in all"):
        reason, _ = judged(pd.concat([table, again], ignore_index=True))
    assert reason == [""] * 30 + ["repeats a report of the same device"] * 30


def test_other_waves_devices_and_rounded_places_are_no_repeats():
    table = reports(phase="P")
    later = table.assign(phase="S", time=table["time"] + pd.Timedelta(seconds=0.5))
    assert set(judged(pd.concat([table, later], ignore_index=True))[0]) == {""}
    crowd = reports().assign(latitude=-12.1, longitude=-77.0)
    assert set(judged(crowd)[0]) == {""}
    assert set(judged(crowd.drop(columns="device"))[0]) == {""}
    # S follows P by what the distance gives; a second report in a second is another wave's.
    lag_s = np.random.default_rng(1).uniform(1.5, 6.0, 30)
    later = reports().assign(time=lambda t: t["time"] + pd.to_timedelta(lag_s, unit="s"))
    assert set(judged(pd.concat([reports(), later], ignore_index=True))[0]) == {""}


@pytest.mark.parametrize(
    "wrong", ["1970-01-01T00:00:12Z", "2000-01-01T00:00:00.5Z", "2036-02-07T06:28:16.1Z",
              "2027-01-15T09:00:07.3Z"],
)  # fmt: skip
def test_a_clock_that_was_not_set_is_named(wrong):
    table = reports()
    table.loc[4, "time"] = pd.Timestamp(wrong)
    with pytest.warns(TableWarning, match="isolated in time .row 4: "):
        reason, notes = judged(table)
    assert [i for i, each in enumerate(reason) if each] == [4]
    assert len(notes) == 1


def test_two_groups_of_reports_are_not_isolated():
    assert set(judged(reports(np.r_[np.linspace(1, 15, 20), np.linspace(5001, 5015, 10)]))[0]) == {
        ""
    }


@pytest.mark.parametrize(
    "place", [(0.0, 0.0), (-77.0, -12.1), (12.1, -77.0), (-1.21, -77.0)],
    ids=["0, 0", "swapped", "sign", "decimal point"],
)  # fmt: skip
def test_a_wrong_place_is_named(place):
    table = reports()
    table.loc[7, ["latitude", "longitude"]] = place
    with pytest.warns(TableWarning, match="isolated in place .row 7: "):
        reason, _ = judged(table)
    assert [i for i, each in enumerate(reason) if each] == [7]


@pytest.mark.parametrize("many", [2, 4])
def test_several_wrong_places_are_named(many):
    table = reports(count=40)
    table.loc[: many - 1, "latitude"] *= -1
    with pytest.warns(TableWarning, match="isolated in place .row 0: "):
        reason, _ = judged(table)
    assert [i for i, each in enumerate(reason) if each] == list(range(many))


def test_a_far_station_that_a_wave_can_reach_is_used():
    table = reports()
    table.loc[7, ["latitude", "longitude"]] = (10.0, -77.0)  # 2450 km
    table.loc[7, "time"] = START + pd.Timedelta(seconds=300)
    assert set(judged(table)[0]) == {""}


def test_isolated_places_of_networks():
    rng = np.random.default_rng(1)
    latitude, longitude = rng.normal(-12.1, 0.5, 300), rng.normal(179.9, 0.5, 300)
    assert not schema.isolated_places(latitude, (longitude + 180) % 360 - 180).any()
    zeros = np.r_[latitude, np.zeros(15)], np.r_[longitude, np.zeros(15)]
    assert schema.isolated_places(*zeros).sum() == 15
    second_town = np.r_[latitude, np.full(30, -20.0)], np.r_[longitude, np.full(30, 179.0)]
    assert not schema.isolated_places(*second_town).any()


def test_s_before_p_at_a_device():
    table = pd.concat([reports(phase="P"), reports(phase="S")], ignore_index=True)
    table.loc[30:, "time"] += pd.Timedelta(seconds=4)
    table.loc[33, "time"] -= pd.Timedelta(seconds=6)
    with pytest.warns(TableWarning, match="S before P"):
        reason, _ = judged(table)
    assert [i for i, each in enumerate(reason) if each] == [3, 33]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        *((f"{step}s", f"multiple of {step} s") for step in (5, 6, 10, 15, 30)),
        ("1min", "whole minute"),
        ("1h", "whole minute"),
        ("1D", "midnight"),
    ],
)
def test_times_that_are_cut_are_refused(step, words):
    table = reports(np.linspace(3, 200, 30))
    with pytest.raises(InputError, match=words):
        judged(table.assign(time=table["time"].dt.floor(step)))


@pytest.mark.parametrize("rest_s", [0.999, 7.3, 59.0])
def test_times_that_are_cut_and_shifted_are_refused(rest_s):
    table = reports(np.linspace(3, 200, 30))
    cut = table["time"].dt.floor("1min") + pd.Timedelta(seconds=rest_s)
    with pytest.raises(InputError, match=f"whole minute and {rest_s:g} s: the seconds are lost"):
        judged(table.assign(time=cut))


def test_whole_seconds_pass_and_some_whole_minutes_are_told():
    table = reports()
    assert set(judged(table.assign(time=table["time"].dt.floor("s")))[0]) <= {""}
    # By chance four whole seconds of five are multiples of 5 s, or devices report at one moment.
    few = pd.Series(START + pd.to_timedelta(np.array([5.0, 10.0, 5.0, 10.0, 5.0]), unit="s"))
    assert set(judged(reports(np.arange(5.0)).assign(time=few))[0]) <= {""}
    at_once = START + pd.Timedelta("35s")
    assert set(judged(table.assign(time=at_once))[0]) <= {""}
    assert set(judged(table.assign(time=table["time"].iloc[0]))[0]) <= {""}
    table.loc[:4, "time"] = START
    with pytest.warns(TableWarning, match="whole minutes among others .row 0: .*5 rows in all"):
        judged(table)


def test_networks_that_contradict_the_triggers():
    table = schema.check_triggers(reports())
    network = reports().drop(columns="time")
    schema.compare_places(table, schema.check_network(network))
    swapped = network.rename(columns={"latitude": "longitude", "longitude": "latitude"})
    with pytest.raises(InputError, match=r"30 of 30 devices .*latitude and longitude swapped"):
        schema.compare_places(table, schema.check_network(swapped))
    wrong = network.assign(longitude=-network["longitude"])
    with pytest.raises(InputError, match="are the signs right"):
        schema.compare_places(table, schema.check_network(wrong))
    network.loc[3, "latitude"] = 45.0
    with pytest.warns(TableWarning, match="1 of 30 devices .*'d3'"):
        schema.compare_places(table, schema.check_network(network))


def test_devices_of_a_network_that_are_there_twice_are_said():
    table = schema.check_triggers(reports())
    network = reports().drop(columns="time")
    again = network.assign(device=network["device"] + ".HHZ")
    with pytest.warns(TableWarning, match="30 of 60 devices .*'d0.HHZ' as 'd0'"):
        schema.compare_places(table, schema.check_network(pd.concat([network, again])))
    coarse = pd.concat([network, again]).round({"latitude": 2, "longitude": 2})
    schema.compare_places(table, schema.check_network(coarse))
    schema.compare_places(table, schema.check_network(pd.concat([network, again[:4]])))


@pytest.mark.parametrize("text", ["05.02.2027", "5 Feb 2027", "02/05/2027", "now", "", 20270205])
def test_a_time_of_an_option_is_read_as_strictly_as_those_of_tables(text):
    with pytest.raises(InputError, match="now: "):
        schema.read_time(text, "now")


@pytest.mark.parametrize(
    "value",
    ["2027-01-15T08:00Z", START, START.to_pydatetime(), START.timestamp(), "2027-01-15 08:00"],
)
def test_times_that_are_read(value):
    assert schema.read_time(value, "now") == START


def remarks(table):
    return judged(table, one_event=True)[1]


def test_coarse_times_are_said_of_streams_too():
    assert "every time is a whole second" in judged(reports(np.arange(3.0, 18.0)))[1][0]


def test_whole_seconds_are_said():
    seconds = np.arange(3.0, 18.0)
    assert "every time is a whole second" in remarks(reports(seconds))[0]
    assert "every time is a whole second" in remarks(reports(seconds + 0.25))[0]
    assert "multiple of 2 s" in remarks(reports(2 * seconds))[0]
    assert remarks(reports(seconds + 0.25 * (seconds % 2))) == []


@pytest.mark.parametrize("rest_s", [35.0, 59.999])
def test_times_that_are_all_the_same_are_said(rest_s):
    at_once = START + pd.Timedelta(seconds=rest_s)
    assert "every time is the same" in judged(reports().assign(time=at_once))[1][0]


def test_coarse_places_are_said():
    table = reports()
    rounded = table.assign(latitude=table["latitude"].round(1), longitude=-77.0)
    assert "multiple of 0.1 degrees" in remarks(rounded)[0]
    assert remarks(table.assign(latitude=table["latitude"].round(2))) == []


def test_one_name_at_many_places_is_said():
    with pytest.warns(TableWarning, match="not unique: 1 report from places .*'phone'"):
        judged(reports().assign(device="phone"))
    # In a moving train a device may be some kilometres away.
    moving = reports(count=2).assign(device="a", latitude=[-12.1, -12.12], longitude=-77.0)
    assert judged(moving)[1] == []


@pytest.mark.parametrize(("later_s", "groups"), [(0.0, 1), (90.0, 1), (600.0, 2)])
def test_two_earthquakes_in_a_table_are_said(later_s, groups):
    table = reports(count=40)
    table["time"] += pd.to_timedelta(np.where(np.arange(40) < 20, 0.0, later_s), unit="s")
    said = remarks(table)
    assert len(said) == groups - 1 and all("2 groups" in each for each in said)


def test_late_stragglers_are_no_group():
    table = reports(count=40)
    table["time"] += pd.to_timedelta(np.where(np.arange(40) < 37, 0.0, 600.0), unit="s")
    assert remarks(table) == []


@pytest.mark.parametrize("degrees", [0.0, 1e-6])
@pytest.mark.parametrize("rename", [str.upper, "{}-1".format])
def test_one_device_under_several_names_is_said(rename, degrees):
    table = reports()
    copies = table.assign(
        device=[rename(each) for each in table["device"]], latitude=table["latitude"] + degrees
    )
    copies["time"] += pd.Timedelta("20ms")
    with pytest.warns(TableWarning, match="30 of 60 reports .* another name .'[dD]"):
        judged(pd.concat([table, copies]))
    # A few neighbours, places on a coarse grid, and other moments are no copies.
    for other in (
        copies[:4],
        copies.assign(time=copies["time"] + pd.Timedelta("300ms")),
        copies.assign(latitude=copies["latitude"] + 1e-3),
        copies.assign(latitude=copies["latitude"].round(2), longitude=-77.0),
    ):
        assert judged(pd.concat([table, other]))[1] == []
    coarse = {"latitude": table["latitude"].round(2), "longitude": table["longitude"].round(2)}
    assert judged(pd.concat([table.assign(**coarse), copies.assign(**coarse)]))[1] == []
