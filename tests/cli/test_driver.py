"""The driver of the shell, its cache and its inputs, without any computation."""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import eqstat
from eqstat import InputError, hypocentre
from eqstat._core.text import aligned, facts
from eqstat.cli import _cache, _driver
from eqstat.cli._inputs import Inputs
from eqstat.cli._outcome import Outcome
from eqstat.geodesy import LocalFrame

from .shell import quake, refused, shell


def options(**named):
    given = {"json": None, "figure": None, "posterior": None, "quiet": False, "command": "locate",
             "outputs": ("json", "figure", "posterior"), "inputs": ("triggers",),
             "triggers": "t.csv", "probability": 0.9, "verbose": False, "force": False,
             "dpi": 40.0, "words": ["locate", "my triggers.csv"]}  # fmt: skip
    return argparse.Namespace(**(given | named))


def outcome(**named):
    given = {"summary": ("line",), "content": {"depth_km": 3.0}, "result": "CONVERGED",
             "result_text": "converged", "notes": ("one", "one", "two")}  # fmt: skip
    return Outcome(**(given | named))


def figure():
    drawn = plt.figure()
    drawn.text(0.5, 0.5, "depth of the hypocentre")
    return drawn


def test_summary_and_notes_are_written_once(capsys):
    _driver.write(options(), outcome())
    said = capsys.readouterr()
    assert said.out == "line\n"
    assert said.err == "eqstat: note: one\neqstat: note: two\n"
    _driver.write(options(quiet=True), outcome())
    assert capsys.readouterr() == ("", "")


def test_json_holds_the_common_keys_first(capsys):
    _driver.write(options(json="-"), outcome())
    content = json.loads(capsys.readouterr().out)
    assert list(content) == ["schema", "version", "input", "options", "velocity", "result",
                             "result_text", "depth_km", "notes"]  # fmt: skip
    assert content["schema"] == "eqstat.locate/1"
    assert content["version"] == eqstat.__version__
    assert content["options"] == {"probability": 0.9}
    assert content["notes"] == ["one", "two"]


def test_files_that_were_asked_for_are_written(capsys, tmp_path):
    names = {name: str(tmp_path / name) for name in ("json", "figure", "posterior", "table")}
    names["figure"] += ".png"
    given = options(**names, outputs=tuple(names))
    table = {"table": lambda name: Path(name).write_text("site"), "map": pytest.fail}
    posterior = xr.Dataset({"depth_km": ("draw", [1.0, 2.0])})
    _driver.write(given, outcome(figure=figure, posterior=posterior, files=table))
    assert all(Path(name).stat().st_size > 0 for name in names.values())
    assert b"eqstat locate 'my triggers.csv'" in Path(names["figure"]).read_bytes()
    assert not plt.get_fignums()
    with xr.open_dataset(names["posterior"], engine="h5netcdf") as data:
        assert data.sizes["draw"] == 2


def test_a_posterior_that_there_is_not_becomes_a_note(capsys, tmp_path):
    given = options(posterior=str(tmp_path / "p.nc"))
    _driver.write(given, outcome(result_text="no earthquake was detected"))
    assert "no earthquake was detected, so there is no posterior" in capsys.readouterr().err
    assert not (tmp_path / "p.nc").exists()


def test_outputs_are_checked_before_anything_is_computed(tmp_path):
    for named, message in (
        ({"json": str(tmp_path)}, "is a folder"),
        ({"json": str(tmp_path / "no" / "out.json")}, "there is no folder"),
        ({"figure": "map.txt"}, "must end in .png"),
        ({"json": "-", "posterior": "-"}, "only one of them"),
        ({"json": "a.out", "posterior": "./a.out"}, "two outputs are to go to one file"),
    ):
        with pytest.raises(InputError, match=message):
            _driver.check_outputs(options(**named))


