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


SCRIPTS = sorted((DOCS.parent / "examples").glob("*.py"))
CODE = [*PAGES, *DOCS.glob("howto/*.md"), *DOCS.glob("tutorials/*.md")]
DRAWS = re.compile(r"plt\.subplots|plots\.(map_\w+|location_figure)\(|calibration_figure\(")


def cells_of(path):
    """Code of a page or script, with what stands above it as its options."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        parts = re.split(r"(?m)^(# %%.*)\n", text)[1:]
        return list(zip(parts[1::2], parts[::2], strict=True))
    blocks = re.findall(r"^```(\{code-cell\} )?(python|sh)\n(.*?)^```$", text, re.DOTALL | re.M)
    cells = []
    for executed, _, block in blocks:
        options = "".join(re.findall(r"^:.*\n", block, re.M))
        cells.append((re.sub(r"^:.*\n", "", block, flags=re.M), options if executed else None))
    return cells


@pytest.mark.parametrize("path", [*CODE, *SCRIPTS], ids=lambda path: path.stem)
def test_code_fits_a_page_and_figures_have_words(path):
    for code, options in cells_of(path):
        if (options or "").endswith("[markdown]"):
            continue
        long = [line for line in code.splitlines() if len(line) > 80 and "https://" not in line]
        assert not long, long
        if options is not None and DRAWS.search(code):
            assert re.search(r"\balt\W+\w", options), code


def test_borrowed_figures_and_pages_in_the_navigation_exist():
    listed = {"index"}
    for page in [*DOCS.glob("*.md"), *DOCS.glob("*/index.md")]:
        text = page.read_text("utf-8")
        for name, number, option in re.findall(r"^```\{figure-of\} (\S+) (\d+)\n(.*)$", text, re.M):
            assert option.startswith(":alt: "), (page, name)
            script = (DOCS.parent / "examples" / f"{name}.py").read_text("utf-8")
            assert script.count('"alt":') >= int(number), (page, name)
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```$", text, re.DOTALL | re.M):
            folder = page.parent.relative_to(DOCS)
            lines = [line for line in tree.splitlines() if line[:1] not in ":"]
            listed |= {str(folder / re.sub(r"^.* <(.+)>$", r"\1", line)) for line in lines}
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in [*CODE]}
    assert pages <= listed
