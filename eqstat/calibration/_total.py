r"""Which threshold has the least total of misses and false alarms, or the least cost?

The third of the problems of `eqstat.calibration.thresholds`.

References
----------
Massoda Tchoussi, F. Y. and Finazzi, F. (2023), doi:10.3389/fams.2023.1107243.
Abrevaya and Huang (2005), Econometrica 73, 1175-1204 (what the bootstrap does here).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_probability, check_whole
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support
from eqstat.calibration._bootstrap import cluster_codes, resamples, summary
from eqstat.calibration._thresholds import Rate, Threshold


def of_least_total(
    key: PRNGKeyArray,
    score: ArrayLike,
    is_earthquake: ArrayLike,
    *,
    larger: str,
    miss_cost: float | int = 1.0,
    false_alarm_cost: float | int = 1.0,
    prevalence: float | None = None,
    probability: float = 0.9,
    cluster: Any = None,
    replicates: int = 1000,
) -> Threshold:
    r"""Threshold with the least total of both probabilities, or the least expected cost.

    .. math:: \min_t\; c_\alpha\, \pi\, \alpha(t) + c_\beta\, (1 - \pi)\, \beta(t)

    with $\pi$ the prevalence, the share of earthquakes among the detections to come (which is not
    that of the history where this was simulated half and half). Without it the total is
    $c_\alpha \alpha + c_\beta \beta$. Of equal totals the one with fewest misses is taken.

    The interval is that of percentiles of the bootstrap, within earthquakes and noise or over
    clusters. The least of a step function settles as $n^{-1/3}$, not $n^{-1/2}$, for which no
    bootstrap of this kind has a proof (Abrevaya and Huang 2005). In simulations 90 % intervals of
    percentiles covered 88 to 95 % (100 to 1,000 detections of each class, normal and gamma
    scores, costs of 1 to 5); intervals reflected about the estimate covered 51 to 58 %.

    Parameters
    ----------
    key
        JAX random key, of the bootstrap.
    score, is_earthquake, larger, probability
        As in `thresholds.at_miss_probability`.
    miss_cost, false_alarm_cost
        Weights, not negative, not both 0.
    prevalence
        In (0, 1), or None for the sum of the two probabilities themselves.
    cluster
        Labels as in `bootstrap.block_bootstrap`.
    replicates
        Of the bootstrap.

    Returns
    -------
    Threshold
        The intervals of both probabilities are of the bootstrap too, each history judged by its
        own threshold. `settings` holds the weights of both probabilities and `total`, the least.

    Raises
    ------
    eqstat.InputError
        When scores, labels or an argument cannot be used.

    References
    ----------
    Massoda Tchoussi and Finazzi (2023), doi:10.3389/fams.2023.1107243, third problem.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> score = np.concatenate([np.linspace(0.0, 1.0, 101), np.linspace(0.5, 2.0, 101)])
    >>> found = of_least_total(
    ...     jax.random.key(0), score, np.arange(202) > 100, larger="earthquake", replicates=50
    ... )
    >>> round(found.value, 2), round(found.settings["total"], 2)
    (0.99, 0.34)
    """
    name = "of_least_total"
    values, labels, sign = _support.labelled(name, score, is_earthquake, larger)
    check_probability(name, probability=probability)
    check_whole(name, 20, replicates=replicates)
    weights = _weights(name, miss_cost, false_alarm_cost, prevalence)
    groups = cluster_codes(name, cluster, len(values))
    chosen, total, miss, alarm = _least(values, labels, weights)
    rng = generator(key)
    found = np.full((replicates, 4), np.nan)
    quakes, noise = np.flatnonzero(labels), np.flatnonzero(~labels)
    for i, index in enumerate(resamples(rng, len(values), groups, replicates)):
        if not groups:
            index = np.concatenate([rng.choice(quakes, quakes.size), rng.choice(noise, noise.size)])
        own = labels[index]
        if own.any() and not own.all():
            found[i] = _least(values[index], own, weights)
    kind = "percentile bootstrap" + (" of clusters" if groups else "")
    at, _, missed, alarmed = (
        summary(name, one, column, probability, groups)
        for one, column in zip((chosen, total, miss, alarm), found.T, strict=True)
    )
    low, high = sorted((sign * at.low, sign * at.high))
    miss_rate, alarm_rate = (
        Rate(one.estimate, one.low, one.high, kind) for one in (missed, alarmed)
    )
    settings = {"miss_weight": weights[0], "false_alarm_weight": weights[1], "total": total}
    return Threshold(
        "least_total",
        sign * chosen,
        low,
        high,
        kind,
        miss_rate,
        alarm_rate,
        larger,
        probability,
        settings,
    )


def _least(
    values: np.ndarray, labels: np.ndarray, weights: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Threshold of the least total, the total, and its miss and false-alarm probability."""
    quakes, noise = np.sort(values[labels]), np.sort(values[~labels])
    # Only at a score of an earthquake can a threshold be best, or above all (accept none).
    at = np.append(quakes, np.inf)
    miss = np.searchsorted(quakes, at, "left") / quakes.size
    alarm = 1 - np.searchsorted(noise, at, "left") / noise.size
    total = weights[0] * miss + weights[1] * alarm
    best = int(np.argmax(total <= total.min() * (1 + _support.ROUNDING)))
    return float(at[best]), float(total[best]), float(miss[best]), float(alarm[best])


def _weights(
    name: str, miss_cost: float | int, false_alarm_cost: float | int, prevalence: float | None
) -> tuple[float, float]:
    costs = (float(miss_cost), float(false_alarm_cost))
    if not (all(0 <= cost < np.inf for cost in costs) and sum(costs) > 0):
        raise InputError(f"{name}: costs must be finite, not negative and not both 0, not {costs}")
    if prevalence is None:
        return costs
    check_probability(name, prevalence=prevalence)
    return costs[0] * float(prevalence), costs[1] * (1 - float(prevalence))
