"""Writes a page of the API for each package, from the public names of its stub `__init__.pyi`."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx
from sphinx.config import Config

import eqstat

FOLDER = Path(__file__).parents[1] / "api"
PACKAGE = Path(eqstat.__file__).parent
# Packages without a page: what they hold is for the shell or for eqstat itself.
HIDDEN = {"cli", "_core"}


def public_names(package: Path) -> list[str]:
    """Names of a package's stub in their order, or of `__all__` where there is no stub."""
    stub = package / "__init__.pyi"
    tree = ast.parse((stub if stub.exists() else package / "__init__.py").read_text("utf-8"))
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names += [alias.asname for alias in node.names if alias.asname]
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            names += ast.literal_eval(node.value)
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def packages(folder: Path = PACKAGE, prefix: str = "eqstat") -> dict[str, Path]:
    """All public packages below eqstat by dotted name."""
    out = {}
    for path in sorted(folder.iterdir()):
        if path.name in HIDDEN or path.name.startswith("_"):
            continue
        if (path / "__init__.py").exists():
            out[f"{prefix}.{path.name}"] = path
            out |= packages(path, f"{prefix}.{path.name}")
    return out


def modules() -> dict[str, list[str]]:
    """Public names of packages and of the modules that stand alone, such as `eqstat.geodesy`."""
    out = {name: public_names(path) for name, path in packages().items()}
    for path in sorted(PACKAGE.glob("[!_]*.py")):
        module = importlib.import_module(f"eqstat.{path.stem}")
        own = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        ]
        out[module.__name__] = list(own)
    return out


def page(name: str, names: list[str], above: dict[int, str]) -> str:
    """One page: what the package is for, then its functions, classes and constants.

    What a package above offers, too, is described there; `above` holds it by identity.
    """
    module = importlib.import_module(name)
    groups: dict[str, list[str]] = {"Functions": [], "Classes": [], "Constants": []}
    subpackages, elsewhere, keys = [], [], {}
    for one in names:
        value = getattr(module, one)
        address = above.setdefault(id(value), f"{name}.{one}")
        if isinstance(value, ModuleType):
            subpackages.append(value.__name__)
        elif address != f"{name}.{one}":
            elsewhere.append(address)
        elif inspect.isclass(value):
            groups["Classes"].append(one)
        elif callable(value):
            groups["Functions"].append(one)
        elif isinstance(value, Mapping):
            keys[one] = ", ".join(f"``{key}``" for key in value)
        else:
            groups["Constants"].append(one)
    lines = [f"# {name}", "", "```{eval-rst}", f".. automodule:: {name}", "   :no-members:"]
    lines += ["   :no-index:", "```", ""]
    if subpackages:
        links = ", ".join(f"[`{one}`]({one}.md)" for one in subpackages)
        lines += [f"Subpackages: {links}.", ""]
    if elsewhere:
        links = ", ".join(f"[`{one}`](generated/{one}.rst)" for one in elsewhere)
        lines += [f"Also here: {links}.", ""]
    for title, group in groups.items():
        if group:
            lines += [f"## {title}", "", "```{eval-rst}", f".. currentmodule:: {name}", ""]
            lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
            lines += [f"   {one}" for one in group] + ["```", ""]
    # A dictionary has no text of its own: its type's would be shown.
    if keys:
        lines += ["## Mappings", "", "```{eval-rst}", f".. currentmodule:: {name}", ""]
        for one, named in keys.items():
            lines += [f".. py:data:: {one}", "", f"   Keys: {named}.", ""]
        lines += ["```", ""]
    return "\n".join(lines)


def write(app: Sphinx, config: Config) -> None:
    """Write the pages; one that is fresh stays untouched."""
    FOLDER.mkdir(exist_ok=True)
    above: dict[int, str] = {}
    # Shorter names come first: a package before its subpackages.
    public = sorted(modules().items(), key=lambda item: item[0].count("."))
    pages = {f"{name}.md": page(name, names, above) for name, names in public}
    for old in FOLDER.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    described = {f"{address}.rst" for address in above.values()}
    for old in FOLDER.glob("generated/*.rst"):
        if old.name not in described:
            old.unlink()
    for name, text in pages.items():
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
    # Named one by one: autosummary itself looks at the pages of the last build.
    config.autosummary_generate = [str(FOLDER / name) for name in pages]


def setup(app: Sphinx) -> dict[str, bool]:
    """Write before Sphinx looks for files."""
    app.connect("config-inited", write)
    return {"parallel_read_safe": True}
