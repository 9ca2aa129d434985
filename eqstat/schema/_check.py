"""Validation of whole tables against their contracts."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eqstat._core.errors import InputError, TableWarning
from eqstat.schema import _columns, _names
from eqstat.schema._contracts import NETWORK, TRIGGERS, Contract
from eqstat.schema._times import ColumnProblem, Series, parse_times


class NaiveTimeWarning(TableWarning):
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
        When the table violates the contract, an active interval ends before it starts, intervals
        of one device overlap, or a column such as `active` says that no device is active.

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
    for column, off in _columns.switched_off(table):
        rows = rows_text(table[column], off)
        text = f"column {column!r} marks devices as not active ({rows})"
        if off.all():
            raise InputError(f"{name}: {text}, and they are all; a network needs active devices")
        advice = "leave them out, or give active_from and active_to; they are taken as active"
        warn(out, f"{name}: {text}; {advice}")
    return out


def add_note(table: pd.DataFrame, note: str) -> None:
    """Add a line to the notes of a checked table."""
    if note not in table.attrs["notes"]:
        table.attrs["notes"] = [*table.attrs["notes"], note]


def warn(table: pd.DataFrame, note: str, *, stacklevel: int = 3) -> None:
    """Add a line to the notes of a checked table, and warn once.

    Examples
    --------
    >>> table = pd.DataFrame({"latitude": [1.0]})
    >>> table.attrs["notes"] = []
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     warn(table, "sites: only one")
    >>> table.attrs["notes"]
    ['sites: only one']
    """
    if note not in table.attrs["notes"]:
        add_note(table, note)
        warnings.warn(note, TableWarning, stacklevel=stacklevel)


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
                given = table[column.name]
                if column.name == "active_to":
                    given = _columns.without_open_ends(given)
                out[column.name], zoneless = parse_times(given)
                _columns.refuse_missing(out[column.name], column.required)
                naive += [column.name] if zoneless else []
            else:
                out[column.name] = _columns.convert(table, column)
        except ColumnProblem as problem:
            raise _error(name, column.name, table[column.name], problem) from None
    for note in _columns.remarks(table, out, contract):
        add_note(out, f"{name}: {note}")
    for ours, theirs in _names.near_names(table, contract).items():
        remedy = f"rename it (--columns {_names.pair(ours, theirs)})"
        note = f"{name}: column {theirs!r} is not used; if it holds {ours}, {remedy}"
        warn(out, note, stacklevel=stacklevel + 1)
    for ours, theirs in _names.rivals(table, contract).items():
        warn(
            out,
            f"{name}: column {theirs!r} differs from {ours!r}, which is used; drop one of them",
            stacklevel=stacklevel + 1,
        )
    if naive:
        note = f"{name}: times without a time zone in {', '.join(naive)} were taken as UTC"
        add_note(out, note)
        warnings.warn(note, NaiveTimeWarning, stacklevel=stacklevel)
    return out


def _check_names(table: pd.DataFrame, contract: Contract, name: str) -> None:
    existing = [str(label) for label in table.columns]
    missing = [c.name for c in contract.columns if c.required and c.name not in table.columns]
    if missing:
        free = [label for label in existing if label not in {c.name for c in contract.columns}]
        similar = {new: old for new in missing if (old := _names.similar(new, free)) is not None}
        words = "column" if len(missing) == 1 else "columns"
        advice = f"give {'it' if len(missing) == 1 else 'them'}"
        if similar:
            similar |= _names.near_names(table, contract)
            pairs = " ".join(_names.pair(new, old) for new, old in similar.items())
            advice = (
                f"if you mean {pairs}, use --columns {pairs} or rename_columns(table, {similar})"
            )
            unlike = [item for item in missing if item not in similar]
            if unlike:
                advice += f"; no column looks like {' or '.join(map(repr, unlike))}: add it"
        absent = ", ".join(repr(item) for item in missing)
        raise InputError(f"{name}: no {words} {absent} {_names.has(existing)}; {advice}")
    for column in contract.columns:
        number = existing.count(column.name)
        if number > 1:
            raise InputError(f"{name}: {number} columns are called {column.name!r}; keep one")


def _error(table: str, column: str, values: Series, problem: ColumnProblem) -> InputError:
    text = f"{table}: column {column!r}: {problem.what}"
    if problem.bad is not None:
        text += f" ({rows_text(values, problem.bad)})"
    return InputError(text + (f"; {problem.advice}" if problem.advice else ""))


def rows_text(values: Series, bad: NDArray[np.bool_]) -> str:
    """Name the first rows of a table and how many there are.

    Examples
    --------
    >>> rows_text(pd.Series([1.5, 99.0]), np.array([False, True]))
    'row 1: 99.0'
    """
    places = np.flatnonzero(bad)
    rows = (f"row {values.index[i]}: {_columns.short(values.iloc[i])}" for i in places[:3])
    return f"{', '.join(rows)}{f'; {places.size} rows in all' if places.size > 3 else ''}"
