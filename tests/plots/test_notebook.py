"""Figures appear: below the cells of a notebook, and with `plt.show()` in a script."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

sys.path.append(str(Path(__file__).parents[2] / "docs" / "_ext"))

IMPORTS = """
import pandas as pd
from eqstat import plots
table = pd.DataFrame({"time": pd.to_datetime([0, 3, 5], unit="s", utc=True),
                      "latitude": [1.0, 1.2, 1.1], "longitude": [9.9, 9.7, 10.0]})
"""
CELLS = {
    IMPORTS: 0,
    "axes = plots.map_triggers(table)": 1,
    "plots.map_triggers(table)": 1,
    "for _ in range(3):\n    plots.map_triggers(table)": 3,
    "import matplotlib.pyplot as plt\nfigure, ax = plt.subplots()\n"
    "plots.map_triggers(table, ax=ax)\nplt.show()": 1,
    "if len(table) > 3:\n    plots.map_triggers(table)": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def notebook():
    """A notebook that has been run, in the environment of the tests."""
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    made = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MPLBACKEND", raising=False)
        NotebookClient(made, timeout=120, kernel_name="python3").execute()
    return made


def images(cell):
    return sum("image/png" in output.get("data", {}) for output in cell["outputs"])


@pytest.mark.filterwarnings("ignore")
def test_each_figure_appears_once_below_its_cell(notebook):
    assert [images(cell) for cell in notebook["cells"]] == list(CELLS.values())


@pytest.mark.filterwarnings("ignore")
def test_the_pages_notice_a_lost_figure(notebook):
    pytest.importorskip("sphinx")
    from figures import lost_figures

    assert lost_figures(notebook) == []
    notebook["cells"][-2]["outputs"] = []
    assert lost_figures(notebook) == ["plt.show()"]


@pytest.mark.slow
def test_a_script_shows_its_figures():
    code = f"""{IMPORTS}
import matplotlib
matplotlib.use("agg")
assert "matplotlib.pyplot" not in __import__("sys").modules, "pyplot waits for the first figure"
plots.map_triggers(table)
import matplotlib.pyplot as plt
print(len(plt.get_fignums()))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["1"]
