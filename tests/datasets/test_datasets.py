"""Public data sets, without any network: made-up folders, and the real ones where they are."""

import gzip
import hashlib
import io
import sys
import types

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError, datasets


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Stand in for pooch, so that nothing is ever downloaded here."""
    calls = []

    def retrieve(**arguments):
        calls.append(arguments)
        return str(arguments["path"] / arguments["fname"])

    fake = types.SimpleNamespace(retrieve=retrieve, os_cache=lambda name: f"/cache/{name}")
    monkeypatch.setitem(sys.modules, "pooch", fake)
    return calls


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Small tables with every trap: an unknown station, an unknown event, a far pick, a repeat."""
    ceus = tmp_path / "ceus"
    ceus.mkdir()
    (ceus / "stations.csv").write_text(
        "network,station,latitude,longitude,elevation_m\n"
        "AA,ONE,35.0,-90.0,100.0\nAA,TWO,35.5,-90.0,\nAA,FAR,45.0,-90.0,0.0\n"
    )
    (ceus / "events.csv").write_text(
        "event,time,latitude,longitude,depth_km,magnitude\n"
        "e1,2017-01-06T05:06:21+00:00,35.1,-90.0,5.0,3.0\n"
        "e2,2017-01-07T05:06:21+00:00,35.1,-90.1,5.0,2.5\n"
    )
    (ceus / "picks.csv").write_text(
        "event,network,station,time,phase,distance_deg\n"
        "e1,AA,ONE,2017-01-06T05:06:24.225Z,P,0.1\n"
        "e1,AA,TWO,2017-01-06T05:06:29.225Z,S,0.4\n"
        "e1,AA,TWO,2017-01-06T05:06:29.225Z,S,0.4\n"
        "e1,AA,FAR,2017-01-06T05:08:29.225Z,P,9.9\n"
        "e1,AA,GONE,2017-01-06T05:06:29.225Z,P,0.4\n"
        "e9,AA,ONE,2017-01-06T05:06:29.225Z,P,0.4\n"
        "e2,AA,ONE,2017-01-07T05:06:24.225Z,P,0.1\n"
    )
    raw = "event_window,network,station,time\ne1,AA,ONE,2017-01-06T05:04:24.225Z\n"
    pd.read_csv(io.StringIO(raw)).to_csv(ceus / "raw_picks.csv.gz", index=False)
    monkeypatch.setenv("EQSTAT_DATA", str(tmp_path))
    return tmp_path


def test_the_registry_is_complete_and_honest():
    files = datasets.available()
    assert len({file.name for file in files}) == len(files) == 7
    for file in files:
        assert all([file.what, file.columns, file.origin, file.licence, file.citation])
        assert bool(file.url) == bool(file.sha256)
        assert not file.sha256 or len(file.sha256) == 64


def test_a_folder_is_looked_at_first(folder, no_network):
    assert datasets.fetch("ceus/events.csv") == folder / "ceus" / "events.csv"
    path = datasets.fetch("myshake/Borrego_Springs.csv")
    assert path.as_posix() == "/cache/eqstat/myshake/Borrego_Springs.csv"
    assert no_network[0]["known_hash"].startswith("sha256:aa4070d2")
    assert "/data/Borrego_Springs.csv" in no_network[0]["url"]


