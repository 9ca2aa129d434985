r"""Thresholds with a given miss or false-alarm probability.

Let $\alpha(t)$ and $\beta(t)$ be the miss and false-alarm probability of the threshold t (see
`error_rates`). The three problems are

.. math:: \min_t \beta(t) \;\text{s.t.}\; \alpha(t) \le \alpha_0, \qquad
    \min_t \alpha(t) \;\text{s.t.}\; \beta(t) \le \beta_0, \qquad
    \min_t\; w_\alpha\, \alpha(t) + w_\beta\, \beta(t) .

The first two are solved here by quantiles of the scores of one class, with intervals from order
statistics for any distribution; the third is `of_least_total`. The threshold of the scatter of
trigger times (accept if $\hat\sigma \le \delta$) is a special case with `larger="noise"`.

References
----------
Massoda Tchoussi, F. Y. and Finazzi, F. (2023), doi:10.3389/fams.2023.1107243.
David and Nagaraja (2003), Order Statistics, Wiley, section 7.1 (intervals of quantiles).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eqstat._core.checks import check_probability
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support
from eqstat.calibration._order import allowed, at_rank, effective_number, order_ends
from eqstat.calibration._rates import share_of


@dataclass(frozen=True)
class Rate(Explained):
    """A probability with its interval.

    Attributes
    ----------
    estimate, low, high
        The estimate and the limits of the interval.
    kind
        Kind of the interval.

    Examples
    --------
    >>> Rate(0.01, 0.002, 0.03, "Clopper-Pearson").estimate
    0.01
    """

    estimate: float
    low: float
    high: float
    kind: str


@dataclass(frozen=True)
class Threshold(Explained):
    """A threshold with its uncertainty and its error probabilities.

    Attributes
    ----------
    rule
        "miss_probability", "false_alarm_probability" or "least_total".
    value
        The threshold; scores at or beyond it, in the direction of `larger`, are accepted.
    low, high
        Limits of the interval of the threshold that the rule selects for the true distributions;
        infinite if there are too few detections.
    kind
        Kind of that interval.
    miss_probability, false_alarm_probability
        Error probabilities of the threshold `value`.
    larger
        What larger scores mean, "earthquake" or "noise".
    probability
        Nominal coverage of all intervals.
    settings
        Settings of the rule: the fixed probability, or the weights of the total and its value.

    Examples
    --------
    >>> threshold = at_miss_probability(
    ...     [1.0, 2.0, 3.0, 4.0], [False, True, False, True], 0.1, larger="earthquake"
    ... )
    >>> threshold.value, threshold.accepts([1.5, 2.5]).tolist()
    (2.0, [False, True])
    """

    rule: str
    value: float
    low: float
    high: float
    kind: str
    miss_probability: Rate
    false_alarm_probability: Rate
    larger: str
    probability: float
    settings: dict[str, float]

    def accepts(self, score: ArrayLike) -> Any:
        """Whether detections of these scores are accepted as earthquakes."""
        values = np.asarray(score, np.float64)
        return values >= self.value if self.larger == "earthquake" else values <= self.value

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary of plain numbers and strings."""
        return asdict(self)


def at_miss_probability(
    score: ArrayLike,
    is_earthquake: ArrayLike,
    miss_probability: float,
    *,
    larger: str,
    probability: float = 0.9,
    cluster: ArrayLike | None = None,
) -> Threshold:
    r"""Strictest threshold whose miss probability does not exceed a given value.

    For n earthquakes with scores $s_{(1)} \le \dots \le s_{(n)}$, oriented so that larger scores
    mean earthquake, the threshold is $s_{(k + 1)}$, $k = \lfloor n \alpha_0 \rfloor$: k are missed,
    or fewer if scores are tied. Its interval is $[s_{(l)}, s_{(u)}]$ with l and u from the binomial
    distribution with $\alpha_0$; it is valid for any distribution of the scores. For a threshold
    that *guarantees* $\alpha_0$ with a stated confidence see `conformal_threshold`.

    Parameters
    ----------
    score, is_earthquake
        A finite number and a boolean label per detection, (detections,).
    miss_probability
        Miss probability $\alpha_0$, in (0, 1).
    larger
        What larger scores mean, "earthquake" or "noise".
    probability
        Nominal coverage of the intervals.
    cluster
        Labels; detections with the same label may be dependent. The intervals then use an
        effective number, as in `error_rates`.

    Returns
    -------
    Threshold
        The interval of the false-alarm probability is exact for this threshold. That of the miss
        probability is valid although the threshold was chosen on these earthquakes: the true value
        is distributed as $\mathrm{Beta}(k + 1,\, n - k)$, whose equal-tailed interval lies within
        that of Clopper and Pearson.

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument are invalid.

    References
    ----------
    Massoda Tchoussi and Finazzi (2023), doi:10.3389/fams.2023.1107243, first problem.

    Examples
    --------
    >>> import numpy as np
    >>> sigma_hat = np.concatenate([np.linspace(0.5, 1.5, 200), np.linspace(1.2, 6.0, 200)])
    >>> is_earthquake = np.arange(400) < 200
    >>> delta = at_miss_probability(sigma_hat, is_earthquake, 0.01, larger="noise")
    >>> round(delta.value, 3), delta.false_alarm_probability.estimate
    (1.49, 0.065)
    """
    name = "at_miss_probability"
    values, labels, sign = _support.labelled(name, score, is_earthquake, larger)
    check_probability(name, miss_probability=miss_probability, probability=probability)
    groups = _groups(name, cluster, labels)
    quakes = np.sort(values[labels])
    chosen = at_rank(quakes, allowed(quakes.size, miss_probability) + 1)
    tail = (1 - probability) / 2
    effective = effective_number(values[labels] < chosen, groups[0], tail)
    low, high = order_ends(quakes.size, miss_probability, effective, tail)
    ends = (min(at_rank(quakes, low), chosen), max(at_rank(quakes, high), chosen))
    return _result(
        "miss_probability", values, labels, groups, sign, (chosen, *ends), probability,
        {"miss_probability": miss_probability},
    )  # fmt: skip


