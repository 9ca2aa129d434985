"""Conversion and validation of single columns; errors are of class `ColumnProblem`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from eqstat.schema import _names
from eqstat.schema._contracts import Column, Contract
from eqstat.schema._times import ColumnProblem, Series

# Activities that end from this year on have no end.
OPEN_YEAR = 2200
# What other programs write for a number that is missing.
MARKERS = (*(sign * size for size in (999, 9999, 99999, 999999, 999.25, 999.9, 9999.9, 12345, 32767)
             for sign in (-1, 1)), -32768)  # fmt: skip
# Such large numbers are fill values, as 1e20 and 9.97e36.
FILL = 1e20
_TRUE, _FALSE = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no")
_ON, _OFF = (*_TRUE, "on", "active", "online"), (*_FALSE, "off", "inactive", "offline")


def short(value: Any) -> str:
    """Show a value of a table in a message, cut to 40 characters."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def refuse_missing(values: Series, required: bool) -> None:
    """Raise an error for missing values in a required column."""
    missing = values.isna().to_numpy(dtype=bool)
    if required and missing.any():
        raise ColumnProblem("has missing values", missing, "fill these rows or leave them out")


def convert(table: Any, column: Column) -> Series:
    """Convert a column other than a time to its final type."""
    given = table[column.name]
    if column.kind == "text":
        out = _allowed_texts(_texts(given), column)
    elif column.kind == "flag":
        out = _flags(given)
    else:
        out = _numbers(given)
        if not column.required:
            out = out.mask(markers(out, column))
        elif (marked := markers(out, column)).any():
            advice = "a marker of a missing value: leave these rows out"
            raise ColumnProblem("is far from all others", marked, advice)
        _refuse_out_of_range(out, column, table)
        if column.whole:
            _refuse_fractions(out)
        if column.kind == "longitude":
            out = out.where(~(out >= 180.0), out - 360.0)
    refuse_missing(out, column.required)
    return out


def markers(values: Series, column: Column) -> np.ndarray:
    """Return which numbers are not numbers but markers for a missing one, such as -9999.

    They lie outside the column's range; or apart from all others: by more than the range of these
    where the column has one of its own, such as elevations, and by ten times that where not. Of
    triggers, any number may be an earthquake's.
    """
    if column.name == "triggers":
        return np.zeros(len(values), bool)
    number = values.to_numpy(np.float64)
    listed = np.isin(number, MARKERS) | (np.abs(number) >= FILL)
    beyond = (number < column.minimum) | (number > column.maximum)
    beyond |= column.positive & (number <= 0)
    others = number[~listed & ~np.isnan(number)]
    if others.size:
        width = max(float(np.ptp(others)), 1.0)
        minimum = 0.0 if column.positive else column.minimum
        if np.isinf(minimum) or np.isinf(column.maximum):
            beyond |= np.abs(number - np.median(others)) > 10 * width
        else:
            beyond |= (number < others.min() - width) | (number > others.max() + width)
    return listed & beyond


def _numbers(column: Series) -> Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if types.is_bool_dtype(column):
        raise ColumnProblem("holds true and false, not numbers", advice="give numbers")
    if types.is_datetime64_any_dtype(column) or types.is_complex_dtype(column):
        raise ColumnProblem(f"holds {column.dtype}, not real numbers", advice="give numbers")
    if types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        texts: Any = column.astype(object)
        read: Any = pd.to_numeric(texts, errors="coerce")
        values = read.to_numpy(dtype=np.float64, na_value=np.nan)
        blank = texts.isna() | texts.isin(["", "nan", "NaN", "NA"])
        bad: Any = np.isnan(values) & ~np.asarray(blank, dtype=bool)
        if bad.any():
            raise ColumnProblem("is not a number", bad, "give numbers, with a decimal point")
    if np.isinf(values).any():
        raise ColumnProblem("is not finite", np.isinf(values), "correct these rows")
    return pd.Series(values, index=column.index)


