"""Public functions name the argument that made them fail, and only then."""

import inspect
import os
import pickle
from typing import Any

import jax
import jaxtyping
import numpy as np
import pandas as pd
import pytest

import eqstat
from eqstat import calibration, counts, geodesy, hypocentre, inference, traveltime
from eqstat._core.namespace import blames_arguments, fits

# Where the types of arguments are checked, too, their error comes first.
CHECKED = os.environ.get("EQSTAT_CHECK_TYPES", "0") not in ("", "0")
REFUSED = (eqstat.InputError, jaxtyping.TypeCheckError) if CHECKED else eqstat.InputError
FRAME = pd.DataFrame({"score": [1.0, 2.0], "place": ["a", "b"]})
KEY = jax.random.key(0)
DRAWS = hypocentre.from_draws([1.0] * 9, [2.0] * 9, [3.0] * 9)
WRONG = {
    "count cannot be 'three'": lambda: calibration.binomial_interval("three", 10),
    "key must be a JAX random key, not 7": lambda: calibration.calibration_test(
        7, [0.1, 0.9], [False, True]
    ),
    "statistic cannot be 'mean'": lambda: calibration.block_bootstrap(KEY, "mean", [1, 2, 3]),
    "larger cannot be a DataFrame": lambda: calibration.auc([1.0], [True], larger=FRAME),
    "latitude1 cannot be 'north'": lambda: geodesy.azimuth("north", 0.0, 1.0, 1.0),
    "longitude cannot be a DataFrame": lambda: hypocentre.contains(DRAWS, 1.0, FRAME),
    "has no column 'time'": lambda: eqstat.schema.spacing_s(FRAME),
    "bursts must be True or False, not 'no'": lambda: counts.fit(FRAME, bursts="no"),
    "throw must be True or False, not None": lambda: traveltime.fit(FRAME, throw=None),
    "count must be a whole number": lambda: inference.bucket_size(1e400),
    "estimator must be": lambda: calibration.crps([1.0], [[1.0, 2.0]], estimator="text"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_kind_of_argument_is_named(text):
    with pytest.raises(REFUSED) as caught:
        WRONG[text]()
    assert CHECKED or (text in str(caught.value) and "\n" not in str(caught.value))


@blames_arguments
def ratio(count: int, days: float | int = 1.0, *, whole: bool = False) -> float:
    """A function with a fault: it cannot do zero days."""
    return int(count) // int(days) if whole else int(count) / int(days)


def test_an_error_with_arguments_that_fit_stays_what_it_is():
    assert ratio(6, 2) == 3.0
    with pytest.raises(ZeroDivisionError):
        ratio(6, 0)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        ratio()
    with pytest.raises(eqstat.InputError, match="days cannot be nan"):
        ratio(6, float("nan"))
    with pytest.raises(eqstat.InputError, match="whole must be True or False, not 'no'"):
        ratio(6, 2, whole="no")


@blames_arguments
def applied(table: pd.DataFrame, change: "Change", note: Any = None) -> float:
    """A function that calls the caller's, and may fail over its result."""
    return float(change(table)) + len(note or "")


def test_errors_of_the_callers_own_functions_stay_what_they_are():
    assert applied(FRAME, len) == 2.0
    with pytest.raises(ZeroDivisionError):
        applied(FRAME, lambda table: 1 / 0, "'DataFrame'")
    with pytest.raises(KeyError, match="absent"):
        applied(FRAME, lambda table: table["absent"])
    with pytest.raises(eqstat.InputError, match="change cannot be 3; it takes Change"):
        applied(FRAME, 3)


def test_a_table_in_its_place_is_not_to_blame():
    with pytest.raises(TypeError, match="float\\(\\) argument"):
        applied(FRAME, lambda table: None)
    with pytest.raises(eqstat.InputError, match="note cannot be 7"):
        applied(FRAME, len, 7)


@blames_arguments
def slope(x: "Array", y: "Array", degree: int = 1, model: Any = None) -> Any:
    """A function of two arrays of one length."""
    out = np.polyfit(x - y[0] + 0 * (x * y), y, range(degree)[-1] + 1)
    return out if model is None else model.scale * out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((np.zeros((2, 3)), np.ones(2)), r"shapes .* do not fit together: x \(2, 3\), y \(2,\)"),
        ((np.arange(3.0), 1.0), "y must be an array, not 1.0"),
        ((np.arange(3.0), np.ones(3), 2.0), "degree must be a whole number, not 2.0"),
        ((np.arange(3.0), np.ones(3), 1, np.ones(3)), "model cannot be a ndarray"),
        ((np.arange(3.0), FRAME), r"y cannot be a DataFrame; it takes Array"),
    ],
)
def test_shapes_scalars_fractions_and_arrays_in_place_of_objects_are_named(arguments, text):
    with pytest.raises(eqstat.InputError, match=text):
        slope(*arguments)


def test_the_cause_is_kept():
    with pytest.raises(
        eqstat.InputError, match=r"count cannot be \{'a': 1\}; it takes int"
    ) as caught:
        ratio({"a": 1})
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize(
    ("value", "annotation", "right"),
    [
        (None, "float | None", True),
        (None, "float", False),
        ("P", "Literal['P', 'S']", True),
        ("Q", "Literal['P', 'S']", False),
        (np.float32(1.0), "float", True),
        ([1.0], "float | int", False),
        ([[1.0], [1.0, 2.0]], "np.ndarray", False),
        (FRAME["score"], "ArrayLike", True),
        (FRAME, "pd.DataFrame | None", True),
        (FRAME, "xr.Dataset", False),
        (["a"], "Sequence[str]", True),
        ("a", "Sequence[str]", False),
        (KEY, "PRNGKeyArray", True),
        (0, "PRNGKeyArray", False),
        (len, "Callable[[int], int]", True),
        (object(), "VelocityLike", True),
        (3, "Any", True),
        (True, "bool", True),
        (np.zeros(3), "Float[Array, 'n']", True),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str | bool) else str(value),
)
def test_kinds_of_values(value, annotation, right):
    assert fits(value, annotation) is right


def test_traced_arguments_fit():
    grow = blames_arguments(lambda x: x + "a")
    with pytest.raises(TypeError) as caught:
        jax.jit(grow)(1.0)
    assert caught.type is not eqstat.InputError


def test_a_public_function_is_itself_wherever_it_is_asked_for():
    again = pickle.loads(pickle.dumps(calibration.auc))
    assert again is calibration.auc
    assert list(inspect.signature(calibration.auc).parameters)[:2] == ["score", "is_earthquake"]
    assert inspect.getsource(calibration.auc).startswith("def auc")
