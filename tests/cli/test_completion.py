"""Completion of the shell's commands and options."""

import shutil
import subprocess
import sys

import pytest

from eqstat.cli import main


def test_bash_reads_the_script(capsys, tmp_path):
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    for text in ("locate", "--false-alarm-rate-per-year", "--delay-s"):
        assert text in script
    if bash := shutil.which("bash"):
        path = tmp_path / "eqstat"
        path.write_text(script)
        complete = f"source {path}; complete -p eqstat"
        done = subprocess.run([bash, "-c", complete], capture_output=True, text=True, check=True)
        assert "eqstat" in done.stdout
        assert done.stderr == ""


def test_what_is_missing_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "zsh"]) == 2
    assert "pip install 'eqstat[completion]'" in capsys.readouterr().err


def test_an_unknown_shell_is_refused(capsys):
    assert main(["completion", "cmd.exe"]) == 2
    assert "bash" in capsys.readouterr().err
