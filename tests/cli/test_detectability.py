"""`eqstat detectability`: places and maps, rules, files, and one line for what cannot be used."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eqstat.detectability import Rule, miss_probability, prepare

from .shell import network, refused, shell
from .test_schema import checked


@pytest.fixture(scope="module")
def phones(tmp_path_factory):
    latitude, longitude = network(300)
    path = tmp_path_factory.mktemp("network") / "phones.csv"
    pd.DataFrame({"latitude": latitude, "longitude": longitude}).to_csv(path, index=False)
    return path


USUAL = ("--magnitude", "3,5", "--count", 15, "--draws", 0)
AT = "--at=-12.2,-77.1"


@pytest.mark.slow
def test_json_holds_what_the_function_gives(capsys, phones):
    code, out, lines = shell(capsys, "detectability", phones, AT, *USUAL, "--json")
    assert (code, lines) == (0, [])
    content = checked(out)
    gathered = prepare(pd.read_csv(phones))
    from eqstat.detectability import DeviceResponse

    expected = miss_probability(
        gathered, Rule(15), -12.2, -77.1, [3.0, 5.0],
        response=DeviceResponse(dead_share=0.1), delays=True,
    )  # fmt: skip
    values = content["places"][0]["values"]
    assert [value["miss_probability"] for value in values] == pytest.approx(
        expected["miss_probability"].to_numpy().ravel().tolist()
    )
    assert values[1]["delay_s"] == pytest.approx(expected["delay_s"][0, 1, 0].to_numpy().tolist())
    assert content["devices"] == 300
    assert content["map"] is None


@pytest.mark.slow
def test_summary_names_rule_probability_and_delay(capsys, phones):
    code, out, _ = shell(
        capsys, "detectability", phones, AT, "--ratio", 0.1, "--magnitude", "2,5", "--draws", 4,
        "--hour", "3,14", "--active-share", "daily",
    )  # fmt: skip
    assert code == 0
    for text in ("10 % of the active devices", "03:00", "14:00", "delay (s)", "12.200 S"):
        assert text in out


@pytest.mark.long
def test_map_goes_to_netcdf_and_figure(capsys, phones, tmp_path):
    figure, data = tmp_path / "map.png", tmp_path / "map.nc"
    code, out, _ = shell(
        capsys, "detectability", phones, "--area=-12.6,-11.6,-77.5,-76.5", "--step-deg", 0.5,
        "--poisson", "1e-7,0.016", "--magnitude", "3,4,5,6", "--draws", 0,
        "--figure", figure, "--netcdf", data,
    )  # fmt: skip
    assert code == 0
    assert "Smallest magnitude detected with 90 %" in out
    assert figure.stat().st_size > 10_000
    with xr.open_dataset(data, engine="h5netcdf") as written:
        assert written["miss_probability"].sizes == {
            "latitude": 3, "longitude": 3, "magnitude": 4, "hour": 1,
        }  # fmt: skip
        assert np.isfinite(written["smallest_magnitude"].sel(probability=0.5)).any()


@pytest.mark.slow
def test_towns_have_numbers_of_devices(capsys, tmp_path):
    path = tmp_path / "towns.csv"
    towns = {"latitude": [-12.0, -12.4], "longitude": [-77.0, -76.8], "phones": [500, 0]}
    pd.DataFrame(towns).to_csv(path, index=False)
    code, out, lines = shell(
        capsys, "detectability", path, "--devices", "phones", AT, *USUAL, "--json"
    )
    assert code == 0
    assert checked(out)["devices"] == 500
    assert any("no devices" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("--at=-12.2", "--count", "5"), "LAT,LON"),
        (("--at=95,10", "--count", "5"), "LAT,LON"),
        ((AT,), "--count --ratio --poisson"),
        ((AT, "--poisson", "0,0.016"), "BETA < RATE"),
        ((AT, "--count", "5", "--active-share", "sometimes"), "--active-share"),
        (("--area=-12,-13,-77,-76", "--count", "5"), "SOUTH,NORTH"),
        (("--area=-60,60,-170,170", "--count", "5"), "wider spacing"),
        ((AT, "--count", "5", "--devices", "people"), "people"),
        ((AT, "--count", "5", "--magnitude", "30"), "30"),
    ],
)
def test_what_cannot_be_used_is_one_line(capsys, phones, arguments, match):
    assert match in refused(capsys, "detectability", phones, *arguments)