def at_false_alarm_probability(
    score: ArrayLike,
    is_earthquake: ArrayLike,
    false_alarm_probability: float,
    *,
    larger: str,
    probability: float = 0.9,
    cluster: ArrayLike | None = None,
) -> Threshold:
    r"""Most lenient threshold whose false-alarm probability does not exceed a given value.

    For m noise detections the threshold is the next score in the history above $n_{(m - k)}$,
    $k = \lfloor m \beta_0 \rfloor$: k are accepted, or fewer if scores are tied. Intervals are as
    in `at_miss_probability`, with earthquakes and noise exchanged.

    Parameters
    ----------
    score, is_earthquake, larger, probability, cluster
        As in `at_miss_probability`.
    false_alarm_probability
        False-alarm probability $\beta_0$, in (0, 1).

    Returns
    -------
    Threshold

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument are invalid.

    References
    ----------
    Massoda Tchoussi and Finazzi (2023), doi:10.3389/fams.2023.1107243, second problem.

    Examples
    --------
    >>> import numpy as np
    >>> score = np.concatenate([np.linspace(0.0, 1.0, 101), np.linspace(0.5, 2.0, 101)])
    >>> result = at_false_alarm_probability(score, np.arange(202) > 100, 0.05, larger="earthquake")
    >>> round(result.value, 3), round(result.miss_probability.estimate, 3)
    (0.96, 0.307)
    """
    name = "at_false_alarm_probability"
    values, labels, sign = _support.labelled(name, score, is_earthquake, larger)
    check_probability(
        name, false_alarm_probability=false_alarm_probability, probability=probability
    )
    groups = _groups(name, cluster, labels)
    noise, every = np.sort(values[~labels]), np.unique(values)
    last = at_rank(noise, noise.size - allowed(noise.size, false_alarm_probability))
    chosen = _above(every, last)
    tail = (1 - probability) / 2
    effective = effective_number(values[~labels] >= chosen, groups[1], tail)
    low, high = order_ends(noise.size, 1 - false_alarm_probability, effective, tail)
    ends = (min(at_rank(noise, low), chosen), max(at_rank(noise, high), chosen))
    return _result(
        "false_alarm_probability", values, labels, groups, sign, (chosen, *ends), probability,
        {"false_alarm_probability": false_alarm_probability},
    )  # fmt: skip


def _groups(
    name: str, cluster: ArrayLike | None, labels: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Clusters of the earthquakes and of the noise."""
    if cluster is None:
        return None, None
    codes = _support.codes(name, cluster, len(labels))
    return codes[labels], codes[~labels]


def _above(ordered: np.ndarray, value: float) -> float:
    """Next score of the history above a value."""
    rank = int(np.searchsorted(ordered, value, "right"))
    return float(ordered[rank]) if rank < ordered.size else float(np.nextafter(value, np.inf))


def _result(
    rule: str,
    values: np.ndarray,
    labels: np.ndarray,
    groups: tuple[np.ndarray | None, np.ndarray | None],
    sign: int,
    at: tuple[float, float, float],
    probability: float,
    settings: dict[str, float],
) -> Threshold:
    """Threshold that is an order statistic of one class, with both error probabilities."""
    rates = []
    for hit, group in (
        (values[labels] < at[0], groups[0]),
        (values[~labels] >= at[0], groups[1]),
    ):
        _, share, (low, high) = share_of(hit[None], group, probability)
        rates.append(Rate(float(share[0]), float(low[0, 0]), float(high[0, 0]), "Clopper-Pearson"))
    low, high = sorted((sign * at[1], sign * at[2]))
    kind = "order statistics, free of the distribution"
    if groups[0] is not None:
        kind = "order statistics, effective number of clustered detections"
    larger = "earthquake" if sign > 0 else "noise"
    miss, alarm = rates
    return Threshold(
        rule, sign * at[0], low, high, kind, miss, alarm, larger, probability, settings
    )
