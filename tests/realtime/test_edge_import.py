"""The edge file alone: light to import, and working where only NumPy is installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import realtime_inputs as inputs

import eqstat
from eqstat import edge, realtime

PACKAGE = Path(eqstat.__file__).parent

LOOK = """
import json, sys, time
import numpy
begin = time.process_time()
import eqstat.edge
seconds = time.process_time() - begin
whole = time.process_time()
names = {name.partition(".")[0] for name in sys.modules}
memory = [line for line in open("/proc/self/status") if line.startswith("VmRSS")]
print(json.dumps({"seconds": seconds, "whole": whole, "names": sorted(names),
                  "megabytes": int(memory[0].split()[1]) / 1024 if memory else 0}))
"""
SCORE = """
import json, sys
sys.path[:] = [*sys.argv[2:], *(path for path in sys.path if "site-packages" not in path)]
{imported}
scorer = edge.load(sys.argv[1])
assert not {{"jax", "scipy", "pandas", "equinox", "lazy_loader"}} & set(sys.modules)
print(json.dumps(scorer.score([True] * 5).earthquake_probability))
"""


def run(code, *arguments, isolated=False):
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, *(["-I", "-S"] if isolated else []), "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_import_is_light():
    seen = run(LOOK)
    assert {"jax", "scipy", "pandas", "equinox"}.isdisjoint(seen["names"])
    assert seen["megabytes"] <= 40
    # Processor time: the machine of a test may be busy.
    assert seen["whole"] <= 0.5
    assert seen["seconds"] <= 0.15


def test_file_works_beside_numpy_alone(tmp_path):
    """As the package installed without its dependencies, and as a copy of the one file."""
    path, alone, copy = tmp_path / "sensors.eqstat", tmp_path / "alone", tmp_path / "copy"
    realtime.export(inputs.coincidence(), path)
    expected = edge.load(path).score([True] * 5).earthquake_probability
    for folder in (alone, copy):
        folder.mkdir()
        for library in Path(np.__file__).parents[1].glob("numpy*"):
            (folder / library.name).symlink_to(library)
    (alone / "eqstat").symlink_to(PACKAGE)
    shutil.copy(PACKAGE / "edge.py", copy)
    for folder, imported in ((alone, "from eqstat import edge"), (copy, "import edge")):
        code = SCORE.format(imported=imported)
        assert run(code, str(path), str(folder), isolated=True) == expected


def test_nothing_needs_wide_numbers():
    text = (PACKAGE / "edge.py").read_text("utf-8")
    assert not any(word in text for word in ("longdouble", "float128", "import eqstat", "int64"))
