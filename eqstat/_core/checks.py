"""Range checks of arguments and parameters, with one wording for all packages.

Values inside a JAX transformation pass: their numbers are not known.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from eqstat._core.errors import InputError


def is_traced(value: Any) -> bool:
    """Whether a value, or a part of it, is traced by JAX.

    Examples
    --------
    >>> is_traced(1.0)
    False
    """
    jax = sys.modules.get("jax")  # a module that is not imported has traced nothing
    if jax is None or isinstance(value, int | float | np.ndarray | np.generic):
        return False
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))


def check_range(
    owner: str,
    low: float | int = -np.inf,
    high: float | int = np.inf,
    /,
    *,
    ends: str = "[]",
    finite: bool = True,
    **values: Any,
) -> None:
    """Refuse numbers outside an interval, in which NaN never lies.

    Parameters
    ----------
    owner : str
        The function or class that the message names; may be empty.
    low, high : float
        Ends of the interval.
    ends : {"[]", "[)", "(]", "()"}
        Which ends belong to it.
    finite : bool
        Refuse infinite numbers, too.
    **values
        Numbers or arrays by the argument's name.

    Raises
    ------
    eqstat.InputError
        For the first value that is no number or outside; traced values pass.

    Examples
    --------
    >>> check_range("locate", 0, 700, depth_km=10.0)
    >>> check_range("locate", 0, ends="(]", sd_s=-1.0)
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: locate: sd_s must be above 0, not -1.0
    """
    for name, value in values.items():
        if is_traced(value):
            continue
        array = _numbers(owner, name, value)
        above = array >= low if ends[0] == "[" else array > low
        below = array <= high if ends[1] == "]" else array < high
        right = np.asarray(above & below & (np.isfinite(array) | (not finite)))
        if not np.all(right):
            raise InputError(
                f"{_prefix(owner)}{name} must {_interval(low, high, ends)}, "
                f"not {_first(value, array, right)}"
            )


def check_fields(owner: object, **ranges: tuple[float | int, float | int]) -> None:
    """Refuse attributes of an object outside their closed intervals.

    An attribute that is a pair of numbers is itself an interval: its ends must be in order. None
    stands for what the object does without.

    Parameters
    ----------
    owner : object
        A parameter object.
    **ranges
        Least and greatest value by the attribute's name.

    Raises
    ------
    eqstat.InputError
        For the first attribute that is outside; traced values pass.
    """
    title = type(owner).__name__
    for name, (low, high) in ranges.items():
        value: Any = getattr(owner, name)
        if value is None:
            continue
        pair = isinstance(value, tuple) and not is_traced(value)
        if pair and (len(value) != 2 or not value[0] <= value[1]):
            raise InputError(f"{title}: {name} must be two numbers in order, not {value!r}")
        check_range(title, low, high, **dict[str, Any]({name: value}))


def check_probability(owner: str, **values: Any) -> None:
    """Refuse what is not one number strictly between 0 and 1.

    Examples
    --------
    >>> check_probability("auc", probability=0.9)
    """
    for name, value in values.items():
        if np.ndim(value):
            raise InputError(f"{_prefix(owner)}{name} must be one number in (0, 1), not {value!r}")
        check_range(owner, 0, 1, ends="()", **{name: value})


def check_whole(owner: str, least: int = 0, most: int | None = None, **values: Any) -> None:
    """Refuse what is not a whole number, or array of whole numbers, from `least` to `most`.

    Examples
    --------
    >>> check_whole("simulate", 1, count=10)
    """
    for name, value in values.items():
        if is_traced(value):
            continue
        flag = isinstance(value, bool | np.bool_)
        array = np.asarray(np.nan) if flag else _numbers(owner, name, value)
        end = np.inf if most is None else most
        right = (array == np.floor(array)) & (array >= least) & (array <= end)
        right = np.asarray(right & np.isfinite(array))
        if not np.all(right):
            limit = "" if most is None else f" to {most:,}"
            what = "a whole number" if array.ndim == 0 else "whole numbers"
            raise InputError(
                f"{_prefix(owner)}{name} must be {what} from {least:,}{limit}, "
                f"not {_first(value, array, right)}"
            )


def check_choice(owner: str, choices: Iterable[Any], **values: Any) -> None:
    """Refuse what is not one of the choices.

    Examples
    --------
    >>> check_choice("score", ("brier", "log"), score="log")
    """
    known = tuple(choices)
    for name, value in values.items():
        if not isinstance(value, str | int) or value not in known:
            named = " or ".join(filter(None, (", ".join(map(repr, known[:-1])), repr(known[-1]))))
            hint = near(value, known)
            raise InputError(f"{_prefix(owner)}{name} must be {named}, not {value!r}{hint}")


def near(value: Any, known: Iterable[Any]) -> str:
    """Ask whether the likeliest of the known texts was meant; empty where none is near.

    Examples
    --------
    >>> near("mix", ("gaussian", "mixture"))
    "; did you mean 'mixture'?"
    """
    texts = [each for each in known if isinstance(each, str)]
    if not isinstance(value, str) or not value:
        return ""
    low = value.lower()
    starts = [each for each in texts if each.startswith(low) or low.startswith(each)]
    close = starts or difflib.get_close_matches(low, texts, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_kind(owner: str, kind: Any, remedy: str, **values: Any) -> None:
    """Refuse an argument that is not of its kind, and say where one comes from.

    The kind is what `isinstance` takes: a class, several, or an abstract one such as `Callable`.

    Examples
    --------
    >>> check_kind("fit", float, "give a number", rate=1.0)
    """
    for name, value in values.items():
        if not isinstance(value, kind):
            given = type(value).__name__
            raise InputError(f"{_prefix(owner)}{name} cannot be of type {given}; {remedy}")


def check_path(owner: str, **values: Any) -> None:
    """Refuse what is not the name of a file.

    Examples
    --------
    >>> check_path("load", path="background.json")
    """
    check_kind(owner, (str, os.PathLike), "give the name of a file", **values)


def check_key(owner: str, key: Any) -> None:
    """Refuse what is not a JAX random key, such as arguments in another order.

    Examples
    --------
    >>> import jax
    >>> check_key("sample", jax.random.key(0))
    """
    dtype = getattr(key, "dtype", None)
    if is_traced(key) or str(dtype).startswith("key<") or str(dtype) == "uint32":
        return
    remedy = "it is the first argument of functions that draw: jax.random.key(0)"
    raise InputError(
        f"{_prefix(owner)}key must be a JAX random key, not {type(key).__name__}; {remedy}"
    )


def refuse(owner: str, *problems: tuple[Any, str]) -> None:
    """Raise the first problem that is there; each is a condition and what must hold instead.

    Examples
    --------
    >>> refuse("roc", (False, "level must be sorted"))
    """
    for bad, text in problems:
        if bad:
            raise InputError(f"{_prefix(owner)}{text}")


def _prefix(owner: str) -> str:
    return f"{owner}: " if owner else ""


def _numbers(owner: str, name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            array = array.astype(np.float64) if array.dtype == object else None
    except (TypeError, ValueError):
        array = None
    if array is None:
        raise InputError(f"{_prefix(owner)}{name} must be a number, not {value!r}")
    return array.astype(np.float64)


def _first(value: Any, array: np.ndarray, right: np.ndarray) -> str:
    """Return the value itself, or the first wrong number of an array."""
    if np.ndim(value) == 0 or array.size <= 4:
        return repr(value)
    place = int(np.flatnonzero(~right.ravel())[0])
    return f"{array.ravel()[place]:g} (place {place})"


def _interval(low: float | int, high: float | int, ends: str) -> str:
    if np.isinf(low) and np.isinf(high):
        return "be finite"
    if np.isinf(high):
        return f"be {'at least' if ends[0] == '[' else 'above'} {low:g}"
    if np.isinf(low):
        return f"be {'at most' if ends[1] == ']' else 'below'} {high:g}"
    return f"lie in {ends[0]}{low:g}, {high:g}{ends[1]}"
