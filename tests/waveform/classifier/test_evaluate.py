"""Scores of held-out windows."""

import jax
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from eqstat import InputError
from eqstat.waveform.classifier import evaluate, predict_held_out
from eqstat.waveform.classifier._folds import folds_of

from .feature_tables import FEATURES, table_of, true_log_ratio


def test_scores_are_those_of_another_library():
    table = table_of(1, 40, 60)
    ratio, labels = true_log_ratio(table), table["is_earthquake"].to_numpy()
    got = evaluate(jax.random.key(0), ratio, labels, table["event"], replicates=50)
    chance = 1 / (1 + np.exp(-ratio - np.log(labels.sum() / (~labels).sum())))
    assert got.loc["auc", "value"] == pytest.approx(metrics.roc_auc_score(labels, ratio))
    assert got.loc["brier", "value"] == pytest.approx(metrics.brier_score_loss(labels, chance))
    assert got.loc["log_score", "value"] == pytest.approx(metrics.log_loss(labels, chance))
    assert got.loc["accuracy", "value"] == pytest.approx(np.mean((chance > 0.5) == labels))
    assert np.all((got["low"] <= got["value"]) & (got["value"] <= got["high"]))


def test_true_ratios_are_calibrated_at_any_odds_and_wrong_ones_are_not():
    table = table_of(2, 3000, 3000, windows=2)
    ratio, labels = true_log_ratio(table), table["is_earthquake"].to_numpy()
    for odds in (0.02, 1.0, 20.0):
        true, wrong = (
            evaluate(jax.random.key(0), r, labels, table["event"], odds=odds, replicates=20)
            for r in (ratio, 2 * ratio)
        )
        assert true.loc["ece", "value"] < 0.02
        assert wrong.loc["log_score", "value"] > true.loc["log_score", "value"]
    assert wrong.loc["ece", "value"] > true.loc["ece", "value"]


def test_intervals_are_over_groups():
    single = table_of(3, 60, 60, windows=1)
    copies = single.loc[single.index.repeat(9)]
    one, nine = (
        evaluate(jax.random.key(1), true_log_ratio(t), t["is_earthquake"], t["event"])
        for t in (single, copies)
    )
    width = [t.loc["brier", "high"] - t.loc["brier", "low"] for t in (one, nine)]
    assert width[1] == pytest.approx(width[0], rel=0.25)


def test_folds_keep_groups_whole_and_share_out_classes():
    table = table_of(4, 13, 27)
    labels, group = table["is_earthquake"].to_numpy(), table["event"].to_numpy()
    fold = folds_of(jax.random.key(0), group, labels, 5, owner="test")
    assert all(len(set(fold[group == one])) == 1 for one in set(group))
    quakes = [len(set(group[(fold == number) & labels])) for number in range(5)]
    assert max(quakes) - min(quakes) <= 1


def test_what_cannot_be_evaluated_is_named():
    table = table_of(5, 4, 4)
    key = jax.random.key(0)
    with pytest.raises(InputError, match="splits a group"):
        predict_held_out(key, table, FEATURES, group="event", folds="second")
    with pytest.raises(InputError, match="'device' is missing"):
        predict_held_out(key, table, FEATURES, group="event", folds="device")
    with pytest.raises(InputError, match="both classes"):
        evaluate(key, [1.0, 2.0], [True, True], [0, 1])
    with pytest.raises(InputError, match="log_ratio"):
        evaluate(key, [1.0, np.nan], [True, False], [0, 1])
    with pytest.raises(InputError, match="true or false"):
        evaluate(key, [1.0, 2.0], pd.Series([1, 0]), [0, 1])
