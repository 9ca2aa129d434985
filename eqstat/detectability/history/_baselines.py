"""Detection probabilities without a model of stations, to compare with: PMC, BMC, a regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit, minimize
from scipy.special import log_ndtr, ndtr

from eqstat._core.checks import check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.detectability.history._data import History, as_history, nearest

# Of the magnitudes' and distances' metric, in magnitudes (Schorlemmer and Woessner, 2008).
REACH, FEWEST = 0.1, 10
# Magnitude loss in southern California (Hutton and Boore, 1987).
LOSS = (1.110, 0.00189)
# Completeness by distance of the fourth station, km: c1 d^c2 + c3 and its sd (Mignan et al., 2011).
BMC_PRIOR, BMC_SD = (5.96, 0.0803, -5.80), 0.18
BIN = 0.1


def kth_distance_km(history: History, events: pd.DataFrame) -> np.ndarray:
    """Hypocentral distance of the station that completes the largest count, of each earthquake.

    Parameters
    ----------
    history
        From `prepare`; its network and counts are used.
    events
        Earthquakes with `latitude`, `longitude`, `depth_km` (and `time` where stations need it).

    Returns
    -------
    numpy.ndarray
        Infinite where too few stations are active.

    Examples
    --------
    See `logistic`.
    """
    history = as_history("kth_distance_km", history)
    count = max(history.data.counts)
    distance, station = nearest(events, history.stations, count)
    if distance.shape[1] < count:
        return np.full(len(events), np.inf)
    return np.where(station[:, count - 1] >= 0, distance[:, count - 1], np.inf)


def _learning(owner: str, history: History) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Magnitudes, distances of the k-th station, and hits, of which there are both kinds."""
    history = as_history(owner, history)
    hit = history.events["detected"].to_numpy(bool)
    if history.data.only_detected or hit.all() or not hit.any():
        raise InputError(f"{owner}: needs both detected and missed earthquakes")
    magnitude = history.events["magnitude"].to_numpy(np.float64)
    return magnitude, kth_distance_km(history, history.events), hit


@dataclass(frozen=True)
class LogisticCurve(Explained):
    """Logistic regression on magnitude and log distance of the k-th station; of `logistic`.

    Attributes
    ----------
    regression
        The fitted `sklearn.linear_model.LogisticRegression`.
    history
        What it learned from.

    Examples
    --------
    See `logistic`.
    """

    regression: Any
    history: History

    def detection_probability(self, events: pd.DataFrame) -> np.ndarray:
        """Detection probability of each earthquake of a table."""
        return self.regression.predict_proba(
            _features(events["magnitude"], kth_distance_km(self.history, events))
        )[:, 1]


def _features(magnitude: Any, distance_km: np.ndarray) -> np.ndarray:
    return np.column_stack([magnitude, np.log(np.minimum(distance_km, 1e4))])


def logistic(history: History) -> LogisticCurve:
    """Fit a logistic regression on magnitude and the log distance of the k-th station.

    Parameters
    ----------
    history
        From `prepare` or `simulate`, with hits and misses.

    Returns
    -------
    LogisticCurve

    Raises
    ------
    eqstat.InputError
        When there are no hits or no misses.

    Examples
    --------
    >>> import jax
    >>> from eqstat.detectability.history import Design, Sensitivity, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=400))
    >>> chance = logistic(history).detection_probability(history.events)
    >>> bool(abs(chance.mean() - history.events["detected"].mean()) < 0.01)
    True
    """
    from sklearn.linear_model import LogisticRegression

    magnitude, distance, hit = _learning("logistic", history)
    # As good as without a penalty.
    regression = LogisticRegression(C=1e6, max_iter=1000)
    return LogisticCurve(regression.fit(_features(magnitude, distance), hit), history)


@dataclass(frozen=True)
class RawShares(Explained):
    """Shares of hits by magnitude and distance of the k-th station, made monotone; of `pmc`.

    Attributes
    ----------
    magnitude, loss
        Nodes of magnitude and of the loss by distance, in magnitudes, ascending.
    share
        Detection probability at the nodes, (magnitudes, losses).
    history
        What it learned from.

    Examples
    --------
    See `pmc`.
    """

    magnitude: np.ndarray
    loss: np.ndarray
    share: np.ndarray
    history: History

    def detection_probability(self, events: pd.DataFrame) -> np.ndarray:
        """Detection probability of each earthquake of a table: that of the nearest node."""
        loss = _loss(kth_distance_km(self.history, events))
        row = np.rint((events["magnitude"].to_numpy() - self.magnitude[0]) / BIN).astype(int)
        column = np.rint((np.minimum(loss, 1e3) - self.loss[0]) / BIN).astype(int)
        rows = np.clip(row, 0, len(self.magnitude) - 1)
        return self.share[rows, np.clip(column, 0, len(self.loss) - 1)]


