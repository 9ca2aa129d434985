"""The shell: exit codes, and one line for each kind of bad input."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import eqstat
from eqstat.cli._examples import EXAMPLES
from eqstat.cli._main import COMMANDS, parsed, parser

from .shell import quake, refused, shell


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
    "no number": (["classify", "t.csv", "--delta-s", "much"], "not a number"),
    "alpha": (["classify", "t.csv", "--miss-probability", "0"], "between 0 and 1"),
    "nan": (["classify", "t.csv", "--delta-s", "nan"], "between"),
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


@pytest.mark.slow
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


def test_every_command_has_examples_that_can_be_parsed(capsys):
    assert set(EXAMPLES) == set(COMMANDS)
    read = parser()
    for command, examples in EXAMPLES.items():
        help_text = shell(capsys, command, "--help")[1]
        for example in examples:
            program, *words = shlex.split(example)
            assert program == "eqstat" and read.parse_args(words).command == command
            assert f"\n  {example}\n" in help_text


def test_options_know_the_words_that_gave_them():
    words = ["locate", "t.csv", "--method", "bfgs"]
    assert parsed(words).words == words


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "eqstat", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"eqstat {eqstat.__version__}\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from eqstat.cli import main; main(['--help'])\n"
        "main(['locate', 't.csv', '--method', 'guess'])\n"
        "assert not {'jax', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    root = Path(eqstat.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True)
