"""The package keeps its form: small files and namespaces, layers, an import without effects."""

import ast
import collections
import importlib
import inspect
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
HARD_CAP_LINES = 450
EDGE_CAP_LINES = 1650
MEDIAN_CAP_LINES = 220
MOST_NAMES_OF_A_PACKAGE = 28
MOST_FILES_OF_A_FOLDER = 20

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_import_of_everything_changes_nothing(tmp_path: Path) -> None:
    report = json.loads(run_python(LOOK_AROUND, tmp_path, *LIBRARIES))
    assert report["changed"] == {}


def test_packages_are_found_by_name() -> None:
    for name in dir(eqstat):
        if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file():
            assert getattr(eqstat, name).__name__ == f"eqstat.{name}"
    with pytest.raises(AttributeError, match="no attribute 'cellar'"):
        _ = eqstat.cellar


def test_packages_on_disk_are_offered() -> None:
    names = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    public = {name for name in names if not name.startswith("_")} - {"edge"}
    assert public <= set(eqstat.__all__)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_is_short_and_clean(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    cap = EDGE_CAP_LINES if path == PACKAGE / "edge.py" else HARD_CAP_LINES
    assert len(text.splitlines()) <= cap
    assert not re.search(r"[\"'](?:/(?:home|root|tmp|Users|mnt|work)/|[A-Z]:\\\\)", text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called != "print", f"print in line {node.lineno}"
            # The shell is an application: it alone configures JAX, for its compilation cache.
            if dotted(path) != "eqstat.cli._cache":
                assert not called.endswith("config.update"), f"JAX settings in line {node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in line {node.lineno}"


def test_median_file_is_short() -> None:
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in FILES]
    assert statistics.median(lengths) <= MEDIAN_CAP_LINES


def dotted(path: Path) -> str:
    """Name of a file's module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMESPACES = sorted(
    path for path in PACKAGE.rglob("__init__.py") if path.with_suffix(".pyi").exists()
)


@pytest.mark.parametrize("path", NAMESPACES, ids=lambda path: dotted(path.parent / "__init__.py"))
def test_namespace_names_what_is_public(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = ast.get_docstring(tree)
    assert documented and len(documented) > 40, "a package says what it is for"
    assert "namespace.attach(__name__, __file__)" in path.read_text(encoding="utf-8")
    package = importlib.import_module(dotted(path))
    public = [name for name in package.__all__ if not inspect.ismodule(getattr(package, name))]
    assert len(public) <= MOST_NAMES_OF_A_PACKAGE, sorted(public)
    for name in public:
        assert getattr(package, name) is not None
        # A function that hides the module of its own name makes that module unreachable.
        assert not (path.parent / f"{name}.py").exists()


def public_objects() -> dict[str, object]:
    """What the namespaces name and eqstat defines: functions and classes, by their first name."""
    objects: dict[int, tuple[str, object]] = {}
    for path in [*NAMESPACES, PACKAGE / "geodesy.py", PACKAGE / "edge.py"]:
        package = importlib.import_module(dotted(path))
        for name in getattr(package, "__all__", None) or vars(package):
            item = getattr(package, name)
            own = getattr(item, "__module__", "") or ""
            if not name.startswith("_") and callable(item) and own.startswith("eqstat"):
                objects.setdefault(id(item), (f"{package.__name__}.{name}", item))
    return dict(objects.values())


def test_everything_public_has_an_example() -> None:
    """Docstrings have an example that runs, or name the function whose example shows the class."""
    items = public_objects()
    assert len(items) > 200
    lacking = []
    for name, item in items.items():
        shown = (inspect.getdoc(item) or "").partition("Examples\n--------\n")[2]
        other = re.match(r"See `([\w.]+)`", shown)
        if other:
            package = name.rpartition(".")[0]
            shown = inspect.getdoc(items.get(f"{package}.{other[1]}")) or ""
        if ">>> " not in shown:
            lacking.append(name)
    assert lacking == []


def test_folders_are_small() -> None:
    folders = collections.Counter(path.parent for path in FILES)
    assert {str(f): n for f, n in folders.items() if n > MOST_FILES_OF_A_FOLDER} == {}


def test_private_modules_stay_within_their_package() -> None:
    """A package imports another one's public names; only what is below all is imported by file."""
    strangers = []
    for path in FILES:
        own = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("eqstat."):
                _, package, *inner = str(node.module).split(".")
                names = [alias.name for alias in node.names]
                private = [part for part in [*inner, *names] if part.startswith("_")]
                if package not in (own, "_core") and private:
                    strangers.append(f"{path.relative_to(ROOT)}: {node.module} {private}")
    assert strangers == []


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


@pytest.mark.long
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
