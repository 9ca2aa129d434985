r"""Conformal thresholds: a guaranteed miss probability without a model of the scores.

If the scores of n past earthquakes and of the next one are exchangeable, all ranks of the next one
are equally probable, and the threshold at the k-th smallest score misses it with probability at
most $k / (n + 1)$, marginally over the past and the next earthquake. Conditional on the past, the
miss probability is stochastically at most $\mathrm{Beta}(k,\, n + 1 - k)$; a smaller k keeps it
below $\alpha$ with a stated confidence.

The only assumption is exchangeability, which a season, a new network or an aftershock sequence
violates.

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
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support
from eqstat.calibration._order import allowed, at_rank


@dataclass(frozen=True)
class Guarantee(Explained):
    """Thresholds with a guaranteed miss probability.

    Attributes
    ----------
    threshold
        Threshold of each group, at which a score is accepted as an earthquake; infinite (all are
        accepted) if there are too few earthquakes for the guarantee.
    earthquakes
        Number of scores of each group.
    clusters
        Number of clusters of each group, or of its scores if there are no clusters.
    miss_probability
        Guaranteed miss probability (alpha).
    confidence
        Confidence of the guarantee given this history; None if it is on average over histories.
    larger
        What larger scores mean, "earthquake" or "noise".

    Examples
    --------
    >>> guarantee = conformal_threshold(
    ...     [1.0, 2.0, 3.0, 4.0], miss_probability=0.2, larger="earthquake"
    ... )
    >>> guarantee.accepts([0.5, 1.5]).tolist()
    [False, True]
    """

    threshold: dict[str, float]
    earthquakes: dict[str, int]
    clusters: dict[str, int]
    miss_probability: float
    confidence: float | None
    larger: str

    def accepts(self, score: ArrayLike, group: Any = None) -> np.ndarray:
        """Whether detections are accepted as earthquakes; those of an unknown group always are.

        Parameters
        ----------
        score
            Scores, (detections,).
        group
            Group of each detection; required if thresholds are by group.
        """
        values = np.atleast_1d(np.asarray(score, np.float64))
        unlimited = -np.inf if self.larger == "earthquake" else np.inf
        if group is None:
            if set(self.threshold) != {"all"}:
                raise InputError("conformal: give the group of each detection")
            limit = np.full(values.shape, self.threshold["all"])
        else:
            names = [str(one) for one in np.atleast_1d(np.asarray(group)).tolist()]
            if len(names) != len(values):
                raise InputError("conformal: give one group for each detection")
            limit = np.array([self.threshold.get(name, unlimited) for name in names])
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
    r"""Strictest threshold with a guaranteed miss probability.

    Let $s_{(1)} \le \dots \le s_{(n)}$ be the scores of true earthquakes, oriented so that larger
    scores mean earthquake. The threshold is $s_{(k)}$, with k the largest integer such that

    .. math:: \frac{k}{n + 1} \le \alpha
        \qquad \text{or, with a confidence } 1 - \delta, \qquad
        P\{\mathrm{Beta}(k,\, n + 1 - k) \le \alpha\} \ge 1 - \delta .

    With fewer than $1 / \alpha - 1$ earthquakes (with a confidence,
    $\log \delta / \log(1 - \alpha)$) there is none, and all detections must be accepted.

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
        When scores or an argument are invalid.

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
    results: dict[str, tuple[float, int, int]] = {}
    for each in np.unique(names):
        part = names == each
        number = int(np.unique(own[part]).size)
        if cluster is None:
            rank = _rank(number, miss_probability, confidence)
            limit = at_rank(np.sort(values[part]), rank)
        else:
            limit = _weighted(values[part], own[part], miss_probability)
        results[str(each)] = (sign * limit, int(part.sum()), number)
    return Guarantee(
        {each: row[0] for each, row in results.items()},
        {each: row[1] for each, row in results.items()},
        {each: row[2] for each, row in results.items()},
        miss_probability,
        confidence,
        larger,
    )


def _rank(number: int, miss_probability: float, confidence: float | None) -> int:
    """Largest rank for which the guarantee holds; 0 if there is none."""
    if confidence is None:
        return allowed(number + 1, miss_probability)
    rank = np.arange(1, number + 1)
    return int(np.sum(special.betainc(rank, number + 1 - rank, miss_probability) >= confidence))


def _weighted(values: np.ndarray, cluster: np.ndarray, miss_probability: float) -> float:
    """Threshold with equal weights of clusters, the next cluster being below all scores."""
    names, index, size = np.unique(cluster, return_inverse=True, return_counts=True)
    order = np.argsort(values)
    weight = (1 / size[index])[order] / (names.size + 1)
    below = np.concatenate([[0.0], np.cumsum(weight)[:-1]]) + 1 / (names.size + 1)
    ordered = values[order]
    # Strictly smaller scores are below; tied scores share the position of the first.
    below = below[np.searchsorted(ordered, ordered, "left")]
    fits = np.flatnonzero(below <= miss_probability + _support.ROUNDING)
    return float(ordered[fits[-1]]) if fits.size else -np.inf
