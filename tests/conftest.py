"""Fixtures of all tests, the compilation cache they share, and checks of types and shapes.

Environment variables: EQSTAT_CHECK_TYPES=1 checks the type and shape annotations of every call,
EQSTAT_TEST_GATE=5 fails unmarked tests that keep the processor busy for more than 5 s (for one's
own machine: another's speed is unknown), EQSTAT_TEST_CACHE names another folder for the compiled
programs, or "off".
"""

import gc
import hashlib
import os
import platform
import sys
import time
from pathlib import Path

import hypothesis
import jax
import jaxtyping
import pytest


def is_set(name: str) -> bool:
    """Whether an environment variable switches something on."""
    return os.environ.get(name, "0") not in ("", "0")


# Before the first import of eqstat: every annotated function then checks its arguments' types
# and shapes when it is called. Users never pay for this.
if is_set("EQSTAT_CHECK_TYPES"):
    jaxtyping.install_import_hook("eqstat", "typecheck.typechecked")

# The shell keeps compiled programs in the user's folder; tests must not write there.
os.environ["EQSTAT_CACHE"] = "off"

# Beyond this a worker forgets its compiled programs at the end of a file.
MOST_RESIDENT_MB = 1500.0


def processor() -> str:
    """Short digest of what decides whether a compiled program runs here: processor and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else [platform.processor()]
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0])
    text = f"{platform.machine()} {flags} {jax.__version__} {jax.lib.__version__}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def share_compiled_programs() -> None:
    """Keep compiled programs in the environment's folder, for all workers and later runs.

    JAX keeps only what took a second to compile; most programs here take less, and together they
    take most of the time.
    """
    folder = os.environ.get("EQSTAT_TEST_CACHE", f"{sys.prefix}/jax-cache")
    if folder == "off" or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", str(Path(folder) / processor()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


share_compiled_programs()

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


def resident_mb() -> float:
    """Memory that this process holds, megabytes; 0 where the system does not tell."""
    status = Path("/proc/self/statm")
    pages = int(status.read_text().split()[1]) if status.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Forget compiled programs before they take too much memory; the cache on disk has them.

    They also take some of the 65,530 memory maps that Linux grants a process; beyond them JAX
    aborts.
    """
    yield
    maps = Path("/proc/self/maps")
    many = maps.exists() and maps.read_bytes().count(b"\n") > 25_000
    if many or resident_mb() > MOST_RESIDENT_MB:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(autouse=True)
def no_figures_left():
    """Close the figures of a test; matplotlib is not imported for it."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A long test is slow, too, so that no mark has to be given twice."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.slow)


compiling_s = 0.0


def note_compilation(event: str, duration: float, **_: object) -> None:
    """Add up what XLA takes to compile, which a later run finds in the cache."""
    global compiling_s
    if event == "/jax/core/compile/backend_compile_duration":
        compiling_s += duration


jax.monitoring.register_event_duration_secs_listener(note_compilation)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail an unmarked test whose call keeps the processor busy for too long.

    Processor time of all threads, since the wall clock of a shared machine says little; without
    compilation, so that a first run and a later one judge alike.
    """
    begun = time.process_time() - compiling_s
    result = yield
    spent = time.process_time() - compiling_s - begun
    limit = float(os.environ.get("EQSTAT_TEST_GATE") or "inf")
    if spent > limit and not item.get_closest_marker("slow"):
        pytest.fail(f"{spent:.1f} s of processor time: mark it `slow` or make it smaller")
    return result
