"""Economic value of warnings against the ratio of cost to loss."""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.exceedance.alerts import _events
from eqstat.exceedance.alerts._alerts import alarm_times
from eqstat.exceedance.alerts._outcomes import FN, interval, outcomes

RATIOS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def value_curve(
    key: PRNGKeyArray,
    time_s: ArrayLike,
    probability_of_exceedance: ArrayLike,
    exceedance_time_s: ArrayLike,
    event: ArrayLike,
    *,
    ratio: ArrayLike = RATIOS,
    replicates: int = 1000,
    probability: float = 0.9,
) -> xr.Dataset:
    r"""Relative economic value of acting on the forecasts, for each ratio of cost to loss.

    Whoever acts pays C; whoever has not acted before the threshold is passed loses L. With
    $r = C / L$, the share s of rows that are passed, and the shares of rows with an alarm a and
    without one in time m, the expense in units of L is

    $$ E = r a + m, \qquad E_0 = \min(r, s), \qquad E_1 = r s, \qquad
    V = \frac{E_0 - E}{E_0 - E_1} $$

    where $E_0$ is that of acting always or never, whichever is cheaper, and $E_1$ that of perfect
    warnings. Where r < s the reference is permanent protection, which also helps those whom no
    alarm could reach in time, so that even true probabilities may lose against it. An alarm that is
    late costs both. The alarm is given when the probability first passes r itself; the potential
    value is that of the best level in hindsight, and the difference between them is what
    miscalibration, and acting at once, cost.

    Parameters
    ----------
    key, time_s, probability_of_exceedance, exceedance_time_s, event, replicates, probability
        As in `reliability_in_time`.
    ratio
        Ratios of cost to loss, in (0, 1).

    Returns
    -------
    xarray.Dataset
        Over `ratio`: `value`, with `_low` and `_high`, at most 1, and negative where acting always
        or never is cheaper; `potential_value`, with the levels of `ratio` to choose from;
        `expense`, and `base_rate`. NaN where the threshold is never or always passed.

    Raises
    ------
    eqstat.InputError
        When shapes disagree, a value is out of range, or there are fewer than two earthquakes.

    References
    ----------
    Richardson, D. (2000), Skill and relative economic value of the ECMWF ensemble prediction
    system, Quarterly Journal of the Royal Meteorological Society 126, 649-667,
    doi:10.1002/qj.49712656313, equations 6 to 8.

    Examples
    --------
    >>> import jax
    >>> chance = [[0.9], [0.9], [0.1], [0.0]]
    >>> passed = [5.0, np.inf, np.inf, np.inf]
    >>> curve = value_curve(jax.random.key(0), [1.0], chance, passed, [1, 2, 3, 4],
    ...                     ratio=[0.2, 0.5])
    >>> curve["value"].round(2).values.tolist()
    [0.67, 0.0]
    """
    owner = "value_curve"
    _events.check_bootstrap(owner, key, replicates, probability)
    time = _events.times_of(owner, time_s)
    chance = _events.forecasts_of(owner, probability_of_exceedance, time)
    passed = _events.passed_of(owner, exceedance_time_s, len(chance))
    code = _events.codes(owner, event, len(chance))
    cost = np.atleast_1d(np.asarray(ratio, np.float64))
    check_range(owner, 0, 1, ends="()", ratio=cost)
    if cost.ndim != 1:
        raise InputError(f"{owner}: ratio must be one row of numbers")
    alarm = alarm_times(time, chance, cost)
    parts = np.stack([np.isfinite(alarm), outcomes(alarm, passed) == FN], axis=-1)
    happened = np.broadcast_to(np.isfinite(passed), alarm.shape)
    rows = np.concatenate([parts, happened[..., None], np.ones((*alarm.shape, 1))], axis=-1).astype(
        np.float64
    )
    # (events, levels, 4): alarms, misses, exceedances and rows.
    totals = _events.sums(code, np.moveaxis(rows, 1, 0))

    def values(sums: np.ndarray) -> np.ndarray:
        """Value of each level (last axis but one) for each ratio (last axis)."""
        alarms, missed, base = (sums[..., k] / sums[..., 3] for k in range(3))
        expense = cost * alarms[..., None] + missed[..., None]
        base = base[..., None]
        without, perfect = np.minimum(cost, base), cost * base
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(without > perfect, without - perfect, np.nan)
            return (without - expense) / gain

    own = np.arange(cost.size)
    drawn = np.concatenate(
        [values(part)[:, own, own] for part in _events.resampled(key, totals, replicates)]
    )
    low, high = interval(drawn, (1 - probability) / 2)
    total = totals.sum(axis=0)
    every = values(total)
    alarms, missed, base = (total[:, k] / total[:, 3] for k in range(3))
    about = {"units": "1"}
    result = xr.Dataset(
        {
            "value": ("ratio", every[own, own], about),
            "value_low": ("ratio", low, about),
            "value_high": ("ratio", high, about),
            "potential_value": ("ratio", every.max(axis=0), about),
            "expense": ("ratio", cost * alarms + missed, about),
            "base_rate": ((), float(base[0]), about),
        },
        coords={"ratio": ("ratio", cost, {"units": "1", "long_name": "cost over loss"})},
    )
    result.attrs = _events.attributes(len(totals), replicates, probability)
    return result
