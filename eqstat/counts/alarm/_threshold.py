"""Posterior-predictive thresholds at a given false-alarm rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from eqstat._core.checks import (
    check_choice,
    check_kind,
    check_probability,
    check_range,
    check_whole,
    refuse,
)
from eqstat._core.constants import HOURS_PER_YEAR
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.counts._background import FROM_FIT, Background
from eqstat.counts._intensity._tail import Tail
from eqstat.counts.alarm import _budget
from eqstat.counts.alarm._cells import LARGEST_TABLE, alarm_cells
from eqstat.counts.alarm._draws import draws_of
from eqstat.counts.alarm._support import Cells, check_support

DAYS = np.arange(7)
MOST_DRAWS = 200

MissProbability = Callable[[np.ndarray, np.ndarray, np.ndarray, str], np.ndarray]


def threshold(
    background: Background,
    active: ArrayLike | xr.DataArray,
    hour: ArrayLike,
    *,
    false_alarm_rate_per_year: float | int = 1.0,
    regions: Sequence[str] | None = None,
    minimum: int = 6,
    day: int | None = None,
    kind: Literal["predictive", "plug-in"] = "predictive",
    split: Literal["equal", "least_miss"] = "equal",
    miss_probability: MissProbability | None = None,
    probability: float | int = 0.9,
    correlation_windows: float | int = np.inf,
    caution: float | int = 2.0,
) -> xr.Dataset:
    r"""Posterior-predictive threshold at a given false-alarm rate, by region and hour.

    The budget b of all regions together is split over them. In region r at hour h with n
    active devices, with $\nu$ the alarm rate of a continuously sliding window (see
    `eqstat.counts.scan`) and $\theta$ the parameters of the background, the threshold is the
    smallest count from which on the expected rate keeps the budget,

    .. math:: k^*(r, h, n) = \min \{k \ge k_{\min}:
        \operatorname{E}[\nu(j; n, h, r, \theta) \mid \text{history}] \le b_r
        \text{ for all } j \ge k\}.

    The expectation marginalises over the draws of a posterior ("predictive"; over 200 evenly
    spaced ones where there are more), so that a short history needs more triggers; with "plug-in"
    the parameters are treated as known. A budget that is kept at every hour is kept over the
    year, whatever devices are active.

    Parameters
    ----------
    background
        Draws from a fit's `posterior` or from `background_from` (predictive), or one background
        (plug-in).
    active
        Active devices: a number, a sequence (dimension `active` of the result), or a DataArray
        over `region` and/or `hour`.
    hour
        Local times of day in hours, [0, 24): a number or a sequence.
    false_alarm_rate_per_year
        Budget of all `regions` together.
    regions
        Names of the regions that share the budget; by default all of the background.
    minimum
        Smallest admissible threshold.
    day
        Day of the week, Monday is 0; by default rates are averaged over the seven days.
    kind
        "predictive" or "plug-in"; a plug-in threshold of draws uses their mean parameters.
    split
        "equal": the same share for every region. "least_miss": thresholds that minimise the sum
        of miss probabilities over regions and hours.
    miss_probability
        For "least_miss": a function of `triggers`, `active`, `hour` (arrays of one shape) and the
        name of the region that returns the probability of missing an earthquake, such as
        `eqstat.detectability.miss_of_counts` gives.
    probability
        Probability content of the central interval of the rate at the threshold.
    correlation_windows
        Windows for which an excess of the intensity lasts, see `eqstat.counts.scan`; by default
        longer than any alarm, which is usual for the habits of people.
    caution
        Factor, at least 1, by which the uncertainty of the background may raise a predictive
        threshold above the count that the posterior median rate needs. Beyond it the prior
        rather than the history would determine the threshold, which is an error.
        `numpy.inf` accepts all.

    Returns
    -------
    xarray.Dataset
        On dims `region`, `hour` and, for a sequence, `active`: `triggers`, the threshold;
        `attainable`, False where no count keeps the budget or the devices are fewer than
        `minimum` (`triggers` is then one more than the active devices);
        `false_alarm_rate_per_year`, the rate at this hour all year, and its interval `rate_low`,
        `rate_high`; `budget_per_year`. The attribute `tail_factor` is the factor by which rates at
        the budget were inflated because the history's largest counts are more frequent than the
        background says (`Background.tails`), 1 for none.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range, a region is unknown, a predictive threshold is requested
        of a background without draws, or the history behind the draws is too short for the rate
        (see `caution`); the message then says which threshold and rate it supports.

    References
    ----------
    Finazzi, F. (2020), Front. Earth Sci. 8:243, doi:10.3389/feart.2020.00243 (one false alarm
    per year and country). Alm (1983), see `eqstat.counts.scan`.

    Examples
    --------
    >>> background = Background("poisson", 5.76)
    >>> result = threshold(background, [50, 500], 12.0, kind="plug-in")
    >>> result["triggers"].sel(region="all", hour=12.0).values.tolist()
    [10, 29]
    """
    check_kind("threshold", Background, FROM_FIT, background=background)
    hours, names = _hours(hour), tuple(background.regions if regions is None else regions)
    index = _regions(background, names)
    _check(false_alarm_rate_per_year, minimum, day, kind, split, miss_probability, probability)
    check_range("threshold", 1, finite=False, caution=caution)
    draws = _draws(background, kind)
    counts, dims = _active(active, names, hours)
    days = DAYS if day is None else np.array([day])
    cells = alarm_cells(background, draws, counts, hours, index, days, correlation_windows)
    budget = np.full(len(names), false_alarm_rate_per_year / len(names))
    tail = Tail() if background.tails is None else background.tails.fixed
    own_budget = np.exp(tail.deflate(np.log(budget / HOURS_PER_YEAR))) * HOURS_PER_YEAR
    if split == "equal":
        needed = cells.smallest(np.repeat(own_budget, len(hours)), minimum)
    else:
        assert miss_probability is not None
        needed = _budget.least_miss(
            tail.inflate(cells.all_rates(1e-3 * float(own_budget.min()))) + np.log(HOURS_PER_YEAR),
            counts,
            hours,
            names,
            minimum,
            false_alarm_rate_per_year,
            miss_probability,
        )
    log_each = cells.at(needed)
    if kind == "predictive":
        shares = np.repeat(own_budget, counts[0].size)
        labels = [(name, float(hour)) for name in names for hour in hours for _ in counts[0, 0]]
        asked = Cells(
            active=counts.ravel(),
            log_rates=cells.log_rates,
            row=cells.row,
            budget=shares,
            share=np.full(len(shares), own_budget[0] / false_alarm_rate_per_year),
            names=labels,
        )
        check_support(cells.at, background, draws, asked, needed, log_each, minimum=minimum,
                      caution=caution, correlation_windows=correlation_windows)  # fmt: skip
    # The mean over the draws is inflated, not each draw.
    log_mean = np.asarray(logsumexp(log_each, axis=1)) - np.log(log_each.shape[1])
    total = np.exp(tail.inflate(log_mean)) * HOURS_PER_YEAR
    each = np.exp(tail.inflate(log_each)) * HOURS_PER_YEAR
    shape = counts.shape
    attainable = needed <= np.floor(counts.ravel())
    mean = np.where(attainable, total, 0.0).reshape(shape)
    if split == "least_miss":
        budget = mean.mean(axis=(1, 2))
    else:  # It keeps the budget, but for errors of interpolation of less than 1 %.
        mean = np.minimum(mean, budget[:, None, None])
    tails = (1 - probability) / 2, (1 + probability) / 2
    low, high = (np.where(attainable, q, 0.0).reshape(shape) for q in np.quantile(each, tails, 1))
    triggers = np.where(attainable, needed, np.floor(counts.ravel()) + 1).astype(int)
    data = {
        "triggers": (triggers.reshape(shape), "1", "smallest count that is an alarm"),
        "attainable": (attainable.reshape(shape), "1", "whether a count keeps the budget"),
        "false_alarm_rate_per_year": (mean, "1/year", "false alarms at this hour all year"),
        "rate_low": (low, "1/year", f"lower end of its central {probability:.0%} interval"),
        "rate_high": (high, "1/year", f"upper end of its central {probability:.0%} interval"),
    }
    full = ("region", "hour", "active")
    result = xr.Dataset(
        {k: (full, v, {"units": unit, "long_name": text}) for k, (v, unit, text) in data.items()},
        coords={
            "region": list(names),
            "hour": ("hour", hours, {"units": "h", "long_name": "local time of day"}),
        },
        attrs={
            "kind": kind,
            "split": split,
            "family": background.family,
            "bursts": str(background.bursts is not None),
            "window_s": background.window_s,
            "false_alarm_rate_per_year": false_alarm_rate_per_year,
            "minimum": minimum,
            "interval_probability": probability,
            "interval_kind": "central",
            "tail_factor": _tail_factor(tail, own_budget, budget),
            "clock_shift_h": background.clock_shift_h,
        },
    )
    attributes = {"units": "1/year", "long_name": "share of the budget"}
    result["budget_per_year"] = ("region", budget, attributes)
    devices = {"units": "1", "long_name": "active devices"}
    if "active" in dims:
        return result.assign_coords(active=("active", counts[0, 0], devices))
    result = result.isel(active=0)
    return result.assign_coords(active=(("region", "hour"), counts[..., 0], devices))


def _tail_factor(tail: Tail, model: np.ndarray, asked: np.ndarray) -> float:
    """Factor by which rates at the budget are above those of the model."""
    return 1.0 if tail == Tail() else float(asked[0] / model[0])


def true_rates(
    background: Background,
    active: ArrayLike | xr.DataArray,
    hour: ArrayLike,
    triggers: np.ndarray,
    *,
    correlation_windows: float | int = np.inf,
) -> np.ndarray:
    """False alarms per year at given thresholds under a known background, by region and hour.

    Parameters
    ----------
    background
        One background, without draws.
    active, hour, correlation_windows
        As in `threshold`.
    triggers
        Thresholds, of the shape of the result; those above the active devices are never reached.

    Returns
    -------
    numpy.ndarray
        (regions, hours) or (regions, hours, active): the rate at this hour all year.

    Examples
    --------
    >>> rates = true_rates(Background("poisson", 5.76), 500, 12.0, np.array([[29]]))
    >>> rates.round(2).tolist()
    [[0.39]]
    """
    check_kind("true_rates", Background, FROM_FIT, background=background)
    hours = _hours(hour)
    draws = _draws(background, "plug-in")
    counts, dims = _active(active, background.regions, hours)
    index = np.arange(len(background.regions))
    cells = alarm_cells(background, draws, counts, hours, index, DAYS, correlation_windows)
    levels = np.broadcast_to(triggers, counts.shape[: len(dims)]).ravel()
    per_hour = np.where(levels <= counts.ravel(), np.exp(cells.at(levels))[:, 0], 0.0)
    rates = per_hour.reshape(counts.shape) * HOURS_PER_YEAR
    return rates if "active" in dims else rates[..., 0]


def _draws(background: Background, kind: str) -> dict[str, np.ndarray]:
    if kind == "plug-in":
        return {k: v.mean(axis=0, keepdims=True) for k, v in draws_of(background).items()}
    if np.ndim(background.rate_per_device_h) == 0:
        raise InputError(
            "threshold: a predictive threshold needs draws of the background (from `posterior` of "
            "a fit); for known parameters use kind='plug-in'"
        )
    return draws_of(background, MOST_DRAWS)


def _hours(hour: ArrayLike) -> np.ndarray:
    hours = np.atleast_1d(np.asarray(hour, np.float64))
    if hours.ndim != 1 or not hours.size or not np.all((hours >= 0) & (hours < 24)):
        raise InputError(f"threshold: hours must lie in [0, 24), not {hour!r}")
    return hours


def _regions(background: Background, names: tuple[str, ...]) -> np.ndarray:
    unknown = [name for name in names if name not in background.regions]
    if unknown or not names or len(set(names)) < len(names):
        what = f"unknown {unknown[:5]}" if unknown else "empty or named twice"
        raise InputError(
            f"threshold: regions are {what}; the background has {background.regions[:10]}"
        )
    return np.array([background.regions.index(name) for name in names])


def _active(
    active: ArrayLike | xr.DataArray, names: tuple[str, ...], hours: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Active devices over (region, hour, active), and which of these dims the result has."""
    if isinstance(active, xr.DataArray):
        if not set(active.dims) <= {"region", "hour"}:
            raise InputError(f"threshold: active has dims {active.dims}, not region and hour")
        wanted = (("region", list(names)), ("hour", hours))
        try:
            active = active.sel(
                {k: v for k, v in wanted if k in active.dims and k in active.coords}
            )
        except KeyError as error:
            raise InputError(
                f"threshold: active lacks {error.args[0]} of regions or hours"
            ) from None
        for name, labels in wanted:
            if active.sizes.get(name, len(labels)) != len(labels):
                raise InputError(f"threshold: active needs {len(labels)} values over {name}")
        like = xr.DataArray(np.zeros((len(names), len(hours))), dims=("region", "hour"))
        values = (like + active.drop_vars(list(active.coords))).to_numpy()[..., None]
        dims: tuple[str, ...] = ("region", "hour")
    else:
        row = np.atleast_1d(np.asarray(active, np.float64))
        values = np.broadcast_to(row, (len(names), len(hours), row.size))
        dims = ("region", "hour", "active") if np.ndim(active) else ("region", "hour")
    if not np.all(np.isfinite(values)) or np.any(values < 1) or np.any(values > 1e6):
        raise InputError("threshold: active devices must be numbers from 1 to 1,000,000")
    return np.asarray(values, np.float64), dims


