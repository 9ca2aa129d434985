"""What an object of the package says of itself: a short text, the same as HTML, a table of numbers.

A class takes `Explained` as a base, a `NamedTuple` the decorator `explained`. All that differs from
class to class is `_facts`, the rows of its text, and where there are intervals its `summary`.
"""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from eqstat._core.text import facts

if TYPE_CHECKING:
    import pandas as pd

Type = TypeVar("Type", bound=type)

# A title and eleven rows; a row that is put together here is cut to this width.
MAX_ROWS, WIDTH = 11, 80
# Numbers and names that are written out one by one.
MAX_ITEMS = 4
# Levels of objects within objects whose numbers a summary lists.
MAX_DEPTH = 1


class Explained:
    """Base of objects with a short text, HTML and a summary of their numbers."""

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A dataclass writes its own text only where its class has none yet.
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Explained.__repr__

    def _facts(self) -> Sequence[tuple[str, str]]:
        """Labels and texts that describe the object; by default those of its fields."""
        return facts_of_fields(self)

    def __repr__(self) -> str:
        return "\n".join([type(self).__name__, *facts(self._facts())])

    def _repr_html_(self) -> str:
        """Write the text as a table for notebooks."""
        style = ' style="text-align: left; vertical-align: top"'
        rows = "".join(
            f"<tr><th{style}>{html.escape(label)}</th><td{style}>{html.escape(text)}</td></tr>"
            for label, text in self._facts()
        )
        name = html.escape(type(self).__name__)
        return f"<div><strong>{name}</strong><table><tbody>{rows}</tbody></table></div>"

    def summary(self) -> pd.DataFrame:
        """Return the numbers of the object and of what it holds.

        Returns
        -------
        pandas.DataFrame
            A row for each number, with its `value`; where there are arrays, instead with `size`,
            `missing`, `min`, `median` and `max`.
        """
        return table_of(dict(numbers(self)))


def explained(cls: Type) -> Type:
    """Give a `NamedTuple`, which can have no other base, what `Explained` has."""
    own = set(vars(cls)) - {"__repr__"}  # every named tuple has one
    for name in {"__repr__", "_facts", "_repr_html_", "summary"} - own:
        setattr(cls, name, getattr(Explained, name))
    return cls


def fields_of(value: Any) -> dict[str, Any]:
    """Return the public fields of a dataclass (a Module is one) or a named tuple."""
    if dataclasses.is_dataclass(value):
        names = [one.name for one in dataclasses.fields(value) if one.repr]
    else:
        names = list(getattr(value, "_fields", ()))
    return {name: getattr(value, name, None) for name in names if not name.startswith("_")}


def facts_of_fields(value: Any) -> list[tuple[str, str]]:
    """Return a row for each field; the last one names those for which there is no room."""
    fields = fields_of(value)
    shown = list(fields)
    if len(shown) > MAX_ROWS:
        shown = shown[: MAX_ROWS - 1]
    wide = max([16, *(len(name) + 2 for name in shown)])
    rows = [(name, cut(phrase(fields[name]), WIDTH - wide)) for name in shown]
    left = list(fields)[len(shown) :]
    if left:
        rows.append((f"and {len(left)} more", cut(", ".join(left), WIDTH - wide)))
    return rows


