"""Contracts of counts in windows and of detections of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from eqstat.schema._check import _check, _error
from eqstat.schema._contracts import Column, Contract
from eqstat.schema._times import ColumnProblem

COUNTS = Contract(
    "counts",
    (
        Column("time", "time", True, "UTC"),
        Column("triggers", "number", True, minimum=0.0, whole=True),
        Column("active", "number", True, minimum=0.0, whole=True),
        Column("region", "text"),
        Column("window_s", "number", unit="s", positive=True),
        Column("is_earthquake", "flag"),
        Column("windows", "number", minimum=1.0, whole=True),
    ),
)
"""Triggers of the active devices in each window: `time` (the window's start), `triggers`, `active`
and optional columns; `windows` is the number of equal windows that a row summarises."""

DETECTIONS = Contract(
    "detections",
    (
        Column("time", "time", True, "UTC"),
        Column("latitude", "latitude", True, "degrees", -90.0, 90.0),
        Column("longitude", "longitude", True, "degrees", -180.0, 360.0),
        Column("is_earthquake", "flag", True),
        Column("score", "number"),
        Column("triggers", "number", minimum=0.0, whole=True),
        Column("active", "number", minimum=0.0, whole=True),
        Column("magnitude", "number", minimum=-3.0, maximum=10.0),
        Column("delay_s", "number", unit="s"),
    ),
)
"""Detections of a network: `time`, `latitude`, `longitude`, `is_earthquake`; optional columns."""


def check_detections(table: pd.DataFrame, *, name: str = "detections") -> pd.DataFrame:
    """Validate a table of detections (see `eqstat.schema.check` and `DETECTIONS`).

    Parameters
    ----------
    table : pandas.DataFrame
        With `time`, `latitude`, `longitude`, `is_earthquake`; optionally `score`, `triggers`,
        `active`, `magnitude`, `delay_s`.
    name : str
        Name of the table in messages.

    Returns
    -------
    pandas.DataFrame
        A validated copy.

    Raises
    ------
    InputError
        When the table violates the contract, or more devices triggered than were active.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"time": ["2026-01-05T00:00:00Z"], "latitude": [-12.0],
    ...                       "longitude": [-77.0], "is_earthquake": ["yes"]})
    >>> check_detections(table)["is_earthquake"].tolist()
    [True]
    """
    out = _check(table, DETECTIONS, name, stacklevel=3)
    if {"triggers", "active"} <= set(out.columns):
        _refuse_more_than_active(out, table, name)
    return out


def check_counts(table: pd.DataFrame, *, name: str = "counts") -> pd.DataFrame:
    """Validate a table of counts (see `eqstat.schema.check` and `COUNTS`).

    The windows of each region must be sorted by time, unique and must not overlap. If `windows`
    exceeds 1 in any row, the time of a row identifies its hour only, and the order is not checked.

    Parameters
    ----------
    table : pandas.DataFrame
        With `time`, `triggers`, `active`; optionally `region`, `window_s`, `is_earthquake`,
        `windows`.
    name : str
        Name of the table in messages.

    Returns
    -------
    pandas.DataFrame
        A validated copy.

    Raises
    ------
    InputError
        When the table violates the contract, more devices triggered than were active, windows have
        different lengths, or a region's windows are unsorted, repeated or overlap.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"time": ["2026-01-05T00:00:00Z", "2026-01-05T00:00:10Z"],
    ...                       "triggers": [0, 2], "active": [90, 91]})
    >>> check_counts(table)["triggers"].sum()
    np.float64(2.0)
    """
    given = table
    if isinstance(table, pd.DataFrame) and list(table.columns).count("region") == 1:
        given = table.assign(region=table["region"].astype("category"))
        given.attrs = dict(table.attrs)
    out: Any = _check(given, COUNTS, name, stacklevel=3)
    _refuse_more_than_active(out, table, name)
    if "region" in out.columns and out["region"].isna().any():
        missing = out["region"].isna().to_numpy(dtype=bool)
        problem = ColumnProblem("has missing values", missing, "name the region in every row")
        raise _error(name, "region", table["region"], problem)
    length = _one_length(out, table, name)
    if "windows" not in out.columns or not bool((out["windows"] > 1).any()):
        _refuse_disorder(out, table, name, length)
    return out


def _refuse_more_than_active(out: Any, table: Any, name: str) -> None:
    bad = (out["triggers"] > out["active"]).to_numpy(dtype=bool)
    if bad.any():
        problem = ColumnProblem(
            "more triggers than active devices", bad, "count each device once in a window"
        )
        raise _error(name, "triggers", table["triggers"], problem)


def _one_length(out: Any, table: Any, name: str) -> float | None:
    """Length of the windows, s; None if it is not given."""
    if "window_s" not in out.columns:
        return None
    length = out["window_s"].to_numpy()
    known = length[~np.isnan(length)]
    if not known.size:
        return None
    bad = length != known[0]
    if bad.any():
        problem = ColumnProblem(
            f"every window must be as long as the first, {known[0]:g} s",
            bad,
            "make one history for each length of window",
        )
        raise _error(name, "window_s", table["window_s"], problem)
    return float(known[0])


def region_codes(out: Any) -> tuple[np.ndarray, list[str]]:
    """Number the regions in the order of their names; without the column: one region, "all".

    Examples
    --------
    >>> codes, names = region_codes(pd.DataFrame({"region": ["Peru", "Chile", "Peru"]}))
    >>> codes.tolist(), names
    ([1, 0, 1], ['Chile', 'Peru'])
    """
    if "region" not in out.columns:
        return np.zeros(len(out), np.int64), ["all"]
    codes, names = pd.factorize(out["region"], sort=True)
    return np.asarray(codes, np.int64), [str(label) for label in names]


def spacing_s(out: Any) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since the previous window of the same region, and the rows of the later windows.

    Examples
    --------
    >>> time = pd.to_datetime(["2027-01-15T08:00:00", "2027-01-15T08:00:10", "2027-01-15T08:00:30"])
    >>> seconds, rows = spacing_s(pd.DataFrame({"time": time}))
    >>> seconds.tolist(), rows.tolist()
    ([10.0, 20.0], [1, 2])
    """
    codes, _ = region_codes(out)
    order = np.argsort(codes, kind="stable")
    stamps = out["time"].to_numpy(dtype="datetime64[ns]").astype(np.int64)[order]
    same = codes[order][1:] == codes[order][:-1]
    return np.diff(stamps)[same] / 1e9, order[1:][same]


def _refuse_disorder(out: Any, table: Any, name: str, length: float | None) -> None:
    step, rows = spacing_s(out)
    problems = (
        (
            step < 0,
            "goes back: a region's windows must be sorted by time",
            "sort the table, or, where clocks were set back, give UTC",
        ),
        (step == 0, "the same window of a region comes twice", "keep one row for each window"),
        (
            step < (0.0 if length is None else length - 1e-6),
            f"overlaps the window before, of {length} s, in its region",
            "give windows that follow one another, or correct window_s",
        ),
    )
    for where, what, advice in problems:
        if where.any():
            bad = np.zeros(len(out), dtype=bool)
            bad[rows[where]] = True
            raise _error(name, "time", table["time"], ColumnProblem(what, bad, advice))
