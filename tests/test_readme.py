"""README: its Python runs, and its figures are those of the results file."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


@pytest.mark.long
def test_python_block_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.M)
    assert blocks
    for block in blocks:
        exec(compile(block, str(README), "exec"), {})
    latitude, longitude, depth_km, area_km2 = map(float, capsys.readouterr().out.split())
    assert abs(latitude + 12.1) < 0.1
    assert abs(longitude + 77.1) < 0.1
    assert 5 < depth_km < 40
    assert 0 < area_km2 < 500


def test_validation_table_is_that_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.syspath_prepend(str(ROOT / "validation"))
    import readme_table

    text = README.read_text("utf-8")
    assert readme_table.filled(text) == text
    for name in ("readme_table", "records", "run"):
        sys.modules.pop(name, None)


def test_named_packages_and_functions_exist():
    import importlib

    rows = re.findall(r"^\|[^|]+\| `(eqstat\.\w+)` \|(.*)\|$", README.read_text("utf-8"), re.M)
    assert len(rows) == 10
    for package, cell in rows:
        module = importlib.import_module(package)
        for name in re.findall(r"`(\w+)`", cell):
            assert hasattr(module, name), f"{package}.{name}"
