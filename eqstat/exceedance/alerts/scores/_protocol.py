"""SENSE's protocol: one level per threshold, chosen on other earthquakes than those judged."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.exceedance.alerts import _events
from eqstat.exceedance.alerts._alerts import alarm_times, best_f1_level, metrics, metrics_by_level

PROTOCOL_TIMES_S = tuple(round(0.5 + 0.2 * place, 1) for place in range(123))
"""Times of the forecasts, 0.5 to 24.9 s after the first P, every 0.2 s."""
LEVELS = (0.002, 0.005, 0.01, *(round(0.02 * place, 2) for place in range(1, 50)))
"""Levels to choose from."""
# Level where no earthquake of the validation passes the threshold.
NO_LEVEL = 0.5


def protocol(
    key: PRNGKeyArray,
    time_s: ArrayLike,
    probability_of_exceedance: ArrayLike,
    exceedance_time_s: ArrayLike,
    event: ArrayLike,
    validation: ArrayLike,
    threshold_m_s2: ArrayLike,
    *,
    level: ArrayLike = LEVELS,
    replicates: int = 1000,
    probability: float = 0.9,
) -> pd.DataFrame:
    """Judge one rule at several thresholds as SENSE and TEAM were.

    At each of the times an alarm is given where P(PGA > u) exceeds a level; it is a true positive
    only if it is earlier than the exceedance, so that a late one is a miss. The level of each
    threshold is that of the greatest F1 on the earthquakes of the validation, and all figures are
    of the others. Where the validation has no exceedance the level is 0.5.

    Parameters
    ----------
    key
        JAX random key of the bootstrap.
    time_s
        Times of the forecasts, s after the first P, such as `PROTOCOL_TIMES_S`, (t,).
    probability_of_exceedance
        Forecasts of one rule, (u, n, t).
    exceedance_time_s
        When each threshold was passed, on the same clock; infinite or NaN where never, (u, n).
    event
        Labels of the earthquakes, (n,).
    validation
        Rows by which the levels are chosen, boolean, (n,); all rows of an earthquake or none.
    threshold_m_s2
        Thresholds, m/s2, (u,).
    level
        Levels to choose from, in [0, 1].
    replicates, probability
        Of the intervals, as in `eqstat.exceedance.alerts.metrics`.

    Returns
    -------
    pandas.DataFrame
        One row per threshold: `level`, `validation_positives`, `positives`, outcomes, `precision`,
        `recall`, `f1` and `lead_time_mean_s` with limits, `lead_time_median_s`, `events`.

    Raises
    ------
    eqstat.InputError
        When shapes disagree, a value is out of range, an earthquake is on both sides, or a side has
        fewer than two earthquakes.

    References
    ----------
    Huang, Y.-M. et al. (2024), An Attention-based Framework with Multistation Information for
    Earthquake Early Warnings (SENSE), arXiv:2412.18099, sections III-B and IV-B. There the level
    is tuned, and on which earthquakes is not said.

    Examples
    --------
    >>> import jax
    >>> chance = np.tile([[0.1, 0.6], [0.3, 0.4], [0.0, 0.1], [0.0, 0.3]], (1, 2, 1))
    >>> passed = np.tile([4.0, np.inf, np.inf, np.inf], (1, 2))
    >>> event = [1, 2, 3, 4, 5, 6, 7, 8]
    >>> table = protocol(jax.random.key(0), [1.0, 2.0], chance, passed, event,
    ...                  np.arange(8) < 4, [0.1])
    >>> table[["level", "positives", "f1"]].to_numpy().tolist()
    [[0.4, 1.0, 1.0]]
    """
    owner = "protocol"
    _events.check_bootstrap(owner, key, replicates, probability)
    time = _events.times_of(owner, time_s)
    threshold = np.atleast_1d(np.asarray(threshold_m_s2, np.float64))
    check_range(owner, 0, ends="()", threshold_m_s2=threshold)
    chance, passed = np.asarray(probability_of_exceedance), np.asarray(exceedance_time_s)
    if chance.ndim != 3 or chance.shape[::2] != (threshold.size, time.size):
        raise InputError(
            f"{owner}: forecasts must be of shape ({threshold.size}, rows, {time.size}), "
            f"not {chance.shape}"
        )
    rows = chance.shape[1]
    if passed.shape != (threshold.size, rows):
        raise InputError(
            f"{owner}: exceedance_time_s must be of shape ({threshold.size}, {rows}), "
            f"not {passed.shape}"
        )
    code = _events.codes(owner, event, rows)
    chosen = np.asarray(validation)
    if chosen.dtype != bool or chosen.shape != (rows,):
        raise InputError(f"{owner}: validation must have {rows} values that are true or false")
    split = np.bincount(code, chosen) % np.bincount(code)
    if split.any():
        own = np.asarray(event)[np.argmax(code == np.argmax(split > 0))]
        raise InputError(f"{owner}: event {own} is in the validation and among those judged")
    sides = [np.unique(code[side]).size for side in (chosen, ~chosen)]
    if min(sides) < 2:
        raise InputError(f"{owner}: there are {sides[0]} events to choose by and {sides[1]} to "
                         "judge; at least two of each are needed")  # fmt: skip
    table = []
    for own, at, limit in zip(chance, passed, threshold, strict=True):
        best, seen = NO_LEVEL, int(np.isfinite(at[chosen]).sum())
        if seen:
            curve = metrics_by_level(
                key, time, own[chosen], at[chosen], code[chosen], level=level, replicates=20
            )
            best = best_f1_level(curve)
        alarm = alarm_times(time, own[~chosen], best)
        result = metrics(
            key, alarm, at[~chosen], code[~chosen], replicates=replicates, probability=probability
        )
        head = {"threshold_m_s2": limit, "level": best, "validation_positives": seen}
        figures = {str(name): value.item() for name, value in result.items()}
        figures["positives"] = figures["true_positive"] + figures["false_negative"]
        table.append(head | figures | {"events": sides[1]})
    return pd.DataFrame(table)
