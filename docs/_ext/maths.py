"""Formulas without another site: MathJax from the package sphinx-mathjax-offline.

Only its bundle that draws SVG is copied, 2 MB of 24. Without the package Sphinx's own address of
MathJax stays, which needs the network when a page is read.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.fileutil import copy_asset_file

BUNDLE = "tex-svg.js"


def bundle() -> Path | None:
    """The file, None where the package is not installed."""
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "static" / "mathjax" / BUNDLE


def choose(app: Sphinx, config: Config) -> None:
    """Name the copy to Sphinx."""
    if bundle() is not None:
        config.mathjax_path = f"mathjax/{BUNDLE}"


def copy(app: Sphinx, exception: Exception | None) -> None:
    """Copy the bundle beside the other files of the pages."""
    source = bundle()
    if exception is None and source is not None and app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / "mathjax"
        folder.mkdir(parents=True, exist_ok=True)
        copy_asset_file(source, folder)


def setup(app: Sphinx) -> dict[str, bool]:
    """Choose before the extension of Sphinx looks."""
    app.connect("config-inited", choose, priority=100)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True}
