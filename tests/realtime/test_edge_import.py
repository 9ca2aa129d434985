"""The edge file alone: light to import, and working where only NumPy is installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

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
sys.modules.update(dict.fromkeys(("jax", "scipy", "pandas", "equinox", "lazy_loader")))
{imported}
scorer = edge.load(sys.argv[1])
print(json.dumps(scorer.score([True] * 5).earthquake_probability))
"""


def run(code, *arguments, path):
    environment = os.environ | {"PYTHONPATH": str(path), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_import_is_light():
    seen = run(LOOK, path=PACKAGE.parent)
    assert {"jax", "scipy", "pandas", "equinox"}.isdisjoint(seen["names"])
    assert seen["megabytes"] <= 40
    # Processor time: the machine of a test may be busy.
    assert seen["whole"] <= 0.5
    assert seen["seconds"] <= 0.15


def test_file_works_alone(tmp_path):
    """Beside NumPy only: as the package installed without its dependencies, and as a copy."""
    scorer = inputs.coincidence()
    path = tmp_path / "sensors.eqstat"
    realtime.export(scorer, path)
    expected = edge.load(path).score([True] * 5).earthquake_probability
    whole = run(SCORE.format(imported="from eqstat import edge"), str(path), path=PACKAGE.parent)
    assert whole == expected
    shutil.copy(PACKAGE / "edge.py", tmp_path / "edge.py")
    assert run(SCORE.format(imported="import edge"), str(path), path=tmp_path) == expected


def test_nothing_needs_wide_numbers():
    text = (PACKAGE / "edge.py").read_text("utf-8")
    assert not any(word in text for word in ("longdouble", "float128", "import eqstat", "int64"))
