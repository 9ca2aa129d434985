r"""Turn a score into a probability of an earthquake, learned from labelled detections.

Three maps, all of which keep the order of the scores:

- *isotonic*: any growing function, by pool-adjacent-violators; wants some hundreds of detections;
- *platt*: $\operatorname{logit} p = a s + b$, for scores that are something like log odds;
- *beta*: $\operatorname{logit} p = a \log s - b \log(1 - s) + c$ with $a, b \ge 0$, for scores
  that are probabilities already, but not true ones.

Judge the map on detections that it did not learn from (`reliability`, `scores.decompose`).

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
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support

METHODS = ("isotonic", "platt", "beta")
# Scores of 0 or 1 are taken as this far from there, so that their logarithms are finite.
EDGE = 1e-12
# Log odds of the greatest double below 1.
MOST = 36.0


@dataclass(frozen=True, eq=False)
class Recalibration:
    """A fitted map from scores to probabilities; call it.

    Attributes
    ----------
    method
        "isotonic", "platt" or "beta".
    larger
        What larger scores mean, "earthquake" or "noise".
    coefficients
        Of "platt": a and b, for the score turned so that larger ones mean earthquake; of "beta":
        a, b and c; of "isotonic": none.
    knots, levels
        Of "isotonic": turned scores and log odds, of which probabilities are interpolated.
    shift
        Log odds added for the prevalence.
    earthquakes, noise
        Numbers of detections learned from.
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
        # Of scores where larger ones mean noise the turned one is 1 - s.
        both = _logs("recalibration", values if self.larger == "earthquake" else 1 + values)
        return np.asarray(both @ np.array([a, b]) + c + self.shift)

    def __call__(self, score: ArrayLike) -> np.ndarray:
        """Probabilities of an earthquake, of the shape of the scores; none is 0 or 1."""
        return np.asarray(special.expit(np.clip(self.log_odds(score), -MOST, MOST)))


def recalibrate(
    score: ArrayLike,
    is_earthquake: ArrayLike,
    *,
    larger: str,
    method: str = "isotonic",
    prevalence: float | None = None,
) -> Recalibration:
    r"""Learn the probability of an earthquake given a score.

    Labels count as Platt's targets, $(n_1 + 1) / (n_1 + 2)$ for each of $n_1$ earthquakes and
    $1 / (n_0 + 2)$ for noise, in "platt" and "beta", so that classes that are apart give finite
    coefficients; "isotonic" stays within $1 / (n + 2)$ of 0 and 1. A slope of the wrong sign
    becomes 0.

    Parameters
    ----------
    score, is_earthquake
        One of each for each detection: a finite number, and true or false.
    larger
        What larger scores mean, "earthquake" or "noise".
    method
        "isotonic", "platt" or "beta"; the last for scores in [0, 1].
    prevalence
        Share of earthquakes among the detections to come, in (0, 1), where it is not that of the
        history: the odds are multiplied by what this changes. None keeps the history's.

    Returns
    -------
    Recalibration

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument cannot be used.

    References
    ----------
    Platt (1999); Zadrozny and Elkan (2002), doi:10.1145/775047.775151; Kull, Silva Filho and Flach
    (2017), algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> score = np.linspace(-3.0, 3.0, 61)
    >>> found = recalibrate(score, score + np.sin(9 * score) > 0, larger="earthquake",
    ...                     method="platt")
    >>> bool(found(2.0) > 0.9), bool(found(-2.0) < 0.1)
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
    """Knots of isotonic regression, kept off 0 and 1."""
    from sklearn.isotonic import IsotonicRegression

    edge = 1 / (values.size + 2)
    fitted = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip")
    fitted.fit(values, labels.astype(np.float64))
    return np.asarray(fitted.X_thresholds_), np.asarray(fitted.y_thresholds_)


def _logistic(features: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    """Slopes, none below 0, and intercept of the logistic regression on Platt's targets."""
    from sklearn.linear_model import LogisticRegression

    quakes = int(labels.sum())
    target = np.where(labels, (quakes + 1) / (quakes + 2), 1 / (labels.size - quakes + 2))
    # A target of 0.8 is an earthquake of weight 0.8 and noise of weight 0.2.
    weight = np.concatenate([target, 1 - target])
    label = np.repeat([1, 0], labels.size)
    kept = list(range(features.shape[1]))
    slopes = np.zeros(features.shape[1])
    while kept:
        rows = np.tile(features[:, kept], (2, 1))
        fitted: Any = LogisticRegression(C=1e10, tol=1e-8, max_iter=1000, solver="newton-cholesky")
        fitted.fit(rows, label, sample_weight=weight)
        found = fitted.coef_[0]
        if np.all(found >= 0):
            slopes[kept] = found
            return (*slopes.tolist(), float(fitted.intercept_[0]))
        kept.pop(int(np.argmin(found)))
    return (*slopes.tolist(), float(special.logit(target.mean())))


def _logs(name: str, values: np.ndarray) -> np.ndarray:
    """The two features of the beta map, (..., 2)."""
    if np.any((values < 0) | (values > 1)):
        raise InputError(f"{name}: the beta map needs scores in [0, 1]; use platt or isotonic")
    inner = np.clip(values, EDGE, 1 - EDGE)
    return np.stack([np.log(inner), -np.log1p(-inner)], axis=-1)
