"""`eqstat threshold`: from a file of counts to thresholds, and one line for what cannot be used."""

import json

import jax
import numpy as np
import pandas as pd
import pytest

from eqstat.counts import Background, Design, fit, load, prepare, simulate_table

from .shell import refused, shell
from .test_schema import checked

START = "2026-01-05T12:00:00Z"


@pytest.fixture(scope="module")
def counts():
    """Eight days of two regions of 60 and 300 devices, in windows of 60 s."""
    background = Background("negative_binomial", 0.5, daily=np.array([-0.4, -0.2, 0.1, 0.05]),
                region_effect=np.array([0.1, -0.1]), dispersion=0.2, dispersion_slope=0.0,
                window_s=60.0, regions=("north", "south"))  # fmt: skip
    design = Design(np.array([60.0, 300.0]), days=8, start=START)
    return simulate_table(jax.random.key(2), background, design).drop(columns="is_burst")


@pytest.fixture(scope="module")
def quick(counts):
    """The quickest fit of these counts; its imports are charged to no test."""
    return fit(prepare(counts, time_zone="Etc/UTC"), family="poisson")


def thresholds(capsys, *arguments):
    return shell(capsys, "threshold", *arguments)


def written(path, frame):
    frame.to_csv(path, index=False)
    return path


USUAL = ("--active", "50,300", "--hour", "3,14")
# The background that is quickest to fit.
QUICK = ("--family", "poisson", "--kind", "plug-in")


@pytest.mark.parametrize(
    ("family", "kind", "draws"),
    [
        ("poisson", "plug-in", ()),
        pytest.param("negative_binomial", "predictive", (200,), marks=pytest.mark.long),
    ],
)
def test_json_holds_what_it_says(capsys, tmp_path, counts, quick, monkeypatch, family, kind, draws):
    if family == "poisson":
        monkeypatch.setattr("eqstat.counts.fit", lambda history, **given: quick)
    path = written(tmp_path / "counts.csv", counts)
    code, out, lines = thresholds(capsys, path, "--window-s", 60, *USUAL, "--json",
                             "--false-alarm-rate-per-year", 4,
                             "--time-zone", "Etc/UTC", "--save-background",
                             tmp_path / "background.json", "--family", family,
                             "--kind", kind)  # fmt: skip
    # The counts are not Poisson.
    assert (code, len(lines)) == (0, 1 if family == "poisson" else 0)
    background = load(tmp_path / "background.json")
    assert background.regions == ("north", "south")
    assert background.rate_per_device_h.shape == draws
    found = checked(out)
    assert {"background", "thresholds", "budget", "history"} <= set(found)
    assert found["background"]["family"] == family
    rate = found["background"]["parameters"]["rate_per_device_h"]
    assert abs(rate["estimate"] - 0.5) < 5 * rate["standard_error"] + 0.1
    assert found["budget"]["false_alarm_rate_per_year"] == 4.0
    assert found["budget"]["regions"] == {"north": 2.0, "south": 2.0}
    history = found["history"]
    assert history["windows"] == len(counts)
    assert history["device_hours"] == pytest.approx(counts["active"].sum() / 60, rel=1e-9)
    assert history["left_out"] == {}
    rows = pd.DataFrame(found["thresholds"])
    assert set(rows) == {"region", "hour", "active", "triggers", "false_alarm_rate_per_year",
                         "interval"}  # fmt: skip
    assert len(rows) == 2 * 2 * 2
    assert (rows["triggers"] >= 6).all()
    assert (rows["false_alarm_rate_per_year"] <= 2.0).all()
    assert all(low <= high for low, high in rows["interval"])
    busy = rows.set_index(["region", "hour", "active"])["triggers"]
    assert busy["north", 14.0, 300.0] > busy["north", 3.0, 300.0] > busy["north", 3.0, 50.0]


def test_parquet_gives_the_same_and_figures_are_drawn(capsys, tmp_path, counts):
    pytest.importorskip("pyarrow")
    names = {"time": "start", "triggers": "k", "region": "where"}
    counts.rename(columns=names).to_parquet(tmp_path / "counts.parquet")
    columns = ("--columns", *(f"{ours}={theirs}" for ours, theirs in names.items()))
    files = [tmp_path / name for name in ("a.json", "b.json", "figure.png")]
    first = shell(
        capsys, "threshold", written(tmp_path / "c.csv", counts), *USUAL, *QUICK, "--json", files[0]
    )
    second = shell(
        capsys, "threshold", tmp_path / "counts.parquet", *columns, *USUAL, *QUICK,
        "--json", files[1], "--figure", files[2],
    )  # fmt: skip
    assert first[0] == second[0] == 0
    ours, theirs = (json.loads(file.read_text()) for file in files[:2])
    assert ours.pop("input") != theirs.pop("input")
    assert ours == theirs
    assert files[2].read_bytes().startswith(b"\x89PNG")
    assert first[1] == second[1]
    table = first[1].splitlines()
    assert table[0].startswith("History         23040 windows of 60 s in 2 regions")
    assert [line.split()[0] for line in table[-2:]] == ["north", "south"]


@pytest.mark.slow
def test_one_region_is_told_by_the_hour(capsys, tmp_path, counts):
    path = written(tmp_path / "counts.csv", counts[counts["region"] == "south"])
    code, out, lines = thresholds(capsys, path, "--active", "50,300,5", *QUICK)
    assert code == 0
    assert "large counts are more frequent" in lines[0]
    assert "Give --time-zone" in lines[1]
    rows = [line.split() for line in out.splitlines()[-24:]]
    assert [row[0] for row in rows] == [f"{hour:02d}:00" for hour in range(24)]
    assert all(row[3] == "none" for row in rows)  # six are more than five devices
    assert thresholds(capsys, path, "--active", "50", "--family", "poisson", "--kind", "plug-in",
                 "--quiet")[:2] == (0, "")  # fmt: skip


