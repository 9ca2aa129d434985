"""Public names of a package: imported when first used, with errors that name the argument.

A wrong kind of argument (a table for a number, a seed for a key) ends deep inside NumPy or JAX with
a sentence about shapes or methods. Checking every argument of every call would cost time in each
of them; here the arguments are looked at only after a call has failed, and the error then says
which of them is not what the signature asks for.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import lazy_loader

from eqstat._core.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])

# What a wrong kind of argument makes of Python, NumPy, pandas (or an `InvalidIndexError`) and JAX.
RAW_ERRORS = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, AssertionError)

KEYS = {"PRNGKeyArray", "Key"}
NUMBERS = {"float", "int", "Number", "floating", "number"}
ARRAYS = {"ndarray", "NDArray", "Array", "ArrayLike", "FloatArray", "IntArray", "BoolArray"}
ARRAYS |= {"Float", "Int", "Bool", "Series"}
ABSTRACT = {
    "Callable": Callable,
    "Iterable": Iterable,
    "Mapping": Mapping,
    "Sequence": Sequence,
    "dict": Mapping,
    "list": Sequence,
    "tuple": Sequence,
}


def attach(package: str, file: str) -> tuple[Any, Any, list[str]]:
    """Make the names of a package's stub importable at their first use.

    Parameters
    ----------
    package, file
        `__name__` and `__file__` of the package's `__init__.py`, which has a `.pyi` beside it.

    Returns
    -------
    tuple
        `__getattr__`, `__dir__` and `__all__` of the package.

    Examples
    --------
    >>> from eqstat import calibration
    >>> calibration.binomial_interval("three", 10)
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: binomial_interval: count cannot be 'three'; it takes ArrayLike
    """
    load, names, public = lazy_loader.attach_stub(package, file)

    def __getattr__(name: str) -> Any:
        value = load(name)
        if inspect.isfunction(value) and value.__module__.startswith("eqstat."):
            value = blames_arguments(value)
            # In its own module, too, where pickle looks for it.
            for module in (package, value.__module__):
                setattr(sys.modules[module], name, value)
        return value

    return __getattr__, names, public


def blames_arguments(function: F) -> F:
    """Raise an `InputError` where a call fails and an argument does not fit the signature.

    A failure with arguments that fit is a fault of the function, and its error stays. Options that
    are true or false are looked at before the call, in which any text would count as true.
    """
    flags = [
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.kind is inspect.Parameter.KEYWORD_ONLY and _text(each.annotation) == "bool"
    ]

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        for name in flags:
            if name in options and not _is_flag(options[name]):
                value = _named(options[name])
                raise InputError(f"{function.__name__}: {name} must be True or False, not {value}")
        try:
            return function(*args, **options)
        except InputError:
            raise
        except Exception as error:
            if not isinstance(error, RAW_ERRORS) and type(error).__name__ != "InvalidIndexError":
                raise
            problem = misfit(function, error, args, options)
            if problem is None or _is_of_callers(error, (*args, *options.values())):
                raise
            raise InputError(problem) from error

    return call  # pyright: ignore[reportReturnType]


def misfit(
    function: Callable[..., Any],
    error: BaseException,
    args: Sequence[Any],
    options: Mapping[str, Any],
) -> str | None:
    """Say which argument is to blame for an error; None where each is as it should be.

    First an argument whose kind is not the annotated one, then one that the error's own text
    points to, then one of the right kind that holds nothing usable.

    Examples
    --------
    >>> def rate(count: int, days: float) -> float:
    ...     return count / days
    >>> misfit(rate, TypeError(), (3, "ten"), {})
    "rate: days cannot be 'ten'; it takes float"
    """
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **options).arguments
    except TypeError:
        return None  # arguments too many or too few, which Python's own error names
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    given = [
        (name, value, _text(signature.parameters[name].annotation))
        for name, value in bound.items()
        if signature.parameters[name].kind not in variadic
        and value is not signature.parameters[name].default
    ]
    for name, value, annotation in given:
        if not fits(value, annotation):
            owner = f"{function.__name__}: {name}"
            if annotation in KEYS:
                return f"{owner} must be a JAX random key, not {_named(value)}: jax.random.key(0)"
            return f"{owner} cannot be {_named(value)}; it takes {annotation}"
    for name, value, annotation in given:
        if problem := _pointed_at(value, error, annotation):
            return f"{function.__name__}: {name} {problem}"
    if problem := _shapes_apart(given, error):
        return f"{function.__name__}: {problem}"
    for name, value, annotation in given:
        if problem := _unusable(value):
            return f"{function.__name__}: {name} {problem}; it takes {annotation}"
    for name, value, annotation in given:
        absent = value is None and signature.parameters[name].default is not None
        if annotation == "Any" and (
            absent or type(value) is object or isinstance(value, str | dict)
        ):
            return f"{function.__name__}: {name} cannot be {_named(value)}"
    return None


def fits(value: Any, annotation: str) -> bool:
    """Whether a value is of an annotated kind, as far as the annotation's text tells.

    Examples
    --------
    >>> fits("P", "Literal['P', 'S'] | None"), fits("Q", "Literal['P', 'S'] | None")
    (True, False)
    >>> fits([1.0, 2.0], "ArrayLike"), fits({"a": 1}, "ArrayLike")
    (True, False)
    """
    if _is_traced(value):
        return True
    try:
        node = ast.parse(annotation, mode="eval").body
    except SyntaxError:
        return True
    return any(_fits_one(value, part) for part in _alternatives(node))


def _alternatives(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _alternatives(node.left) + _alternatives(node.right)
    return [node]


def _fits_one(value: Any, node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return value is None if node.value is None else True
    head = node.value if isinstance(node, ast.Subscript) else node
    name = head.attr if isinstance(head, ast.Attribute) else getattr(head, "id", "")
    if name == "Literal" and isinstance(node, ast.Subscript):
        allowed = ast.literal_eval(node.slice)
        return isinstance(value, str | int) and value in (
            allowed if isinstance(allowed, tuple) else (allowed,)
        )
    if name in KEYS:
        return str(getattr(value, "dtype", "")).startswith(("key<", "uint32"))
    if name in NUMBERS:
        return _is_number(value)
    if name in ARRAYS:
        return _is_array(value) or name in _ancestors(value)
    if name == "bool":
        return _is_flag(value)
    if name in ABSTRACT:
        return isinstance(value, ABSTRACT[name]) and not isinstance(value, str | bytes)
    if name in ("str", "bytes", "Path"):
        return name in _ancestors(value) or (name == "Path" and isinstance(value, str))
    # A class by its name. Aliases of other modules (`VelocityLike`) and what is any object are not
    # known here: only what no class of eqstat can be is refused, and a function may be what an
    # alias of a callable asks for.
    if (
        callable(value)
        or not name[:1].isupper()
        or name in ("Any", "PyTree")
        or name.endswith(("Like", "Name"))
    ):
        return True
    return name in _ancestors(value) or not _is_plain(value)


def _ancestors(value: Any) -> set[str]:
    return {kind.__name__ for kind in type(value).__mro__[:-1]}


def _is_plain(value: Any) -> bool:
    """Whether a value is of Python itself, NumPy or pandas."""
    return type(value).__module__.partition(".")[0] in ("builtins", "numpy", "pandas", "pathlib")


def _is_traced(value: Any) -> bool:
    # Here and below: a package's namespace is imported before NumPy is needed.
    from eqstat._core.checks import is_traced

    return is_traced(value)


def _is_flag(value: Any) -> bool:
    return type(value).__name__ in ("bool", "bool_") or (type(value) is int and value in (0, 1))


def _is_number(value: Any) -> bool:
    import numpy as np

    try:
        return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiub"
    except (TypeError, ValueError):
        return False


def _is_array(value: Any) -> bool:
    """Whether NumPy makes an array of numbers, texts or times of it, and not of one text."""
    if (
        value is None
        or isinstance(value, str | bytes | Mapping)
        or "DataFrame" in _ancestors(value)
    ):
        return False
    import numpy as np

    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return False
    return array.dtype.kind in "fiubUTM" or (array.dtype == object and array.ndim > 0)


def _is_of_callers(error: BaseException, values: Iterable[Any]) -> bool:
    """Whether an error comes from a function that the caller gave."""
    codes = [getattr(value, "__code__", None) for value in values]
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False


# What NumPy and JAX say of a number in place of an array, and of shapes that do not fit together.
_OF_A_NUMBER = ("0-dimensional", "dimension 0", "too small depth", "not subscriptable")
_OF_A_NUMBER += ("unsized",)
_OF_SHAPES = ("ncompatible shapes", "could not be broadcast", "shape mismatch", "same shape")
_OF_SHAPES += ("too deep", "of dimension 1", "out of bounds for axis", "not of the same length")
_NO_INDEX = "are valid indices"  # a name in place of a number


def _pointed_at(value: Any, error: BaseException, annotation: str) -> str | None:
    """What is wrong with a value, where the error names its kind, its text or a column it lacks.

    A value whose kind is known to be right is to blame for a missing column or dimension only, or
    for a fraction where a whole number is asked.
    """
    if _is_traced(value):
        return None
    known, asks = annotation != "Any", set(re.findall(r"\w+", annotation))
    columns = value if isinstance(value, Mapping) else getattr(value, "columns", None)
    if columns is not None and isinstance(error, KeyError) and error.args[0] not in columns:
        return f"has no {'' if columns is value else 'column '}{error.args[0]!r}"
    kind, text = type(value).__name__, str(error)
    spoken = repr(kind) in text or f".{kind}'" in text or kind in text.split()
    if not known and _is_plain(value) and (spoken or repr(value) in text):
        return f"cannot be {_named(value)}: {text}".partition("\n")[0]
    misused = f"{kind}' object has no attribute" in text or _NO_INDEX in text
    if kind == "ndarray" and misused and not asks & (ARRAYS - {"Series"}):
        return f"cannot be {_named(value)}; it takes {annotation}"
    if not known and kind == "DataFrame" and not isinstance(error, KeyError):
        return "cannot be a DataFrame here; give one of its columns"
    if _is_number(value):
        if "int" in asks and "float" in kind and ("integer" in text or repr(kind) in text):
            return f"must be a whole number, not {value!r}"
        of_number = repr(kind) in text or any(each in text for each in _OF_A_NUMBER)
        if asks & (ARRAYS | {"Any"}) and of_number:
            return f"must be an array, not {value!r}"
    if "Path" in asks and value == "":
        return "cannot be ''; give the name of a file"
    return None


def _shapes_apart(given: Iterable[tuple[str, Any, str]], error: BaseException) -> str | None:
    """Name the shapes of arrays where the error is that shapes do not fit together."""
    if not any(each in str(error) for each in _OF_SHAPES):
        return None
    import numpy as np

    arrays = {name: value for name, value, _ in given if _is_traced(value) or _is_array(value)}
    shapes = {name: np.shape(value) for name, value in arrays.items()}
    if not any(shapes.values()):
        return None
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    return f"the shapes of its arguments do not fit together: {listed}"


def _unusable(value: Any) -> str | None:
    """What is wrong with a value of the right kind: nothing in it, no finite number."""
    if _is_traced(value) or isinstance(value, str | bytes | bool):
        return None
    if getattr(value, "size", None) == 0 or (isinstance(value, Sequence) and len(value) == 0):
        return "is empty"
    scalar: Any = value
    if _is_number(value) and not math.isfinite(scalar):
        return f"cannot be {value!r}"
    if isinstance(value, Sequence) and any(isinstance(each, str) for each in value):
        return f"cannot be {_named(value)}"
    return None


def _named(value: Any) -> str:
    """Write a value that is short, else its kind."""
    text = repr(value)
    if isinstance(value, str | int | float | list | tuple | dict | None) and len(text) <= 40:
        return text
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def _text(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return "Any"
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "Any")