def _refuse_out_of_range(values: Series, column: Column, table: pd.DataFrame) -> None:
    number = values.to_numpy()
    bad = (number < column.minimum) | (number > column.maximum)
    end = "]"
    if column.kind == "longitude":
        bad |= number >= column.maximum
        end = ")"
    what = f"must lie in [{column.minimum:g}, {column.maximum:g}{end}"
    if column.positive:
        bad |= number <= 0.0
        what = "must be greater than 0"
        if (number > column.maximum).any():
            what += f" and at most {column.maximum:g}"
    if not bad.any():
        return
    advice = column.hint
    if column.kind == "latitude" and "longitude" in table.columns:
        other: Any = pd.to_numeric(table["longitude"], errors="coerce")
        if bool((other.abs() <= 90.0).all()):
            advice = "are latitude and longitude swapped?"
    if np.isin(number[bad], MARKERS).all():
        advice = "a marker of a missing value: leave these rows out"
    unit = f" {column.unit}" if column.unit else ""
    raise ColumnProblem(what + unit, bad, advice or "correct these rows")


def _refuse_fractions(values: Series) -> None:
    number = values.to_numpy()
    bad = ~np.isnan(number) & (number != np.floor(number))
    if bad.any():
        raise ColumnProblem("must be a whole number", bad, "give counts, not rates or means")


def _texts(column: Series) -> Series:
    """Convert labels to strings, so that 7, "7" and 7.0 are one device; blank is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        # Long tables have few distinct labels; only these are converted.
        labels = _texts(pd.Series(column.cat.categories)).to_numpy(dtype=object)
        codes = column.cat.codes.to_numpy()
        return pd.Series(
            np.array([*labels, None], dtype=object)[codes], index=column.index, dtype=object
        )
    missing = column.isna().to_numpy(dtype=bool)
    out = np.full(len(column), None, dtype=object)
    given = column[~missing]
    if types.is_float_dtype(given) and bool((given % 1 == 0).all()):
        given = given.astype("int64")
    out[~missing] = np.array([str(value).strip() for value in given.tolist()], dtype=object)
    out[out == ""] = None
    return pd.Series(out, index=column.index, dtype=object)


def _allowed_texts(values: Series, column: Column) -> Series:
    """Texts of which only some are allowed, in whatever case they are written."""
    if not column.allowed:
        return values
    own = {allowed.lower(): allowed for allowed in column.allowed}
    texts = [text if text is None else own.get(text.lower(), text) for text in values]
    out = pd.Series(texts, index=values.index, dtype=object)
    bad = (out.notna() & ~out.isin(column.allowed)).to_numpy(dtype=bool)
    if bad.any():
        wanted = " or ".join(column.allowed)
        advice = column.hint
        labels = pd.unique(out[bad])
        # Onsets may come first, as in iP and eS.
        first = [str(label).lstrip("ieIE")[:1].upper() for label in labels]
        if set(first) <= set(column.allowed):
            pairs = {str(label): one for label, one in zip(labels[:6], first[:6], strict=True)}
            advice = f"if that is what they are, replace them: {pairs}"
        raise ColumnProblem(f"must be {wanted}, or missing", bad, advice)
    return out


def _flags(column: Series) -> Series:
    if column.dtype == np.bool_:
        return column.copy()
    texts = _texts(column).map(lambda value: value if value is None else value.lower())
    bad = (texts.notna() & ~texts.isin(_TRUE + _FALSE)).to_numpy(dtype=bool)
    if bad.any():
        raise ColumnProblem("must be true or false", bad, "give true or false")
    out = texts.isin(_TRUE).astype(object).where(texts.notna(), None)
    return out.astype(bool) if bool(texts.notna().all()) else out


def remarks(given: Any, out: Any, contract: Contract) -> Iterator[str]:
    """Yield notes on what is valid but noteworthy."""
    known = [column.name for column in contract.columns if column.name in out.columns]
    if "longitude" in known:
        east = _numbers(given["longitude"]) >= 180.0
        wrapped = int((east & out["longitude"].notna()).sum())
        if wrapped:
            yield f"{_rows(wrapped)} with a longitude of 180 or more brought into [-180, 180)"
    if {"latitude", "longitude"} <= set(known) and len(out) > 1:
        lat, lon = out["latitude"].abs().max(), out["longitude"].abs().max()
        if 0.0 < lat <= np.pi / 2 and lon <= np.pi:
            yield "every place lies within 2 degrees of 0, 0 or so: are these radians, not degrees?"
    if "elevation_m" in known:
        elevation = out["elevation_m"].dropna()
        if elevation.nunique() > 2 and elevation.max() < 9.0 and bool((elevation % 1 != 0).any()):
            yield "every elevation is below 9 m: are these kilometres, not metres?"
    for column in contract.columns:
        number = column.kind not in ("time", "text", "flag")
        if number and not column.required and column.name in known:
            taken = markers(_numbers(given[column.name]), column)
            if taken.any():
                value = _numbers(given[column.name])[taken].iloc[0]
                yield f"{value:g} in {column.name} taken as missing in {_rows(int(taken.sum()))}"
    whole = out.duplicated(subset=known)
    if whole.any():
        yield f"{_rows(int(whole.sum()))} that repeat an earlier row, kept"
    if contract.same and set(contract.same) <= set(known):
        same = list(contract.same)
        again = int((out.duplicated(subset=same) & ~whole & out[same].notna().all(axis=1)).sum())
        if again:
            yield f"{_rows(again)} that repeat an earlier {' and '.join(same)}, kept"


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def without_open_ends(times: Series) -> Series:
    """Read ends of inventories that stand for none, such as 2599-12-31 and 9999, as missing."""
    if types.is_datetime64_any_dtype(times):
        return times.mask(times.dt.year >= OPEN_YEAR)
    text = times.astype(object).map(lambda value: str(value).strip() if value is not None else "")
    return times.mask(text.str.match(r"(2[2-9]|[3-9]\d)\d\d(?:$|\D)"))


def switched_off(network: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield columns that say of each device whether it is active, where some are not.

    Examples
    --------
    >>> [(name, off.tolist()) for name, off in switched_off(pd.DataFrame({"Active": [1, 0]}))]
    [('Active', [False, True])]
    """
    for label in map(str, network.columns):
        if _names.plain(label) not in _names.SWITCHES:
            continue
        texts = _texts(network[label]).map(lambda value: value and value.lower())
        off = texts.isin(_OFF).to_numpy(dtype=bool)
        if off.any() and texts.dropna().isin(_OFF + _ON).all():
            yield label, off


