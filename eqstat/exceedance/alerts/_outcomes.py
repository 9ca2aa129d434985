"""Outcomes of alarms for each earthquake, their scores, and the bootstrap of earthquakes."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.exceedance.alerts import _events

OUTCOMES = ("true_negative", "false_positive", "false_negative", "true_positive")
"""Names of the outcomes 0 to 3."""
TN, FP, FN, TP = range(4)


def seconds(name: str, values: ArrayLike) -> np.ndarray:
    """Convert times to numbers; reject datetimes and text (NaT would become a finite number)."""
    given = np.asarray(values)
    if given.dtype.kind not in "biuf" and given.size:
        raise InputError(f"{name} must be numbers of seconds, not {given.ravel()[0]!r}")
    return given.astype(np.float64)


def outcomes(alarm_time_s: ArrayLike, exceedance_time_s: ArrayLike) -> np.ndarray:
    """Classify the alarm of each site in each earthquake.

    Parameters
    ----------
    alarm_time_s
        Time of the alarm, s; infinite or NaN where there was none; (..., n).
    exceedance_time_s
        When the threshold was passed, s; infinite or NaN where never; (n,).

    Returns
    -------
    numpy.ndarray
        Indices into `OUTCOMES`, (..., n).

    Raises
    ------
    eqstat.InputError
        When times are not numbers.

    Examples
    --------
    >>> [OUTCOMES[i] for i in outcomes([3.0, 3.0, 3.0, np.inf], [5.0, 2.0, np.inf, np.inf])]
    ['true_positive', 'false_negative', 'false_positive', 'true_negative']
    """
    alarm = seconds("alarm_time_s", alarm_time_s)
    passed = seconds("exceedance_time_s", exceedance_time_s)
    alarmed, needed = np.isfinite(alarm), np.isfinite(passed)
    in_time = alarmed & needed & (alarm < np.where(needed, passed, np.inf))
    return np.where(needed, np.where(in_time, TP, FN), np.where(alarmed, FP, TN))


def with_end(name: str, end: str) -> str:
    """Insert a suffix before the unit of a name."""
    return f"{name[:-2]}{end}_s" if name.endswith("_s") else name + end


def columns(
    name: str, value: np.ndarray, drawn: np.ndarray, probability: float, dims: tuple[str, ...]
) -> dict[str, Any]:
    """A score, (levels,), with its interval; scalars without `dims`."""
    tail = (1 - probability) / 2
    about = {"units": "s" if name.endswith("_s") else "1"}
    parts = zip(("", "_low", "_high"), (value, *interval(drawn, tail)), strict=True)
    return {with_end(name, end): (dims, row if dims else row[0], about) for end, row in parts}


def rows_of(
    alarm_time_s: ArrayLike, exceedance_time_s: ArrayLike, event: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    alarm = np.atleast_2d(seconds("metrics: alarm_time_s", alarm_time_s))
    passed = seconds("metrics: exceedance_time_s", exceedance_time_s)
    labels = np.asarray(event)
    if passed.ndim != 1 or not passed.size:
        raise InputError("metrics: exceedance_time_s must be one row of numbers")
    if alarm.ndim != 2 or alarm.shape[1] != passed.size or labels.shape != passed.shape:
        raise InputError(
            f"metrics: as many of each are needed, not {alarm.shape[-1]} alarms, {passed.size} "
            f"exceedances and {labels.size} events"
        )
    return alarm, passed, _events.codes("metrics", labels, passed.size)


def per_event(
    alarm: np.ndarray, passed: np.ndarray, code: np.ndarray, outcome: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes (level, event, 4) and sums of lead times (level, event)."""
    number = int(code.max()) + 1
    counts = np.stack(
        [np.bincount(4 * code + row, minlength=4 * number).reshape(number, 4) for row in outcome]
    )
    gained = np.where(outcome == TP, passed - np.where(outcome == TP, alarm, 0.0), 0.0)
    lead = np.stack([np.bincount(code, weights=row, minlength=number) for row in gained])
    return counts, lead


def scores(counts: np.ndarray, lead: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of outcomes (..., 4) and sums of lead times (...)."""
    good, wrong, missed = (counts[..., place].astype(float) for place in (TP, FP, FN))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "precision": good / (good + wrong),
            "recall": good / (good + missed),
            "f1": 2 * good / (2 * good + wrong + missed),
            "lead_time_mean_s": lead / good,
        }


def resampled(
    key: PRNGKeyArray, counts: np.ndarray, lead: np.ndarray, replicates: int
) -> dict[str, np.ndarray]:
    """Scores of resampled histories, (replicate, level)."""
    parts = []
    for times in _events.histories(key, counts.shape[1], replicates):
        drawn = np.einsum("be,lek->blk", times, counts, optimize=True)
        parts.append(scores(drawn, times @ lead.T))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def interval(values: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of the finite replicates, along the first axis."""
    known = np.isfinite(values).any(axis=0)
    inner = np.where(known, values, 0.0)
    low, high = np.nanquantile(inner, [tail, 1 - tail], axis=0)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)