def _loss(distance_km: np.ndarray) -> np.ndarray:
    distance = np.maximum(distance_km, 1.0)
    return LOSS[0] * np.log10(distance / 100.0) + LOSS[1] * (distance - 100.0)


def pmc(history: History) -> RawShares:
    """Probability-based magnitude of completeness, applied to the network as a whole.

    The method takes a station's share of picked earthquakes among those within 0.1 in magnitude
    and in the magnitude loss by distance, at least ten, and makes it monotone. Stations are then
    combined as if they were independent. A history of a network does not hold its stations'
    picks; here the same shares are those of the network's detections, by the distance of the
    k-th station. Where fewer than ten earthquakes are near, the nearest ten are taken (the
    method sets the probability to 0), shares have half a hit and half a miss added, and a
    monotone share is the mean of its least monotone majorant and greatest minorant.

    Parameters
    ----------
    history
        From `prepare` or `simulate`, with hits and misses.

    Returns
    -------
    RawShares

    Raises
    ------
    eqstat.InputError
        When there are no hits or no misses.

    References
    ----------
    Schorlemmer, D. and Woessner, J. (2008), Probability of detecting an earthquake, Bulletin of
    the Seismological Society of America 98, 2103-2117, doi:10.1785/0120070105.

    Hutton, L. K. and Boore, D. M. (1987), The ML scale in southern California, Bulletin of the
    Seismological Society of America 77, 2074-2094, for the loss by distance.

    Examples
    --------
    >>> import jax
    >>> from eqstat.detectability.history import Design, Sensitivity, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=400))
    >>> share = pmc(history).share
    >>> bool((np.diff(share, axis=0) >= 0).all() and (np.diff(share, axis=1) <= 0).all())
    True
    """
    magnitude, distance, hit = _learning("pmc", history)
    known = np.isfinite(distance)
    magnitude, loss, hit = magnitude[known], _loss(distance[known]), hit[known]
    rows = np.arange(magnitude.min(), magnitude.max() + BIN, BIN)
    columns = np.arange(loss.min(), loss.max() + BIN, BIN)
    share = np.empty((len(rows), len(columns)))
    for i, size in enumerate(rows):
        apart = np.hypot(magnitude - size, loss - columns[:, None])
        for j, each in enumerate(apart):
            near = each <= max(REACH, np.partition(each, min(FEWEST, len(each)) - 1)[FEWEST - 1])
            share[i, j] = (hit[near].sum() + 0.5) / (near.sum() + 1)
    upper = np.maximum.accumulate(share, axis=0)
    upper = np.maximum.accumulate(upper[:, ::-1], axis=1)[:, ::-1]
    lower = np.minimum.accumulate(share[::-1], axis=0)[::-1]
    lower = np.minimum.accumulate(lower, axis=1)
    return RawShares(rows, columns, (upper + lower) / 2, history)


@dataclass(frozen=True)
class CompletenessMap(Explained):
    """A map of completeness and a normal detection curve; of `bmc`.

    Attributes
    ----------
    coefficients, prior_sd
        Of the magnitude of completeness by distance of the k-th station, and its scatter.
    cells
        Observed completeness of each cell: `row`, `column`, `completeness`, `sd`, `events`.
    cell_deg
        Side of a cell.
    offset, sd
        The detection curve: normal about the completeness less the offset.
    history
        What it learned from.

    Examples
    --------
    See `bmc`.
    """

    coefficients: tuple[float, float, float]
    prior_sd: float
    cells: pd.DataFrame
    cell_deg: float | int
    offset: float
    sd: float
    history: History

    def completeness(self, events: pd.DataFrame) -> np.ndarray:
        """Magnitude of completeness at each earthquake: prior and observation by precision."""
        distance = np.minimum(kth_distance_km(self.history, events), 1e4)
        prior = _power(distance, *self.coefficients)
        keys = pd.MultiIndex.from_arrays(_cells(events, self.cell_deg))
        own = self.cells.set_index(["row", "column"]).reindex(keys)
        observed, sd = own["completeness"].to_numpy(), own["sd"].to_numpy()
        weight = np.where(np.isnan(sd), 0.0, self.prior_sd**2 / (self.prior_sd**2 + sd**2))
        return prior + weight * np.nan_to_num(observed - prior)

    def detection_probability(self, events: pd.DataFrame) -> np.ndarray:
        """Detection probability of each earthquake of a table."""
        excess = events["magnitude"].to_numpy() - self.completeness(events) + self.offset
        return np.clip(ndtr(excess / self.sd), 1e-9, 1 - 1e-9)


