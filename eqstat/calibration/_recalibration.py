r"""Recalibration: maps from a score to the probability of an earthquake, fitted to labels.

Three maps, all monotonic in the score:

- *isotonic*: any monotonic function, by pool-adjacent-violators; needs some hundreds of detections;
- *platt*: $\operatorname{logit} p = a s + b$, for scores on a scale like log odds;
- *beta*: $\operatorname{logit} p = a \log s - b \log(1 - s) + c$ with $a, b \ge 0$, for scores
  that are probabilities but not calibrated.

Evaluate the map on detections to which it was not fitted (`reliability`, `decompose`).

References
----------
Platt (1999), in Advances in Large Margin Classifiers, MIT Press. Zadrozny and Elkan (2002), KDD,
694-699, doi:10.1145/775047.775151. Kull, Silva Filho and Flach (2017), AISTATS, PMLR 54, 623-631.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from eqstat._core.checks import check_probability
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support

METHODS = ("isotonic", "platt", "beta")
# Scores are kept this far from 0 and 1, so that their logarithms are finite.
EDGE = 1e-12
# Log odds of the largest double below 1.
MOST = 36.0


@dataclass(frozen=True, eq=False)
class Recalibration(Explained):
    """A fitted map from scores to probabilities, which is callable.

    Attributes
    ----------
    method
        "isotonic", "platt" or "beta".
    larger
        What larger scores mean, "earthquake" or "noise".
    coefficients
        "platt": a and b, for the score oriented so that larger ones mean earthquake; "beta": a, b
        and c; "isotonic": none.
    knots, levels
        "isotonic": oriented scores and their probabilities, which are interpolated.
    shift
        Log odds added for the prevalence.
    earthquakes, noise
        Numbers of detections in the fit.

    Examples
    --------
    >>> result = recalibrate([0.1, 0.4, 0.6, 0.9], [False, True, False, True],
    ...                      larger="earthquake")
    >>> result.earthquakes, result.noise
    (2, 2)
    """

    method: str
    larger: str
    coefficients: tuple[float, ...]
    knots: np.ndarray
    levels: np.ndarray
    shift: float
    earthquakes: int
    noise: int

    def log_odds(self, score: ArrayLike) -> np.ndarray:
        """Log odds of an earthquake, of the shape of the scores."""
        values = np.asarray(score, np.float64)
        if np.any(np.isnan(values)):
            raise InputError("recalibration: score has missing values")
        values = values if self.larger == "earthquake" else -values
        if self.method == "isotonic":
            share = np.interp(values, self.knots, self.levels)
            return np.asarray(special.logit(share) + self.shift)
        if self.method == "platt":
            slope, level = self.coefficients
            return np.asarray(slope * values + level + self.shift)
        a, b, c = self.coefficients
        # If larger scores mean noise, the oriented score is 1 - s.
        both = _logs("recalibration", values if self.larger == "earthquake" else 1 + values)
        return np.asarray(both @ np.array([a, b]) + c + self.shift)

    def __call__(self, score: ArrayLike) -> np.ndarray:
        """Probabilities of an earthquake in (0, 1), of the shape of the scores."""
        return np.asarray(special.expit(np.clip(self.log_odds(score), -MOST, MOST)))


def recalibrate(
    score: ArrayLike,
    is_earthquake: ArrayLike,
    *,
    larger: str,
    method: str = "isotonic",
    prevalence: float | None = None,
) -> Recalibration:
    r"""Estimate the probability of an earthquake given a score.

    "platt" and "beta" replace labels by Platt's targets, $(n_1 + 1) / (n_1 + 2)$ for each of $n_1$
    earthquakes and $1 / (n_0 + 2)$ for noise, so that coefficients are finite if the classes do not
    overlap; "isotonic" is clipped at $1 / (n + 2)$ from 0 and 1. A slope of the wrong sign is set
    to 0.

    Parameters
    ----------
    score, is_earthquake
        A finite number and a boolean label per detection, (detections,).
    larger
        What larger scores mean, "earthquake" or "noise".
    method
        "isotonic", "platt" or "beta"; the last for scores in [0, 1].
    prevalence
        Share of earthquakes among future detections, in (0, 1), if it differs from that of the
        history: the odds are multiplied by the ratio. None keeps that of the history.

    Returns
    -------
    Recalibration

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument are invalid.

    References
    ----------
    Platt (1999); Zadrozny and Elkan (2002), doi:10.1145/775047.775151; Kull, Silva Filho and Flach
    (2017), algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> score = np.linspace(-3.0, 3.0, 61)
    >>> result = recalibrate(score, score + np.sin(9 * score) > 0, larger="earthquake",
    ...                      method="platt")
    >>> bool(result(2.0) > 0.9), bool(result(-2.0) < 0.1)
    (True, True)
    """
    values, labels, sign = _support.labelled("recalibrate", score, is_earthquake, larger)
    if method not in METHODS:
        raise InputError(f"recalibrate: method is isotonic, platt or beta, not {method!r}")
    shift = 0.0
    quakes, noise = int(labels.sum()), int((~labels).sum())
    if prevalence is not None:
        check_probability("recalibrate", prevalence=prevalence)
        shift = float(special.logit(prevalence) - np.log(quakes / noise))
    knots, levels = np.empty(0), np.empty(0)
    coefficients: tuple[float, ...] = ()
    if method == "isotonic":
        knots, levels = _isotonic(values, labels)
    elif method == "platt":
        centre, scale = values.mean(), values.std() or 1.0
        slope, level = _logistic(((values - centre) / scale)[:, None], labels)
        coefficients = (slope / scale, level - slope * centre / scale)
    else:
        coefficients = _logistic(_logs("recalibrate", values if sign > 0 else 1 + values), labels)
    return Recalibration(
        method, larger, tuple(float(one) for one in coefficients), knots, levels, shift, quakes,
        noise,
    )  # fmt: skip


def _isotonic(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the isotonic regression, clipped away from 0 and 1."""
    from sklearn.isotonic import IsotonicRegression

    edge = 1 / (values.size + 2)
    fitted = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip")
    fitted.fit(values, labels.astype(np.float64))
    return np.asarray(fitted.X_thresholds_), np.asarray(fitted.y_thresholds_)


