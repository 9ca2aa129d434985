"""Programs for all sizes, from several threads, and from a cache."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import realtime_inputs as inputs

import eqstat
from eqstat import InputError, edge, realtime
from eqstat.realtime._protocol import pad


@pytest.fixture(scope="module")
def compiled():
    return realtime.compile(inputs.coincidence(), (8, 64), progress=False)


def test_unknown_sizes_are_refused(compiled):
    assert compiled.program(8) is not None
    with pytest.raises(InputError, match=r"no program for 16 rows was compiled; .* 8, 64"):
        compiled.program(16)
    with pytest.raises(InputError, match="buckets must be whole numbers from 1 to 65,536"):
        realtime.compile(compiled.scorer, (0,))
    with pytest.raises(InputError, match="at least one size"):
        realtime.compile(compiled.scorer, ())


def test_rows_beyond_the_largest_bucket_are_scored_in_parts(compiled):
    on = np.random.default_rng(0).random((1000, 5)) < 0.5
    whole = compiled.score(on)
    assert whole.margin.shape == (1000,)
    part = compiled.score(on[700:707])
    np.testing.assert_array_equal(whole.earthquake_probability[700:707], part[3])


def test_cost_is_told(compiled):
    assert [each.size for each in compiled.expected] == [8, 64]
    assert all(each.seconds > 0 and each.memory_bytes > 0 for each in compiled.expected)
    assert "coincidence: compiled for 8, 64 rows" in str(compiled)


def test_threads_share_programs(compiled):
    rng = np.random.default_rng(1)
    rows = [rng.random((int(rng.integers(1, 65)), 5)) < 0.5 for _ in range(200)]
    expected = [compiled.score(each) for each in rows]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(compiled.score, rows))
    for answer, other in zip(answers, expected, strict=True):
        assert not edge.disagreement(answer, other)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["coincidence", "classification"])
def test_an_exported_program_gives_the_same_answers(kind):
    import jax.export

    scorer = inputs.MAKERS[kind]()
    columns = inputs.sound(kind, np.random.default_rng(2), 8)
    columns = {name: values[:8] for name, values in columns.items()}
    expected = realtime.compile(scorer, (8,), progress=False).score(**columns)
    prepared = scorer.prepare(**columns)
    made = pad(prepared.inputs | {"status": np.zeros((), np.int32)}, scorer.shapes(8))
    program = jax.export.deserialize(realtime.export_program(scorer, 8))
    with jax.enable_x64(scorer.is_double):
        answer = program.call(made)
    size = prepared.size if scorer.by_row else 1
    margin = np.ravel(answer["margin"])[:size]
    np.testing.assert_allclose(margin, np.ravel(expected.margin), rtol=1e-6)


KEEP = """
import sys, time
import numpy as np
from pathlib import Path
from eqstat import edge, realtime
from eqstat.counts.coincidence import Sensors
scorer = realtime.CoincidenceScorer.init(
    Sensors.alike(5, rate_per_h=0.5, prior_hours=1e3), frame_s=2.0)
folder = Path(sys.argv[1])
first = realtime.compile(scorer, (8,), progress=False, cache=folder)
(file,) = folder.iterdir()
written = file.stat().st_mtime_ns
again = realtime.compile(scorer, (8,), progress=False, cache=folder)
assert file.stat().st_mtime_ns == written
assert not edge.disagreement(first.score([1, 1, 0, 1, 1]), again.score([1, 1, 0, 1, 1]))
content = file.read_bytes()
file.write_bytes(content[:-5] + b"XXXXX")  # a damaged file is made anew
anew = realtime.compile(scorer, (8,), progress=False, cache=folder)
assert file.stat().st_mtime_ns > written and file.read_bytes()[-5:] != b"XXXXX"
assert not edge.disagreement(first.score([1, 1, 0, 1, 1]), anew.score([1, 1, 0, 1, 1]))
"""


def test_programs_are_kept_in_the_folder_that_was_named(tmp_path):
    """In a process of its own, without JAX's cache of the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment["PYTHONPATH"] = str(Path(eqstat.__file__).parents[1])
    command = [sys.executable, "-c", KEEP, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
