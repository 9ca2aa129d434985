"""How far a window lies from the training data, and beyond which distance it is unfamiliar."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from eqstat._core.explain import explained

# Part of the identity in a covariance of standardised features, so that few windows, or features
# that repeat each other, do not make every new window unfamiliar.
SHRINKAGE = 0.05


@explained
class Familiarity(NamedTuple):
    """Centres and whitening of the training data of either class, and the level of the distance.

    Attributes
    ----------
    home
        Mean standardised features of each class, (classes, features).
    root
        Matrices that whiten features about it, (classes, features, features).
    level
        Mahalanobis distance to the nearer class that a share of new windows exceeds.

    Examples
    --------
    >>> here = Familiarity(np.zeros((1, 2)), np.eye(2)[None], 3.0)
    >>> here.distance(np.array([[3.0, 0.0], [0.0, 6.0]])).tolist()
    [1.0, 2.0]
    """

    home: np.ndarray
    root: np.ndarray
    level: float

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Distance of standardised features from the nearer class, in units of the level."""
        away = features[:, None, :] - self.home
        square = np.sum(np.einsum("rcf,cgf->rcg", away, self.root) ** 2, axis=-1)
        return np.sqrt(square.min(axis=1)) / self.level


def learned(features: np.ndarray, labels: np.ndarray) -> Familiarity:
    """Learn centres and whitening of both classes, with a level of 1."""
    home, root = [], []
    for rows in (features[labels], features[~labels]):
        centre = rows.mean(axis=0)
        spread = (rows - centre).T @ (rows - centre) / max(len(rows) - 1, 1)
        spread += SHRINKAGE * np.eye(features.shape[1])
        home.append(centre)
        root.append(np.linalg.inv(np.linalg.cholesky(spread)))
    return Familiarity(np.array(home), np.array(root), 1.0)


def level_of(distance: np.ndarray, group: np.ndarray, share: float) -> float:
    """Distance that a share of the windows of a new group exceeds on average.

    Parameters
    ----------
    distance
        Of windows from training data without their own group, (rows,).
    group
        Number of each row's group, (rows,). Each group counts the same, however many windows it
        has.
    share
        The share, in (0, 1).
    """
    weight = 1.0 / np.bincount(group)[group]
    order = np.argsort(distance)
    above = 1.0 - np.cumsum(weight[order]) / weight.sum()
    return float(distance[order][np.searchsorted(-above, -share)])