def activity_problem(network: Any) -> tuple[str, ColumnProblem] | None:
    """Find an active interval that ends before it starts, or overlaps of one device."""
    never = pd.Series(pd.NaT, index=network.index, dtype="datetime64[ns, UTC]")
    start = network["active_from"] if "active_from" in network.columns else never
    end = network["active_to"] if "active_to" in network.columns else never
    bad = (end < start).to_numpy(dtype=bool)
    if bad.any():
        problem = ColumnProblem(
            "comes before active_from", bad, "exchange or correct active_from and active_to"
        )
        return "active_to", problem
    if "device" not in network.columns:
        return None
    frame: Any = pd.DataFrame(
        {
            "device": network["device"].to_numpy(),
            "start": _nanoseconds(start, np.iinfo(np.int64).min),
            "end": _nanoseconds(end, np.iinfo(np.int64).max),
        }
    )
    frame = frame[frame["device"].notna()].sort_values(["device", "start"], kind="stable")
    # The latest end so far of the same device; half-open intervals may be adjacent.
    latest = frame.groupby("device")["end"].cummax().groupby(frame["device"])
    latest = latest.shift(fill_value=np.iinfo(np.int64).min)
    twice = frame.index[(frame["start"] < latest).to_numpy(dtype=bool)]
    if not len(twice):
        return None
    bad = np.zeros(len(network), dtype=bool)
    bad[twice.to_numpy()] = True
    advice = "give each device once, or activities that do not overlap"
    return "device", ColumnProblem("the same device is active twice at the same time", bad, advice)


def _nanoseconds(times: Series, missing: int) -> np.ndarray:
    values = times.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    return np.where(times.isna(), missing, values)
