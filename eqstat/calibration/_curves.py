r"""ROC and DET curves of a score, and the area under the ROC curve.

The acceptance rule is that of `error_rates`: the curves show the miss and false-alarm probability
of every threshold, with intervals for a finite history.

References
----------
Hilgers (1991), Methods of Information in Medicine 30, 96-101. Newcombe (2006), Statistics in
Medicine 25, 559-573.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy import optimize, stats

from eqstat._core.checks import check_probability
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support
from eqstat.calibration._order import allowed, at_rank, exact_ends, order_ends


def roc(
    score: ArrayLike,
    is_earthquake: ArrayLike,
    *,
    larger: str,
    probability: float = 0.9,
    false_alarm_probability: ArrayLike | None = None,
) -> xr.Dataset:
    r"""Receiver operating characteristic (ROC) of a score, with bands.

    Plotted as miss against false-alarm probability, the same numbers are the detection error
    trade-off (DET). There are two kinds of band:

    - at each *threshold*, exact intervals of both probabilities (a box around the point);
    - at each *false-alarm probability* $\beta$, a band of the miss probability of the threshold
      $t_\beta$ that truly has it. Order statistics of the noise give $t_l \le t_\beta \le t_u$, and
      exact binomial limits at $t_l$ and $t_u$ give the band,

      .. math:: P\{ L(t_l) \le \alpha(t_\beta) \le U(t_u) \} \ge \text{probability}

      for any distribution of the scores, with half of the error assigned to each (Hilgers 1991).

    Tied detections move together: there is one point for each distinct score.

    Parameters
    ----------
    score, is_earthquake, larger
        As in `error_rates`.
    probability
        Nominal coverage of the intervals and, pointwise, of the band.
    false_alarm_probability
        False-alarm probabilities of the band, in (0, 1]; by default 0.001 to 1.

    Returns
    -------
    xarray.Dataset
        Over `threshold` (from accepting none to accepting all): `miss_probability`,
        `false_alarm_probability`, `detection_probability`, and exact limits `miss_low`,
        `miss_high`, `false_alarm_low`, `false_alarm_high`. Over `level` (false-alarm
        probabilities): `miss`, `band_low`, `band_high`. The area is `attrs["auc"]`.

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument are invalid.

    References
    ----------
    Hilgers (1991), Methods of Information in Medicine 30, 96-101.

    Examples
    --------
    >>> curve = roc([1.0, 2.0, 2.0, 3.0], [False, False, True, True], larger="earthquake")
    >>> curve["false_alarm_probability"].values.tolist()
    [0.0, 0.0, 0.5, 1.0]
    >>> curve["detection_probability"].values.tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    values, labels, sign = _support.labelled("roc", score, is_earthquake, larger)
    check_probability("roc", probability=probability)
    if false_alarm_probability is None:
        level = np.concatenate([np.geomspace(1e-3, 0.1, 21), np.linspace(0.12, 1.0, 23)])
    else:
        level = np.atleast_1d(np.asarray(false_alarm_probability, np.float64))
    if level.ndim != 1 or not np.all((level > 0) & (level <= 1)):
        raise InputError("roc: false_alarm_probability must lie in (0, 1]")
    quakes, noise = np.sort(values[labels]), np.sort(values[~labels])
    at = np.concatenate([[np.inf], np.unique(values)[::-1]])
    misses = np.searchsorted(quakes, at, side="left")
    alarms = noise.size - np.searchsorted(noise, at, side="left")
    tail = (1 - probability) / 2
    miss_low, miss_high = exact_ends(misses, np.full(at.shape, quakes.size), tail)
    alarm_low, alarm_high = exact_ends(alarms, np.full(at.shape, noise.size), tail)
    band = np.array([_band(quakes, noise, float(one), tail / 2) for one in level])
    rows = {
        "miss_probability": misses / quakes.size,
        "false_alarm_probability": alarms / noise.size,
        "detection_probability": 1 - misses / quakes.size,
        "miss_low": miss_low,
        "miss_high": miss_high,
        "false_alarm_low": alarm_low,
        "false_alarm_high": alarm_high,
    }
    curve = xr.Dataset(
        {name: ("threshold", row) for name, row in rows.items()}
        | {name: ("level", band[:, i]) for i, name in enumerate(("miss", "band_low", "band_high"))},
        coords={"threshold": sign * at, "level": level},
    )
    curve["threshold"].attrs["long_name"] = "threshold of the score"
    curve["level"].attrs["long_name"] = "false-alarm probability"
    curve.attrs = {
        "larger": larger,
        "earthquakes": quakes.size,
        "noise": noise.size,
        "auc": area(quakes, noise),
        "interval_probability": probability,
        "interval_kind": "pointwise: Clopper-Pearson at thresholds, distribution-free at levels",
    }
    return curve


