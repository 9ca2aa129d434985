"""Warn of cells that draw a figure which the built page does not show."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
DRAWING = ("matplotlib.pyplot", "eqstat.plots")
# What stands here may not run: without its data, or until it is called.
PERHAPS = (ast.If, ast.FunctionDef, ast.ClassDef, ast.Lambda)


def drawing_names(trees: Sequence[ast.AST]) -> set[str]:
    """Return the names under which a page knows what draws."""
    names = set()
    for node in (each for tree in trees for each in ast.walk(tree)):
        if isinstance(node, ast.Import):
            names |= {one.asname for one in node.names if one.name in DRAWING and one.asname}
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                address = f"{node.module}.{one.name}"
                if address.startswith(DRAWING):
                    names.add(one.asname or one.name)
    return names


def called(node: ast.AST) -> Iterator[str]:
    """Yield the first name, as `plots` of `plots.x()`, of calls that run whenever the cell does."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, PERHAPS):
            continue
        if isinstance(inner, ast.Call):
            target = inner.func
            while isinstance(target, ast.Attribute):
                target = target.value
            if isinstance(target, ast.Name):
                yield target.id
        yield from called(inner)


def executed(notebook: Mapping[str, Any]) -> bool:
    """Whether a page was run: a draft is built without running, or with some pages only."""
    return any(cell.get("execution_count") for cell in notebook["cells"])


def lost_figures(notebook: Mapping[str, Any]) -> list[str]:
    """Return the last lines of cells of an executed notebook that draw and show no image."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in cells]
    trees = [ast.parse(source) for source in sources]
    names = drawing_names(trees)
    lost = []
    for cell, source, tree in zip(cells, sources, trees, strict=True):
        kinds = {kind for output in cell["outputs"] for kind in output.get("data", {})}
        if names & set(called(tree)) and not any(kind.startswith("image/") for kind in kinds):
            lost.append(source.strip().splitlines()[-1])
    return lost


def check(app: Sphinx, exception: Exception | None) -> None:
    """Look through the executed pages."""
    if exception is not None:
        return
    for path in sorted((Path(app.outdir).parent / "jupyter_execute").rglob("*.ipynb")):
        notebook = json.loads(path.read_text("utf-8"))
        for line in lost_figures(notebook) if executed(notebook) else ():
            LOGGER.warning("%s: a cell draws a figure that is lost; it ends with: %s", path, line)


def setup(app: Sphinx) -> dict[str, bool]:
    """Check when all pages are built."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True}
