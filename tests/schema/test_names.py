"""Names of columns: those that look like a contract's are told, and presets rename."""

import shlex

import pandas as pd
import pytest

from eqstat import InputError, schema
from eqstat.schema import TableWarning

PLACE = {"latitude": [1.0, 2.0], "longitude": [3.0, 4.0]}
TIMES = ["2027-01-15T08:00:00.1Z", "2027-01-15T08:00:02.3Z"]


@pytest.mark.parametrize(
    ("check", "more", "ours", "theirs"),
    [
        (schema.check_triggers, {"time": TIMES}, "phase", "Phase"),
        (schema.check_triggers, {"time": TIMES}, "phase", "type"),
        (schema.check_triggers, {"time": TIMES}, "phase", "phase_hint"),
        (schema.check_triggers, {"time": TIMES}, "elevation_m", "elevation"),
        (schema.check_triggers, {"time": TIMES}, "device", "station_id"),
        (schema.check_triggers, {"time": TIMES}, "time_sd_s", "Time_SD_s"),
        (schema.check_triggers, {"time": TIMES}, "phase", "onda"),
        (schema.check_triggers, {"time": TIMES}, "phase", "P/S"),
        (schema.check_triggers, {"time": TIMES}, "elevation_m", "Höhe"),
        (schema.check_triggers, {"time": TIMES}, "elevation_m", "altitud"),
        (schema.check_triggers, {"time": TIMES}, "time_sd_s", "uncertainty"),
        (schema.check_triggers, {"time": TIMES}, "device", "sta"),
        (schema.check_network, {}, "active_from", "StartTime"),
        (schema.check_network, {}, "active_to", "end_time"),
        (schema.check_counts, {"time": TIMES, "triggers": 0, "active": 9}, "is_earthquake",
         "Is_Earthquake"),
        (schema.check_counts, {"time": TIMES, "triggers": 0, "active": 9}, "region", "Region"),
    ],
)  # fmt: skip
def test_an_optional_column_under_another_name_is_told(check, more, ours, theirs):
    table = pd.DataFrame({**PLACE, **more}).assign(**{theirs: ["P", "S"]})
    with pytest.warns(TableWarning, match=f"column '{theirs}' is not used; if it holds {ours}"):
        checked = check(table)
    pair = shlex.quote(f"{ours}={theirs}")
    assert any(f"--columns {pair}" in note for note in checked.attrs["notes"])


@pytest.mark.parametrize(
    ("ours", "theirs", "values"),
    [
        ("pga_m_s2", "pga", [0.3, 0.1]),
        ("latitude", "Lat", [1.0, -2.0]),
        ("longitude", "lon", [0, 0]),
    ],
)
def test_a_second_column_of_the_same_that_differs_is_told(ours, theirs, values):
    table = pd.DataFrame({**PLACE, "time": TIMES, "pga_m_s2": [0.1, 0.2]}).assign(
        **{theirs: values}
    )
    with pytest.warns(
        TableWarning, match=f"column '{theirs}' differs from '{ours}', which is used"
    ):
        schema.check_triggers(table)


def test_a_second_column_that_says_the_same_in_another_unit_is_no_matter():
    table = pd.DataFrame({**PLACE, "time": TIMES, "pga_m_s2": [0.1, 0.2], "pga": [10.0, 20.0]})
    assert schema.check_triggers(table.assign(lat=[1.0, 2.0])).attrs["notes"] == []


def test_columns_that_are_nothing_of_the_contract_are_no_matter():
    table = pd.DataFrame({**PLACE, "time": TIMES, "phase": ["P", "S"], "type": "a", "comment": "b"})
    assert schema.check_triggers(table).attrs["notes"] == []


def test_the_advice_of_an_error_holds_the_optional_columns_too():
    table = pd.DataFrame({"Station": ["a"], "Latitude": [1.0], "Longitude": [2.0]})
    with pytest.raises(InputError, match="--columns latitude=Latitude longitude=Longitude dev"):
        schema.check_network(table)


@pytest.mark.parametrize(
    ("preset", "columns", "expected"),
    [
        ("seisbench", "station time probability phase", "device time probability phase"),
        ("gamma", "id timestamp prob type", "device time prob phase"),
        ("gamma", "id longitude latitude elevation(m)", "device longitude latitude elevation_m"),
        ("pyocto", "station phase time", "device phase time"),
        ("phasenet", "station_id phase_time phase_type", "device time phase"),
        (
            "obspy",
            "Station Latitude Elevation StartTime",
            "device latitude elevation_m active_from",
        ),
        ("openquake", "lon lat vs30 custom_site_id", "longitude latitude vs30_m_s site"),
    ],
)
def test_presets(preset, columns, expected):
    table = pd.DataFrame([[1] * len(columns.split())], columns=columns.split())
    assert list(schema.rename_columns(table, preset).columns) == expected.split()
    assert set(schema.PRESETS) >= {preset}


def test_presets_of_names_of_several_words_and_mappings_beside_them():
    table = pd.DataFrame([[1, 2, 3]], columns=["Station", "Start Date", "Code"])
    renamed = schema.rename_columns(table, ["geonet", {"device": "Code"}])
    assert list(renamed.columns) == ["Station", "active_from", "device"]
    with pytest.raises(InputError, match="no preset 'geonot'; there are seisbench"):
        schema.rename_columns(table, "geonot")
    with pytest.raises(InputError, match="no column of the preset 'openquake'"):
        schema.rename_columns(table, "openquake")
