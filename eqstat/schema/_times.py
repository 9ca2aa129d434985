"""Convert a column of times of any type to UTC.

Ambiguous input is an error: a number that cannot be seconds since 1970, or a column of mixed
types, raises a `ColumnProblem`, from which `eqstat.schema` composes a message of one line.
"""

from __future__ import annotations

import datetime
import re
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from eqstat._core.errors import InputError

# The return types of pandas methods are too wide for a type checker.
Series = Any

ISO_ADVICE = "write times as ISO 8601, such as 2016-06-10T08:04:38.7Z"

_EARLIEST_YEAR, _LATEST_YEAR = 1880, 2200
# Smaller numbers are more likely relative times, day numbers or yyyymmdd.
_LEAST_SECONDS, _MOST_SECONDS = 1e8, 4.2e9
_UNITS = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
_OFFSET = re.compile(r"\d[Tt ]\d.*[+-]\d\d(?::?\d\d)?$")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$")


class ColumnProblem(Exception):
    """A problem of a column: its description, the rows concerned, and the remedy."""

    def __init__(self, what: str, bad: NDArray[np.bool_] | None = None, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.bad = bad
        self.advice = advice


def parse_times(column: Series) -> tuple[Series, bool]:
    """Return times as datetime64[ns, UTC], and whether some had no time zone."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if types.is_bool_dtype(column):
        raise ColumnProblem("holds true and false, not times", advice=ISO_ADVICE)
    if types.is_datetime64_any_dtype(column):
        return _from_datetime64(column)
    if types.is_numeric_dtype(column):
        return _from_seconds(column), False
    if isinstance(column.dtype, pd.ArrowDtype):
        column = column.astype(object)
    kind = types.infer_dtype(column, skipna=True)
    if kind == "empty":
        return pd.Series(pd.NaT, index=column.index, dtype="datetime64[ns, UTC]"), False
    if kind == "string":
        return _from_text(column)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        numbers: Any = pd.to_numeric(column)
        return _from_seconds(numbers), False
    if kind not in ("datetime", "date", "datetime64"):
        _refuse_mixture(column)
    return _from_objects(column)


def _from_datetime64(column: Series) -> tuple[Series, bool]:
    zone = getattr(column.dtype, "tz", None)
    if isinstance(column.dtype, pd.ArrowDtype):
        zone = column.dtype.pyarrow_dtype.tz
        column = column.astype("datetime64[ns]" if zone is None else f"datetime64[ns, {zone}]")
    if zone is None:
        return _finish(column.dt.tz_localize("UTC")), bool(column.notna().any())
    return _finish(column.dt.tz_convert("UTC")), False


def _from_seconds(column: Series) -> Series:
    """Convert seconds since 1970-01-01 UTC."""
    if types.is_complex_dtype(column):
        raise ColumnProblem("holds complex numbers, not times", advice=ISO_ADVICE)
    if column.dtype in (np.dtype(np.float32), np.dtype(np.float16)):
        raise ColumnProblem(
            "holds seconds in single precision, which is good to a minute only",
            advice="keep seconds since 1970 in float64",
        )
    seconds = column.to_numpy(dtype=np.float64, na_value=np.nan)
    size = np.abs(seconds)
    bad = ~np.isnan(seconds) & ~((size >= _LEAST_SECONDS) & (size <= _MOST_SECONDS))
    if bad.any():
        raise ColumnProblem(
            f"numbers are read as seconds since 1970-01-01 UTC, but {_likely(seconds[bad][0])}",
            bad,
            "convert them, or " + ISO_ADVICE,
        )
    missing = np.isnan(seconds)
    filled = np.where(missing, 0.0, seconds)
    whole = np.floor(filled)
    # The resolution of float64 at these numbers is about a quarter of a microsecond.
    micros = whole.astype(np.int64) * 1_000_000
    micros += np.round((filled - whole) * 1e6).astype(np.int64)
    stamps = micros.view("datetime64[us]")
    stamps[missing] = np.datetime64("NaT")
    times: Any = pd.Series(stamps, index=column.index)
    return _finish(times.dt.tz_localize("UTC"))


def _likely(value: float) -> str:
    size = abs(value)
    for unit, per_second in _UNITS:
        if _LEAST_SECONDS <= size / per_second <= _MOST_SECONDS and not 1.88e13 <= size <= 2.2e13:
            return f"these look like {unit}: divide by {per_second:.0f}"
    if 1.88e7 <= value <= 2.2e7:
        return "these look like calendar dates (yyyymmdd)"
    if 1.88e13 <= value <= 2.2e13:
        return "these look like calendar dates (yyyymmddhhmmss)"
    if size < _LEAST_SECONDS:
        return "these look like days, or seconds after another start: add the start"
    return "these lie outside the years 1880 to 2100"


def _from_text(column: Series) -> tuple[Series, bool]:
    text: Any = column.reset_index(drop=True).str.strip()
    missing = (text.isna() | text.isin(["", "NaT"])).to_numpy(dtype=bool)
    given = text[~missing]
    if given.empty:
        return pd.Series(pd.NaT, index=column.index, dtype="datetime64[ns, UTC]"), False
    if all(_NUMBER.match(value) for value in given.tolist()):
        seconds: Any = pd.to_numeric(text.where(~missing))
        return _from_seconds(seconds.set_axis(column.index)), False
    times, offset, good = _read_iso(given)
    if not good.all():
        # Other notations: a decimal comma, and "UTC" for Z.
        given = given.str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True)
        times, offset, good = _read_iso(given.str.replace(",", ".", regex=False))
    bad = np.zeros(len(column), dtype=bool)
    bad[np.flatnonzero(~missing)[~good]] = True
    if bad.any():
        raise ColumnProblem("is not a time that can be read", bad, ISO_ADVICE)
    naive = _naive_or_refuse(offset, ~missing)
    return _finish(_spread(times, missing, column.index)), naive


def _read_iso(text: Series) -> tuple[Series, NDArray[np.bool_], NDArray[np.bool_]]:
    times: Any = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    values = text.tolist()
    # Pandas would also accept "now", and a year alone as its first day.
    dated = np.fromiter((len(v) >= 8 and v[0].isdigit() for v in values), bool, len(values))
    zoned = (v[-1] in "Zz" or _OFFSET.search(v) is not None for v in values)
    return times, np.fromiter(zoned, bool, len(values)), times.notna().to_numpy() & dated


def _from_objects(column: Series) -> tuple[Series, bool]:
    """Convert Python datetimes and dates, pandas timestamps and NumPy datetimes."""
    missing = column.isna().to_numpy(dtype=bool)
    given = column[~missing]
    aware = np.fromiter(
        (getattr(value, "tzinfo", None) is not None for value in given), bool, len(given)
    )
    naive = _naive_or_refuse(aware, ~missing)
    times: Any = pd.to_datetime(given, utc=True, errors="coerce")
    bad = np.zeros(len(column), dtype=bool)
    bad[np.flatnonzero(~missing)[times.isna().to_numpy()]] = True
    if bad.any():
        raise ColumnProblem("is not a time that can be read", bad, ISO_ADVICE)
    return _finish(_spread(times, missing, column.index)), naive


def _naive_or_refuse(aware: NDArray[np.bool_], given: NDArray[np.bool_]) -> bool:
    """Return whether the times have no zone; a mixture is an error."""
    if aware.any() and not aware.all():
        bad = np.zeros(given.size, dtype=bool)
        bad[np.flatnonzero(given)[~aware]] = True
        raise ColumnProblem(
            "mixes times with and without a time zone; without one are", bad, "end each with Z"
        )
    return bool(not aware.all())


def _refuse_mixture(column: Series) -> None:
    kinds = np.array([_kind(value) for value in column], dtype=object)
    given = ~column.isna().to_numpy(dtype=bool)
    names = list(dict.fromkeys(kinds[given]))
    if names == ["datetimes"]:
        return
    if len(names) == 1:
        raise ColumnProblem(f"holds {names[0]}, not times", given, ISO_ADVICE)
    bad = given & (kinds != names[0])
    raise ColumnProblem(f"mixes {' and '.join(names)}; not {names[0]} are", bad, ISO_ADVICE)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "texts"
    if isinstance(value, (bool, np.bool_)):
        return "true and false"
    if isinstance(value, (datetime.date, np.datetime64)):
        return "datetimes"
    return "numbers" if isinstance(value, Number) else type(value).__name__ + " objects"


def _spread(times: Series, missing: NDArray[np.bool_], index: pd.Index) -> Series:
    """Insert the converted times among the missing ones."""
    if not missing.any():
        return pd.Series(times.array, index=index)
    places = np.full(missing.size, -1)
    places[~missing] = np.arange(len(times))
    return pd.Series(times.array.take(places, allow_fill=True), index=index)


def _finish(times: Series) -> Series:
    """Convert to nanoseconds; implausible years, which may overflow, are an error."""
    year = times.dt.year.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = (year < _EARLIEST_YEAR) | (year > _LATEST_YEAR)
    if bad.any():
        raise ColumnProblem("lies outside the years 1880 to 2200", bad, "correct these rows")
    return times.dt.as_unit("ns")


def read_time(value: Any, name: str) -> pd.Timestamp:
    """Read one time as the tables' times are read; without a zone it is UTC.

    Parameters
    ----------
    value
        ISO 8601, a datetime of Python, NumPy or pandas, or seconds since 1970.
    name : str
        What the time is called in the message.

    Raises
    ------
    eqstat.InputError
        When it is no time, is missing, or could be read in two ways.

    Examples
    --------
    >>> str(read_time("2027-01-15T08:00:05Z", "now"))
    '2027-01-15 08:00:05+00:00'
    >>> read_time("05.02.2027", "now")
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: now: '05.02.2027' is not a time that can be read; write times as
    ISO 8601, such as 2016-06-10T08:04:38.7Z
    """
    try:
        times, _ = parse_times(pd.Series([value]))
    except ColumnProblem as problem:
        text = f"{name}: {value!r} {problem.what}"
        raise InputError(f"{text}; {problem.advice}" if problem.advice else text) from None
    if times.isna().iloc[0]:
        raise InputError(f"{name}: the time is missing")
    return times.iloc[0]