@pytest.mark.parametrize("folder_is_set", [True, False])
def test_what_cannot_be_downloaded_says_what_to_do(
    monkeypatch, tmp_path, folder_is_set, no_network
):
    monkeypatch.delenv("EQSTAT_DATA", raising=False)
    if folder_is_set:
        monkeypatch.setenv("EQSTAT_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"usgs/neic-glass3.*columns event") as caught:
        datasets.load_ceus_raw() if folder_is_set else datasets.load_ceus()
    assert "EQSTAT_DATA" in str(caught.value) or not folder_is_set
    assert not no_network
    with pytest.raises(InputError, match="known are myshake"):
        datasets.fetch("nothing.csv")


def test_ceus_leaves_nothing_out_silently(folder):
    picks, events = datasets.load_ceus()
    assert picks["device"].tolist() == ["AA.ONE", "AA.TWO", "AA.TWO", "AA.ONE"]
    assert picks["phase"].tolist() == ["P", "S", "S", "P"]
    assert picks["latitude"].tolist() == [35.0, 35.5, 35.5, 35.0]
    assert np.isnan(picks["elevation_m"].iloc[1])
    assert picks["distance_km"].iloc[0] == pytest.approx(11.1195, abs=1e-3)
    assert str(picks["time"].dtype) == "datetime64[ns, UTC]"
    assert picks.attrs["notes"] == [
        "ceus picks: 1 of 7 of stations without a place left out",
        "ceus picks: 1 of 6 of no catalogued event left out",
        "ceus picks: 1 of 5 beyond 400 km left out",
        "ceus picks: 1 row that repeat an earlier row, kept",
    ]
    assert events["event"].tolist() == ["e1", "e2"]
    assert events.attrs["notes"] == []


def test_ceus_choices(folder):
    everything, _ = datasets.load_ceus(max_distance_km=None)
    assert "AA.FAR" in set(everything["device"])
    picks, events = datasets.load_ceus(min_picks=2)
    assert events["event"].tolist() == ["e1"]
    assert set(picks["event"]) == {"e1"}
    assert "ceus events: 1 with fewer than 2 picks left out" in picks.attrs["notes"]
    with pytest.raises(InputError, match="no rows"):
        datasets.load_ceus(min_picks=100)


def test_ceus_raw(folder):
    raw = datasets.load_ceus_raw()
    assert raw[["event_window", "device", "latitude"]].values.tolist() == [["e1", "AA.ONE", 35.0]]


def test_eqn_becomes_a_table_of_detections(tmp_path, monkeypatch):
    (tmp_path / "eqn2020").mkdir()
    (tmp_path / "eqn2020" / "eqn_article_D1_usa_chl_ita.csv").write_text(
        "det_lat,det_lon,triggertime,triggertime_local,signals,actives,num_eq_matches,magnitude,"
        "triggerdelay,country\n"
        "-30,-71.2,2019-01-01 02:30:00.000,2018-12-31 23:30:00-03:00,9,30,2,4.1,15.5,chl\n"
        "42,13,2019-01-02 02:30:00.000,2019-01-02 03:30:00+01:00,24,302,0,,,ita\n"
    )
    monkeypatch.setenv("EQSTAT_DATA", str(tmp_path))
    table = datasets.load_eqn()
    assert table["time"].tolist()[0] == pd.Timestamp("2019-01-01T02:30:00Z")
    assert table["is_earthquake"].tolist() == [True, False]
    assert table["hour"].tolist() == [23.5, 3.5]
    assert table["latitude"].tolist() == [-30.0, 42.0]
    assert table[["triggers", "active"]].values.tolist() == [[9, 30], [24, 302]]
    assert table["delay_s"].tolist()[0] == 15.5
    assert table["country"].tolist() == ["chl", "ita"]
    assert np.isnan(table["magnitude"].iloc[1])


@pytest.mark.data
def test_real_eqn(data_folder):
    table = datasets.load_eqn()
    assert (len(table), int((~table["is_earthquake"]).sum())) == (550, 11)
    assert (table["triggers"].min(), table["triggers"].median()) == (8, 14)
    assert (table["active"].min(), table["active"].median(), table["active"].max()) == (9, 92, 4556)
    assert table["hour"].between(0, 24, inclusive="left").all()
    (file,) = (file for file in datasets.available() if file.name.startswith("eqn2020"))
    content = (data_folder / file.name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == file.sha256


@pytest.mark.data
def test_real_myshake(data_folder):
    triggers, truth = datasets.load_myshake()
    assert len(triggers) == 184
    assert {"pga", "corrected", "p_flag"} < set(triggers.columns)
    after = (triggers["time"] - truth["time"]).dt.total_seconds()
    assert -122 < after.min() < -120
    assert 170 < after.max() < 172
    file = datasets.available()[0]
    content = (data_folder / file.name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == file.sha256


@pytest.mark.data
def test_real_ceus(data_folder):
    picks, events = datasets.load_ceus(max_distance_km=None)
    assert (len(picks), len(events)) == (3528, 54)
    near, _ = datasets.load_ceus()
    assert near["distance_km"].max() <= 400.0
    assert set(near["phase"]) == {"P", "S"}
    raw = datasets.load_ceus_raw()
    left_out = int(raw.attrs["notes"][0].split()[2])
    assert len(raw) + left_out == 15437


def test_ridgecrest_comes_in_metres_per_square_second(tmp_path, monkeypatch):
    (tmp_path / "ridgecrest").mkdir()
    (tmp_path / "ridgecrest" / "ground_motions.csv.gz").write_bytes(
        gzip.compress(
            b"event,time,depth_km,magnitude,station,latitude,longitude,hypocentral_distance_km,"
            b"rupture_distance_km,vs30_m_s,pga_percent_g\n"
            b"a,2019-07-04T17:02:55Z,8.0,5.0,AA.ONE,35.0,-117.0,20.0,18.0,400,10.0\n"
            b"a,2019-07-04T17:02:55Z,8.0,5.0,AA.TWO,35.9,-117.0,90.0,88.0,,0.5\n"
            b"b,2019-07-05T17:02:55Z,8.0,3.9,AA.ONE,35.0,-117.0,30.0,28.0,400,0.5\n"
        )
    )
    monkeypatch.setenv("EQSTAT_DATA", str(tmp_path))
    table = datasets.load_ridgecrest()
    np.testing.assert_allclose(table["pga_m_s2"], [0.980665, 0.04903325, 0.04903325])
    assert table["distance_km"].tolist() == [20.0, 90.0, 30.0]
    assert table["rupture_distance_km"].tolist() == [18.0, 88.0, 28.0]
    assert table.attrs["notes"] == [
        "ridgecrest records: vs30_m_s is not known in 1 of 3 rows",
    ]
    near = datasets.load_ridgecrest(max_distance_km=50, min_magnitude=4)
    assert near["station"].tolist() == ["AA.ONE"]
    assert near.attrs["notes"] == [
        "ridgecrest records: 1 of 3 beyond 50 km left out",
        "ridgecrest records: 1 of 2 below magnitude 4 left out",
    ]


@pytest.mark.data
def test_the_real_ridgecrest_table(data_folder):
    table = datasets.load_ridgecrest(max_distance_km=150, min_magnitude=4)
    assert (len(table), table["event"].nunique()) == (2534, 48)
    assert 0.5 < table["pga_m_s2"].max() / 9.80665 < 0.6
