r"""Which threshold has this miss probability, or this false-alarm probability?

With $\alpha(t)$ and $\beta(t)$ the miss and false-alarm probability of the threshold t (see
`eqstat.calibration.rates`), the three problems are

.. math:: \min_t \beta(t) \;\text{s.t.}\; \alpha(t) \le \alpha_0, \qquad
    \min_t \alpha(t) \;\text{s.t.}\; \beta(t) \le \beta_0, \qquad
    \min_t\; w_\alpha\, \alpha(t) + w_\beta\, \beta(t) .

The first two are here: quantiles of one class's scores solve them, and order statistics are their
intervals, for any distribution. The third is `eqstat.calibration.total.of_least_total`. The
threshold of the scatter of trigger times (accept when $\hat\sigma \le \delta$) is one case of
all, with `larger="noise"`.

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
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support
from eqstat.calibration._order import allowed, at_rank, effective_number, order_ends
from eqstat.calibration._rates import share_of


@dataclass(frozen=True)
class Rate:
    """A probability with its interval.

    Attributes
    ----------
    estimate, low, high
        The probability and the ends.
    kind
        What the interval is.
    """

    estimate: float
    low: float
    high: float
    kind: str


@dataclass(frozen=True)
class Threshold:
    """A threshold with its uncertainty, and what it does.

    Attributes
    ----------
    rule
        "miss_probability", "false_alarm_probability" or "least_total".
    value
        Accept as an earthquake from this score on, on the side that `larger` says.
    low, high
        Ends of the interval of the threshold that the rule would choose if it knew the
        distributions; infinite where there are too few detections.
    kind
        What that interval is.
    miss_probability, false_alarm_probability
        Of the threshold `value`.
    larger
        What larger scores mean, "earthquake" or "noise".
    probability
        Of all intervals.
    settings
        What was asked for: the fixed probability, or weights of the total and its value.
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
        """Return plain numbers and texts."""
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
    r"""Strictest threshold that misses no more than a share of the earthquakes.

    With n earthquakes of scores $s_{(1)} \le \dots \le s_{(n)}$ (turned so that larger ones mean
    earthquake) the threshold is $s_{(k + 1)}$, $k = \lfloor n \alpha_0 \rfloor$: k are missed, or
    fewer where scores are equal. Its interval is $[s_{(l)}, s_{(u)}]$ with l and u from the
    binomial of $\alpha_0$; it holds for any distribution. For a threshold that *keeps*
    $\alpha_0$ with a stated confidence see `eqstat.calibration.conformal`.

    Parameters
    ----------
    score, is_earthquake
        One of each for each detection: a finite number, and true or false.
    miss_probability
        The share $\alpha_0$, in (0, 1).
    larger
        What larger scores mean, "earthquake" or "noise".
    probability
        Of the intervals.
    cluster
        Labels; detections with the same label may depend on each other. The intervals are then
        those of an effective number, as in `rates.error_rates`.

    Returns
    -------
    Threshold
        The interval of the false-alarm probability is exact for this threshold. That of the miss
        probability holds too, though the threshold was made of these earthquakes: its true value
        is $\mathrm{Beta}(k + 1,\, n - k)$, whose middle lies within Clopper and Pearson's interval.

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument cannot be used.

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
    rest = (1 - probability) / 2
    effective = effective_number(values[labels] < chosen, groups[0], rest)
    low, high = order_ends(quakes.size, miss_probability, effective, rest)
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
    r"""Mildest threshold that accepts no more than a share of the noise.

    With m noise detections the threshold is the next score in the history above
    $n_{(m - k)}$, $k = \lfloor m \beta_0 \rfloor$: k are accepted, or fewer where scores are equal.
    Intervals are as in `at_miss_probability`, with earthquakes and noise exchanged.

    Parameters
    ----------
    score, is_earthquake, larger, probability, cluster
        As in `at_miss_probability`.
    false_alarm_probability
        The share $\beta_0$, in (0, 1).

    Returns
    -------
    Threshold

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument cannot be used.

    References
    ----------
    Massoda Tchoussi and Finazzi (2023), doi:10.3389/fams.2023.1107243, second problem.

    Examples
    --------
    >>> import numpy as np
    >>> score = np.concatenate([np.linspace(0.0, 1.0, 101), np.linspace(0.5, 2.0, 101)])
    >>> found = at_false_alarm_probability(score, np.arange(202) > 100, 0.05, larger="earthquake")
    >>> round(found.value, 3), round(found.miss_probability.estimate, 3)
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
    rest = (1 - probability) / 2
    effective = effective_number(values[~labels] >= chosen, groups[1], rest)
    low, high = order_ends(noise.size, 1 - false_alarm_probability, effective, rest)
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
    found = _support.codes(name, cluster, len(labels))
    return found[labels], found[~labels]


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
    """Both rates of a threshold that is an order statistic of one class."""
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