def _band(
    quakes: np.ndarray, noise: np.ndarray, level: float, tail: float
) -> tuple[float, float, float]:
    """Miss probability at a true false-alarm probability: estimate and limits."""
    size = np.array(float(quakes.size))

    def misses(threshold: float, strict: bool) -> np.ndarray:
        return np.array(np.searchsorted(quakes, threshold, side="right" if strict else "left"))

    kept = noise.size - allowed(noise.size, level)
    # The threshold is just above the noise score of this rank, so that ties are rejected.
    estimate = float(misses(at_rank(noise, kept), True) / size)
    low, high = order_ends(noise.size, 1 - level, float(noise.size), tail)
    below, above = misses(at_rank(noise, low), False), misses(at_rank(noise, high), True)
    lower = exact_ends(below, size, tail)[0] if low >= 1 else 0.0
    upper = exact_ends(above, size, tail)[1] if high <= noise.size else 1.0
    return estimate, float(lower), float(upper)


def area(quakes: Any, noise: Any) -> float:
    """Probability that an earthquake scores above noise, with ties counted half."""
    ordered = np.sort(noise)
    below = np.searchsorted(ordered, quakes, "left") + np.searchsorted(ordered, quakes, "right")
    return float(below.mean() / (2 * noise.size))


def auc(
    score: ArrayLike, is_earthquake: ArrayLike, *, larger: str, probability: float = 0.9
) -> xr.Dataset:
    r"""Area under the ROC curve, the probability that an earthquake scores above noise.

    The interval contains every $\theta$ with
    $|\hat\theta - \theta| \le z \sqrt{V(\theta)}$,

    .. math:: V(\theta) = \frac{\theta (1 - \theta)}{m n} \Big[ 1 + (N - 1) \Big(
        \frac{1 - \theta}{2 - \theta} + \frac{\theta}{1 + \theta} \Big) \Big],
        \qquad N = \frac{m + n}{2},

    for m earthquakes and n noise detections. It remains valid if the classes do not overlap
    ($\hat\theta = 1$). For clustered detections use `block_bootstrap`.

    Parameters
    ----------
    score, is_earthquake, larger
        As in `error_rates`.
    probability
        Nominal coverage of the interval.

    Returns
    -------
    xarray.Dataset
        `auc`, `low`, `high`.

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument are invalid.

    References
    ----------
    Newcombe (2006), Statistics in Medicine 25, 559-573, method 5.

    Examples
    --------
    >>> result = auc([1.0, 2.0, 2.0, 3.0], [False, False, True, True], larger="earthquake")
    >>> result["auc"].item()
    0.875
    """
    values, labels, _ = _support.labelled("auc", score, is_earthquake, larger)
    check_probability("auc", probability=probability)
    quakes, noise = values[labels], values[~labels]
    estimate, half = area(quakes, noise), (quakes.size + noise.size) / 2
    z = stats.norm.isf((1 - probability) / 2)

    def excess(theta: float) -> float:
        shape = (1 - theta) / (2 - theta) + theta / (1 + theta)
        variance = theta * (1 - theta) * (1 + (half - 1) * shape) / (quakes.size * noise.size)
        return float(abs(estimate - theta) - z * np.sqrt(variance))

    # If the classes do not overlap, the estimate is itself a root, but not the limit sought.
    inner = float(np.clip(estimate, 1e-12, 1 - 1e-12))
    ends = [
        float(end) if estimate == end else optimize.brentq(excess, end, inner) for end in (0, 1)
    ]
    kind = "Newcombe's asymptotic score interval, detections independent"
    return xr.Dataset(
        {"auc": estimate, "low": ends[0], "high": ends[1]},
        attrs={"larger": larger, "interval_probability": probability, "interval_kind": kind},
    )
