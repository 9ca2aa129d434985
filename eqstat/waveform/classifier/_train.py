"""Training: a posterior, its calibration on held-out groups, and what is familiar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat import edge
from eqstat._core.checks import check_key, check_kind, check_probability, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.waveform.classifier import _familiarity, _sequence
from eqstat.waveform.classifier._data import Scaling, Windows, arrays_of, feature_rows
from eqstat.waveform.classifier._familiarity import Familiarity
from eqstat.waveform.classifier._fit import ClassifierFit, fit
from eqstat.waveform.classifier._folds import folds_of
from eqstat.waveform.classifier._parameters import BLOCK, RatioPosterior
from eqstat.waveform.classifier._prior import Prior
from eqstat.waveform.classifier._recalibration import RatioCalibration, recalibrate
from eqstat.waveform.classifier._sequence import Chain, Seconds

COLUMNS = ("log_ratio", "distance", "status")


@dataclass(frozen=True)
class Classifier(Explained):
    """A trained classifier: what `scorer` compiles and `eqstat.realtime` exports.

    Attributes
    ----------
    features
        Names of the features, in order.
    scaling
        Their transformation.
    posterior
        Draws of the log likelihood ratio.
    calibration
        Recalibration of single windows.
    familiarity
        Centres, whitening and level of the training data.
    chain, time_calibration
        Evidence over time and its recalibration; None where no records were in order.
    card
        Numbers of windows and groups, exponents, statuses of fits: what a model card says.

    Examples
    --------
    See `train`.
    """

    features: tuple[str, ...]
    scaling: Scaling
    posterior: RatioPosterior
    calibration: RatioCalibration
    familiarity: Familiarity
    chain: Chain | None = None
    time_calibration: RatioCalibration | None = None
    card: Mapping[str, Any] = field(default_factory=dict)

    def arrays(self, *, prior_odds: float | int = 1.0, required_ratio: float | int = 1.0) -> Any:
        """Return the arrays of `eqstat.edge.waveform`, in float64.

        Parameters
        ----------
        prior_odds
            Odds of an earthquake before the window, above 0.
        required_ratio
            Likelihood ratio from which the margin is positive, above 0.
        """
        check_range("", 0, ends="()", prior_odds=prior_odds, required_ratio=required_ratio)
        calibration = {
            f"recalibration_{name}": getattr(self.calibration, name)
            for name in ("low", "high", "shift", "lapse")
        }
        scaling = {
            name: np.asarray(getattr(self.scaling, name), np.float64)
            for name in ("logged", "floor", "centre", "scale")
        }
        time = {}
        if self.chain is not None and self.time_calibration is not None:
            time = _sequence.columns_of(self.chain, self.time_calibration)
        return {
            **scaling, **self.posterior.arrays(), **calibration, **time,
            "home": self.familiarity.home,
            "root": self.familiarity.root,
            "familiar": np.asarray(self.familiarity.level),
            "log_prior_odds": np.log(prior_odds),
            "log_required_ratio": np.log(required_ratio),
        }  # fmt: skip

    def log_ratio(self, table: pd.DataFrame) -> pd.DataFrame:
        """Score a table of features on the host.

        Parameters
        ----------
        table
            With the columns of the features.

        Returns
        -------
        pandas.DataFrame
            `log_ratio`, `distance` (from the training data; above 1 it is unfamiliar) and
            `status`, with the table's index.
        """
        values = feature_rows(table, self.features, "features")
        arrays = self.arrays()
        with np.errstate(invalid="ignore"):
            pieces = [
                edge.waveform(np, arrays, values[first : first + BLOCK])
                for first in range(0, max(len(values), 1), BLOCK)
            ]
        parts = [np.concatenate(each) for each in zip(*pieces, strict=True)]
        return pd.DataFrame(dict(zip(COLUMNS, parts, strict=True)), index=table.index)

    def over_time(self, table: pd.DataFrame, sequence: tuple[str, str]) -> pd.DataFrame:
        """Score records second by second on the host, as `step` does.

        Parameters
        ----------
        table
            With the columns of the features; rows with missing features are seconds without
            evidence.
        sequence
            Columns with the record and with the second in it, from 1.

        Returns
        -------
        pandas.DataFrame
            `log_ratio` of all seconds of the record so far, and `status` of this one, with the
            table's index.

        Raises
        ------
        eqstat.InputError
            When the classifier was trained without `sequence`, or a column is missing.
        """
        if self.chain is None or self.time_calibration is None:
            raise InputError("over_time: the classifier was trained without `sequence`")
        scored = self.log_ratio(table)
        ratio, status = scored["log_ratio"].to_numpy(), scored["status"].to_numpy()
        nothing = np.zeros(len(table), bool)
        usable = status == edge.Status.OK
        columns = (ratio, usable, nothing, np.arange(len(table)))
        seconds, order = _seconds(table, sequence, *columns, owner="over_time")
        totals = np.empty(len(table))
        totals[order] = self.time_calibration(
            _sequence.totals_of(self.chain, seconds), seconds.elapsed_s
        )
        return pd.DataFrame({"log_ratio": totals, "status": status}, index=table.index)


def held_out(
    draw_key: PRNGKeyArray, windows: Windows, fold: np.ndarray, draws: int, **options: Any
) -> dict[str, np.ndarray]:
    """Log ratios and distances of each window by fits to the other folds.

    Parameters
    ----------
    draw_key
        JAX random key of the draws.
    windows
        The windows.
    fold
        The fold of each, (rows,).
    draws
        Number of draws of each posterior.
    **options
        Of `fit`.
    """
    rows = np.asarray(windows.data.features)[: len(fold)]
    out = {"log_ratio": np.empty(len(fold)), "distance": np.empty(len(fold)), "fold": fold}
    for number in np.unique(fold):
        test = fold == number
        part = subset(windows, ~test)
        result = fit(part, throw=False, **options)
        drawn = result.posterior(jax.random.fold_in(draw_key, int(number)), draws)
        out["log_ratio"][test] = drawn.log_ratio(rows[test])
        out["distance"][test] = _familiarity.learned(rows[~test], windows.labels[~test]).distance(
            rows[test]
        )
    return out


def subset(windows: Windows, rows: np.ndarray) -> Windows:
    """Return some windows, transformed as before, at the odds of their own numbers."""
    labels = windows.labels[rows]
    features = np.asarray(windows.data.features)[: len(rows)][rows]
    given = float(windows.data.log_training_odds)
    # Odds of the table that were counted are counted anew; stated ones stay.
    counted = np.log(windows.labels.sum() / (~windows.labels).sum())
    odds = np.log(labels.sum() / (~labels).sum()) if np.isclose(given, counted) else given
    data = arrays_of(features, labels, np.ones(len(labels)), odds)
    codes = np.unique(windows.group[rows], return_inverse=True)[1]
    table = windows.table[rows].reset_index(drop=True)
    return replace(windows, data=data, table=table, group=codes)


def train(
    key: PRNGKeyArray,
    windows: Windows,
    *,
    hidden: int = 0,
    prior: Prior | None = None,
    folds: int = 5,
    unfamiliar_share: float = 0.01,
    draws: int = 128,
    sequence: tuple[str, str] | None = None,
) -> Classifier:
    r"""Train a classifier whose log likelihood ratios are calibrated on held-out groups.

    1. The posterior of the log likelihood ratio is fitted to all windows (`fit`).
    2. Fits to all but a fold of the groups give ratios of windows whose event, record or device
       they have not seen; from these the recalibration, with its uncertainty, and the distance
       are learned that a share of new windows exceeds.
    3. With `sequence`, the evidence over time is learned from ratios of held-out records, second
       by second.

    Draws $r_i$ of a log ratio are averaged as probabilities at even odds,

    .. math:: \log \frac{\sum_i \sigma(r_i)}{\sum_i \sigma(-r_i)}.

    That is the ratio of the predictive densities of both classes if the density of windows
    collected at even odds, half of either class, does not depend on the parameters. It is one
    number whatever the prior odds, so that the posterior at any odds $\omega$ is by Bayes' rule
    $\sigma(\text{log ratio} + \log \omega)$; averaging posteriors at each $\omega$ would not be so.

    Parameters
    ----------
    key
        JAX random key.
    windows
        From `prepare`, with a `group`.
    hidden, prior
        As in `fit`.
    folds
        Number of folds of the groups, at least 2; fewer are made where a class has fewer groups.
    unfamiliar_share
        Share of the windows of a new group that the status says are unlike the training data.
    draws
        Number of draws of the posterior that are kept.
    sequence
        Columns with the record and with the second in it, from 1, for evidence over time.

    Returns
    -------
    Classifier

    Raises
    ------
    eqstat.InputError
        When an argument cannot be used, or a class has one group only.
    eqstat.inference.InferenceError
        When the fit to all windows gave no usable estimate.

    References
    ----------
    Prentice, R. and Pyke, R. (1979), Logistic disease incidence models and case-control studies,
    Biometrika 66, 403-411, doi:10.1093/biomet/66.3.403.

    Examples
    --------
    >>> from eqstat.waveform.classifier import Design, Perceptron, simulate
    >>> windows = simulate(jax.random.key(0), Perceptron(0.0, [2.0, 0.0]), Design(windows=500))
    >>> classifier = train(jax.random.key(1), windows)
    >>> scored = classifier.log_ratio(pd.DataFrame({"x0": [1.0, 9.0], "x1": [0.0, 9.0]}))
    >>> bool(scored["log_ratio"][0] > 1), scored["status"].tolist()
    (True, [0, 7])
    """
    check_key("train", key)
    check_kind("train", Windows, "give what `prepare(...)` returns", windows=windows)
    check_whole("train", 2, folds=folds)
    check_whole("train", 8, 4096, draws=draws)
    check_probability("train", unfamiliar_share=unfamiliar_share)
    keys = [jax.random.fold_in(key, task) for task in range(5)]
    result = fit(windows, hidden=hidden, prior=prior, key=keys[0])
    # Fits without a fold begin at the mode of all windows, which is near.
    options = {
        "hidden": hidden,
        "prior": prior,
        "exponent": result.exponent,
        "start": result.perceptron,
    }
    fold = folds_of(keys[1], windows.group, windows.labels, folds, owner="train")
    out = held_out(keys[2], windows, fold, draws, **options)
    labels, group = windows.labels, windows.group
    calibration = recalibrate(keys[3], out["log_ratio"], labels, group)
    rows = np.asarray(windows.data.features)[: len(labels)]
    level = _familiarity.level_of(out["distance"], group, unfamiliar_share)
    familiarity = _familiarity.learned(rows, labels)._replace(level=level)
    classifier = Classifier(
        windows.features,
        windows.scaling,
        result.posterior(keys[4], draws),
        calibration,
        familiarity,
        card=_card(windows, result, calibration, unfamiliar_share),
    )
    if sequence is None:
        return classifier
    ratio = calibration(out["log_ratio"]) * np.clip(2 - out["distance"] / level, 0.0, 1.0)
    columns = (ratio, out["distance"] <= level, labels, group)
    seconds, order = _seconds(windows.table, sequence, *columns, owner="train")
    chain, timed = _sequence.calibrated_chain(keys[3], seconds, fold[order])
    return replace(classifier, chain=chain, time_calibration=timed)


def _seconds(
    table: pd.DataFrame,
    sequence: tuple[str, str],
    ratio: np.ndarray,
    usable: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    *,
    owner: str,
) -> tuple[Seconds, np.ndarray]:
    """Seconds of records in order, and the rows they are of."""
    record, second = sequence
    for name in sequence:
        if name not in table.columns:
            raise InputError(f"{owner}: sequence names the column {name!r}, which is missing")
    codes = np.unique(table[record].astype(str), return_inverse=True)[1]
    elapsed = table[second].to_numpy(np.float64)
    check_whole(owner, 1, **{second: elapsed})
    order = np.lexsort((elapsed, codes))
    seconds = Seconds(ratio, usable, labels, codes, elapsed, group).part(order)
    again = (np.diff(seconds.record) == 0) & (np.diff(seconds.elapsed_s) == 0)
    if again.any():
        row = order[int(np.flatnonzero(again)[0]) + 1]
        raise InputError(f"{owner}: a second of a record comes twice, in row {row}")
    return seconds, order


def _card(
    windows: Windows, result: ClassifierFit, calibration: RatioCalibration, share: float
) -> dict[str, Any]:
    labels, group = windows.labels, windows.group
    return {
        "windows_of_earthquakes": int(labels.sum()),
        "other_windows": int((~labels).sum()),
        "groups_of_earthquakes": len(np.unique(group[labels])),
        "other_groups": len(np.unique(group[~labels])),
        "hidden": result.perceptron.hidden,
        "exponent": result.exponent,
        "recalibration_exponent": calibration.exponent,
        "lapse": float(np.mean(calibration.lapse)),
        "unfamiliar_share": share,
        "fit": result.result.value,
    }
