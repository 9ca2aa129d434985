"""Sums over the rows of each earthquake, and their bootstrap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_probability, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike

# Resampled histories that are held in memory at a time.
AT_ONCE = 100


def check_bootstrap(
    owner: str, key: PRNGKeyArray, replicates: int, probability: float | int
) -> None:
    """Check the options of a bootstrap."""
    check_key(owner, key)
    check_whole(owner, 20, replicates=replicates)
    check_probability(owner, probability=probability)


def codes(owner: str, event: ArrayLike, rows: int) -> np.ndarray:
    """Number the earthquakes of the rows."""
    labels = np.asarray(event)
    if labels.shape != (rows,):
        raise InputError(f"{owner}: event must have {rows} labels, not shape {labels.shape}")
    if missing := int(pd.isna(labels).sum()):
        raise InputError(f"{owner}: event has {missing} missing labels; name each row's earthquake")
    code = np.unique(labels.astype(str), return_inverse=True)[1]
    if code.max(initial=0) < 1:
        raise InputError(f"{owner}: there is one event only; at least two are needed")
    return code


def times_of(owner: str, time_s: ArrayLike) -> np.ndarray:
    """Convert times of forecasts, which increase."""
    time = np.asarray(time_s)
    if time.dtype.kind not in "iuf" or time.ndim != 1 or not time.size:
        raise InputError(f"{owner}: time_s must be one row of numbers of seconds")
    check_range(owner, time_s=time)
    if not np.all(np.diff(time) > 0):
        raise InputError(f"{owner}: time_s must increase")
    return time.astype(np.float64)


def forecasts_of(owner: str, values: ArrayLike, time: np.ndarray) -> np.ndarray:
    """Convert forecasts through time, (rows, times)."""
    chance = np.asarray(values)
    if chance.ndim != 2 or chance.shape[1] != time.size or not chance.size:
        raise InputError(
            f"{owner}: forecasts must be of shape (rows, {time.size}), not {chance.shape}"
        )
    check_range(owner, 0, 1, probability_of_exceedance=chance)
    return chance


def passed_of(owner: str, values: ArrayLike, rows: int) -> np.ndarray:
    """Convert times of exceedance, infinite where never."""
    passed = np.asarray(values)
    if passed.dtype.kind not in "iuf" or passed.shape != (rows,):
        raise InputError(
            f"{owner}: exceedance_time_s must have {rows} numbers of seconds, infinite where never"
        )
    passed = passed.astype(np.float64)
    return np.where(np.isfinite(passed), passed, np.inf)


def sums(code: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of rows (rows, ...) over each earthquake, (events, ...)."""
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    return np.add.reduceat(values[order], starts, axis=0)


def histories(key: PRNGKeyArray, events: int, replicates: int) -> Iterator[np.ndarray]:
    """How often each earthquake is in resampled histories, in blocks (block, events)."""
    rng = generator(key)
    for start in range(0, replicates, AT_ONCE):
        size = min(AT_ONCE, replicates - start)
        yield rng.multinomial(events, np.full(events, 1 / events), size=size)


def resampled(key: PRNGKeyArray, totals: np.ndarray, replicates: int) -> Iterator[np.ndarray]:
    """Sums over the earthquakes of resampled histories, in blocks (block, ...)."""
    flat = totals.reshape(len(totals), -1).astype(np.float64)
    for times in histories(key, len(totals), replicates):
        yield (times @ flat).reshape(len(times), *totals.shape[1:])


def attributes(events: int, replicates: int, probability: float | int) -> dict[str, float | str]:
    """Attributes of a result with intervals."""
    return {
        "events": events,
        "interval_probability": probability,
        "interval_kind": "percentile, bootstrap of whole events",
        "replicates": replicates,
    }
