"""Saved figures: text stays text, and the file says what it was made from."""

import zlib

import matplotlib
import matplotlib.pyplot as plt
import pytest
from matplotlib.image import imread

from eqstat.plots import save_figure

ABOUT = {"version": "eqstat 9.9", "source": "triggers.csv", "command": "eqstat locate"}


@pytest.fixture
def figure():
    drawn = plt.figure(figsize=(2.0, 1.0))
    drawn.text(0.1, 0.5, "depth (km)")
    return drawn


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_a_file_says_what_it_was_made_from(figure, tmp_path, kind):
    path = tmp_path / f"figure.{kind}"
    before = dict(matplotlib.rcParams)
    save_figure(figure, path, **ABOUT)
    content = path.read_bytes()
    assert all(text.encode() in content for text in ABOUT.values())
    assert dict(matplotlib.rcParams) == before
    assert not plt.get_fignums()


def test_letters_stay_letters(figure, tmp_path):
    save_figure(figure, tmp_path / "figure.pdf")
    assert b"/TrueType" in _unpacked((tmp_path / "figure.pdf").read_bytes()) or (
        b"/CIDFontType2" in _unpacked((tmp_path / "figure.pdf").read_bytes())
    )
    figure = plt.figure()
    figure.text(0.1, 0.5, "depth (km)")
    save_figure(figure, tmp_path / "figure.svg")
    assert "depth (km)</text>" in (tmp_path / "figure.svg").read_text()


def _unpacked(content):
    """A PDF with its packed streams beside it."""
    parts = [content]
    for part in content.split(b"stream\n")[1:]:
        try:
            parts.append(zlib.decompressobj().decompress(part))
        except zlib.error:
            continue
    return b"".join(parts)


def test_dots_per_inch_are_those_asked_for(figure, tmp_path):
    save_figure(figure, tmp_path / "figure.png", dpi=300)
    assert imread(tmp_path / "figure.png").shape[:2] == (300, 600)
