"""`eqstat detect`: a stream in, its history and alarm out, and one line for bad input."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eqstat import InputError, counts, detection, hypocentre
from eqstat.geodesy import hypocentral_distance

from .shell import ZERO, network, refused, shell
from .test_schema import checked

SOURCE, DEPTH = (-12.0, -77.05), 12.0
# The earthquake is at second 40.
SPAN = ("--start", ZERO, "--end", ZERO + pd.Timedelta(seconds=52))
CALM = ("--start", ZERO, "--end", ZERO + pd.Timedelta(seconds=30))
ALARM = {"time": ZERO + pd.Timedelta(seconds=28), "reason": "an alarm that the test puts there",
         "false_alarm_rate_per_year": 2.0, "probability": 0.97,
         "log_shiryaev_roberts": 18.5}  # fmt: skip


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A network of eighty phones, and an earthquake that half of them feel."""
    folder = tmp_path_factory.mktemp("stream")
    latitude, longitude = network(80, seed=3, radius_km=35.0)
    phones = pd.DataFrame({"latitude": latitude, "longitude": longitude,
                           "device": [f"{i:03d}" for i in range(80)]})  # fmt: skip
    rng = np.random.default_rng(4)
    away = hypocentral_distance(*SOURCE, DEPTH, latitude, longitude)
    times = 40.0 + away / 7.8 + rng.normal(0, 0.6, 80)
    felt = rng.uniform(size=80) < 0.5
    triggers = phones[felt].assign(time=ZERO + pd.to_timedelta(times[felt], unit="s"))
    early = phones[~felt].iloc[:2].assign(time=ZERO + pd.to_timedelta([5.0, 21.0], unit="s"))
    stream = pd.concat([triggers, early])[["time", "latitude", "longitude", "device"]]
    paths = {}
    for name, frame in {"triggers": stream, "network": phones}.items():
        paths[name] = folder / f"{name}.csv"
        frame.to_csv(paths[name], index=False)
    return paths


def location():
    """What `detection.locate` gives, of few draws."""
    drawn = hypocentre.from_draws(
        [-12.0, -12.1], [-77.0, -77.1], [10.0, 14.0], [26.0, 27.0], reference_time=ZERO
    )
    scalars = {"latitude_mean": -12.05, "longitude_mean": -77.05, "depth_mean_km": 12.0,
               "origin_mean_s": ZERO.timestamp() + 26.5, "east_sd_km": 5.0, "north_sd_km": 4.0,
               "depth_sd_km": 2.0, "origin_sd_s": 0.5, "region_area_km2": 80.0}  # fmt: skip
    cause = xr.DataArray([0.97, 0.03], dims="cause", coords={"cause": ["earthquake", "none"]})
    return drawn.assign(**scalars, cause_probability=cause).assign_attrs(
        interval_probability=0.9, interval_kind="highest density"
    )


@pytest.fixture
def alarmed(monkeypatch):
    """The replay with an alarm put into it, since finding and locating one takes seconds.

    Gives the list of the arguments of its calls.
    """
    replay, calls = detection.replay, []

    def with_alarm(detector, triggers, **given):
        calls.append({"detector": detector, **given})
        result = replay(detector, triggers, **given)
        return dataclasses.replace(result, alarms=(ALARM,), locations=(location(),))

    monkeypatch.setattr(detection, "replay", with_alarm)
    return calls


@pytest.mark.slow
def test_alarms_become_json_posterior_and_summary(capsys, tmp_path, tables, alarmed):
    path = tmp_path / "drawn.nc"
    command = ("detect", tables["triggers"], "--network", tables["network"], *CALM)
    code, out, lines = shell(
        capsys, *command, "--json", "--posterior", path, "--false-alarm-rate-per-year", 2,
        "--least-probability", 0.8, "--dead-time-s", 120, "--step", 2, "--sd-s", 0.8,
        "--delay", 0.3, "--earthquake-rate-per-year", 4, "--region-probability", 0.5,
    )  # fmt: skip
    assert code == 0, lines
    assert len(lines) == 1 and "left out: after the end" in lines[0]
    found = checked(out)
    assert found["result"] == "ALARM"
    (alarm,) = found["alarms"]
    assert alarm["hypocentre"]["latitude"] == -12.05
    assert alarm["hypocentre"]["origin_time"].startswith("2027-01-15T08:00:26.5")
    assert alarm["standard_error"] == {
        "latitude_km": 4.0, "longitude_km": 5.0, "depth_km": 2.0, "origin_time_s": 0.5
    }  # fmt: skip
    assert alarm["cause_probability"] == {"earthquake": 0.97, "none": 0.03}
    (given,) = alarmed
    assert given["false_alarm_rate_per_year"] == 2
    assert (given["least_probability"], given["region_probability"]) == (0.8, 0.5)
    assert (given["step_s"], given["progress"]) == (2, None)
    assert found["settings"]["dead_time_s"] == 120
    assert found["options"]["background_relative_sd"] == 0.3
    assert "reference_time" in xr.open_dataset(path, engine="h5netcdf").attrs
    code, out, _ = shell(capsys, *command)
    assert code == 0
    summary = out.splitlines()
    assert summary[0].startswith("Stream ")
    assert sum(line.startswith("Alarm ") for line in summary) == 1
    assert any(line.startswith("90 % region") and " 80 km2" in line for line in summary)


