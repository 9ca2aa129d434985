r"""How much less windows of a group say than independent ones: the exponent of their likelihood.

Overlapping windows of one record, and records of one earthquake, repeat each other. Their product
of likelihoods is a composite likelihood, whose posterior is too narrow. It is raised to the power

.. math:: k = \frac{\operatorname{tr}(H\, C)}{\operatorname{tr}(J\, C)}, \qquad
          J = \frac{G}{G - 1} \sum_g s_g s_g^\top,

with the score $s_g$ of each of $G$ groups, the information $H$ of independent windows and the
posterior covariance $C$ at the mode: the magnitude adjustment, which makes the spread of the
posterior that of the estimate on average over its directions.

References
----------
Ribatet, M., Cooley, D. and Davison, A. (2012), Bayesian inference from composite likelihoods, with
an application to spatial extremes, Statistica Sinica 22, 813-845, doi:10.5705/ss.2009.248.
"""

from __future__ import annotations

import numpy as np

# No data show that windows say more than independent ones, or nothing.
LEAST = 1e-4


def exponent_of(
    scores: np.ndarray, information: np.ndarray, covariance: np.ndarray, group: np.ndarray
) -> float:
    """Exponent of the likelihood, in (0, 1].

    Parameters
    ----------
    scores
        Gradient of each row's log likelihood at the mode, (rows, parameters).
    information
        Minus the Hessian of their sum, (parameters, parameters).
    covariance
        Of the posterior if rows are independent, (parameters, parameters).
    group
        Number of each row's group, from 0, (rows,).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scores = np.repeat(rng.normal(size=(200, 1)), 5, axis=0)  # five copies of each
    >>> group = np.repeat(np.arange(200), 5)
    >>> exponent = exponent_of(scores, scores.T @ scores, np.eye(1), group)
    >>> round(exponent, 2)
    0.2
    """
    groups = int(group.max()) + 1
    total = np.zeros((groups, scores.shape[1]))
    np.add.at(total, group, scores)
    spread = total.T @ total * groups / max(groups - 1, 1)
    own, actual = np.sum(information * covariance), np.sum(spread * covariance)
    if not (np.isfinite(own) and np.isfinite(actual) and own > 0 and actual > 0):
        return 1.0
    return float(np.clip(own / actual, LEAST, 1.0))
