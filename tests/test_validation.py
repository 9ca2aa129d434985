"""The runner of the validation checks, its results file, and what examples import."""

import ast
import importlib
import json
from pathlib import Path

import pytest
import records
import regression
import run

ROOT = Path(__file__).parents[1]


def test_each_check_is_a_module_with_a_function_of_these_options():
    names = [check.name for check in run.CHECKS]
    assert len(set(names)) == len(names)
    for check in run.CHECKS:
        path = ROOT / "validation" / f"check_{check.module}.py"
        functions = [
            node
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name == "check"
        ]
        assert len(functions) == 1, path.name
        arguments = {argument.arg for argument in functions[0].args.args}
        assert {*check.options, *check.quick} <= arguments, path.name


def test_each_script_is_a_check():
    modules = {check.module for check in run.CHECKS}
    scripts = {path.stem.removeprefix("check_") for path in (ROOT / "validation").glob("check_*")}
    assert scripts == modules


def test_data_sets_are_resumed_from_the_file(tmp_path):
    path, asked = tmp_path / "lines.jsonl", []

    def one(number):
        asked.append(number)
        return {"square": number**2}

    records.each(range(3), one, path)
    results = records.each(range(5), one, path)
    assert asked == [0, 1, 2, 3, 4]
    assert [result["square"] for result in results] == [0, 1, 4, 9, 16]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"bounds": (0.4, None)}, True),
        ({"bounds": (None, 0.4)}, False),
        ({"interval": (0.4, 0.6), "target": 0.5}, True),
        ({"interval": (0.4, 0.6), "target": 0.7}, False),
    ],
)
def test_requirements(options, expected):
    assert records.passed(records.record("share", 0.5, **options)) is expected


def test_sentence_of_a_record():
    item = records.record(
        "epicentre in its 90 % region", 0.888, interval=(0.857, 0.914), target=0.9, unit="%",
        data_sets=500,
    )  # fmt: skip
    text = records.sentence(item)
    assert text == (
        "epicentre in its 90 % region: 88.8 (85.7 to 91.4) %; required 90; n = 500; met"
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"value": 1.7, "digits": 1}, {"value": 1.72}, "equal"),
        ({"value": 1.7, "digits": 1}, {"value": 1.9}, "differs"),
        ({"value": 0.5, "interval": [0.4, 0.6], "level": 0.95}, {"value": 0.45}, "in interval"),
        ({"value": 0.5, "interval": [0.4, 0.6], "level": 0.68}, {"value": 0.45}, "differs"),
        ({"value": None}, {"value": None}, "equal"),
    ],
)
def test_figures_before_and_after(before, after, expected):
    assert regression.agreement(before, after) == expected


def test_results_file_is_as_the_runner_writes_it(tmp_path, monkeypatch):
    runs = run.read()
    text = run.RESULTS.read_text("utf-8")
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.json")
    run.write(runs)
    assert run.RESULTS.read_text("utf-8") == text
    for one in json.loads(text)["runs"]:
        assert one["records"] and one["commit"] and one["date"] and one["machine"]
        names = [item["name"] for item in one["records"]]
        assert len(set(names)) == len(names), one["check"]


def test_a_finished_run_is_not_repeated(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(run, "PARTIAL", tmp_path / "partial")
    monkeypatch.setattr(run, "CHECKS", [run.Check("toy", {"number": 3}, {"number": 1})])

    def check(number):
        calls.append(number)
        return [records.record("figure", 1.0, bounds=(0.0, 2.0), data_sets=number)]

    module = type(importlib)("check_toy")
    module.check = check
    monkeypatch.setitem(importlib.sys.modules, "check_toy", module)
    monkeypatch.setattr(run.os, "environ", dict(run.os.environ))
    assert run.main(["toy"]) == 0
    assert run.main(["toy"]) == 0
    assert run.main(["toy", "--quick"]) == 0
    assert run.main(["toy", "--again"]) == 0
    assert calls == [3, 1, 3]
    assert "--again repeats it" in capsys.readouterr().out
    assert [one["options"]["number"] for one in run.read()] == [1, 3]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_import_public_names_only(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("eqstat"):
            assert not any(part.startswith("_") for part in node.module.split("."))
            assert not any(alias.name.startswith("_") for alias in node.names)
