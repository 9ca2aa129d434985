"""The shell: exit codes, one line for each kind of bad input, and files that hold what they say."""

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import eqstat
from eqstat.cli import main
from eqstat.geodesy import great_circle_distance, hypocentral_distance

ZERO = pd.Timestamp("2027-01-15T08:00:00Z")
P_KM_S, S_KM_S = 7.8, 4.5


def network(count, seed=0, radius_km=30.0, centre=(-12.06, -77.0)):
    """Devices within a radius of a town, clear of the poles."""
    rng = np.random.default_rng(seed)
    away = radius_km * np.sqrt(rng.uniform(size=count))
    angle = rng.uniform(0, 2 * np.pi, count)
    latitude = centre[0] + away * np.cos(angle) / 111.195
    width = 111.195 * np.cos(np.radians(centre[0]))
    longitude = centre[1] + away * np.sin(angle) / width
    return latitude, (longitude + 180) % 360 - 180


def table(seconds, latitude, longitude):
    times = ZERO + pd.to_timedelta(np.asarray(seconds, dtype=float), unit="s")
    return pd.DataFrame({"time": times, "latitude": latitude, "longitude": longitude})


def quake(count=21, seed=0, speed=P_KM_S, sd_s=0.6, centre=(-12.06, -77.0)):
    """A clean earthquake under the town's edge."""
    latitude, longitude = network(count, seed, centre=centre)
    source = centre[0] + 0.05, centre[1] - 0.08
    away = hypocentral_distance(*source, 15.0, latitude, longitude)
    noise = np.random.default_rng(seed + 1).normal(0, sd_s, count)
    return table(away / speed + noise, latitude, longitude)


def shell(capsys, *arguments):
    """Exit code, standard output and the lines of standard error."""
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err.splitlines()


def refused(capsys, *arguments):
    """The one line with which the shell refuses; nothing else is written."""
    code, out, lines = shell(capsys, *arguments)
    assert code == 2, lines
    assert out == ""
    assert len(lines) == 1, lines
    assert lines[0].startswith("eqstat: ")
    assert "Traceback" not in lines[0]
    return lines[0]


@pytest.fixture
def csv(tmp_path):
    """Write a table to a file and give its path."""

    def write(frame, name="triggers.csv"):
        path = tmp_path / name
        frame.to_csv(path, index=False)
        return path

    return write


def changed(**columns):
    return quake().assign(**columns)


def with_value(column, row, value):
    frame = quake().astype(object)
    frame.loc[row, column] = value
    return frame


