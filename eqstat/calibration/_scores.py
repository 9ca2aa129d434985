r"""Proper scores of probabilities and of predictive draws, and their decomposition.

The expectation of a proper score is smallest if the true probability is forecast. The decomposition

.. math:: \bar S = \mathrm{MCB} - \mathrm{DSC} + \mathrm{UNC}

separates miscalibration (the gain of recalibration), discrimination (the gain of the recalibrated
forecasts over the base rate) and uncertainty (the score of the base rate).

References
----------
Gneiting and Raftery (2007), JASA 102, 359-378, doi:10.1198/016214506000001437. Dimitriadis,
Gneiting and Jordan (2021), PNAS 118, e2016191118, doi:10.1073/pnas.2016191118.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import optimize, special

from eqstat._core.checks import check_choice
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support

SCORES = ("brier", "log")
# Relative rounding error of means of scores.
ROUNDING = 1e-13


@dataclass(frozen=True)
class Decomposition(Explained):
    """A mean score and its components; `mean = miscalibration - discrimination + uncertainty`.

    Attributes
    ----------
    score
        "brier" or "log".
    mean
        Mean score of the forecasts; for "log" infinite if an outcome had probability 0.
    miscalibration, discrimination, uncertainty
        Its components, all non-negative.

    Examples
    --------
    >>> parts = decompose([0.2, 0.2, 0.8, 0.8], [False, False, True, True])
    >>> round(parts.miscalibration - parts.discrimination + parts.uncertainty - parts.mean, 12)
    0.0
    """

    score: str
    mean: float
    miscalibration: float
    discrimination: float
    uncertainty: float

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary of plain numbers."""
        return asdict(self)


def brier_score(forecast: ArrayLike, is_earthquake: ArrayLike) -> np.ndarray:
    r"""Brier score of each forecast, $(p - y)^2$.

    Parameters
    ----------
    forecast
        Probabilities of an earthquake, in [0, 1].
    is_earthquake
        Boolean labels.

    Returns
    -------
    numpy.ndarray
        Score of each forecast; a constant forecast of 1/2 has the score 1/4.

    Raises
    ------
    eqstat.InputError
        When forecasts or labels are invalid.

    Examples
    --------
    >>> float(brier_score([0.9, 0.2], [True, False]).mean().round(3))
    0.025
    """
    p, y = _support.forecasts("brier_score", forecast, is_earthquake)
    return (p - y) ** 2


def log_score(forecast: ArrayLike, is_earthquake: ArrayLike) -> np.ndarray:
    r"""Logarithmic score of each forecast: minus the natural log of the outcome's probability.

    Parameters
    ----------
    forecast, is_earthquake
        As in `brier_score`.

    Returns
    -------
    numpy.ndarray
        Score of each forecast; infinite if the outcome had probability 0.

    Raises
    ------
    eqstat.InputError
        When forecasts or labels are invalid.

    Examples
    --------
    >>> float(log_score([0.5, 0.5], [True, False]).mean().round(3))
    0.693
    """
    p, y = _support.forecasts("log_score", forecast, is_earthquake)
    with np.errstate(divide="ignore"):
        return -np.log(np.where(y, p, 1 - p))


