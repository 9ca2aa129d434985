"""Fixtures of all tests. Type and shape annotations of eqstat are checked here, and only here."""

import os
from pathlib import Path

import hypothesis
import jax
import jaxtyping
import pytest

# Before the first import of eqstat: every annotated function then checks its arguments' types
# and shapes when it is called. Users never pay for this.
jaxtyping.install_import_hook("eqstat", "beartype.beartype")

# No deadline: the first call of a compiled function takes a hundred times the later ones.
hypothesis.settings.register_profile("local", deadline=None, max_examples=50)
hypothesis.settings.register_profile(
    "ci", deadline=None, max_examples=50, derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the real data sets; skips where it is not given."""
    name = os.environ.get("EQSTAT_DATA")
    if not name:
        pytest.skip("EQSTAT_DATA is not set: it names the folder of the real data sets")
    folder = Path(name)
    if not folder.is_dir():
        pytest.fail(f"EQSTAT_DATA names {name!r}, which is no folder")
    return folder


@pytest.fixture
def csv(tmp_path):
    """Write a table to a file and give its path."""

    def write(frame, name="triggers.csv"):
        path = tmp_path / name
        frame.to_csv(path, index=False)
        return path

    return write


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Forget compiled programs before they are too many.

    Each takes some of the 65,530 memory maps that Linux grants a process; beyond them JAX aborts.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 25_000:
        jax.clear_caches()
