"""The recipe of conda and the Dockerfile keep up with the package."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import eqstat

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "conda" / "meta.yaml"
# What the recipe needs beyond the project: Python, and what an extra of a dependency stands for.
BEYOND = {"python", "xarray-einstats"}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_recipe_has_the_requirements_of_the_project():
    text = RECIPE.read_text("utf-8")
    run = text.partition("  run:\n")[2].partition("\ntest:")[0]
    listed = dict(re.findall(r"^    - ([\w-]+)(?: (>=\S+))?", run, re.M))
    needed = dict(
        re.findall(r"^([\w-]+)(?:\[\w+\])?(>=\S+)$", "\n".join(project()["dependencies"]), re.M)
    )
    assert len(needed) == len(project()["dependencies"])
    assert {name: low for name, low in listed.items() if name not in BEYOND} == needed
    assert listed["python"] == project()["requires-python"]
    assert f'version = "{eqstat.__version__}"' in text
    [(name, target)] = project()["scripts"].items()
    assert f"- {name} = {target}" in text


def test_the_image_has_files_and_extras_that_exist():
    text = (ROOT / "Dockerfile").read_text("utf-8")
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.M)
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", text, re.M)
    names = [name for line in copied for name in line.split()]
    assert sorted(names) == sorted(kept)
    assert all((ROOT / name).exists() for name in names)
    [extras] = re.findall(r'"\.\[([\w,]+)\]"', text)
    assert set(extras.split(",")) <= set(project()["optional-dependencies"])
    assert text.rindex("\nUSER ") > text.rindex("\nRUN ")


def test_the_image_is_linted():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
