"""Locating and classifying from the shell: right answers, and files that hold what they say."""

import io
import json
import sys
import time

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eqstat import ground_motion, hypocentre, traveltime
from eqstat.geodesy import LocalFrame, great_circle_distance, hypocentral_distance
from eqstat.traveltime import comparison, regional

from ..traveltime import cases
from .shell import P_KM_S, S_KM_S, ZERO, network, quake, refused, shell, table
from .test_schema import checked


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Compile the comparison for the two sizes of tables below; it is charged to no test."""
    for count in (21, 108):
        observations = traveltime.prepare(table(np.arange(count) / 4, *network(count, 0)))
        comparison.compare(jax.random.key(0), observations)


def verdict_of(capsys, path, *extra):
    code, out, lines = shell(capsys, "classify", path, "--json", *extra)
    assert (code, lines) == (0, [])
    return json.loads(out)


@pytest.mark.slow
@pytest.mark.parametrize("speed", [P_KM_S, S_KM_S])
def test_a_clean_earthquake_is_true(capsys, csv, speed):
    verdict = verdict_of(capsys, csv(quake(speed=speed)))
    assert verdict["is_earthquake"] is True
    wave = {P_KM_S: "P", S_KM_S: "S"}[speed]
    assert verdict["models"][wave]["rejected"] is False
    assert verdict["models"][wave]["degrees_of_freedom"] == 17


@pytest.mark.slow
def test_a_sound_front_is_false(capsys, csv):
    latitude, longitude = network(108, 3)
    away = great_circle_distance(-12.06, -77.0, latitude, longitude)
    verdict = verdict_of(capsys, csv(table(away / 0.34, latitude, longitude)))
    assert verdict["is_earthquake"] is False


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_random_triggers_are_false(capsys, csv, seed):
    seconds = np.random.default_rng(100 + seed).uniform(0, 10, 108)
    verdict = verdict_of(capsys, csv(table(seconds, *network(108, seed))))
    assert verdict["is_earthquake"] is False


@pytest.mark.slow
def test_options_of_classify_arrive(capsys, csv):
    path = csv(quake())
    first = verdict_of(capsys, path)
    assert {"is_earthquake", "miss_probability", "delta_s", "models"} <= set(first)
    assert first["probability"] > 0.99 and first["prior_probability"] == 0.5
    assert sum(first["model_probability"].values()) == pytest.approx(1.0)
    assert first["result"] == "EARTHQUAKE"
    keys = {"statistic", "critical_value", "degrees_of_freedom", "rejected", "variance_s2"}
    assert keys <= set(first["models"]["P"])
    other = verdict_of(capsys, path, "--by", "test", "--delta-s", "0.2",
                       "--miss-probability", "0.1", "--estimated-parameters", "3")  # fmt: skip
    assert other["is_earthquake"] is False and other["probability"] is None
    assert (other["delta_s"], other["miss_probability"]) == (0.2, 0.1)
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


@pytest.mark.data
@pytest.mark.long
def test_the_defaults_are_right_for_real_phones(capsys, data_folder):
    """All 184 triggers of Borrego Springs: P, S and background together."""
    table = data_folder / "myshake" / "Borrego_Springs.csv"
    columns = ("--columns", "time=triggerTime")
    verdict = verdict_of(capsys, table, *columns)
    assert verdict["is_earthquake"] and verdict["probability"] > 0.99
    assert not verdict["fits_a_wave"]
    code, out, lines = shell(capsys, "locate", table, "--json", *columns)
    content = json.loads(out)
    assert (code, content["likelihood"]) == (0, "mixture")
    assert any("mixture, which has most evidence" in line for line in lines)
    place = content["hypocentre"]
    error = great_circle_distance(33.432, -116.443, place["latitude"], place["longitude"])
    assert error < 5.0 and content["region"]["area_km2"] < 100


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
    frame = LocalFrame(*centre)
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
    assert mapped.pop("input")["triggers"]["rows"] == 21
    source = plain.pop("input")["triggers"]
    assert source["file"] == "triggers.csv"
    assert mapped == plain
    monkeypatch.setattr(sys, "stdin", io.StringIO(frame.to_csv(index=False)))
    assert located(capsys, "-", "--method", "bfgs")[0]["hypocentre"] == plain["hypocentre"]
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


@pytest.mark.long
def test_of_several_velocity_models_the_one_with_most_evidence_is_taken(capsys, csv):
    path = csv(cases.quake(40, 2, sd_s=0.1, radius_km=150.0))
    options = ["--likelihood", "gaussian", "--velocity", "iasp91,constant"]
    code, out, err = shell(capsys, "locate", path, *options, "--json")
    found = json.loads(out)
    evidence = found["diagnostics"]["log_evidence_of_velocity"]
    assert code == 0 and found["velocity"]["name"] == "constant"
    assert evidence["constant"] > evidence["iasp91"] + 1
    said = " ".join(err)
    assert "constant has most evidence" in said and "that of iasp91" in said
    code, _, err = shell(capsys, "locate", path, "--velocity", "constant,prem")
    assert code == 2 and "prem" in err[0]


def test_a_summary_is_for_a_person(capsys, csv, tmp_path):
    file = tmp_path / "out.json"
    code, out, _ = shell(capsys, "locate", csv(quake()), "--method", "bfgs", "--json", file)
    assert code == 0
    assert "Hypocentre" in out
    assert "21 given, 21 used" in out
    assert json.loads(file.read_text(encoding="utf-8"))["method"] == "bfgs"


def test_every_format_is_written(capsys, csv, tmp_path):
    pytest.importorskip("obspy")
    table, draws = tmp_path / "table.csv", tmp_path / "draws.csv"
    region, event, whole = (tmp_path / f"event.{end}" for end in ("geojson", "xml", "nc"))
    found, _ = located(capsys, csv(quake()), "--method", "bfgs", "--geojson", region,
                       "--quakeml", event, "--netcdf", whole, "--probability", 0.8,
                       "--table", table, "--scatter", draws)  # fmt: skip
    source = found["hypocentre"]
    rows, drawn = pd.read_csv(table), pd.read_csv(draws)
    assert len(rows) == found["triggers"]["used"] == 21
    assert rows["distance_km"].min() == pytest.approx(found["nearest_device_km"], abs=0.01)
    assert rows["residual_s"].abs().max() < 5
    assert len(drawn) == 1000
    late = pd.to_datetime(drawn["origin_time"], utc=True) - pd.Timestamp(source["origin_time"])
    assert abs(late.dt.total_seconds().mean()) < 0.1
    assert drawn["latitude"].mean() == pytest.approx(source["latitude"], abs=0.02)
    # Its own files may be overwritten.
    located(capsys, csv(quake()), "--method", "bfgs", "--table", table, "--scatter", draws)
    for file in (event, whole):
        own = hypocentre.summary(hypocentre.read(file)).sel(statistic="mean")
        assert float(own["latitude"]) == pytest.approx(source["latitude"], abs=0.02)
        assert float(own["longitude"]) == pytest.approx(source["longitude"], abs=0.02)
    held = hypocentre.read_geojson(region)
    assert held.probability == pytest.approx(0.8)
    assert held.area_km2 == pytest.approx(found["region"]["area_km2"], rel=0.02)
    for option, name in (("--quakeml", "event.json"), ("--geojson", "-")):
        assert "must end in" in refused(capsys, "locate", csv(quake()), option, name)


@pytest.mark.long
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
            assert float(data["weight"].sum()) == pytest.approx(1.0, abs=1e-6)
            assert data["depth_km"].attrs["units"] == "km"
    else:
        with xr.open_datatree(posterior, engine="h5netcdf") as tree:
            assert {"posterior", "sample_stats", "log_likelihood"} <= set(tree.children)
            assert tree["posterior"]["depth_km"].sizes["chain"] == 4


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
def test_demo_writes_all_its_files(capsys, tmp_path):
    out = tmp_path / "demo"
    code, said, lines = shell(capsys, "demo", "--out", out)
    assert code == 0
    # The only note is that of a generic ground-motion model.
    assert len(lines) == 2 and "--time-zone" in lines[0]
    assert "generic point-source model" in lines[1]
    assert str(out) in said
    names = {path.name for path in out.iterdir() if path.stat().st_size > 0}
    steps = ("threshold", "detect", "locate", "exceed")
    assert {f"{step}.{kind}" for step in steps for kind in ("json", "png")} <= names
    assert {"location.nc", "first_alarm.nc", "triggers.csv", "shaking.csv"} <= names
    assert all(name in said for name in names)
    location = json.loads((out / "locate.json").read_text())
    assert error_km(location, -11.971, -77.19) < 10


def test_demo_refuses_a_file_for_a_folder(capsys, tmp_path):
    (tmp_path / "demo").write_text("taken")
    assert "--out" in refused(capsys, "demo", "--out", tmp_path / "demo")


@pytest.mark.long
def test_regional_error_models_locate_picks(capsys, tmp_path):
    import jax

    rng = np.random.default_rng(1)
    sites = pd.DataFrame(
        {"latitude": rng.uniform(35, 37, 12), "longitude": rng.uniform(-99, -97, 12)}
    )
    error = regional.RegionalError()
    picks = regional.simulate(
        jax.random.key(0), error, sites, latitude=36.0, longitude=-98.0, depth_km=7.0
    )
    table, model, posterior = (tmp_path / n for n in ("picks.csv", "region.json", "posterior.nc"))
    picks.drop(columns="branch").to_csv(table, index=False)
    error.to_json(model)
    found, _ = located(capsys, table, "--regional", model, "--posterior", posterior)
    assert found["likelihood"] == "regional"
    assert abs(found["hypocentre"]["latitude"] - 36.0) < 0.3
    assert hypocentre.contains(hypocentre.read(posterior), 36.0, -98.0, 0.999)


def test_a_regional_error_model_takes_no_options_of_others(capsys, csv, tmp_path):
    model = tmp_path / "region.json"
    regional.RegionalError().to_json(model)
    for options in (("--wave", "S"), ("--method", "bfgs"), ("--velocity", "ak135")):
        command = ("locate", csv(quake()), "--regional", model, *options)
        assert f"{options[0]}: not with --regional" in refused(capsys, *command)
    assert "regional: there is no file" in refused(capsys, *command[:2], "--regional", "none.json")


def several(*tables):
    return pd.concat([each.assign(event=f"e{n}") for n, each in enumerate(tables)])


def test_several_events_in_one_table_are_refused_and_located_one_by_one(capsys, csv):
    far = quake(seed=4, centre=(40.0, 20.0))
    far["time"] = far["time"] + pd.Timedelta("2h")
    path = csv(several(quake(), far, quake(seed=8).iloc[:3]))
    line = refused(capsys, "locate", path)
    assert "'event' names 3 events" in line and "--each event" in line
    code, out, lines = shell(
        capsys, "locate", path, "--method", "bfgs", "--each", "event", "--json"
    )
    assert code == 1 and "1 of 3 events have no usable result (e2: too few triggers" in lines[0]
    content = checked(out)
    assert (content["each"], content["result"]) == ("event", "NOT_USABLE")
    first, second, third = content["events"]
    assert [each["event"] for each in content["events"]] == ["e0", "e1", "e2"]
    for each, place in ((first, (-12.01, -77.08)), (second, (40.05, 19.92))):
        found = each["hypocentre"]
        away = great_circle_distance(*place, found["latitude"], found["longitude"])
        assert away < 10.0 and each["triggers"]["used"] == 21
    assert third["result"] == "TOO_FEW" and "hypocentre" not in third


def test_each_event_has_a_row_and_no_file_of_its_own(capsys, csv, tmp_path):
    path = csv(several(quake(), quake(seed=4)))
    code, out, lines = shell(capsys, "locate", path, "--method", "bfgs", "--each", "event")
    assert (code, lines) == (0, [])
    assert out.splitlines()[0].split()[0] == "event" and len(out.splitlines()) == 3
    figure = tmp_path / "f.png"
    assert "not with --each" in refused(capsys, "locate", path, "--each", "event",
                                        "--figure", figure)  # fmt: skip
    assert "no column 'evnt'" in refused(capsys, "locate", path, "--each", "evnt")


def test_verdicts_of_each_event(capsys, csv):
    noise = table(np.random.default_rng(1).uniform(0, 10, 21), *network(21, 5))
    path = csv(several(quake(), noise))
    code, out, lines = shell(capsys, "classify", path, "--by", "test", "--each", "event", "--json")
    assert (code, lines) == (0, [])
    first, second = checked(out)["events"]
    assert first["is_earthquake"] and not second["is_earthquake"]


@pytest.mark.slow
def test_a_location_that_must_not_be_used_exits_1_and_says_why(capsys, csv, tmp_path):
    latitude, longitude = network(60, 3, radius_km=100.0)
    away = hypocentral_distance(-12.06, -77.0, 90.0, latitude, longitude)
    path = csv(table(away / P_KM_S, latitude, longitude))
    file = tmp_path / "location.json"
    code, _, lines = shell(capsys, "locate", path, "--depth-km", "0,40", "--json", file)
    assert code == 1
    assert lines[0].startswith("eqstat: not to be used: the depth is piled up at the end")
    assert json.loads(file.read_text())["result"] == "BEYOND_PRIOR"
    code, out, lines = shell(capsys, "locate", path, "--depth-km", "0,200", "--json")
    assert (code, lines) == (0, [])
    low, high = json.loads(out)["interval"]["depth_km"]
    assert low < 90 < high
    assert "has no prior" in refused(capsys, "locate", path, "--method", "bfgs",
                                     "--depth-km", "0,200")  # fmt: skip
    for bad in ("5", "9,1", "0,900"):
        refused(capsys, "locate", path, "--depth-km", bad)


@pytest.mark.slow
def test_times_without_a_wave_give_no_epicentre_to_use(capsys, csv):
    seconds = np.random.default_rng(1).uniform(0, 60, 6)
    path = csv(table(seconds, *network(6, 3)))
    code, out, lines = shell(capsys, "locate", path, "--wave", "P", "--json")
    assert code == 1 and lines[0].startswith("eqstat: not to be used: ")
    assert json.loads(out)["result"] in ("NOT_DETERMINED", "BEYOND_PRIOR", "NOT_CONVERGED")


def test_phones_all_over_the_globe_are_refused(capsys, csv):
    rng = np.random.default_rng(2)
    world = table(rng.uniform(0, 60, 30), rng.uniform(-60, 60, 30), rng.uniform(-180, 180, 30))
    for command in ("locate", "classify"):
        assert "keep the triggers of one region" in refused(capsys, command, csv(world))


@pytest.mark.parametrize("command", ["locate", "classify", "threshold", "detect", "exceed"])
def test_help_tells_the_exit_codes(capsys, command):
    code, out, _ = shell(capsys, command, "--help")
    assert code == 0 and "a result that must not be used" in " ".join(out.split())


def peaks_of(magnitude, count=12):
    """Peaks of the earthquake of `quake`, at stations of their own."""
    latitude, longitude = network(count, 7, radius_km=60.0)
    at = pd.DataFrame({"latitude": latitude, "longitude": longitude})
    place = {"latitude": -12.06 + 0.05, "longitude": -77.0 - 0.08, "depth_km": 15.0}
    motion = ground_motion.GroundMotion(event_sd=1e-3, spreading_sd=1e-3)
    simulate = ground_motion.magnitude.simulate
    return simulate(jax.random.key(3), motion, at, **place, magnitude=magnitude)


@pytest.mark.long
def test_peaks_give_a_magnitude_that_exceed_takes(capsys, csv, tmp_path):
    peaks = peaks_of(6.0)
    files = "--posterior", tmp_path / "joint.nc", "--quakeml", tmp_path / "joint.xml"
    quiet = csv(peaks.assign(pga_m_s2=peaks["pga_m_s2"].where(peaks["pga_m_s2"] > 0.3)), "weak.csv")
    options = "locate", csv(quake()), "--likelihood", "gaussian", "--peaks"
    path = csv(peaks, "peaks.csv")
    code, out, lines = shell(capsys, *options, path, *files, "--json")
    assert code == 0
    found = checked(out)
    size = found["magnitude"]
    assert size["low"] < 6.0 < size["high"] and 0.2 < size["standard_deviation"] < 0.6
    assert any("12 peaks" in line for line in lines) and any("generic" in line for line in lines)
    joint = xr.open_dataset(tmp_path / "joint.nc").load()
    assert float(joint["magnitude"].mean()) == pytest.approx(size["mean"])
    assert "<mag>" in (tmp_path / "joint.xml").read_text()
    sites = csv(pd.DataFrame({"latitude": [-12.0], "longitude": [-77.1]}), "sites.csv")
    code, out, _ = shell(capsys, "exceed", "--posterior", tmp_path / "joint.nc", "--sites", sites,
                         "--threshold", "5%g", "--json")  # fmt: skip
    assert code == 0
    assert json.loads(out)["source"]["magnitude"] == pytest.approx(size["mean"], abs=0.05)
    code, out, _ = shell(capsys, *options, quiet, "--least-m-s2", 0.3)
    assert code == 0 and "Magnitude" in out
    narrow = "--least-magnitude", 5.5, "--b-value", 0
    code, out, _ = shell(capsys, *options, quiet, "--least-m-s2", 0.3, *narrow, "--json")
    assert json.loads(out)["magnitude"]["low"] > 5.5


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--b-value", 0), "--b-value: only with --peaks"),
        (("--triggered-only",), "--triggered-only: only with --peaks"),
        (("--peaks", "PEAKS", "--triggered-only"), "need least_m_s2"),
        (("--peaks", "PEAKS", "--each", "event"), "--peaks: not with --each"),
        (("--peaks", "PEAKS", "--model", "PEAKS"), "not a ground-motion model"),
        (("--peaks", "missing.csv"), "no file 'missing.csv'"),
    ],
)
def test_peaks_that_cannot_be_used(capsys, csv, extra, words):
    path = csv(peaks_of(5.0), "peaks.csv")
    extra = [path if word == "PEAKS" else word for word in extra]
    line = refused(capsys, "locate", csv(quake()), "--likelihood", "gaussian", *extra)
    assert words in line