def _logistic(features: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    """Non-negative slopes and intercept of the logistic regression on Platt's targets."""
    from sklearn.linear_model import LogisticRegression

    quakes = int(labels.sum())
    target = np.where(labels, (quakes + 1) / (quakes + 2), 1 / (labels.size - quakes + 2))
    # A target of 0.8 is equivalent to an earthquake of weight 0.8 and noise of weight 0.2.
    weight = np.concatenate([target, 1 - target])
    label = np.repeat([1, 0], labels.size)
    kept = list(range(features.shape[1]))
    slopes = np.zeros(features.shape[1])
    while kept:
        rows = np.tile(features[:, kept], (2, 1))
        fitted: Any = LogisticRegression(C=1e10, tol=1e-8, max_iter=1000, solver="newton-cholesky")
        fitted.fit(rows, label, sample_weight=weight)
        estimates = fitted.coef_[0]
        if np.all(estimates >= 0):
            slopes[kept] = estimates
            return (*slopes.tolist(), float(fitted.intercept_[0]))
        kept.pop(int(np.argmin(estimates)))
    return (*slopes.tolist(), float(special.logit(target.mean())))


def _logs(name: str, values: np.ndarray) -> np.ndarray:
    """The two features of the beta map, (..., 2)."""
    if np.any((values < 0) | (values > 1)):
        raise InputError(f"{name}: the beta map needs scores in [0, 1]; use platt or isotonic")
    inner = np.clip(values, EDGE, 1 - EDGE)
    return np.stack([np.log(inner), -np.log1p(-inner)], axis=-1)