def decompose(
    forecast: ArrayLike, is_earthquake: ArrayLike, *, score: str = "brier"
) -> Decomposition:
    r"""Decompose the mean score by isotonic recalibration (CORP).

    Let $\hat p$ be the forecasts recalibrated by isotonic regression on the same detections and
    $\bar y$ the base rate. Then

    .. math:: \mathrm{MCB} = \bar S(p) - \bar S(\hat p), \qquad
        \mathrm{DSC} = \bar S(\bar y) - \bar S(\hat p), \qquad \mathrm{UNC} = \bar S(\bar y).

    There are no bins to choose, and no component is negative. MCB and DSC are biased upwards in
    small samples; `calibration_test` gives the distribution of MCB under calibration.

    Parameters
    ----------
    forecast, is_earthquake
        As in `brier_score`.
    score
        "brier" or "log".

    Returns
    -------
    Decomposition

    Raises
    ------
    eqstat.InputError
        When forecasts, labels or the name of the score are invalid.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), doi:10.1073/pnas.2016191118, equation 4.

    Examples
    --------
    >>> parts = decompose([0.1, 0.1, 0.8, 0.8, 0.8], [False, False, True, True, False])
    >>> round(parts.miscalibration, 4), round(parts.uncertainty, 4)
    (0.0147, 0.24)
    """
    p, y = _support.forecasts("decompose", forecast, is_earthquake)
    if score not in SCORES:
        raise InputError(f'decompose: score is "brier" or "log", not {score!r}')
    fitted, base = isotonic(p, y), float(y.mean())
    own = brier_score if score == "brier" else log_score
    mean, best = float(own(p, y).mean()), _of_itself(fitted, score)
    none = _of_itself(np.array([base]), score)

    def above(value: float) -> float:
        # What is left of rounding is nothing.
        return 0.0 if abs(value - best) < ROUNDING * max(mean, none) else value - best

    return Decomposition(score, mean, above(mean), above(none), none)


def crps(observed: ArrayLike, draws: ArrayLike, *, estimator: str = "pwm") -> np.ndarray:
    r"""Continuous ranked probability score (CRPS) of predictive draws, in their unit.

    .. math:: \mathrm{CRPS} = E|X - y| - \tfrac12 E|X - X'|

    For a point forecast it is the absolute error. The default estimator is fair: in expectation,
    draws from the true distribution have the smallest score whatever their number.

    Parameters
    ----------
    observed
        Observations, (cases,).
    draws
        Predictive draws, (cases, draws), at least two.
    estimator
        Estimator of `scoringrules.crps_ensemble`: "pwm" (fair), "nrg", "fair" and others.

    Returns
    -------
    numpy.ndarray
        Score of each case.

    Raises
    ------
    eqstat.InputError
        When observations or draws are invalid.

    References
    ----------
    Gneiting and Raftery (2007), doi:10.1198/016214506000001437, equation 21.

    Examples
    --------
    >>> crps([0.0], [[-1.0, 1.0]]).round(3).tolist()
    [0.0]
    >>> crps([5.0], [[4.0, 4.0]]).tolist()
    [1.0]
    """
    import scoringrules

    check_choice(
        "crps", ("pwm", "fair", "nrg", "qd", "akr", "akr_circperm", "int"), estimator=estimator
    )
    y = _support.vector("crps", observed, "observed")
    x = np.asarray(draws)
    if x.dtype.kind not in "fiu" or x.ndim != 2 or len(x) != len(y) or x.shape[1] < 2:
        raise InputError(f"crps: draws must be numbers, (cases, draws), {len(y)} rows of 2 or more")
    if not np.all(np.isfinite(x)):
        raise InputError(f"crps: draws are not finite in {int(np.sum(~np.isfinite(x)))} places")
    given: Any = x.astype(np.float64)
    return np.asarray(scoringrules.crps_ensemble(y, given, estimator=estimator))  # pyright: ignore


def isotonic(forecast: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Recalibrated forecasts, in the given order; ties are preserved."""
    level, at = np.unique(forecast, return_inverse=True)
    return pooled(np.bincount(at), np.bincount(at, label), level.size)[at]


def pooled(number: np.ndarray, hits: np.ndarray, size: int) -> np.ndarray:
    """Isotonic regression of shares by pool-adjacent-violators, one value per level."""
    if size == 1:
        return hits / number
    return np.clip(optimize.isotonic_regression(hits / number, weights=number).x, 0.0, 1.0)


def _of_itself(p: np.ndarray, score: str) -> float:
    """Expected score of calibrated forecasts, and the mean score of a fit to the labels."""
    if score == "brier":
        return float(np.mean(p * (1 - p)))
    return float(np.mean(special.entr(p) + special.entr(1 - p)))