def cut(text: str, width: int) -> str:
    """Return one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def phrase(value: Any) -> str:
    """Describe a value of any kind in a few words."""
    if value is None:
        return "none"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return _mapping(value)
    if hasattr(value, "arg_constraints"):  # a distribution of NumPyro
        values = (f"{name} {phrase(getattr(value, name))}" for name in value.arg_constraints)
        return f"{type(value).__name__}({', '.join(values)})"
    if fields_of(value):
        inner = ", ".join(f"{name} {phrase(one)}" for name, one in fields_of(value).items())
        return f"{type(value).__name__}: {cut(inner, 2 * WIDTH)}"
    if hasattr(value, "columns"):  # a table
        return f"{len(value)} rows: {', '.join(map(str, value.columns))}"
    if hasattr(value, "data_vars") or hasattr(value, "children"):  # of xarray
        return f"{type(value).__name__} of {', '.join(map(str, value))}"
    if hasattr(value, "dims"):
        sizes = ", ".join(f"{name} {size}" for name, size in value.sizes.items())
        return f"{type(value).__name__} over {sizes}" if sizes else phrase(value.values)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _array(value)
    if hasattr(value, "isoformat"):
        return value.isoformat(sep=" ")
    if isinstance(value, Sequence | set | frozenset):
        return _sequence(list(value))
    return getattr(value, "__name__", type(value).__name__)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float | Enum | np.generic)


def _mapping(value: Mapping[Any, Any]) -> str:
    if all(_is_plain(one) or isinstance(one, list | tuple) for one in value.values()):
        return ", ".join(f"{name} {phrase(one)}" for name, one in value.items()) or "none"
    return ", ".join(map(str, value))


def _sequence(values: list[Any]) -> str:
    if not values:
        return "none"
    if all(map(_is_plain, values)):
        more = f", … ({len(values)} in all)" if len(values) > 2 * MAX_ITEMS else ""
        return ", ".join(map(phrase, values[: 2 * MAX_ITEMS])) + more
    if all(hasattr(value, "shape") for value in values):
        return f"{len(values)} arrays"
    return f"{len(values)} of {', '.join(sorted({type(value).__name__ for value in values}))}"


def _array(value: Any) -> str:
    """Write few numbers, of many the shape and the range."""
    array = as_array(value)
    shape = " x ".join(map(str, value.shape))
    if array is None or array.dtype.kind not in "biufMmUSO" or not array.size:
        return f"{value.dtype} ({shape or 'one'})"
    if array.size <= MAX_ITEMS:
        return ", ".join(phrase(one) for one in array.ravel().tolist())
    if array.dtype.kind == "b":
        return f"{shape}: {int(array.sum())} true"
    if array.dtype.kind in "USO":
        return f"{shape}: {phrase(array.ravel()[0])}, …"
    known = array[array == array]  # neither NaN nor missing times
    if not known.size:
        return f"{shape}: all missing"
    low, high = (one.item() if array.dtype.kind in "biuf" else one for one in
                 (known.min(), known.max()))  # fmt: skip
    ends = [phrase(one) if array.dtype.kind in "biuf" else str(one) for one in (low, high)]
    text = f"{shape}: all {ends[0]}" if low == high else f"{shape}: {ends[0]} to {ends[1]}"
    missing = array.size - known.size
    return f"{text}, {missing} missing" if missing else text


def as_array(value: Any) -> np.ndarray | None:
    """Return an array; None where its numbers cannot be read, as of a traced one or a key."""
    try:
        return np.asarray(value)
    except Exception:  # noqa: BLE001 a text is written of any object, whatever its array raises
        return None


def numbers(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the names and the numbers of a value and of what it holds."""
    fields: Mapping[Any, Any] | None = None
    if isinstance(value, Mapping):
        fields = value
    elif fields_of(value):
        fields = fields_of(value)
    elif hasattr(value, "columns") or hasattr(value, "data_vars"):
        fields = {one: value[one].to_numpy() for one in value}
    if fields is not None:
        if depth <= MAX_DEPTH:
            for inner, one in fields.items():
                yield from numbers(one, f"{name}.{inner}" if name else str(inner), depth + 1)
        return
    if isinstance(value, bool | int | float) or hasattr(value, "dtype"):
        array = as_array(value)
        if array is not None and array.dtype.kind in "biuf" and array.size:
            yield name, array.astype(np.float64)
    elif isinstance(value, list | tuple) and value and all(map(_is_number, value)):
        yield name, np.asarray(value, np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def table_of(found: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the table of a summary."""
    import pandas as pd

    index = pd.Index(list(found), name="name")
    if all(array.size == 1 for array in found.values()):
        return pd.DataFrame({"value": [array.item() for array in found.values()]}, index=index)
    rows = []
    for array in found.values():
        known = array[~np.isnan(array)]
        ends = (known.min(), np.median(known), known.max()) if known.size else (np.nan,) * 3
        rows.append((array.size, array.size - known.size, *ends))
    return pd.DataFrame(rows, index=index, columns=["size", "missing", "min", "median", "max"])
