"""Picks and stations of other tools' formats, as those tools write them."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.cli import main
from eqstat.schema.seismology import join_stations, read_picks, read_stations

obspy = pytest.importorskip("obspy")
from obspy.core import event as oe  # noqa: E402
from obspy.core.inventory import Inventory, Network, Station  # noqa: E402

ORIGIN = obspy.UTCDateTime(2027, 1, 15, 8)
CODES = [("XX", f"S{i:02d}") for i in range(12)]


def world():
    """Places of the stations, and an event with P and S picks of an earthquake at 6 km/s."""
    rng = np.random.default_rng(4)
    places = np.stack([rng.uniform(47.6, 48.4, 12), rng.uniform(10.6, 11.8, 12)], axis=1)
    picks, arrivals = [], []
    for (network, code), (latitude, longitude) in zip(CODES, places, strict=True):
        away = np.hypot(111.2 * (latitude - 48.0), 74.4 * (longitude - 11.2))
        for phase, speed in (("Pg", 6.0), ("Sg", 6.0 / 1.73)):
            after_s = np.hypot(away, 9.0) / speed + rng.normal(0, 0.03)
            pick = oe.Pick(
                time=obspy.UTCDateTime(ns=ORIGIN.ns + 1000 * round(1e6 * after_s)),  # as QuakeML
                waveform_id=oe.WaveformStreamID(network, code, "", "HHZ"),
                time_errors=oe.QuantityError(lower_uncertainty=0.02, upper_uncertainty=0.04),
            )
            picks.append(pick)
            arrivals.append(oe.Arrival(pick_id=pick.resource_id, phase=phase))
    picks[0].evaluation_status = "rejected"
    origin = oe.Origin(time=ORIGIN, latitude=48.0, longitude=11.2, arrivals=arrivals)
    made = oe.Event(
        picks=picks, origins=[origin], resource_id=oe.ResourceIdentifier("smi:test/event/e42")
    )
    stations = [
        Station(code, float(lat), float(lon), 510.0)
        for (_, code), (lat, lon) in zip(CODES, places, strict=True)
    ]
    return oe.Catalog([made]), Inventory([Network("XX", stations)], source="test"), places


def written(thing, kind):
    stream = io.BytesIO()
    thing.write(stream, format=kind)
    return stream.getvalue()


def test_quakeml_and_stationxml_read_as_obspy_wrote_them():
    catalog, inventory, places = world()
    picks = read_picks(written(catalog, "QUAKEML"))
    assert len(picks) == 23 and set(picks["event"]) == {"e42"}
    assert picks["phase"].value_counts().to_dict() == {"S": 12, "P": 11}
    np.testing.assert_allclose(picks["time_sd_s"], 0.03)
    first = catalog[0].picks[1]
    assert picks["time"][0].value == first.time.ns and picks["device"][0] == "XX.S00"
    pd.testing.assert_frame_equal(picks, read_picks(catalog))
    joined = join_stations(picks, read_stations(written(inventory, "STATIONXML")))
    at = {f"{n}.{c}": place for (n, c), place in zip(CODES, places, strict=True)}
    expected = np.array([at[name] for name in joined["device"]])
    np.testing.assert_allclose(joined[["latitude", "longitude"]], expected)
    assert (joined["elevation_m"] == 510.0).all() and joined.attrs["notes"] == []


def test_nonlinloc_files_of_obspy():
    folder = Path(obspy.__path__[0]) / "io" / "nlloc" / "tests" / "data"
    picks = read_picks(folder / "nlloc.hyp")
    assert {"HM02", "HM04"} <= set(picks["device"]) and set(picks["phase"]) <= {"P", "S"}
    assert (picks["time_sd_s"] > 0).all()


@pytest.mark.parametrize("code", ["FUR", "GR.FUR", "GR.FUR.", "GR.FUR..HHZ", "gr.fur"])
def test_names_of_stations_match_by_network_and_code(code):
    picks = pd.DataFrame({"time": ["2027-01-15T00:00:00Z"], "id": [code]})
    stations = read_stations(b"id,latitude,longitude\nGR.FUR,48.2,11.3\nGR.WET,49.1,12.9\n")
    assert join_stations(picks, stations)["latitude"].tolist() == [48.2]
    bare = read_stations(b"station,latitude,longitude\nFUR,48.2,11.3\n")
    assert join_stations(picks, bare)["latitude"].tolist() == [48.2]


def test_the_epoch_of_the_pick_counts():
    stations = pd.DataFrame({
        "device": ["A.B"] * 2, "latitude": [1.0, 2.0], "longitude": 0.0,
        "active_from": pd.to_datetime(["2020-01-01", "2025-01-01"], utc=True),
        "active_to": pd.to_datetime(["2025-01-01", None], utc=True),
    })  # fmt: skip
    picks = pd.DataFrame(
        {"time": ["2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z"], "device": "A.B"}
    )
    assert join_stations(picks, stations)["latitude"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("kind", [float, str])
def test_the_epoch_of_a_pick_in_seconds_since_1970_counts(kind):
    stations = pd.DataFrame({
        "device": ["A.B"] * 2, "latitude": [1.0, 2.0], "longitude": 0.0,
        "active_from": ["2020-01-01T00:00:00Z", "2025-01-01T00:00:00Z"],
        "active_to": ["2025-01-01T00:00:00Z", "2599-12-31T23:59:59Z"],
    })  # fmt: skip
    seconds = [pd.Timestamp("2025-01-01", tz="UTC").timestamp() + at for at in (-1.0, 1.0)]
    picks = pd.DataFrame({"time": [kind(at) for at in seconds], "device": "A.B"})
    assert join_stations(picks, stations)["latitude"].tolist() == [1.0, 2.0]


def test_what_cannot_be_joined_is_said():
    two = read_stations(b"id,latitude,longitude\nA.X,1,2\nB.X,3,4\nA.Y,5,6\n")
    picks = pd.DataFrame({"time": "2027-01-15T00:00:00Z", "device": ["X"]})
    with pytest.raises(InputError, match="'X' is a station of the networks A, B"):
        join_stations(picks, two)
    picks = pd.DataFrame({"time": "2027-01-15T00:00:00Z", "device": ["A.Y", "A.Z", "C.Y"]})
    joined = join_stations(picks, two)
    assert joined["device"].tolist() == ["A.Y"]
    assert joined.attrs["notes"] == [
        "picks: 2 of stations that are not known were left out: A.Z, C.Y"
    ]
    with pytest.raises(InputError, match="none of the 1 stations of the picks is known"):
        join_stations(picks[1:2], two)
    with pytest.raises(InputError, match="ObsPy cannot read it"):
        read_picks(b"<html></html>")
    with pytest.raises(InputError, match="no picks in 1 events"):
        read_picks(oe.Event())
    with pytest.raises(InputError, match="needs latitude, longitude and a name"):
        read_stations(b"station,lat_of_it\nA,1\n")


@pytest.mark.slow
def test_locate_gives_the_same_from_quakeml_as_from_a_table(tmp_path):
    catalog, inventory, _ = world()
    catalog.write(str(tmp_path / "event.xml"), format="QUAKEML")
    inventory.write(str(tmp_path / "stations.xml"), format="STATIONXML")
    table = join_stations(read_picks(catalog), read_stations(inventory))
    table.to_csv(tmp_path / "picks.csv", index=False)
    options = ["--method", "bfgs", "--likelihood", "gaussian", "--p-velocity-km-s", "6", "--quiet"]
    for name, more in (("event.xml", ["--stations", str(tmp_path / "stations.xml")]),
                       ("picks.csv", [])):  # fmt: skip
        out = str(tmp_path / f"{name}.json")
        assert main(["locate", str(tmp_path / name), *more, *options, "--json", out]) == 0
    one, two = (
        json.loads((tmp_path / f"{n}.json").read_text()) for n in ("event.xml", "picks.csv")
    )
    assert one["hypocentre"] == two["hypocentre"]
    assert abs(one["hypocentre"]["latitude"] - 48.0) < 0.02
    assert set(one["input"]) == {"triggers", "stations"}
