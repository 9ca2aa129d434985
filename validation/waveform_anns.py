"""The small networks of MyShake and CrowdQuake by their recipes, to compare with.

References
----------
Kong, Q., Allen, R., Schreier, L. and Kwon, Y.-W. (2016), MyShake: a smartphone seismic network for
earthquake early warning and beyond, Science Advances 2, e1501055, doi:10.1126/sciadv.1501055.

Huang, X., Lee, J., Kwon, Y.-W. and Lee, C.-H. (2020), CrowdQuake: a networked system of low-cost
sensors for earthquake detection via deep learning, KDD, 3261-3271, doi:10.1145/3394486.3403378.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import special
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler

THREE = ("iqr_m_s2", "zero_crossings", "cav_m_s")
# Probabilities are kept this far from 0 and 1.
EDGE = 1e-9


def _scaled(train: pd.DataFrame, test: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    scaler = MinMaxScaler().fit(train[list(THREE)].to_numpy())
    return scaler.transform(train[list(THREE)].to_numpy()), scaler.transform(
        test[list(THREE)].to_numpy()
    )


def _fitted(network: MLPClassifier, rows: np.ndarray, labels: np.ndarray) -> MLPClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(rows, labels)


def _log_odds(network: MLPClassifier, rows: np.ndarray) -> np.ndarray:
    chance = np.asarray(network.predict_proba(rows))[:, 1]
    return special.logit(np.clip(chance, EDGE, 1 - EDGE))


def myshake(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Log ratios by five hidden nodes on IQR, ZC and CAV, less the log odds of training."""
    rows, others = _scaled(train, test)
    labels = train["is_earthquake"].to_numpy()
    network = MLPClassifier((5,), random_state=0, max_iter=2000)
    odds = np.log(labels.sum() / (~labels).sum())
    return _log_odds(_fitted(network, rows, labels), others) - odds


def crowdquake(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Log ratios by CrowdQuake's recipe: as many centroids of others as there are earthquakes."""
    rows, others = _scaled(train, test)
    labels = train["is_earthquake"].to_numpy()
    quakes, rest = rows[labels], rows[~labels]
    if len(rest) > len(quakes):
        clusters = MiniBatchKMeans(len(quakes), random_state=0, batch_size=4096)
        rest = clusters.fit(rest).cluster_centers_
    network = MLPClassifier(
        (5,), activation="logistic", solver="sgd", learning_rate_init=0.2, max_iter=10_000,
        random_state=0,
    )  # fmt: skip
    balanced = np.concatenate([quakes, rest])
    given = np.arange(len(balanced)) < len(quakes)
    odds = np.log(len(quakes) / len(rest))
    return _log_odds(_fitted(network, balanced, given), others) - odds


ANNS = {"MyShake's ANN": myshake, "CrowdQuake's ANN": crowdquake}