def test_inputs_are_described(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("lat,device\n1.5,007\n")
    inputs = Inputs([("latitude", "lat")])
    table = inputs.table(str(path), "triggers")
    assert table.loc[2].to_dict() == {"latitude": 1.5, "device": "007"}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert inputs.described == {"triggers": {"file": "t.csv", "sha256": digest, "rows": 1}}
    with pytest.raises(InputError, match="there is no file"):
        inputs.file(str(tmp_path / "none.nc"), "posterior")


@pytest.mark.parametrize("value", ["off", "0", "no"])
def test_the_cache_can_be_switched_off(monkeypatch, value):
    monkeypatch.setenv("EQSTAT_CACHE", value)
    assert _cache.folder() is None


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("EQSTAT_CACHE", str(tmp_path / "programs"))
    assert _cache.folder() == tmp_path / "programs"
    monkeypatch.delenv("EQSTAT_CACHE")
    assert "eqstat" in str(_cache.folder())


def test_a_folder_that_cannot_be_written_is_no_failure(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EQSTAT_CACHE", str(tmp_path / "file" / "programs"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    assert "no compilation cache" in (_cache.prepare() or "")
    assert _cache.prepare(enabled=False) is None


def test_programs_are_found_again_whatever_the_order_of_sets(tmp_path):
    """A program with a prior among its arguments is compiled in one process only."""
    code = (
        "from eqstat.cli import _cache; _cache.prepare()\n"
        "import jax, numpyro.distributions as dist\n"
        "jax.jit(lambda d: d.icdf(0.3))(dist.LogNormal(0.5, 2.0))\n"
    )
    root = Path(eqstat.__file__).parents[1]
    for seed in ("1", "2"):
        environment = {
            "EQSTAT_CACHE": str(tmp_path),
            "PYTHONHASHSEED": seed,
            "JAX_PLATFORMS": "cpu",
        }
        subprocess.run([sys.executable, "-c", code], cwd=root, check=True, env=environment)
        programs = {path.name for path in tmp_path.iterdir() if "lambda" in path.name}
        assert len({name for name in programs if name.endswith("-cache")}) == 1


def test_lines_are_aligned():
    assert aligned([["a", "bcd"], ["ef", "g"]], right=True) == ["a    bcd", "ef     g"]
    assert facts([("Verdict", "earthquake")]) == ["Verdict         earthquake"]


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.6, 2.5])
def test_an_interrupt_ends_the_shell_at_once(tmp_path, csv, after_s):
    command = [sys.executable, "-m", "eqstat.cli", "locate", str(csv(quake())), "--method", "nuts"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=5)
    assert process.returncode == 130, errors
    assert output == "" and errors.strip().endswith("eqstat: interrupted")


def test_files_of_others_are_not_overwritten_without_force(capsys, tmp_path, csv):
    triggers = csv(quake())
    notebook = tmp_path / "verdict.json"
    notebook.write_text("import matplotlib\n# my work\n")
    quick = ("--by", "test")
    line = refused(capsys, "classify", triggers, *quick, "--json", notebook)
    assert "--force" in line and notebook.read_text().startswith("import")
    code, _, _ = shell(capsys, "classify", triggers, *quick, "--json", notebook, "--force")
    assert code == 0
    # Its own result may be written again.
    code, _, _ = shell(capsys, "classify", triggers, *quick, "--json", notebook)
    assert code == 0
    before = triggers.read_bytes()
    line = refused(capsys, "classify", triggers, *quick, "--json", triggers, "--force")
    assert "input" in line and triggers.read_bytes() == before


def test_hypocentres_that_eqstat_wrote_may_be_overwritten(tmp_path):
    known = hypocentre.from_normal(
        LocalFrame(46.0, 7.0), [0, 0, 10, 0], np.eye(4), reference_time="2027-01-15T08:00:00Z"
    )
    for ending in ("nc", "xml", "geojson", "csv"):
        hypocentre.write(known, tmp_path / f"event.{ending}")
        assert _driver.is_own(tmp_path / f"event.{ending}"), ending
    (tmp_path / "other.xml").write_text("<?xml version='1.0'?><q:quakeml/>")
    assert not _driver.is_own(tmp_path / "other.xml")
