"""The line of progress: on a terminal, after some seconds, with what is being done."""

import io
import sys
import time

import pytest

from eqstat.cli import _progress


class Terminal(io.StringIO):
    def __init__(self, is_terminal=True):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


def written(monkeypatch, terminal, *, seconds=0.3, hidden=False, name="grid"):
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(_progress, "EVERY_S", 0.05)
    with _progress.shown("locate", hidden=hidden):
        _progress.event(2, 3)
        _progress.stage(name)
        time.sleep(seconds)
    return terminal.getvalue()


def test_a_long_command_says_what_it_does_and_takes_the_line_away(monkeypatch):
    monkeypatch.setattr(_progress, "AFTER_S", 0.05)
    text = written(monkeypatch, Terminal())
    assert "eqstat locate: event 2 of 3: grid 00:0" in text
    assert text.rstrip("\r").rpartition("\r")[2].strip() == ""


def test_a_short_command_says_nothing(monkeypatch):
    monkeypatch.setattr(_progress, "AFTER_S", 5.0)
    assert written(monkeypatch, Terminal(), seconds=0.0) == ""


@pytest.mark.parametrize(
    ("terminal", "options"),
    [(Terminal(False), {}), (Terminal(), {"hidden": True}), (Terminal(), {"name": None})],
    ids=["service", "quiet", "own bar"],
)
def test_nothing_is_said_where_it_must_not(monkeypatch, terminal, options):
    monkeypatch.setattr(_progress, "AFTER_S", 0.05)
    assert "grid" not in written(monkeypatch, terminal, **options)


def test_an_error_passes_and_ends_the_line(monkeypatch):
    monkeypatch.setattr(_progress, "AFTER_S", 0.0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ValueError, match="x"), _progress.shown("locate"):
        raise ValueError("x")
