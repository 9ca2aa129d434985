"""Validation of whole tables against their contracts."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from eqstat._core.errors import InputError
from eqstat.schema import _columns
from eqstat.schema._contracts import NETWORK, TRIGGERS, Contract
from eqstat.schema._times import ColumnProblem, Series, parse_times


class NaiveTimeWarning(UserWarning):
    """Times without a time zone were interpreted as UTC.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = check_triggers(pd.DataFrame(
    ...         {"time": ["2027-01-15T08:00:00"], "latitude": [46.0], "longitude": [7.0]}))
    >>> caught[0].category.__name__
    'NaiveTimeWarning'
    """


# Column names of other tools, in lower case.
_OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "time": ("triggertime", "trigger_time", "timestamp", "datetime", "time_utc", "t", "epoch"),
    "latitude": ("lat", "lat_deg", "y"),
    "longitude": ("lon", "long", "lng", "lon_deg", "x"),
    "device": ("station", "sensor", "device_id", "id"),
    "depth_km": ("depth",),
    "magnitude": ("mag",),
}


def check(table: pd.DataFrame, contract: Contract, *, name: str | None = None) -> pd.DataFrame:
    """Validate a table against a contract and return a validated copy.

    Parameters
    ----------
    table : pandas.DataFrame
        The table; it is not modified.
    contract : Contract
        The columns that are required and allowed.
    name : str, optional
        Name of the table in messages, such as a file's; the contract's name if not given.

    Returns
    -------
    pandas.DataFrame
        The same rows, index and columns; the contract's columns in their final type. Its
        `attrs["notes"]` is a list of lines on what is valid but noteworthy.

    Raises
    ------
    InputError
        When the table violates the contract.

    Warns
    -----
    NaiveTimeWarning
        Once per call, when times without a time zone were interpreted as UTC.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.schema import TRIGGERS, check
    >>> table = pd.DataFrame({"time": ["2016-06-10T08:04:38.7Z"], "latitude": [33.4],
    ...                       "longitude": [243.6]})
    >>> checked = check(table, TRIGGERS)
    >>> round(float(checked.longitude[0]), 1)
    -116.4
    """
    return _check(table, contract, name or contract.name, stacklevel=3)


def check_triggers(table: pd.DataFrame, *, name: str = "triggers") -> pd.DataFrame:
    """Validate a table of triggers (see `check` and `TRIGGERS`).

    Parameters
    ----------
    table : pandas.DataFrame
        With `time`, `latitude`, `longitude`; optionally `device`, `phase`, `time_sd_s`, `pga_m_s2`,
        `elevation_m`.
    name : str
        Name of the table in messages.

    Returns
    -------
    pandas.DataFrame
        A validated copy. Rows of the same device and time are kept and noted.

    Raises
    ------
    InputError
        When the table violates the contract.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"time": ["2016-06-10T08:04:38.7Z"], "latitude": [33.4],
    ...                       "longitude": [-116.4], "device": [7.0]})
    >>> check_triggers(table)["device"].tolist()
    ['7']
    """
    return _check(table, TRIGGERS, name, stacklevel=3)


def check_network(table: pd.DataFrame, *, name: str = "network") -> pd.DataFrame:
    """Validate a table of devices (see `check` and `NETWORK`).

    Parameters
    ----------
    table : pandas.DataFrame
        With `latitude`, `longitude`; optionally `device`, `active_from`, `active_to` (missing:
        unbounded), `elevation_m`.
    name : str
        Name of the table in messages.

    Returns
    -------
    pandas.DataFrame
        A validated copy.

    Raises
    ------
    InputError
        When the table violates the contract, an active interval ends before it starts, or
        intervals of one device overlap.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 182.0]})
    >>> check_network(table)["longitude"].tolist()
    [2.0, -178.0]
    """
    out = _check(table, NETWORK, name, stacklevel=3)
    problem = _columns.activity_problem(out)
    if problem is not None:
        raise _error(name, problem[0], table[problem[0]], problem[1])
    return out


def rename_columns(
    table: pd.DataFrame, columns: Mapping[str, str], *, name: str = "table"
) -> pd.DataFrame:
    """Rename the columns of another tool to the names of the contracts.

    Parameters
    ----------
    table : pandas.DataFrame
        The table; it is not modified.
    columns : mapping
        From the name in the contract to the name in the table, such as `{"time": "triggerTime"}`.
    name : str
        Name of the table in messages.

    Returns
    -------
    pandas.DataFrame
        A copy with these columns renamed and all others kept.

    Raises
    ------
    InputError
        When a column is missing, is named twice, or the new name already exists.

    Examples
    --------
    >>> import pandas as pd
    >>> rename_columns(pd.DataFrame({"lat": [1.0]}), {"latitude": "lat"}).columns.tolist()
    ['latitude']
    """
    own = list(columns.values())
    existing = [str(label) for label in table.columns]
    for new, old in columns.items():
        if old not in existing:
            close = difflib.get_close_matches(old, existing, n=1, cutoff=0.6)
            advice = f"; did you mean {close[0]!r}?" if close else ""
            raise InputError(
                f"{name}: no column {old!r} to use as {new!r}{advice} {_has(existing)}"
            )
        if own.count(old) > 1:
            raise InputError(f"{name}: column {old!r} is named more than once; name it once")
        if new in existing and new not in own:
            raise InputError(
                f"{name}: column {old!r} cannot become {new!r}, which is there already; "
                f"rename or leave out the other {new!r} first"
            )
    return table.rename(columns={old: new for new, old in columns.items()})


def _add_note(table: pd.DataFrame, note: str) -> None:
    if note not in table.attrs["notes"]:
        table.attrs["notes"] = [*table.attrs["notes"], note]


def _check(table: pd.DataFrame, contract: Contract, name: str, stacklevel: int) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{name}: needs a pandas DataFrame, got {type(table).__name__}")
    _check_names(table, contract, name)
    if table.empty:
        needed = ", ".join(column.name for column in contract.columns if column.required)
        raise InputError(f"{name}: the table has no rows; give at least one row with {needed}")
    out = table.copy()
    out.attrs["notes"] = list(table.attrs.get("notes", []))
    naive: list[str] = []
    for column in contract.columns:
        if column.name not in table.columns:
            continue
        try:
            if column.kind == "time":
                out[column.name], zoneless = parse_times(table[column.name])
                _columns.refuse_missing(out[column.name], column.required)
                naive += [column.name] if zoneless else []
            else:
                out[column.name] = _columns.convert(table, column)
        except ColumnProblem as problem:
            raise _error(name, column.name, table[column.name], problem) from None
    for note in _columns.remarks(table, out, contract):
        _add_note(out, f"{name}: {note}")
    if naive:
        note = f"{name}: times without a time zone in {', '.join(naive)} were taken as UTC"
        _add_note(out, note)
        warnings.warn(note, NaiveTimeWarning, stacklevel=stacklevel)
    return out


def _check_names(table: pd.DataFrame, contract: Contract, name: str) -> None:
    existing = [str(label) for label in table.columns]
    missing = [c.name for c in contract.columns if c.required and c.name not in table.columns]
    if missing:
        free = [label for label in existing if label not in {c.name for c in contract.columns}]
        similar = {new: old for new in missing if (old := _similar(new, free)) is not None}
        words = "column" if len(missing) == 1 else "columns"
        advice = f"give {'it' if len(missing) == 1 else 'them'}"
        if similar:
            pairs = " ".join(f"{new}={old}" for new, old in similar.items())
            advice = (
                f"if you mean {pairs}, use --columns {pairs} or rename_columns(table, {similar})"
            )
        absent = ", ".join(repr(item) for item in missing)
        raise InputError(f"{name}: no {words} {absent} {_has(existing)}; {advice}")
    for column in contract.columns:
        number = existing.count(column.name)
        if number > 1:
            raise InputError(f"{name}: {number} columns are called {column.name!r}; keep one")


def _has(existing: list[str]) -> str:
    shown = ", ".join(existing[:20]) + (", ..." if len(existing) > 20 else "")
    return f"(the table has: {shown or 'no columns'})"


def _similar(name: str, existing: list[str]) -> str | None:
    lower = {label.lower().strip(): label for label in existing}
    for candidate in (name, *_OTHER_NAMES.get(name, ())):
        if candidate in lower:
            return lower[candidate]
    close = difflib.get_close_matches(name, list(lower), n=1, cutoff=0.7)
    return lower[close[0]] if close else None


def _error(table: str, column: str, values: Series, problem: ColumnProblem) -> InputError:
    text = f"{table}: column {column!r}: {problem.what}"
    if problem.bad is not None:
        places = np.flatnonzero(problem.bad)
        rows = (f"row {values.index[i]}: {_columns.short(values.iloc[i])}" for i in places[:3])
        text += f" ({', '.join(rows)}{f'; {places.size} rows in all' if places.size > 3 else ''})"
    return InputError(text + (f"; {problem.advice}" if problem.advice else ""))
