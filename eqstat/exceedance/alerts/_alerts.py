r"""Alert levels, alarm times and the evaluation of alarms.

A site is warned when the probability of shaking beyond a threshold passes a level,

$$ \text{alarm} \iff P(a > u) > p, \qquad p = C / L, $$

with the cost C of acting and the loss L that acting in time prevents. Outcomes follow the
literature on such alarms, one row for one site in one earthquake:

| outcome | meaning |
|---|---|
| true positive | the alarm is earlier than the exceedance |
| false positive | an alarm, and the threshold is never passed |
| false negative | the threshold is passed, and there was no alarm, or it was not earlier |
| true negative | no alarm, and the threshold is never passed |

so a late alarm is a miss, not a false alarm.

References
----------
Huang, Y.-M. et al. (2024), An Attention-based Framework with Multistation Information for
Earthquake Early Warnings (SENSE), arXiv:2412.18099, section IV-B: Table II (outcomes), equations 14
to 16 (precision, recall, F1); section III-B, equation 13 (alarm).
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_range
from eqstat._core.constants import STANDARD_GRAVITY_M_S2 as G_M_S2
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.exceedance.alerts import _events
from eqstat.exceedance.alerts import _outcomes as _alert
from eqstat.exceedance.alerts._outcomes import OUTCOMES, TP, outcomes

TAIWAN_M_S2 = tuple(round(G_M_S2 * each / 100, 6) for each in (0.81, 2.5, 8.1, 14.0, 25.0))
"""Thresholds of PGA used for Taiwan, 0.81 to 25 %g, m/s2."""
JAPAN_M_S2 = tuple(round(G_M_S2 * each / 100, 6) for each in (1.0, 2.0, 5.0, 10.0, 20.0))
"""Thresholds of PGA used for Japan, 1 to 20 %g, m/s2."""


def alert_level(cost: float | int, loss: float | int) -> float:
    """Probability from which acting is cheaper than waiting: cost over loss.

    Parameters
    ----------
    cost
        Cost of acting, in any unit, above 0.
    loss
        Loss that acting in time prevents, the same unit, above the cost.

    Returns
    -------
    float
        In (0, 1).

    Raises
    ------
    eqstat.InputError
        Unless 0 < cost < loss; otherwise acting always, or never, is optimal.

    References
    ----------
    Murphy, A. H. (1977), Monthly Weather Review 105, 803-816.

    Examples
    --------
    >>> alert_level(cost=2.0, loss=10.0)
    0.2
    """
    if not 0 < cost < loss:
        raise InputError(f"alert_level: needs 0 < cost < loss, not cost {cost!r} and loss {loss!r}")
    return float(cost / loss)


def alarm_times(time_s: ArrayLike, probability: ArrayLike, level: ArrayLike) -> np.ndarray:
    """Time at which the probability first exceeds a level.

    Parameters
    ----------
    time_s
        Times of the forecasts, s, increasing, (t,).
    probability
        Forecasts of an exceedance, (n, t).
    level
        One level, or several; in [0, 1].

    Returns
    -------
    numpy.ndarray
        Time of the first forecast above the level, s; infinite where there is none; (n,), or
        (levels, n) of several.

    Raises
    ------
    eqstat.InputError
        When shapes disagree, or a value is not a probability.

    Examples
    --------
    >>> alarm_times([0.0, 1.0, 2.0], [[0.1, 0.4, 0.3], [0.0, 0.1, 0.2]], 0.3).tolist()
    [1.0, inf]
    """
    time, chance = _alert.seconds("alarm_times: time_s", time_s), np.asarray(probability)
    if time.ndim != 1 or not time.size or not np.all(np.diff(time) > 0):
        raise InputError("alarm_times: time_s must be one row of increasing numbers")
    if chance.ndim != 2 or chance.shape[1] != time.size:
        raise InputError(
            f"alarm_times: probability must be of shape (n, {time.size}), not {chance.shape}"
        )
    check_range("alarm_times", 0, 1, probability=chance)
    levels = np.atleast_1d(np.asarray(level, np.float64))
    if levels.ndim != 1:
        raise InputError("alarm_times: level must be one number or one row of numbers")
    check_range("alarm_times", 0, 1, level=levels)
    so_far = np.maximum.accumulate(chance, axis=1)
    time_or_never = np.append(time, np.inf)
    alarm = np.stack([time_or_never[(so_far <= each).sum(axis=1)] for each in levels])
    return alarm if np.ndim(level) else alarm[0]


def metrics(
    key: PRNGKeyArray,
    alarm_time_s: ArrayLike,
    exceedance_time_s: ArrayLike,
    event: ArrayLike,
    *,
    replicates: int = 1000,
    probability: float = 0.9,
) -> xr.Dataset:
    r"""Precision, recall, F1 and lead time of alarms, with intervals by event bootstrap.

    $$ \text{precision} = \frac{TP}{TP + FP}, \quad \text{recall} = \frac{TP}{TP + FN}, \quad
    F_1 = \frac{2\,TP}{2\,TP + FP + FN} $$

    The lead time is that of the true positives, from the alarm to the exceedance. Sites of one
    earthquake succeed and fail together, so whole earthquakes are drawn with replacement.

    Parameters
    ----------
    key
        JAX random key.
    alarm_time_s
        Times of the alarms, s; not finite where there was none; (n,), or (level, n).
    exceedance_time_s
        When the threshold was passed, s; not finite where never; (n,).
    event
        Labels of the earthquakes, (n,).
    replicates
        Number of resampled histories, from 20.
    probability
        Nominal coverage of the percentile intervals.

    Returns
    -------
    xarray.Dataset
        `true_positive`, `false_positive`, `false_negative`, `true_negative`; `precision`,
        `recall`, `f1`, `lead_time_mean_s`, each with `_low` and `_high`; `lead_time_median_s`,
        `lead_time_max_s`; over `level` where several were given. Undefined scores (a
        precision without alarms) are NaN, and resampled histories without a value are left out of
        the interval.

    Raises
    ------
    eqstat.InputError
        When lengths disagree, or there are fewer than two earthquakes.

    References
    ----------
    Huang et al. (2024), arXiv:2412.18099, section IV-B, equations 14 to 16, and Table VI.

    Examples
    --------
    >>> import jax
    >>> alarm, passed = [3.0, 3.0, np.inf, 1.0], [5.0, 9.0, 4.0, np.inf]
    >>> result = metrics(jax.random.key(0), alarm, passed, ["a", "a", "b", "c"])
    >>> [round(float(result[name]), 3) for name in ("precision", "recall", "f1")]
    [0.667, 0.667, 0.667]
    >>> float(result["lead_time_mean_s"])
    4.0
    """
    alarm, passed, code = _alert.rows_of(alarm_time_s, exceedance_time_s, event)
    _events.check_bootstrap("metrics", key, replicates, probability)
    outcome = outcomes(alarm, passed)
    counts, lead = _alert.per_event(alarm, passed, code, outcome)
    drawn = _alert.resampled(key, counts, lead, replicates)
    single = np.ndim(alarm_time_s) == 1
    dims = () if single else ("level",)
    result = xr.Dataset()
    for place, name in enumerate(OUTCOMES):
        row = counts[..., place].sum(axis=1)
        result[name] = (dims, row[0] if single else row, {"units": "1"})
    for name, value in _alert.scores(counts.sum(axis=1), lead.sum(axis=1)).items():
        result.update(_alert.columns(name, value, drawn[name], probability, dims))
    good = outcome == TP
    gained = [passed[hit] - row[hit] for row, hit in zip(alarm, good, strict=True)]
    for name, of in (("lead_time_median_s", np.median), ("lead_time_max_s", np.max)):
        row = np.array([of(each) if each.size else np.nan for each in gained])
        result[name] = (dims, row[0] if single else row, {"units": "s"})
    result.attrs = {
        "events": counts.shape[1],
        "rows": passed.size,
        "interval_probability": probability,
        "interval_kind": "percentile, bootstrap of whole events",
        "replicates": replicates,
    }
    return result


def metrics_by_level(
    key: PRNGKeyArray,
    time_s: ArrayLike,
    probability_of_exceedance: ArrayLike,
    exceedance_time_s: ArrayLike,
    event: ArrayLike,
    *,
    level: ArrayLike | None = None,
    replicates: int = 1000,
    probability: float = 0.9,
) -> xr.Dataset:
    """Metrics at many alert levels: the trade-off of early against false alarms.

    Parameters
    ----------
    key, exceedance_time_s, event, replicates, probability
        As in `metrics`.
    time_s, probability_of_exceedance
        As in `alarm_times`: forecasts through time, (n, t).
    level
        Levels of the probability; 0.02 to 0.98 by default.

    Returns
    -------
    xarray.Dataset
        As of `metrics`, over `level`.

    Raises
    ------
    eqstat.InputError
        As in `metrics` and `alarm_times`.

    Examples
    --------
    >>> import jax
    >>> chance = [[0.1, 0.6], [0.3, 0.4], [0.0, 0.1]]
    >>> exceeded = [4.0, np.inf, np.inf]
    >>> result = metrics_by_level(jax.random.key(0), [1.0, 2.0], chance, exceeded, [1, 2, 3],
    ...                           level=[0.2, 0.5])
    >>> result["precision"].values.tolist()
    [0.5, 1.0]
    """
    levels = np.linspace(0.02, 0.98, 49) if level is None else np.atleast_1d(np.asarray(level))
    alarm = alarm_times(time_s, probability_of_exceedance, levels)
    result = metrics(
        key, alarm, exceedance_time_s, event, replicates=replicates, probability=probability
    )
    about = {"units": "1", "long_name": "probability above which an alarm is issued"}
    return result.assign_coords(level=("level", np.asarray(levels, np.float64), about))


def best_f1_level(curve: xr.Dataset) -> float:
    """Level with the greatest F1; optimistic for the events on which it is tuned.

    Parameters
    ----------
    curve
        Result of `metrics_by_level`.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    eqstat.InputError
        When no level has a finite F1.

    Examples
    --------
    >>> best_f1_level(xr.Dataset({"f1": ("level", [0.2, 0.5])}, coords={"level": [0.1, 0.3]}))
    0.3
    """
    f1 = curve["f1"].to_numpy()
    if not np.any(np.isfinite(f1)):
        raise InputError("best_f1_level: no level has an F1; the threshold is never passed")
    return float(curve["level"][int(np.nanargmax(f1))])


def compare_rules(
    key: PRNGKeyArray,
    first_alarm_s: ArrayLike,
    second_alarm_s: ArrayLike,
    exceedance_time_s: ArrayLike,
    event: ArrayLike,
    *,
    replicates: int = 1000,
    probability: float = 0.9,
) -> xr.Dataset:
    """Difference of two rules, on the same resampled earthquakes.

    Parameters
    ----------
    key, exceedance_time_s, event, replicates, probability
        As in `metrics`.
    first_alarm_s, second_alarm_s
        Times of the alarms of two rules, s; not finite where there was none; (n,).

    Returns
    -------
    xarray.Dataset
        `precision`, `recall`, `f1` and `lead_time_mean_s` of the first less the second, each
        with `_low` and `_high`, and the fraction of resampled histories in which the first has the
        greater F1, `probability_of_greater_f1` (ties count half).

    Raises
    ------
    eqstat.InputError
        As in `metrics`.

    Examples
    --------
    >>> import jax
    >>> passed, event = [5.0, 9.0, 4.0, np.inf], [1, 2, 3, 4]
    >>> result = compare_rules(jax.random.key(0), [1.0] * 4, [np.inf] * 4, passed, event)
    >>> round(float(result["f1"]), 3)
    0.857
    """
    one, passed, code = _alert.rows_of(first_alarm_s, exceedance_time_s, event)
    two, _, _ = _alert.rows_of(second_alarm_s, exceedance_time_s, event)
    if len(one) != 1 or len(two) != 1:
        raise InputError("compare_rules: needs one row of alarms of each rule")
    _events.check_bootstrap("metrics", key, replicates, probability)
    alarm = np.concatenate([one, two])
    counts, lead = _alert.per_event(alarm, passed, code, outcomes(alarm, passed))
    drawn = _alert.resampled(key, counts, lead, replicates)
    result = xr.Dataset()
    for name, value in _alert.scores(counts.sum(axis=1), lead.sum(axis=1)).items():
        difference = drawn[name][:, :1] - drawn[name][:, 1:]
        result.update(_alert.columns(name, value[:1] - value[1:], difference, probability, ()))
        if name == "f1":
            known = difference[np.isfinite(difference)]
            share = np.mean((known > 0) + 0.5 * (known == 0)) if known.size else np.nan
            result["probability_of_greater_f1"] = ((), share, {"units": "1"})
    result.attrs = {
        "events": counts.shape[1],
        "interval_probability": probability,
        "interval_kind": "percentile, bootstrap of whole events, paired by event",
        "replicates": replicates,
    }
    return result
