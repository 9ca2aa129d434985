r"""A threshold that keeps its miss probability, with a proof and no model of the scores.

Put the next earthquake's score among those of n earthquakes of the past. If all are exchangeable
(drawn alike, in no order), each rank is as likely, and the threshold at the k-th least score misses
the next with a probability of at most $k / (n + 1)$. That is over past *and* next earthquake. Given
the past, the miss probability is itself a draw of $\mathrm{Beta}(k,\, n + 1 - k)$, at most: a
smaller k keeps it below $\alpha$ with any stated confidence.

What it assumes is exchangeability, and nothing else; a season, a new network, or an aftershock
sequence breaks it.

References
----------
Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World, Springer. Vovk (2012),
Proceedings of Machine Learning Research 25, 475-490. Dunn, Wasserman and Ramdas (2023), JASA 118,
2491-2502 (clusters).
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
from eqstat.calibration._order import allowed, at_rank


@dataclass(frozen=True)
class Guarantee:
    """Thresholds that keep a miss probability.

    Attributes
    ----------
    threshold
        Of each group: accept as an earthquake from this score on; infinite (all are accepted)
        where there are too few earthquakes for the guarantee.
    earthquakes
        Number of scores of each group.
    clusters
        Number of clusters of each group; that of its scores where there are none.
    miss_probability
        What is kept (alpha).
    confidence
        With which it is kept for this history; None where it is kept on average over histories.
    larger
        What larger scores mean, "earthquake" or "noise".
    """

    threshold: dict[str, float]
    earthquakes: dict[str, int]
    clusters: dict[str, int]
    miss_probability: float
    confidence: float | None
    larger: str

    def accepts(self, score: ArrayLike, group: Any = None) -> np.ndarray:
        """Whether detections are accepted as earthquakes; a group not seen before always is.

        Parameters
        ----------
        score
            Scores, (detections,).
        group
            Group of each; needed where the thresholds are of groups.
        """
        values = np.atleast_1d(np.asarray(score, np.float64))
        free = -np.inf if self.larger == "earthquake" else np.inf
        if group is None:
            if set(self.threshold) != {"all"}:
                raise InputError("conformal: give the group of each detection")
            limit = np.full(values.shape, self.threshold["all"])
        else:
            names = [str(one) for one in np.atleast_1d(np.asarray(group)).tolist()]
            if len(names) != len(values):
                raise InputError("conformal: give one group for each detection")
            limit = np.array([self.threshold.get(name, free) for name in names])
        return values >= limit if self.larger == "earthquake" else values <= limit


def conformal_threshold(
    score: ArrayLike,
    *,
    miss_probability: float,
    larger: str,
    confidence: float | None = None,
    group: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
) -> Guarantee:
    r"""Strictest threshold that is proved to keep a miss probability.

    With $s_{(1)} \le \dots \le s_{(n)}$ the scores of true earthquakes (turned so that larger ones
    mean earthquake) it is $s_{(k)}$, with k the greatest whole number such that

    .. math:: \frac{k}{n + 1} \le \alpha
        \qquad \text{or, with a confidence } 1 - \delta, \qquad
        P\{\mathrm{Beta}(k,\, n + 1 - k) \le \alpha\} \ge 1 - \delta .

    Below $n = 1 / \alpha - 1$ earthquakes (with a confidence $\log \delta / \log(1 - \alpha)$)
    there is none, and everything must be accepted.

    Parameters
    ----------
    score
        Scores of true earthquakes only, finite.
    miss_probability
        What is to be kept, in (0, 1).
    larger
        What larger scores mean, "earthquake" or "noise".
    confidence
        With which this history's threshold keeps it. Without it the guarantee is on average:
        about half of all histories give a threshold that misses more.
    group
        Labels, such as night and day: each group then has a threshold and the guarantee of its own
        (Mondrian).
    cluster
        Labels: earthquakes of one cluster depend on each other, and the guarantee is for one
        of a new cluster. Each cluster weighs as much as another; not together with a confidence.

    Returns
    -------
    Guarantee

    Raises
    ------
    eqstat.InputError
        When scores or an argument cannot be used.

    References
    ----------
    Vovk (2012), PMLR 25, propositions 2a and 2b; Dunn, Wasserman and Ramdas (2023).

    Examples
    --------
    >>> import numpy as np
    >>> sigma_hat = np.linspace(0.5, 1.5, 500)
    >>> kept = conformal_threshold(sigma_hat, miss_probability=0.01, larger="noise")
    >>> sure = conformal_threshold(sigma_hat, miss_probability=0.01, larger="noise",
    ...                            confidence=0.95)
    >>> round(kept.threshold["all"], 3), round(sure.threshold["all"], 3)
    (1.492, 1.498)
    """
    name = "conformal_threshold"
    sign = _support.sign_of(name, larger)
    values = sign * _support.vector(name, score)
    check_probability(name, miss_probability=miss_probability)
    if confidence is not None:
        check_probability(name, confidence=confidence)
        if cluster is not None:
            raise InputError(f"{name}: a confidence is not available with clusters")
    names = np.full(values.size, "all")
    if group is not None:
        _support.codes(name, group, values.size, "group")
        names = np.array([str(one) for one in np.asarray(group).tolist()])
    own = np.arange(values.size)
    if cluster is not None:
        own = _support.codes(name, cluster, values.size)
    found: dict[str, tuple[float, int, int]] = {}
    for each in np.unique(names):
        part = names == each
        number = int(np.unique(own[part]).size)
        if cluster is None:
            rank = _rank(number, miss_probability, confidence)
            limit = at_rank(np.sort(values[part]), rank)
        else:
            limit = _weighted(values[part], own[part], miss_probability)
        found[str(each)] = (sign * limit, int(part.sum()), number)
    return Guarantee(
        {each: row[0] for each, row in found.items()},
        {each: row[1] for each, row in found.items()},
        {each: row[2] for each, row in found.items()},
        miss_probability,
        confidence,
        larger,
    )


def _rank(number: int, miss_probability: float, confidence: float | None) -> int:
    """Greatest rank of which the guarantee holds; 0 where there is none."""
    if confidence is None:
        return allowed(number + 1, miss_probability)
    rank = np.arange(1, number + 1)
    return int(np.sum(special.betainc(rank, number + 1 - rank, miss_probability) >= confidence))


def _weighted(values: np.ndarray, cluster: np.ndarray, miss_probability: float) -> float:
    """Threshold where each cluster has one weight, and the next cluster scores below all."""
    names, index, size = np.unique(cluster, return_inverse=True, return_counts=True)
    order = np.argsort(values)
    weight = (1 / size[index])[order] / (names.size + 1)
    below = np.concatenate([[0.0], np.cumsum(weight)[:-1]]) + 1 / (names.size + 1)
    ordered = values[order]
    # Below a score are those strictly less: equal scores share the first one's place.
    below = below[np.searchsorted(ordered, ordered, "left")]
    fits = np.flatnonzero(below <= miss_probability + _support.ROUNDING)
    return float(ordered[fits[-1]]) if fits.size else -np.inf
