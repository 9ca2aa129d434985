"""The length of a history's windows, and whether windows without a trigger are missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat.schema import region_codes, rows_text, spacing_s, warn

# Spacings within this share of the usual one are of windows of that length.
TOLERANCE = 0.05
# More windows than this share shorter than usual, and there is no usual spacing.
MOST_SHORT = 0.02
# A history in which that many empty windows are expected and none is found leaves them out.
EXPECTED_EMPTY = 7.0
LEAST_WINDOWS = 10
# A running total goes down hardly ever; counts of windows do so in about half of their changes.
LEAST_CHANGES = 30
MOST_FALLS = 0.02
# A maximum stands out where its distance to the next ones has a smaller probability than this.
OUTSTANDING = 1e-6
MAXIMA = 50
MAXIMA_APART_S = 600.0


def window_length(table: Any, window_s: float | int | None) -> tuple[float, bool]:
    """Return the length of the windows, s, and whether it was taken from their usual spacing.

    Parameters
    ----------
    table
        Checked table of counts.
    window_s
        What the caller says; None takes the column `window_s`, else the usual spacing.

    Raises
    ------
    eqstat.InputError
        When argument and column differ, or there is no usual spacing.
    """
    given = None
    if "window_s" in table and bool(table["window_s"].notna().any()):
        given = float(table["window_s"].iloc[0])
    if window_s is not None:
        check_range("counts", 0, ends="()", window_s=window_s)
        if given is not None and abs(given - window_s) > 1e-6:
            raise InputError(
                f"counts: window_s={window_s:g} is requested, but the table's is {given:g}; "
                "leave out the argument, or correct the column"
            )
        return float(window_s), False
    if given is not None:
        return given, False
    step, _ = spacing_s(table)
    return usual_spacing(step[step > 0]), True


def usual_spacing(step: np.ndarray) -> float:
    """Return the shortest spacing about which at least 2 % of the windows are, s.

    Raises
    ------
    eqstat.InputError
        When there is no spacing, or none that 2 % of the windows have, or more are shorter.

    Examples
    --------
    >>> usual_spacing(np.array([60.0] * 99 + [7.0]))
    60.0
    """
    advice = "give window_s"
    if not len(step):
        raise InputError(
            "counts: the length of the windows is not given and no region has two of them; "
            + advice
        )
    # Stamps that jitter by less than the tolerance are of one spacing.
    value, number = np.unique(np.round(step, 3), return_counts=True)
    near = np.searchsorted(value, value * (1 + TOLERANCE), side="right")
    below = np.searchsorted(value, value * (1 - TOLERANCE), side="left")
    total = np.concatenate([[0], np.cumsum(number)])
    frequent = np.flatnonzero(total[near] - total[below] >= MOST_SHORT * len(step))
    if len(frequent):
        # From the first of these spacings up to the one about which most of its neighbours lie.
        at, most = int(frequent[0]), 0
        while total[near[at]] - total[below[at]] > most:
            most = total[near[at]] - total[below[at]]
            inside = slice(int(below[at]), int(near[at]))
            middle = float(np.median(np.repeat(value[inside], number[inside])))
            at = int(np.searchsorted(value, middle))
        length = float(np.median(np.repeat(value[inside], number[inside])))
    else:
        length = float(step.max())
    short = float(np.mean(step < (1 - TOLERANCE) * length))
    if short > MOST_SHORT:
        raise InputError(
            f"counts: the windows follow each other in {step.min():g} s to {length:g} s, and there "
            f"is no usual spacing; {advice}"
        )
    return length


def cut_short(table: Any, length_s: float) -> np.ndarray:
    """Return which windows end before their time because the next one of the region starts.

    A restart of the counter makes such a window; its triggers are of less than a window.
    """
    step, later = spacing_s(table)
    codes, _ = region_codes(table)
    order = np.argsort(codes, kind="stable")
    before = np.empty(len(order), np.int64)
    before[order[1:]] = order[:-1]
    bad = np.zeros(len(table), bool)
    bad[before[later[step < (1 - TOLERANCE) * length_s]]] = True
    return bad


def refuse_missing_zeros(table: Any, length_s: float, *, aggregated: bool) -> None:
    r"""Refuse a history that leaves out the windows without a trigger; warn where it may.

    Of windows with a mean of $\lambda$ triggers a share $e^{-\lambda}$ is empty. Where no window is
    empty, $\lambda$ is estimated from the others, whose mean is $\lambda / (1 - e^{-\lambda})$; the
    history is refused where more than seven empty windows were to be expected beside the $n$ given,
    $n / (e^\lambda - 1)$, and windows are missing. A warning is given where windows are missing in
    many gaps, or where those after a gap are seldom empty.

    Parameters
    ----------
    table
        Checked table of counts.
    length_s
        Length of the windows, s.
    aggregated
        Whether rows stand for several windows, so that gaps cannot be seen.

    Raises
    ------
    eqstat.InputError
        When windows without a trigger are missing.
    """
    triggers = table["triggers"].to_numpy(np.float64)
    weight = table["windows"].fillna(1.0).to_numpy(np.float64) if "windows" in table else None
    weight = np.ones(len(table)) if weight is None else weight
    codes, names = region_codes(table)
    step, later = spacing_s(table)
    missing = np.maximum(np.round(step / length_s) - 1, 0)
    for region, label in enumerate(names):
        rows = codes == region
        if weight[rows].sum() < LEAST_WINDOWS or not weight[rows & (triggers > 0)].any():
            continue
        gaps = missing[codes[later] == region]
        where = "" if len(names) == 1 else f" of the region {label!r}"
        if not np.any(triggers[rows] == 0):
            mean = float(np.average(triggers[rows], weights=weight[rows]))
            expected = weight[rows].sum() / np.expm1(max(_truncated_mean(mean), 1e-9))
            if expected > EXPECTED_EMPTY and (aggregated or gaps.sum() > 0.5 * EXPECTED_EMPTY):
                raise InputError(
                    f"counts: no window{where} is without a trigger, and "
                    f"{min(expected, 1e9):.0f} such windows were to be expected: are they left "
                    "out? The rate would be far too high; add them, with triggers 0"
                )
        elif not aggregated and (
            np.sum(gaps > 0) > 0.1 * rows.sum()
            or _gaps_hide_empty(triggers == 0, rows, later[missing > 0])
        ):
            warn(
                table,
                f"counts: {gaps.sum():.0f} windows{where} are missing in {np.sum(gaps > 0)} gaps "
                f"between {rows.sum()} windows; add those that had no trigger, with triggers 0, or "
                "the rate is too high",
            )


def refuse_running_total(table: Any) -> None:
    """Refuse triggers that were added up since a start, which hardly ever go down.

    Raises
    ------
    eqstat.InputError
        When the changes of a region's triggers from window to window are upwards.
    """
    triggers = table["triggers"].to_numpy(np.float64)
    codes, names = region_codes(table)
    for region, label in enumerate(names):
        change = np.diff(triggers[codes == region])
        change = change[change != 0]
        if len(change) >= LEAST_CHANGES and np.sum(change < 0) <= MOST_FALLS * len(change):
            where = "" if len(names) == 1 else f" of the region {label!r}"
            raise InputError(
                f"counts: triggers{where} went up in {np.sum(change > 0)} of {len(change)} "
                "changes: are they a running total? Give the triggers of each window"
            )


def outstanding(table: Any, length_s: float) -> list[str]:
    r"""Name windows that stand far above all others, as those of an unmarked earthquake do.

    Of the largest counts $x_1 \ge x_2 \ge \dots$, one in ten minutes, with an exponential tail the
    spacings $j (x_j - x_{j+1})$ are independent and exponential with the scale of that tail (Renyi,
    1953). The largest ones are named down to a spacing whose probability is below $10^{-6}$, where
    the scale is that of the spacings below it and at least one trigger.

    Returns
    -------
    list of str
        A note for each region that has such windows.
    """
    marked = np.zeros(len(table), bool)
    if "is_earthquake" in table:
        marked = table["is_earthquake"].fillna(False).to_numpy(dtype=bool)
    triggers = np.where(marked, 0.0, table["triggers"].to_numpy(np.float64))
    stamps = table["time"].to_numpy(dtype="datetime64[s]").astype(np.int64)
    part = stamps // max(MAXIMA_APART_S, 10 * length_s)
    codes, names = region_codes(table)
    notes = []
    for region, label in enumerate(names):
        rows = np.flatnonzero(codes == region)
        start = np.flatnonzero(np.diff(part[rows], prepend=-1) != 0)
        if len(start) <= MAXIMA:
            continue
        maxima = np.sort(np.maximum.reduceat(triggers[rows], start))[::-1][: MAXIMA + 1]
        spacing = np.arange(1, MAXIMA + 1) * -np.diff(maxima)
        below = np.cumsum(spacing[::-1])[::-1] / np.arange(MAXIMA, 0, -1)
        scale = np.maximum(np.append(below[1:], 1.0), 1.0)
        far = np.flatnonzero((spacing > -np.log(OUTSTANDING) * scale)[: MAXIMA // 10])
        if len(far):
            where = np.zeros(len(table), bool)
            where[rows[triggers[rows] > maxima[far[-1] + 1]]] = True
            of = "" if len(names) == 1 else f" of the region {label!r}"
            notes.append(
                f"counts: {int(where.sum())} windows{of} stand far above all others (up to "
                f"{maxima[0]:.0f} triggers, the next {maxima[far[-1] + 1]:.0f}; "
                f"{rows_text(table['time'], where)}): if this was an earthquake, mark it in a "
                "column is_earthquake, or thresholds become too high"
            )
    return notes


def _gaps_hide_empty(empty: np.ndarray, rows: np.ndarray, after: np.ndarray) -> bool:
    """Whether windows that follow a gap are much more rarely empty than the others of a region."""
    after_gap = np.zeros(len(rows), bool)
    after_gap[after] = True
    after_gap &= rows
    others = rows & ~after_gap
    if not (after_gap.any() and others.any()):
        return False
    expected = float(after_gap.sum() * empty[others].mean())
    return bool(expected - float(empty[after_gap].sum()) > 5 * np.sqrt(expected + 1))


def _truncated_mean(mean: float) -> float:
    """Mean of a Poisson distribution from the mean of its values above 0."""
    if mean <= 1.0:
        return 0.0
    low, high = 0.0, mean
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if middle / -np.expm1(-max(middle, 1e-12)) < mean else (low, middle)
        )
    return low


def note_spacing(table: Any, length_s: float, short: np.ndarray) -> list[str]:
    """Say that the length was taken from the usual spacing, and which windows are shorter."""
    notes = [f"counts: window_s taken from the usual spacing, {length_s:g} s"]
    if short.any():
        rows = rows_text(table["time"], short)
        notes.append(f"counts: windows cut short by the next one are left out ({rows})")
    return notes
