r"""Reliability diagrams of probability forecasts, and a test of their calibration.

The reliability curve is the share of earthquakes as a function of the forecast probability. If
forecasts are calibrated, labels are Bernoulli draws with these probabilities; consistency bands are
pointwise intervals of the curve of such draws, given the forecasts.

References
----------
Broecker and Smith (2007), Weather and Forecasting 22, 651-661, doi:10.1175/WAF993.1. Dimitriadis,
Gneiting and Jordan (2021), PNAS 118, e2016191118, doi:10.1073/pnas.2016191118.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_probability, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support
from eqstat.calibration._scores import decompose, pooled

FORMS = ("corp", "bins")
# Largest number of draws held in memory at once.
BLOCK = 4_000_000


@dataclass(frozen=True)
class CalibrationTest(Explained):
    """Result of a test of calibration.

    Attributes
    ----------
    statistic
        Miscalibration (CORP) of the Brier score.
    expected
        Its mean if the forecasts are calibrated.
    p_value
        Probability of at least this value if the forecasts are calibrated.
    replicates
        Number R of label sets drawn; the smallest possible p-value is 1 / (R + 1).

    Examples
    --------
    >>> import jax
    >>> test = calibration_test(jax.random.key(0), [0.5, 0.5], [True, False], replicates=20)
    >>> test.p_value
    1.0
    """

    statistic: float
    expected: float
    p_value: float
    replicates: int


def reliability(
    key: PRNGKeyArray,
    forecast: ArrayLike,
    is_earthquake: ArrayLike,
    *,
    form: str = "corp",
    bins: int = 10,
    probability: float = 0.9,
    replicates: int = 1000,
) -> xr.Dataset:
    r"""Share of earthquakes against the probability forecast, with consistency bands.

    *CORP*: isotonic regression of the labels on the forecasts by pool-adjacent-violators, which
    needs no choice of bins. *Bins*: shares in bins with about equal numbers of forecasts. Bands
    assume that detections are independent given their forecasts.

    Parameters
    ----------
    key
        JAX random key of the bands.
    forecast
        Probabilities of an earthquake, in [0, 1].
    is_earthquake
        Boolean labels.
    form
        "corp" or "bins".
    bins
        Number of bins, at least 2; fewer if forecasts are tied.
    probability
        Pointwise probability of the bands.
    replicates
        Number of label sets drawn, at least 20.

    Returns
    -------
    xarray.Dataset
        Over `forecast` (each distinct one, or the mean of each bin): `observed` share of
        earthquakes, `number` of detections, and `low`, `high`, between which the share lies with
        this probability if the forecasts are calibrated.

    Raises
    ------
    eqstat.InputError
        When forecasts, labels or an argument are invalid.

    References
    ----------
    Broecker and Smith (2007), doi:10.1175/WAF993.1, section 3, here with the forecasts fixed;
    Dimitriadis, Gneiting and Jordan (2021), doi:10.1073/pnas.2016191118.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> forecast = np.repeat([0.2, 0.7], 100)
    >>> label = np.tile(np.arange(100) < 20, 2)
    >>> curve = reliability(jax.random.key(0), forecast, label)
    >>> curve["observed"].values.tolist(), (curve["observed"] < curve["low"]).values.tolist()
    ([0.2, 0.2], [False, True])
    """
    p, y = _support.forecasts("reliability", forecast, is_earthquake)
    check_probability("reliability", probability=probability)
    check_whole("reliability", 20, replicates=replicates)
    check_whole("reliability", 2, bins=bins)
    if form not in FORMS:
        raise InputError(f'reliability: form is "corp" or "bins", not {form!r}')
    level, at = np.unique(p, return_inverse=True)
    number = np.bincount(at)
    rng = generator(key)
    if form == "corp":
        curves = np.array(
            [
                pooled(number, hits, level.size)
                for block in _draw_counts(rng, level, number, replicates)
                for hits in block
            ]
        )
        observed = pooled(number, np.bincount(at, y), level.size)
    else:
        edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
        own = np.searchsorted(edges, level, side="right")
        own = np.unique(own, return_inverse=True)[1]
        # (level, bin): the levels that each bin sums.
        add = (own[:, None] == np.arange(own.max() + 1)).astype(np.float64)
        total = number @ add
        curves = np.concatenate(
            [block @ add / total for block in _draw_counts(rng, level, number, replicates)]
        )
        observed = np.bincount(at, y) @ add / total
        level, number = (level * number) @ add / total, total.astype(np.int64)
    ends = [(1 - probability) / 2, (1 + probability) / 2]
    low = np.quantile(curves, ends[0], axis=0, method="lower")
    high = np.quantile(curves, ends[1], axis=0, method="higher")
    curve = xr.Dataset(
        {
            "observed": ("forecast", observed, {"long_name": "share of earthquakes"}),
            "number": ("forecast", number, {"long_name": "number of detections"}),
            "low": ("forecast", low, {"long_name": "lower limit of the consistency band"}),
            "high": ("forecast", high, {"long_name": "upper limit of the consistency band"}),
        },
        coords={"forecast": level},
    )
    curve["forecast"].attrs["long_name"] = "probability forecast"
    curve.attrs = {
        "form": form,
        "detections": int(p.size),
        "interval_probability": probability,
        "interval_kind": "consistency band, pointwise, forecasts fixed",
        "replicates": replicates,
    }
    return curve


def calibration_test(
    key: PRNGKeyArray, forecast: ArrayLike, is_earthquake: ArrayLike, *, replicates: int = 999
) -> CalibrationTest:
    r"""Test the calibration of forecasts against any monotonic miscalibration.

    The statistic is the miscalibration component of the Brier score (`decompose`). Its null
    distribution is simulated by labels drawn with the forecast probabilities, so that

    .. math:: p = \frac{1 + \#\{\mathrm{MCB}^* \ge \mathrm{MCB}\}}{1 + R}

    is exact for any number of independent detections.

    Parameters
    ----------
    key
        JAX random key.
    forecast, is_earthquake
        As in `reliability`.
    replicates
        Number R of label sets drawn, at least 20.

    Returns
    -------
    CalibrationTest

    Raises
    ------
    eqstat.InputError
        When forecasts, labels or an argument are invalid.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), doi:10.1073/pnas.2016191118 (MCB); Davison and Hinkley
    (1997), section 4.2 (Monte Carlo tests).

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> sure = calibration_test(jax.random.key(0), np.full(50, 0.9), np.arange(50) < 25)
    >>> sure.p_value
    0.001
    """
    p, y = _support.forecasts("calibration_test", forecast, is_earthquake)
    check_whole("calibration_test", 20, replicates=replicates)
    level, at = np.unique(p, return_inverse=True)
    number = np.bincount(at)
    drawn = []
    for block in _draw_counts(generator(key), level, number, replicates):
        for hits in block:
            fitted = pooled(number, hits, level.size)
            # Sum of (p - y)^2 minus that of (fitted - y)^2, in which the squares of y cancel.
            parts = number * (level**2 - fitted**2) - 2 * hits * (level - fitted)
            drawn.append(parts.sum() / p.size)
    statistic = decompose(p, y).miscalibration
    # Sums that are equal up to the order of summation must count as equal.
    above = int(np.sum(np.array(drawn) >= statistic - 1e-12))
    return CalibrationTest(
        statistic, float(np.mean(drawn)), (1 + above) / (1 + replicates), replicates
    )


def _draw_counts(
    rng: np.random.Generator, level: np.ndarray, number: np.ndarray, replicates: int
) -> Iterator[Any]:
    """Counts of earthquakes of calibrated forecasts, in blocks (replicates, levels)."""
    size = max(BLOCK // level.size, 1)
    for start in range(0, replicates, size):
        shape = (min(size, replicates - start), level.size)
        yield rng.binomial(number, level, shape).astype(np.float64)