@pytest.mark.slow
def test_a_fitted_background_gives_its_hours(capsys, tmp_path, tables, alarmed):
    path = tmp_path / "background.json"
    cycle = np.array([-0.4, 0.0, 0.0, 0.0])
    background = counts.Background("poisson", 0.6, daily=cycle, regions=("north", "south"),
                                   region_effect=np.array([0.5, -0.5]), region_sd=0.5)  # fmt: skip
    counts.save(background, path)
    command = ("detect", tables["triggers"], "--network", tables["network"], *CALM, "--json")
    code, out, lines = shell(capsys, *command, "--background", path, "--background-region",
                             "south", "--utc-offset-h", 1)  # fmt: skip
    assert code == 0, lines
    found = checked(out)
    assert found["input"]["background"]["file"] == "background.json"
    assert "background" not in found["options"]
    expected = detection.background_rate(background, region="south", utc_offset_h=1.0)
    used = alarmed[0]["detector"].background
    np.testing.assert_allclose(used.rate_per_device_h, expected.rate_per_device_h)
    assert (used.relative_sd, used.utc_offset_h) == (expected.relative_sd, 1.0)
    for options, message in (
        (("--background", path, "--background-region", "west"), "no region 'west'"),
        (("--background", path, "--background-relative-sd", 0.2), "--background-relative-sd"),
        (("--background-region", "south"), "--background-region"),
        (("--background", tmp_path / "none.json"), "there is no file"),
        (("--background", tables["network"]), "no background"),
        (("--background", "-1"), "must lie between"),
    ):
        assert message in refused(capsys, *command, *options), message


@pytest.mark.long
def test_an_alarm_in_json_lines_and_figure(capsys, tmp_path, tables):
    lines_at, figure = tmp_path / "history.jsonl", tmp_path / "figure.png"
    code, out, lines = shell(
        capsys, "detect", tables["triggers"], "--network", tables["network"], *SPAN, "--json",
        "--history", lines_at, "--figure", figure, "--false-alarm-rate-per-year", 2, "--sd-s", 0.8,
        "--posterior", tmp_path / "drawn.nc",
    )  # fmt: skip
    assert (code, lines) == (0, [])
    found = checked(out)
    alarm = pd.Timestamp(found["alarms"][0]["time"])
    assert 40 < (alarm - ZERO).total_seconds() <= 46
    assert found["alarms"][0]["false_alarm_rate_per_year"] == 2
    assert found["alarms"][0]["reason"]
    assert found["settings"]["log_threshold"] == pytest.approx(np.log(365.25 * 86400 / 2))
    assert found["result"] == "ALARM"
    (alarm_at,) = found["alarms"]
    where, error = alarm_at["hypocentre"], alarm_at["standard_error"]
    size = alarm_at["magnitude"]
    assert 3.0 <= size["low"] < size["mean"] < size["high"] <= 8.5
    drawn = xr.open_dataset(tmp_path / "drawn.nc", group="posterior")["magnitude"]
    assert float(drawn.mean()) == pytest.approx(size["mean"], abs=0.2)
    off = (where["latitude"] - SOURCE[0]) * 111.2, (where["longitude"] - SOURCE[1]) * 108.8
    assert abs(off[0]) < 3 * error["latitude_km"]
    assert abs(off[1]) < 3 * error["longitude_km"]
    assert found["devices"] == 80
    assert figure.read_bytes().startswith(b"\x89PNG")
    history = [json.loads(line) for line in lines_at.read_text().splitlines()]
    assert len(history) == found["steps"]
    at = next(each for each in history if each["time"] == found["alarms"][0]["time"])
    assert at["probability"] == pytest.approx(found["alarms"][0]["probability"])
    assert set(at) >= {"log_evidence_ratio", "log_shiryaev_roberts", "hypocentre", "region"}
    assert set(at["alternatives"]) == {
        "sound",
        "venue",
        "network",
        "front",
        "fast_front",
        "other",
        "none",
    }
    lead_time_of_a_far_site(capsys, tmp_path, alarm)


def lead_time_of_a_far_site(capsys, folder, now):
    """From the alarm's draws to the seconds that are left 110 km away."""
    pd.DataFrame({"latitude": [-13.0], "longitude": [-77.05]}).to_csv(folder / "site.csv")
    code, out, _ = shell(
        capsys, "exceed", "--posterior", folder / "drawn.nc", "--sites", folder / "site.csv",
        "--threshold", "1%g", "--magnitude", 6, "--now", now.isoformat(), "--json",
    )  # fmt: skip
    assert code == 0
    (site,) = json.loads(out)["sites"]
    # S needs 25 s at 4.5 km/s, from second 40 on.
    expected = 40 + np.hypot(111.2, DEPTH) / 4.5 - (now - ZERO).total_seconds()
    assert site["lead_time_s"] == pytest.approx(expected, abs=3)


