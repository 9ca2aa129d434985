"""The house keeps its form: file sizes, small rooms, floors, and an import that changes nothing."""

import ast
import json
import os
import re
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import eqstat

PACKAGE = Path(eqstat.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))
HARD_CAP_LINES = 650
MEDIAN_CAP_LINES = 220
MOST_NAMES_OF_A_ROOM = 10

# Runs in a fresh interpreter with an empty home and an empty working folder. JAX is there before,
# for its settings are to be compared; everything else comes in by eqstat itself.
LOOK_AROUND = """
import importlib, json, logging, pkgutil, sys, warnings

def handlers():
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    return {logger.name: [repr(handler) for handler in logger.handlers]
            for logger in loggers if getattr(logger, "handlers", None)}

def state(config, random):
    return {"jax": {name: repr(value) for name, value in config.values.items()},
            "handlers": handlers(), "filters": [repr(item) for item in warnings.filters],
            "numpy_random": repr(random.get_state())}

import jax, numpy
for library in sys.argv[1:]:
    importlib.import_module(library)
before = state(jax.config, numpy.random)
import eqstat
names = [m.name for m in pkgutil.walk_packages(eqstat.__path__, "eqstat.")
         if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
after = state(jax.config, numpy.random)
changed = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
print(json.dumps({"modules": names, "changed": changed}))
"""

# What these change when they are imported is theirs; eqstat is looked at with them already in.
LIBRARIES = [
    "arviz_base",
    "arviz_stats",
    "contourpy",
    "equinox",
    "h5netcdf",
    "matplotlib.pyplot",
    "numpyro.infer",
    "optax",
    "optimistix",
    "pandas",
    "pooch",
    "scipy.stats",
    "tqdm.auto",
    "xarray",
]


def run_python(code: str, folder: Path, *arguments: str) -> str:
    """Run code in a fresh interpreter whose home and working folder are empty."""
    home, here, cache = (folder / name for name in ("home", "here", "cache"))
    for each in (home, here, cache):
        each.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "JAX_", "PYTHON"))
    }
    environment |= {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Matplotlib writes its list of fonts when it is imported: that is not eqstat's doing.
        "MPLCONFIGDIR": str(cache),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    left = [str(path.relative_to(folder)) for each in (home, here) for path in each.rglob("*")]
    assert left == [], f"importing eqstat wrote {left}"
    return done.stdout


def test_import_is_lazy(tmp_path: Path) -> None:
    code = "import sys, json, eqstat; dir(eqstat); print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(run_python(code, tmp_path))
    heavy = {"jax", "jaxlib", "numpy", "scipy", "pandas", "xarray", "matplotlib", "numpyro"}
    assert heavy.isdisjoint(modules)
    assert [name for name in modules if name.startswith("eqstat.")] == []


def test_import_of_everything_keeps_jax_as_it_was(tmp_path: Path) -> None:
    report = json.loads(run_python(LOOK_AROUND, tmp_path))
    assert report["changed"].get("jax") is None
    assert report["changed"].get("numpy_random") is None
    expected = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in FILES
        if path.name != "__main__.py"
    }
    assert {"eqstat", *report["modules"]} == expected


def test_import_of_everything_changes_nothing(tmp_path: Path) -> None:
    report = json.loads(run_python(LOOK_AROUND, tmp_path, *LIBRARIES))
    assert report["changed"] == {}


def test_rooms_are_found_by_name() -> None:
    for name in dir(eqstat):
        if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file():
            assert getattr(eqstat, name).__name__ == f"eqstat.{name}"
    with pytest.raises(AttributeError, match="no attribute 'cellar'"):
        _ = eqstat.cellar


def test_rooms_on_disk_are_offered() -> None:
    rooms = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    public = {name for name in rooms if not name.startswith("_")} - {"edge"}
    assert public <= set(eqstat.__all__)


def test_types_are_checked_in_tests() -> None:
    assert any("jaxtyping" in type(finder).__module__ for finder in sys.meta_path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_is_short_and_clean(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= HARD_CAP_LINES
    assert not re.search(r"[\"'](?:/(?:home|root|tmp|Users|mnt|work)/|[A-Z]:\\\\)", text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called != "print", f"print in line {node.lineno}"
            assert not called.endswith("config.update"), f"JAX settings in line {node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in line {node.lineno}"


def test_median_file_is_short() -> None:
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in FILES]
    assert statistics.median(lengths) <= MEDIAN_CAP_LINES


def public_names(tree: ast.Module) -> set[str]:
    """Names that a room's `__init__.py` offers: those of `__all__` and all public ones."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.ImportFrom(module=module) if module != "__future__":
                names |= {alias.asname or alias.name for alias in node.names}
            case ast.Import():
                names |= {alias.asname or alias.name for alias in node.names}
            case ast.FunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                names |= set(ast.literal_eval(value))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


ROOMS = sorted(PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.parent.name)
def test_room_has_one_small_door(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a room says what it is for"
    assert len(public_names(tree)) <= MOST_NAMES_OF_A_ROOM


def test_import_contracts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("the contracts stand in pyproject.toml, which is not beside the package")
    monkeypatch.chdir(ROOT)
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("eqstat-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"eqstat-{eqstat.__version__}.dist-info"
    assert package == {name for name in names if not name.startswith(info)}
    assert f"{info}/licenses/LICENSE" in names
    assert "eqstat/py.typed" in names