def test_hours_are_local(capsys, tmp_path, counts):
    path = written(tmp_path / "counts.csv", counts)

    def triggers(*extra):
        code, out, _ = shell(capsys, "threshold", path, *USUAL, "--json", *QUICK, *extra)
        assert code == 0
        return [row["triggers"] for row in json.loads(out)["thresholds"]]

    plain = triggers()
    turned = triggers("--utc-offset-h", "north=12", "--utc-offset-h", "south=12")
    assert turned == triggers("--utc-offset-h", "12")
    # At 14 local time it is 2 in the morning where the cycle was made.
    assert plain[1] < plain[3]
    assert turned[1] > turned[3]


def changed(frame, column, row, value):
    frame = frame.astype(object)
    frame.loc[frame.index[row], column] = value
    return frame


BAD_TABLES = {
    "above active": (lambda t: changed(t, "triggers", 3, 999), "more triggers than active"),
    "negative": (lambda t: changed(t, "triggers", 3, -1), "row 5"),
    "fraction": (lambda t: changed(t, "triggers", 3, 0.5), "whole number"),
    "unsorted": (lambda t: t.iloc[::-1], "sorted by time"),
    "twice": (lambda t: t.iloc[[0, 1, 1, 2]], "comes twice"),
    "missing": (lambda t: changed(t, "triggers", 3, np.nan), "missing"),
    "no device known": (lambda t: changed(t, "active", 3, np.nan), "missing"),
    "infinite": (lambda t: changed(t, "active", 3, np.inf), "finite"),
    "words": (lambda t: changed(t, "triggers", 3, "many"), "not a number"),
    "no time": (lambda t: changed(t, "time", 3, "noon"), "not a time"),
    "junk": (lambda t: t.assign(time="yesterday"), "not a time"),
    "no rows": (lambda t: t.iloc[:0], "no rows"),
    "no column": (lambda t: t.drop(columns="active"), "no column 'active'"),
    "two lengths": (lambda t: changed(t, "window_s", 3, 30), "as long as the first"),
    "no device": (lambda t: t.assign(active=0, triggers=0), "no window is left"),
    "an hour": (lambda t: t.iloc[:60], "too short for a false alarm rate of 1 per year"),
    "three windows": (lambda t: t.iloc[:3], "too short"),
    "one window": (lambda t: t.iloc[:1], "too short"),
}


LONG = {"an hour", "three windows", "one window"}
TABLES = [pytest.param(case, marks=pytest.mark.long if case in LONG else ()) for case in BAD_TABLES]


@pytest.mark.parametrize("case", TABLES)
def test_bad_tables_are_refused_in_one_line(capsys, tmp_path, counts, case):
    change, expected = BAD_TABLES[case]
    path = written(tmp_path / "counts.csv", change(counts))
    assert expected in refused(capsys, "threshold", path, "--active", 300, "--hour", 3)


BAD_OPTIONS = {
    "no devices": ([], "--active"),
    "no device": (["--active", "0"], "between 1"),
    "words": (["--active", "50,many"], "not a number"),
    "twice": (["--active", "50,50"], "twice"),
    "hour": (["--active", "50", "--hour", "24"], "below 24"),
    "budget": (["--active", "50", "--false-alarm-rate-per-year", "0"], "between 0"),
    "minimum": (["--active", "50", "--minimum", "0"], "between 1"),
    "family": (["--active", "50", "--family", "gauss"], "invalid choice"),
    "zone": (["--active", "50", "--time-zone", "Mars/Olympus"], "IANA"),
    "offset": (["--active", "50", "--utc-offset-h", "20"], "between -14 and 14"),
    "offsets": (
        ["--active", "50", "--utc-offset-h", "1", "--utc-offset-h", "south=2"],
        "utc-offset",
    ),
    "no offset": (
        ["--active", "50", "--utc-offset-h", "south=2"],
        "no entry for the region 'north'",
    ),
    "window": (["--active", "50", "--window-s", "10"], "count the triggers in windows of 10 s"),
    "figure": (["--active", "50", "--figure", "figure.txt"], ".png"),
    "folder": (["--active", "50", "--json", "nowhere/out.json"], "no folder"),
    "columns": (["--active", "50", "--columns", "time=when"], "no column 'when'"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_are_refused_in_one_line(capsys, tmp_path, counts, case):
    options, expected = BAD_OPTIONS[case]
    path = written(tmp_path / "counts.csv", counts.iloc[:: len(counts) // 2])
    assert expected in refused(capsys, "threshold", path, *options)


def test_windows_must_be_as_long_as_asked_for(capsys, tmp_path, counts):
    bare = counts.drop(columns="window_s")
    path = written(tmp_path / "counts.csv", bare)
    assert "follow each other in 60 s" in refused(
        capsys, "threshold", path, *USUAL, "--window-s", 30
    )
    grouped = bare.assign(time=pd.to_datetime(bare["time"]).dt.floor("h"), windows=2)
    path = written(tmp_path / "grouped.csv", grouped)
    code, out, _ = shell(capsys, "threshold", path, *USUAL, "--window-s", 60, "--json", *QUICK)
    assert code == 0
    assert json.loads(out)["history"]["windows"] == 2 * len(counts)


def test_missing_files(capsys, tmp_path):
    assert "no file" in refused(capsys, "threshold", tmp_path / "absent.csv", *USUAL)
    (tmp_path / "empty.csv").write_bytes(b"")
    assert "is empty" in refused(capsys, "threshold", tmp_path / "empty.csv", *USUAL)
