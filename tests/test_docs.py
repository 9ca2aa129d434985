"""The pages: what their Python imports exists."""

import ast
import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("validation/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_imported_names_exist(page):
    blocks = re.findall(
        r"^```(?:\{code-cell\} )?python\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.M
    )
    for block in blocks:
        code = re.sub(r"^:.*\n", "", block, flags=re.M)
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("eqstat"):
                module = importlib.import_module(node.module)
                assert not any(part.startswith("_") for part in node.module.split("."))
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}.{alias.name}"