def _power(distance_km: Any, c1: float, c2: float, c3: float) -> Any:
    return c1 * distance_km**c2 + c3


def _cells(events: pd.DataFrame, side: float | int) -> tuple[np.ndarray, np.ndarray]:
    columns = ("latitude", "longitude")
    row, column = (np.floor(events[c].to_numpy() / side).astype(int) for c in columns)
    return row, column


def bmc(history: History, *, cell_deg: float | int = 0.5, fewest: int = 20) -> CompletenessMap:
    """Bayesian magnitude of completeness, and the detection curve about it.

    The completeness of each cell is the magnitude of the most frequent bin of its detections, its
    sd that of bootstraps. The published relation with the distance of the fourth station is fitted
    anew where there are cells enough, else shifted; each cell's completeness is the mean of both
    by precision. The detection curve is normal about it, with offset and sd by maximum likelihood
    of hits and misses (in the method the misses are not known).

    Parameters
    ----------
    history
        From `prepare` or `simulate`, with hits and misses.
    cell_deg
        Side of a cell, degrees, above 0.
    fewest
        Detections that a cell needs, at least 5.

    Returns
    -------
    CompletenessMap

    Raises
    ------
    eqstat.InputError
        When there are no hits or no misses, or an argument is out of its range.

    References
    ----------
    Mignan, A., Werner, M. J., Wiemer, S., Chen, C.-C. and Wu, Y.-M. (2011), Bayesian estimation of
    the spatially varying completeness magnitude of earthquake catalogs, Bulletin of the
    Seismological Society of America 101, 1371-1385, doi:10.1785/0120100223.

    Examples
    --------
    >>> import jax
    >>> from eqstat.detectability.history import Design, Sensitivity, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=400))
    >>> chance = bmc(history).detection_probability(history.events)
    >>> hit = history.events["detected"]
    >>> bool(chance[hit].mean() > 2 * chance[~hit].mean())
    True
    """
    check_range("bmc", 0, ends="()", cell_deg=cell_deg)
    check_whole("bmc", 5, fewest=fewest)
    magnitude, distance, hit = _learning("bmc", history)
    table = history.events.assign(distance=np.minimum(distance, 1e4))
    table["row"], table["column"] = _cells(table, cell_deg)
    rng = np.random.default_rng(0)
    cells = []
    for (row, column), own in table[hit].groupby(["row", "column"]):
        if len(own) >= fewest:
            values = own["magnitude"].to_numpy()
            again = rng.choice(values, (200, len(values)))
            sd = max(float(np.std([_most_frequent(each) for each in again])), BIN / 2)
            cells.append(
                (row, column, _most_frequent(values), sd, len(own), own["distance"].median())
            )
    names = ["row", "column", "completeness", "sd", "events", "distance"]
    # Whole numbers where it is empty, too.
    kinds = dict.fromkeys(names, float) | dict.fromkeys(("row", "column", "events"), int)
    observed = pd.DataFrame(cells, columns=names).astype(kinds)
    coefficients, prior_sd = BMC_PRIOR, BMC_SD
    residual = observed["completeness"] - _power(observed["distance"], *coefficients)
    if len(observed) >= 8 and observed["distance"].max() > 2 * observed["distance"].min():
        best, _ = curve_fit(
            _power, observed["distance"], observed["completeness"], p0=coefficients,
            bounds=([0.0, 0.01, -20.0], [20.0, 1.0, 10.0]),
        )  # fmt: skip
        coefficients = float(best[0]), float(best[1]), float(best[2])
        residual = observed["completeness"] - _power(observed["distance"], *coefficients)
        prior_sd = max(float(residual.std(ddof=3)), BIN / 2)
    elif len(observed):
        coefficients = (*BMC_PRIOR[:2], BMC_PRIOR[2] + float(residual.mean()))
    blank = CompletenessMap(coefficients, prior_sd, observed, cell_deg, 0.0, 1.0, history)
    excess = magnitude - blank.completeness(history.events)

    def misfit(values: np.ndarray) -> float:
        z = (excess + values[0]) * np.exp(-values[1])
        return float(-np.sum(log_ndtr(np.where(hit, z, -z))))

    offset, log_sd = minimize(misfit, np.zeros(2), method="Nelder-Mead").x
    sd = float(np.exp(log_sd))
    return CompletenessMap(coefficients, prior_sd, observed, cell_deg, float(offset), sd, history)


def _most_frequent(magnitude: np.ndarray) -> float:
    """Magnitude of the bin with most earthquakes: the maximum of the curvature."""
    whole = np.rint(magnitude / BIN).astype(int)
    least = whole.min()
    return float((np.argmax(np.bincount(whole - least)) + least) * BIN)