def _check(
    rate: float | int,
    minimum: int,
    day: int | None,
    kind: str,
    split: str,
    miss: MissProbability | None,
    probability: float | int,
) -> None:
    check_range("threshold", 0, ends="()", false_alarm_rate_per_year=rate)
    check_whole("threshold", 1, minimum=minimum)
    check_choice("threshold", ("predictive", "plug-in"), kind=kind)
    check_choice("threshold", ("equal", "least_miss"), split=split)
    check_probability("threshold", probability=probability)
    refuse(
        "threshold",
        (day is not None and day not in range(7), f"day must be 0 (Monday) to 6, not {day!r}"),
        (split == "least_miss" and miss is None, "least_miss needs miss_probability"),
    )


def check_budget(
    budgets: np.ndarray, regions: int, minimum: int, most_active: int, most_triggers: int
) -> None:
    """Refuse budgets and ends of tables out of range."""
    if budgets.shape != (regions,):
        raise InputError(
            f"scorer: false_alarm_rate_per_year must be one positive number or {regions} of them"
        )
    check_range("scorer", 0, ends="()", false_alarm_rate_per_year=budgets)
    check_whole("scorer", 1, minimum=minimum)
    check_whole("scorer", 1, 10**6, most_active=most_active)
    check_whole("scorer", int(minimum), LARGEST_TABLE, most_triggers=most_triggers)
