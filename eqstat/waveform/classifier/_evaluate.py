"""Scores of held-out windows: groups are never split, intervals are over groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from scipy import special, stats

from eqstat._core.checks import check_kind, check_probability, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.random import generator
from eqstat.waveform.classifier._data import prepare
from eqstat.waveform.classifier._folds import folds_by
from eqstat.waveform.classifier._train import train

BINS = 10
# Probabilities are kept this far from 0 and 1 in the log score.
EDGE = 1e-12


def predict_held_out(
    key: PRNGKeyArray,
    table: pd.DataFrame,
    features: Sequence[str],
    *,
    group: str | Sequence[str],
    folds: int | str = 5,
    logged: Sequence[str] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Log likelihood ratios of all windows by classifiers trained without their groups.

    Everything is learned anew without the fold: transformation, posterior, recalibration (by folds
    within the rest) and level of the distance.

    Parameters
    ----------
    key
        JAX random key.
    table, features, group, logged
        As in `prepare`; `group` is needed.
    folds
        Number of folds of the groups, or a column whose values are the folds, such as the device,
        to leave out one at a time.
    **options
        Of `train`.

    Returns
    -------
    pandas.DataFrame
        The rows with finite features, with `log_ratio`, `distance`, `status`, `fold` and
        `group_number`; with `sequence` also `total_log_ratio`, of all seconds so far.

    Raises
    ------
    eqstat.InputError
        When a fold leaves one class only, or an argument cannot be used.

    Examples
    --------
    >>> from eqstat.waveform.classifier import Design, Perceptron, simulate
    >>> table = simulate(jax.random.key(0), Perceptron(0.0, [2.0]), Design(windows=300)).table
    >>> table["event"] = table.index
    >>> out = predict_held_out(jax.random.key(1), table, ["x0"], group="event", folds=2)
    >>> len(out), sorted(out["fold"].unique().tolist())
    (300, [0, 1])
    """
    if group is None:
        raise InputError("predict_held_out: name the column of groups")
    windows = prepare(table, features, group=group, logged=logged)
    rows = windows.table
    fold = folds_by(
        jax.random.fold_in(key, 0), rows, windows.group, windows.labels, folds,
        owner="predict_held_out",
    )  # fmt: skip
    parts = []
    for number in np.unique(fold):
        inside, outside = rows[fold != number], rows[fold == number]
        part = prepare(inside, features, group=group, logged=logged)
        one = train(jax.random.fold_in(key, int(number) + 1), part, **options)
        scored = one.log_ratio(outside)
        if sequence := options.get("sequence"):
            scored["total_log_ratio"] = one.over_time(outside, sequence)["log_ratio"]
        parts.append(scored)
    out = pd.concat(parts).reindex(rows.index)
    return rows.assign(**out, fold=fold, group_number=windows.group)


def evaluate(
    key: PRNGKeyArray,
    log_ratio: Any,
    is_earthquake: Any,
    group: Any,
    *,
    odds: float | int | None = None,
    replicates: int = 500,
    probability: float = 0.9,
) -> pd.DataFrame:
    r"""Scores of log likelihood ratios at prior odds, with intervals over groups.

    Windows of either class are weighted so that their shares are those of the odds $\omega$, and
    the forecast is $\sigma(\text{log ratio} + \log \omega)$. The expected calibration error is over
    ten bins of equal width, $\sum_b w_b |\bar y_b - \bar p_b|$ (Guo et al., 2017).

    Parameters
    ----------
    key
        JAX random key of the bootstrap.
    log_ratio, is_earthquake, group
        Log ratio, label and group of each window, (windows,).
    odds
        Prior odds; by default those of the windows.
    replicates
        Resampled sets of groups (earthquakes and others apart), at least 20.
    probability
        Content of the intervals.

    Returns
    -------
    pandas.DataFrame
        Rows `auc`, `accuracy` (at probability one half), `brier`, `log_score` (nats), `ece`, and
        `miss_probability` and `false_alarm_probability` at that threshold; columns `value`,
        `low`, `high`.

    References
    ----------
    Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. (2017), On calibration of modern neural
    networks, ICML, PMLR 70, 1321-1330.

    Examples
    --------
    >>> table = evaluate(jax.random.key(0), [2.0, -1.0, 1.0, -2.0] * 9, [True, False] * 18,
    ...                  list(range(36)), replicates=50)
    >>> float(table.loc["accuracy", "value"]), float(table.loc["auc", "value"])
    (1.0, 1.0)
    """
    ratio, labels = np.asarray(log_ratio, np.float64), np.asarray(is_earthquake)
    if labels.dtype != bool or ratio.shape != labels.shape or ratio.ndim != 1:
        raise InputError("evaluate: give a log ratio and a label, true or false, for each window")
    check_range("evaluate", log_ratio=ratio)
    check_whole("evaluate", 20, replicates=replicates)
    check_probability("evaluate", probability=probability)
    check_kind("evaluate", (int, float, type(None)), "give a number", odds=odds)
    if labels.all() or not labels.any():
        raise InputError("evaluate: windows of both classes are needed")
    prior_odds = float(labels.sum() / (~labels).sum() if odds is None else odds)
    check_range("evaluate", 0, ends="()", odds=prior_odds)
    codes = np.unique(np.asarray(group), return_inverse=True)[1]
    values = _scores(ratio, labels, np.ones(len(ratio)), prior_odds)
    quake = np.bincount(codes, labels) > 0
    rng, drawn = generator(key), []
    for _ in range(replicates):
        times = np.zeros(len(quake))
        for members in (np.flatnonzero(quake), np.flatnonzero(~quake)):
            if len(members):
                np.add.at(times, rng.choice(members, len(members)), 1.0)
        weight = times[codes]
        if weight[labels].sum() and weight[~labels].sum():
            drawn.append(_scores(ratio, labels, weight, prior_odds))
    tail = (1 - probability) / 2
    ends = pd.DataFrame(drawn).quantile([tail, 1 - tail])
    return pd.DataFrame({"value": values, "low": ends.iloc[0], "high": ends.iloc[1]})


def _scores(
    ratio: np.ndarray, labels: np.ndarray, weight: np.ndarray, odds: float
) -> dict[str, float]:
    """Scores at prior odds, of windows with weights."""
    quakes, others = weight[labels].sum(), weight[~labels].sum()
    share = np.where(labels, odds / quakes, 1 / others) * weight / (1 + odds)
    chance = special.expit(ratio + np.log(odds))
    said = chance > 0.5
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, share * (labels - chance), BINS)
    ranks = stats.rankdata(ratio) if np.all(weight == 1) else _weighted_ranks(ratio, weight)
    above = np.sum((weight * ranks)[labels]) - quakes * (quakes + 1) / 2
    sure = np.clip(np.where(labels, chance, 1 - chance), EDGE, 1.0)
    return {
        "auc": float(above / (quakes * others)),
        "accuracy": float(np.sum(share * (said == labels))),
        "brier": float(np.sum(share * (labels - chance) ** 2)),
        "log_score": float(-np.sum(share * np.log(sure))),
        "ece": float(np.sum(np.abs(gap))),
        "miss_probability": float(np.sum((weight * ~said)[labels]) / quakes),
        "false_alarm_probability": float(np.sum((weight * said)[~labels]) / others),
    }


def _weighted_ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean ranks of values of which each is there as often as its weight says."""
    level, at = np.unique(values, return_inverse=True)
    number = np.bincount(at, weight, len(level))
    return (np.cumsum(number) - number + (number + 1) / 2)[at]