@pytest.mark.slow
def test_no_alarm_is_said_and_nothing_when_quiet(capsys, tables):
    command = ("detect", tables["triggers"], "--network", tables["network"], *CALM)
    code, out, _ = shell(capsys, *command)
    assert code == 0
    assert "Alarm           none" in out
    assert shell(capsys, *command, "--quiet") == (0, "", [])


@pytest.mark.slow
def test_no_alarm_leaves_no_posterior_and_says_so(capsys, tmp_path, tables):
    path = tmp_path / "drawn.nc"
    code, _, lines = shell(
        capsys, "detect", tables["triggers"], "--network", tables["network"], *CALM,
        "--posterior", path,
    )  # fmt: skip
    assert code == 0
    assert not path.exists()
    assert any("no posterior to write" in line for line in lines)


@pytest.mark.slow
def test_history_alone_goes_to_standard_output(capsys, tables):
    code, out, lines = shell(
        capsys, "detect", tables["triggers"], "--network", tables["network"], *CALM,
        "--history", "-",
    )  # fmt: skip
    assert code == 0
    # What is left out is told, but not among the lines.
    assert all("left out: after the end" in line for line in lines)
    assert len(lines) == 1
    assert all(json.loads(line)["probability"] < 0.5 for line in out.splitlines())


@pytest.mark.long
def test_without_a_network_those_that_triggered_are_it(capsys, tables):
    code, out, lines = shell(
        capsys, "detect", tables["triggers"], "--silent-unknown", *SPAN, "--json", "--background", 3
    )
    assert code == 0
    assert len(lines) == 1
    assert lines[0].startswith("eqstat: note: the network is unknown")
    found = json.loads(out)
    assert found["devices"] == found["triggers"]["used"] == len(pd.read_csv(tables["triggers"]))


@pytest.mark.long
def test_animation_is_a_gif(capsys, tmp_path, tables, monkeypatch):
    from eqstat.plots import detection

    monkeypatch.setattr(detection, "frames_of", lambda outcome: [0, len(outcome.history) - 1])
    path = tmp_path / "film.gif"
    code, _, lines = shell(
        capsys, "detect", tables["triggers"], "--network", tables["network"], *SPAN,
        "--animation", path, "--quiet",
    )  # fmt: skip
    assert (code, lines) == (0, [])
    assert path.read_bytes().startswith(b"GIF8")


def test_bad_input_is_one_line(capsys, tmp_path, tables):
    good = ("detect", tables["triggers"], "--network", tables["network"])
    elsewhere = tmp_path / "elsewhere.csv"
    far = pd.read_csv(tables["network"], dtype={"device": str})
    far.assign(latitude=far["latitude"] + 30).drop(columns="device").to_csv(elsewhere, index=False)
    cases = {
        "--silent-unknown": good[:2],
        "--network": (*good, "--silent-unknown"),
        "there is no file": ("detect", "nowhere.csv", "--network", tables["network"]),
        "network: there is no file": (*good[:3], "nowhere.csv"),
        "from no device of the network": (*good[:3], elsewhere),
        "only one of them": (*good, "--json", "--history", "-"),
        "must end in .gif": (*good, "--animation", "film.mp4"),
        "must end in .png": (*good, "--figure", "figure.bmp"),
        "there is no folder": (*good, "--history", tmp_path / "no" / "history.jsonl"),
        "not a time": (*good, "--start", "noon"),
        "must lie between 0 and 1": (*good, "--least-probability", "1.5"),
        "not with --velocity": (*good, "--velocity", "ak135", "--p-velocity", "6"),
        "no column 'time'": ("detect", tables["network"], "--network", tables["network"]),
    }
    for message, command in cases.items():
        assert message in refused(capsys, *command), message


def test_peaks_of_a_history_reach_the_detector(capsys, tables, tmp_path, monkeypatch):
    """The detector is made of them; the replay, which takes seconds, is not run."""
    made = []

    def no_replay(detector, *_, **__):
        made.append(detector)
        raise InputError("no replay")

    monkeypatch.setattr(detection, "replay", no_replay)
    rng = np.random.default_rng(0)
    calm = pd.DataFrame({"time": ZERO + pd.to_timedelta(np.arange(400), unit="min"),
                         "latitude": -12.0, "longitude": -77.0,
                         "pga_m_s2": 10 ** rng.normal(0.1, 0.5, 400)})  # fmt: skip
    path = tmp_path / "calm.csv"
    calm.to_csv(path, index=False)
    given = ("detect", tables["triggers"], "--network", tables["network"], *CALM)
    assert "no replay" in refused(capsys, *given, "--peaks-history", path)
    model = made[0].causes[0].magnitudes
    assert model.handling_log10_mean == pytest.approx(0.1, abs=0.1)
    assert model.handling_log10_sd == pytest.approx(0.5, abs=0.1)
    calm[:60].to_csv(path, index=False)
    assert "60 peaks, of which 18" in refused(capsys, *given, "--peaks-history", path)