MILLISECONDS = (quake()["time"] - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(milliseconds=1)
BAD_TABLES = {
    "no rows": (quake().iloc[:0], "no rows"),
    "no latitude": (quake().drop(columns="latitude"), "no column 'latitude'"),
    "other names": (quake().rename(columns={"time": "triggerTime"}), "time=triggerTime"),
    "missing latitude": (with_value("latitude", 3, np.nan), "row 5"),
    "missing time": (with_value("time", 0, ""), "missing"),
    "words for numbers": (with_value("longitude", 1, "east"), "not a number"),
    "infinite": (with_value("latitude", 1, "inf"), "finite"),
    "no time": (with_value("time", 1, "noon"), "not a time"),
    "milliseconds": (changed(time=MILLISECONDS), "milliseconds"),
    "seconds after the origin": (changed(time=np.arange(21.0)), "add the start"),
    "latitude beyond the pole": (changed(latitude=95.0), "[-90, 90]"),
    "swapped": (
        changed(latitude=np.linspace(100, 101, 21), longitude=quake()["latitude"]),
        "swapped",
    ),
    "longitude of 400": (changed(longitude=400.0), "longitude"),
    "mixed zones": (with_value("time", 2, "2027-01-15T08:00:01"), "with and without"),
    "unknown phase": (changed(phase="X"), "P or S"),
    "negative error": (changed(time_sd_s=-1.0), "greater than 0"),
    "two triggers": (quake().iloc[:2], "too few"),
    "one device": (changed(latitude=-12.0, longitude=-77.0), "too few"),
    "two places": (changed(latitude=np.where(np.arange(21) % 2, -12.0, -12.1), longitude=-77.0),
                   "too few"),
    "duplicates of two": (pd.concat([quake().iloc[:2]] * 10), "too few"),
}  # fmt: skip


@pytest.mark.parametrize("command", ["locate", "classify"])
@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_are_refused_in_one_line(capsys, csv, command, case):
    frame, expected = BAD_TABLES[case]
    assert expected in refused(capsys, command, csv(frame))


@pytest.mark.parametrize("method", ["bfgs", "grid", "nuts"])
@pytest.mark.parametrize("likelihood", ["gaussian", "mixture"])
def test_two_triggers_never_give_a_hypocentre(capsys, csv, tmp_path, method, likelihood):
    file = tmp_path / "out.json"
    line = refused(capsys, "locate", csv(quake().iloc[:2]), "--method", method,
                   "--likelihood", likelihood, "--json", file)  # fmt: skip
    assert "too few triggers" in line
    assert "2 triggers" in line
    assert not file.exists()


BAD_OPTIONS = {
    "no command": ([], "COMMAND"),
    "unknown command": (["find"], "invalid choice"),
    "no table": (["locate"], "TRIGGERS"),
    "method": (["locate", "t.csv", "--method", "guess"], "invalid choice"),
    "certainty": (["locate", "t.csv", "--probability", "1"], "between 0 and 1"),
    "percent": (["locate", "t.csv", "--probability", "90"], "between 0 and 1"),
    "no number": (["classify", "t.csv", "--delta", "much"], "not a number"),
    "alpha": (["classify", "t.csv", "--miss-probability", "0"], "between 0 and 1"),
    "nan": (["classify", "t.csv", "--delta", "nan"], "between"),
    "parameters": (["classify", "t.csv", "--estimated-parameters", "4.5"], "whole number"),
    "pairs": (["locate", "t.csv", "--columns", "triggerTime"], "NAME=COLUMN"),
    "posterior of a fit": (
        ["locate", "t.csv", "--method", "bfgs", "--posterior", "p.nc"],
        "grid or nuts",
    ),
    "wave of a mixture": (["locate", "t.csv", "--likelihood", "mixture", "--wave", "S"], "--wave"),
    "two velocities": (["locate", "t.csv", "--velocity", "ak135", "--p-velocity", "6"], "ak135"),
    "S alone": (["locate", "t.csv", "--s-velocity", "3"], "--p-velocity"),
    "S before P": (["locate", "t.csv", "--p-velocity", "3", "--s-velocity", "4"], "below"),
    "no folder": (["locate", "t.csv", "--json", "nowhere/out.json"], "no folder"),
    "kind of figure": (["locate", "t.csv", "--figure", "map.txt"], ".png"),
    "no file": (["locate", "absent.csv"], "no file"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_are_refused_in_one_line(capsys, csv, monkeypatch, tmp_path, case):
    monkeypatch.chdir(tmp_path)
    csv(quake(), "t.csv")
    arguments, expected = BAD_OPTIONS[case]
    assert expected in refused(capsys, *arguments)


def test_bad_files_are_refused(capsys, tmp_path):
    empty, binary, parquet = (tmp_path / name for name in ("empty.csv", "raw.csv", "t.parquet"))
    empty.write_bytes(b"")
    binary.write_bytes(bytes(range(256)) * 9)
    parquet.write_bytes(b"time,latitude,longitude\n")
    assert "is empty" in refused(capsys, "locate", empty)
    assert "cannot read" in refused(capsys, "locate", binary)
    assert "Parquet" in refused(capsys, "locate", parquet)
    assert "cannot read" in refused(capsys, "classify", tmp_path)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (["--now", "2027-01-15T07:00:00Z", "--start", "2027-01-15T08:00:00Z"], "before it starts"),
        (["--now", "later"], "not a time"),
        (["--truncated"], "now"),
        (["--columns", "time=when"], "no column 'when'"),
        (["--columns", "time=a", "time=b"], "more than once"),
    ],
)
def test_bad_windows_and_columns_are_refused(capsys, csv, extra, expected):
    assert expected in refused(capsys, "locate", csv(quake()), *extra)


def test_a_network_needs_the_present(capsys, csv):
    devices = csv(quake()[["latitude", "longitude"]], "network.csv")
    assert "now" in refused(capsys, "locate", csv(quake()), "--network", devices)
    absent = refused(capsys, "locate", csv(quake()), "--network", "absent.csv")
    assert absent.startswith("eqstat: network: ")


def test_anything_else_gives_1_and_a_traceback_only_on_demand(capsys, csv, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("the sky\nis falling")

    monkeypatch.setattr("eqstat.traveltime.fit", fail)
    path = csv(quake())
    code, out, lines = shell(capsys, "locate", path, "--method", "bfgs")
    assert (code, out, lines) == (1, "", ["eqstat: the sky is falling"])
    code, _, lines = shell(capsys, "locate", path, "--method", "bfgs", "--debug")
    assert (code, lines[0]) == (1, "Traceback (most recent call last):")
    monkeypatch.setenv("EQSTAT_DEBUG", "1")
    assert "Traceback" in shell(capsys, "locate", path, "--method", "bfgs")[2][0]


def test_help_and_version(capsys):
    assert shell(capsys, "--version") == (0, f"eqstat {eqstat.__version__}\n", [])
    for command in ("locate", "classify", "demo"):
        code, out, lines = shell(capsys, command, "--help")
        assert (code, lines) == (0, [])
        assert out.startswith("usage: ")
        assert command in out


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from eqstat.cli import main; main(['--help'])\n"
        "main(['locate', 't.csv', '--method', 'guess'])\n"
        "assert not {'jax', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    root = Path(eqstat.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True)


def verdict_of(capsys, path, *extra):
    code, out, lines = shell(capsys, "classify", path, "--json", *extra)
    assert (code, lines) == (0, [])
    return json.loads(out)


@pytest.mark.parametrize("speed", [P_KM_S, S_KM_S])
def test_a_clean_earthquake_is_true(capsys, csv, speed):
    verdict = verdict_of(capsys, csv(quake(speed=speed)))
    assert verdict["is_earthquake"] is True
    wave = {P_KM_S: "P", S_KM_S: "S"}[speed]
    assert verdict["models"][wave]["rejected"] is False
    assert verdict["models"][wave]["degrees_of_freedom"] == 17


def test_a_sound_front_is_false(capsys, csv):
    latitude, longitude = network(108, 3)
    away = great_circle_distance(-12.06, -77.0, latitude, longitude)
    verdict = verdict_of(capsys, csv(table(away / 0.34, latitude, longitude)))
    assert verdict["is_earthquake"] is False


@pytest.mark.parametrize("seed", range(3))
def test_random_triggers_are_false(capsys, csv, seed):
    seconds = np.random.default_rng(100 + seed).uniform(0, 10, 108)
    verdict = verdict_of(capsys, csv(table(seconds, *network(108, seed))))
    assert verdict["is_earthquake"] is False


def test_options_of_classify_arrive(capsys, csv):
    path = csv(quake())
    first = verdict_of(capsys, path)
    assert set(first) == {"is_earthquake", "miss_probability", "delta", "models"}
    keys = {"statistic", "critical_value", "degrees_of_freedom", "rejected", "variance_s2"}
    assert keys <= set(first["models"]["P"])
    other = verdict_of(capsys, path, "--delta", "0.2", "--miss-probability", "0.1",
                       "--estimated-parameters", "3")  # fmt: skip
    assert other["is_earthquake"] is False
    assert (other["delta"], other["miss_probability"]) == (0.2, 0.1)
    assert other["models"]["P"]["degrees_of_freedom"] == 18
    ratio = other["models"]["P"]["statistic"] / first["models"]["P"]["statistic"]
    assert ratio == pytest.approx((1.29 / 0.2) ** 2)


def test_classify_tells_a_person_and_draws(capsys, csv, tmp_path):
    figure = tmp_path / "verdict.png"
    code, out, lines = shell(capsys, "classify", csv(quake()), "--figure", figure)
    assert (code, lines) == (0, [])
    assert out.splitlines()[0].split() == ["Verdict", "earthquake"]
    assert figure.read_bytes().startswith(b"\x89PNG")


KEYS = {
    "method": None,
    "hypocentre": {"latitude", "longitude", "depth_km", "origin_time"},
    "standard_error": {"latitude_km", "longitude_km", "depth_km", "origin_time_s"},
    "interval": {"probability"},
    "region": {"probability", "area_km2", "polygon"},
    "triggers": {"given", "used", "left_out"},
    "result": None,
    "diagnostics": None,
}


def located(capsys, path, *extra):
    code, out, lines = shell(capsys, "locate", path, "--json", "-", *extra)
    assert code == 0, lines
    found = json.loads(out)
    for name, inner in KEYS.items():
        assert inner is None or inner <= set(found[name])
    return found, lines


def error_km(found, latitude, longitude):
    source = found["hypocentre"]
    there = source["latitude"], source["longitude"]
    return float(great_circle_distance(*there, latitude, longitude))


def test_bfgs_finds_the_source(capsys, csv):
    found, lines = located(capsys, csv(quake(sd_s=0.05)), "--method", "bfgs")
    assert lines == []
    assert found["method"] == "bfgs"
    assert error_km(found, -12.01, -77.08) < 2.0
    assert found["hypocentre"]["origin_time"].endswith("Z")
    assert abs(pd.Timestamp(found["hypocentre"]["origin_time"]) - ZERO) < pd.Timedelta("0.5s")


@pytest.mark.parametrize(
    "centre", [(-17.0, 180.0), (0.0, 0.0), (89.7, 20.0), (-89.9, -140.0)], ids=str
)
def test_antimeridian_and_poles_are_places_like_others(capsys, csv, centre, tmp_path):
    rng = np.random.default_rng(4)
    frame = eqstat.geodesy.LocalFrame(*centre)
    latitude, longitude = frame.to_geographic(*rng.uniform(-30, 30, (2, 21)))
    source = frame.to_geographic(8.0, -5.0)
    away = hypocentral_distance(*source, 15.0, latitude, longitude)
    path = csv(table(away / P_KM_S, latitude, longitude))
    figure = tmp_path / "map.png"
    found, _ = located(capsys, path, "--method", "bfgs", "--figure", figure)
    assert error_km(found, *source) < 0.5
    assert figure.stat().st_size > 10_000


def test_times_of_any_kind_give_the_same_answer(capsys, csv):
    frame = quake()
    seconds = (frame["time"] - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    naive = frame["time"].dt.tz_localize(None)
    elsewhere = frame["time"].dt.tz_convert("America/Lima")
    answers = []
    for times, notes in ((frame["time"], 0), (seconds, 0), (naive, 1), (elsewhere, 0)):
        found, lines = located(capsys, csv(frame.assign(time=times)), "--method", "bfgs")
        assert len(lines) == notes
        assert all(line.startswith("eqstat: note: ") and "UTC" in line for line in lines)
        answers.append(found["hypocentre"])
    for answer in answers[1:]:
        assert answer["latitude"] == pytest.approx(answers[0]["latitude"], abs=1e-5)
        assert answer["depth_km"] == pytest.approx(answers[0]["depth_km"], abs=1e-2)


def test_notes_are_kept_quiet_on_demand(capsys, csv):
    frame = quake()
    path = csv(frame.assign(time=frame["time"].dt.tz_localize(None)))
    assert shell(capsys, "locate", path, "--method", "bfgs", "--quiet") == (0, "", [])


def test_duplicates_are_left_out_and_told(capsys, csv):
    frame = pd.concat([quake(), quake().iloc[:3]])
    found, _ = located(capsys, csv(frame), "--method", "bfgs")
    assert found["triggers"]["given"] == 24
    assert found["triggers"]["used"] == 21
    assert found["triggers"]["left_out"] == {"duplicate of an earlier row": 3}


def test_other_names_parquet_and_standard_input(capsys, csv, tmp_path, monkeypatch):
    frame = quake()
    other = frame.rename(columns={"time": "triggerTime", "latitude": "lat", "longitude": "lon"})
    names = ["--columns", "time=triggerTime", "latitude=lat", "longitude=lon"]
    plain, _ = located(capsys, csv(frame), "--method", "bfgs")
    mapped, _ = located(capsys, csv(other, "other.csv"), "--method", "bfgs", *names)
    assert mapped == plain
    monkeypatch.setattr(sys, "stdin", io.StringIO(frame.to_csv(index=False)))
    assert located(capsys, "-", "--method", "bfgs")[0] == plain
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "t.parquet")
    binary, _ = located(capsys, tmp_path / "t.parquet", "--method", "bfgs")
    assert binary["hypocentre"]["latitude"] == pytest.approx(plain["hypocentre"]["latitude"])


def test_velocity_wave_and_probability_arrive(capsys, csv):
    path = csv(quake(speed=3.5, sd_s=0.05))
    options = ["--p-velocity", "6", "--s-velocity", "3.5", "--wave", "S"]
    found, _ = located(capsys, path, "--method", "bfgs", "--probability", "0.5", *options)
    assert error_km(found, -12.01, -77.08) < 2.0
    assert found["region"]["probability"] == 0.5


def test_a_summary_is_for_a_person(capsys, csv, tmp_path):
    file = tmp_path / "out.json"
    code, out, _ = shell(capsys, "locate", csv(quake()), "--method", "bfgs", "--json", file)
    assert code == 0
    assert "Hypocentre" in out
    assert "21 given, 21 used" in out
    assert json.loads(file.read_text(encoding="utf-8"))["method"] == "bfgs"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "likelihood"), [("grid", "gaussian"), ("nuts", "gaussian"), ("grid", "mixture")]
)
def test_posteriors_are_written(capsys, csv, tmp_path, method, likelihood):
    posterior, figure = tmp_path / "p.nc", tmp_path / "f.png"
    arguments = ["--method", method, "--likelihood", likelihood, "--posterior", posterior]
    found, _ = located(capsys, csv(quake(sd_s=0.3)), *arguments, "--figure", figure, "--quiet")
    assert found["method"] == method
    assert found["region"]["polygon"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    if method == "grid":
        with xr.open_dataset(posterior, engine="h5netcdf") as data:
            assert float(data["probability"].sum()) == pytest.approx(1.0, abs=1e-6)
            assert data["depth"].attrs["units"] == "km"
    else:
        with xr.open_datatree(posterior, engine="h5netcdf") as tree:
            assert {"posterior", "sample_stats", "log_likelihood"} <= set(tree.children)
            assert tree["posterior"]["depth_km"].sizes["chain"] == 4


@pytest.mark.slow
def test_silent_devices_are_used(capsys, csv):
    frame = quake().assign(device=[f"d{i}" for i in range(21)])
    latitude, longitude = network(40, 9)
    silent = pd.DataFrame(
        {"device": [f"s{i}" for i in range(40)], "latitude": latitude, "longitude": longitude}
    )
    devices = csv(pd.concat([frame[["device", "latitude", "longitude"]], silent]), "network.csv")
    now = ["--now", "2027-01-15T08:00:20Z", "--truncated"]
    arguments = ["--network", devices, "--method", "bfgs", *now]
    found, lines = located(capsys, csv(frame), *arguments)
    assert lines == []
    assert found["triggers"]["used"] == 21


@pytest.mark.slow
def test_a_million_rows_do_not_hang(capsys, tmp_path):
    count = 1_000_000
    seconds = np.arange(count) * 1e-3
    frame = table(seconds, np.full(count, -12.0), np.linspace(-78, -76, count))
    frame.loc[count - 1, "latitude"] = 91.0
    path = tmp_path / "many.csv"
    frame.to_csv(path, index=False)
    begin = time.perf_counter()
    assert f"row {count + 1}" in refused(capsys, "locate", path)
    assert time.perf_counter() - begin < 60


@pytest.mark.slow
def test_demo_writes_what_it_says(capsys, tmp_path):
    out = tmp_path / "demo"
    code, said, lines = shell(capsys, "demo", "--out", out)
    assert (code, lines) == (0, [])
    assert str(out) in said
    names = {path.name for path in out.iterdir() if path.stat().st_size > 0}
    methods = {f"location_{method}.json" for method in ("bfgs", "grid", "nuts")}
    posteriors = {"posterior_grid.nc", "posterior_nuts.nc"}
    assert methods | posteriors | {"triggers.csv", "classification.json", "location.png"} <= names
    for name in names:
        assert name in said
    assert json.loads((out / "classification.json").read_text())["is_earthquake"] is True


def test_demo_refuses_a_file_for_a_folder(capsys, tmp_path):
    (tmp_path / "demo").write_text("taken")
    assert "--out" in refused(capsys, "demo", "--out", tmp_path / "demo")
