"""Reliability of probabilities of exceedance, and the uniformity of PIT, second by second."""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.exceedance.alerts import _events
from eqstat.exceedance.alerts._outcomes import interval

EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Edges of the classes of probability."""


def reliability_in_time(
    key: PRNGKeyArray,
    time_s: ArrayLike,
    probability_of_exceedance: ArrayLike,
    exceedance_time_s: ArrayLike,
    event: ArrayLike,
    *,
    edges: ArrayLike = EDGES,
    replicates: int = 1000,
    probability: float = 0.9,
) -> xr.Dataset:
    r"""Observed frequency of exceedance against the forecasts of one threshold at each time.

    In class b of the forecasts at time t, over the rows whose threshold has not been passed by then

    $$ \bar p_{bt} = \frac{1}{n_{bt}} \sum p_{it}, \qquad
    \bar o_{bt} = \frac{1}{n_{bt}} \sum 1(T_i < \infty), \qquad
    d_{bt} = \bar o_{bt} - \bar p_{bt} $$

    and $d = 0$ up to sampling if the forecasts are true. Rows whose threshold has been passed are
    left out, because nothing is left to forecast there.

    Parameters
    ----------
    key
        JAX random key of the bootstrap.
    time_s
        Times of the forecasts, s, increasing, (t,).
    probability_of_exceedance
        Forecasts, (n, t).
    exceedance_time_s
        When the threshold was passed, s; infinite or NaN where never, (n,).
    event
        Labels of the earthquakes, (n,).
    edges
        Edges of the classes of probability, increasing from 0 to 1; the last class is closed.
    replicates
        Number of resampled histories, from 20.
    probability
        Nominal coverage of the percentile intervals.

    Returns
    -------
    xarray.Dataset
        Over `time_s` and `bin`: `forecast`, `observed` and their `difference`, the latter two with
        `_low` and `_high`; `number` of rows and `hits`, those that passed later. NaN in classes
        without rows.

    Raises
    ------
    eqstat.InputError
        When shapes disagree, a value is out of range, or there are fewer than two earthquakes.

    References
    ----------
    Broecker, J. and Smith, L. (2007), Increasing the reliability of reliability diagrams, Weather
    and Forecasting 22, 651-661, doi:10.1175/WAF993.1, here with whole earthquakes resampled.

    Examples
    --------
    >>> import jax
    >>> rng = np.random.default_rng(0)
    >>> chance = rng.uniform(size=(4000, 1))
    >>> passed = np.where(rng.uniform(size=4000) < chance[:, 0], 9.0, np.inf)
    >>> curve = reliability_in_time(jax.random.key(0), [1.0], chance, passed,
    ...                             np.arange(4000) // 20)
    >>> inside = (curve["difference_low"] <= 0) & (curve["difference_high"] >= 0)
    >>> bool(inside.mean() >= 0.7)
    True
    """
    owner = "reliability_in_time"
    _events.check_bootstrap(owner, key, replicates, probability)
    time = _events.times_of(owner, time_s)
    chance = _events.forecasts_of(owner, probability_of_exceedance, time)
    passed = _events.passed_of(owner, exceedance_time_s, len(chance))
    code = _events.codes(owner, event, len(chance))
    edge = np.asarray(edges, np.float64)
    if (
        edge.ndim != 1
        or edge.size < 2
        or edge[0] != 0
        or edge[-1] != 1
        or np.any(np.diff(edge) <= 0)
    ):
        raise InputError(f"{owner}: edges must increase from 0 to 1")
    happened = np.isfinite(passed)
    totals = np.empty((code.max() + 1, time.size, edge.size - 1, 3))
    for place, at in enumerate(time):
        own = chance[:, place].astype(np.float64)
        which = np.clip(np.searchsorted(edge, own, side="right") - 1, 0, edge.size - 2)
        inside = (which[:, None] == np.arange(edge.size - 1)) & (passed > at)[:, None]
        parts = (inside, inside * own[:, None], inside & happened[:, None])
        totals[:, place] = _events.sums(code, np.stack(parts, axis=-1).astype(np.float64))
    number, forecast, hits = np.moveaxis(totals.sum(axis=0), -1, 0)

    def rates(sums: np.ndarray) -> np.ndarray:
        """Observed frequency, and its difference from the mean forecast."""
        with np.errstate(divide="ignore", invalid="ignore"):
            observed = sums[..., 2] / sums[..., 0]
            return np.stack([observed, observed - sums[..., 1] / sums[..., 0]], axis=1)

    drawn = np.concatenate([rates(part) for part in _events.resampled(key, totals, replicates)])
    low, high = interval(drawn, (1 - probability) / 2)
    observed, difference = rates(totals.sum(axis=0)[None])[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = forecast / number
    dims = ("time_s", "bin")
    values = {
        "forecast": mean,
        "observed": observed,
        "observed_low": low[0],
        "observed_high": high[0],
        "difference": difference,
        "difference_low": low[1],
        "difference_high": high[1],
        "number": number.astype(np.int64),
    }
    result = xr.Dataset(
        {name: (dims, value, {"units": "1"}) for name, value in values.items()},
        coords={
            "time_s": ("time_s", time, {"units": "s"}),
            "bin_low": ("bin", edge[:-1]),
            "bin_high": ("bin", edge[1:]),
        },
    )
    result["hits"] = (dims, hits.astype(np.int64), {"long_name": "rows passed later", "units": "1"})
    result.attrs = _events.attributes(len(totals), replicates, probability)
    return result


def pit_in_time(
    key: PRNGKeyArray,
    time_s: ArrayLike,
    pit: ArrayLike,
    event: ArrayLike,
    *,
    bins: int = 10,
    replicates: int = 1000,
    probability: float = 0.9,
) -> xr.Dataset:
    """Histogram of the probability integral transform at each time; flat if forecasts are true.

    Parameters
    ----------
    key
        JAX random key of the bootstrap.
    time_s
        Times of the forecasts, s, increasing, (t,).
    pit
        Transforms, in [0, 1], such as of `eqstat.ground_motion.mixture.randomised_pit`; NaN for
        what is left out, (n, t).
    event
        Labels of the earthquakes, (n,).
    bins
        Number of classes, from 2.
    replicates, probability
        As in `reliability_in_time`.

    Returns
    -------
    xarray.Dataset
        `share` over `time_s` and `bin`, 1 / bins if uniform, and `mean` over `time_s`, 0.5 if
        uniform, each with `_low` and `_high`; `number` of rows.

    Raises
    ------
    eqstat.InputError
        When shapes disagree, a value is out of range, or there are fewer than two earthquakes.

    References
    ----------
    Dawid, A. P. (1984), Statistical theory: the prequential approach, Journal of the Royal
    Statistical Society A 147, 278-292, doi:10.2307/2981683.

    Examples
    --------
    >>> import jax
    >>> pit = np.random.default_rng(0).uniform(size=(2000, 2))
    >>> result = pit_in_time(jax.random.key(0), [1.0, 2.0], pit, np.arange(2000) // 10, bins=4)
    >>> result["share"].round(1).values.tolist()
    [[0.3, 0.2, 0.3, 0.2], [0.2, 0.2, 0.3, 0.3]]
    """
    owner = "pit_in_time"
    _events.check_bootstrap(owner, key, replicates, probability)
    check_whole(owner, 2, bins=bins)
    time = _events.times_of(owner, time_s)
    values = np.asarray(pit, np.float64)
    if values.ndim != 2 or values.shape[1] != time.size or not values.size:
        raise InputError(f"{owner}: pit must be of shape (rows, {time.size}), not {values.shape}")
    known = ~np.isnan(values)
    check_range(owner, 0, 1, pit=values[known])
    code = _events.codes(owner, event, len(values))
    filled = np.where(known, values, 0.0)
    which = np.minimum((filled * bins).astype(np.int64), bins - 1)
    inside = (which[..., None] == np.arange(bins)) & known[..., None]
    totals = _events.sums(
        code, np.concatenate([inside, filled[..., None]], axis=-1).astype(np.float64)
    )

    def shares(sums: np.ndarray) -> np.ndarray:
        """Shares of the classes, and the mean."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return sums / sums[..., :bins].sum(axis=-1, keepdims=True)

    drawn = np.concatenate([shares(part) for part in _events.resampled(key, totals, replicates)])
    low, high = interval(drawn, (1 - probability) / 2)
    estimate = shares(totals.sum(axis=0))
    result = xr.Dataset(coords={"time_s": ("time_s", time, {"units": "s"})})
    for end, value in (("", estimate), ("_low", low), ("_high", high)):
        result[f"share{end}"] = (("time_s", "bin"), value[:, :bins], {"units": "1"})
        result[f"mean{end}"] = ("time_s", value[:, bins], {"units": "1"})
    result["number"] = ("time_s", known.sum(axis=0), {"units": "1"})
    edge = np.linspace(0, 1, bins + 1)
    result = result.assign_coords(bin_low=("bin", edge[:-1]), bin_high=("bin", edge[1:]))
    result.attrs = _events.attributes(len(totals), replicates, probability)
    return result
