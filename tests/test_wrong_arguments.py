"""Each argument of each public function replaced by wrong ones: an answer or one clear error.

The right arguments are those with which the example of the function's docstring calls it. A wrong
value that a function can use is no fault; any error other than an `InputError` is one.
"""

import doctest
import importlib
import inspect
import pkgutil
import signal
import warnings

import numpy as np
import pandas as pd
import pytest

import eqstat

pytestmark = pytest.mark.long

WRONG = {
    "None": None,
    "text": "text",
    "nothing": "",
    "nan": float("nan"),
    "infinite": float("inf"),
    "negative": -1.0,
    "list": [],
    "texts": ["a", "b"],
    "dict": {"a": 1},
    "table": pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
    "array": np.full((2, 3), np.nan),
    "object": object(),
}
SECONDS = 20
# Functions of which some errors are still those of NumPy or Python.
NOT_YET = {"compare", "compare_velocities", "country_rate", "degrees_of_freedom", "local_time"}
NOT_YET |= {"log_alarms_per_year", "padded", "replicate", "verdict_figure"}


def packages() -> list[str]:
    """Public packages but `inference`, whose arguments are functions and trees of the caller's."""
    return [
        module.name
        for module in pkgutil.walk_packages(eqstat.__path__, "eqstat.")
        if module.ispkg
        and "._" not in module.name
        and not module.name.startswith(("eqstat.cli", "eqstat.inference"))
    ]


def functions(package: str) -> dict[str, object]:
    """Public functions of a package by their names."""
    module = importlib.import_module(package)
    values = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    return {name: value for name, value in values.items() if inspect.isfunction(value)}


class Called(Exception):
    """The arguments of the first call."""


def right_arguments(package: str, name: str, monkeypatch) -> tuple[tuple, dict] | None:
    """Arguments of the first call in the function's own examples; None where there is no call."""
    module = importlib.import_module(package)
    function = getattr(module, name)

    def record(*args, **options):
        raise Called(args, options)

    examples = doctest.DocTestParser().get_examples(function.__doc__ or "")
    names = dict(vars(importlib.import_module(function.__module__)))
    with monkeypatch.context() as patch:
        patch.setattr(module, name, record)
        names[name] = record
        for example in examples:
            try:
                exec(compile(example.source, f"<{name}>", "exec"), names)
            except Called as call:
                return call.args
            except Exception:  # noqa: BLE001
                continue  # an example of an error
    return None


class Slow(BaseException):
    """A call that takes long does not fail at once, which is what is tried."""


def stop(*_):
    raise Slow


def outcome(function, args: tuple, options: dict) -> str | None:
    """What is wrong with the error of a call; None where there is none or it is an `InputError`."""
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function(*args, **options)
    except (eqstat.InputError, OSError, Slow):  # the system names the file
        return None
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error)[:120]}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return None


@pytest.mark.parametrize("package", packages())
def test_wrong_arguments_give_an_answer_or_one_clear_error(package, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # "text" is a path, too
    faults = []
    for name, function in functions(package).items():
        call = right_arguments(package, name, monkeypatch)
        if call is None or name in NOT_YET:
            continue
        args, options = call
        for label, wrong in WRONG.items():
            for place in range(len(args)):
                changed = (*args[:place], wrong, *args[place + 1 :])
                if problem := outcome(function, changed, options):
                    faults.append(f"{name}(argument {place + 1}: {label}): {problem}")
            for key in options:
                if problem := outcome(function, args, {**options, key: wrong}):
                    faults.append(f"{name}({key}={label}): {problem}")
    assert not faults, "\n".join(faults)
