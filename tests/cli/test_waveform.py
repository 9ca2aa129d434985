"""`eqstat waveform`: train, score and evaluate classifiers from the shell."""

import json

import numpy as np
import pandas as pd
import pytest

from eqstat import edge

from .shell import refused, shell

GIVEN = ("--features", "iqr,cav", "--group", "event")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(60) < 24, 4)
    features = np.exp(rng.normal(size=(240, 2)) + labels[:, None])
    pd.DataFrame(
        {"iqr": features[:, 0], "cav": features[:, 1], "is_earthquake": labels,
         "event": np.repeat(np.arange(60), 4), "second": np.tile([1, 2, 3, 4], 60)}
    ).to_csv("features.csv", index=False)  # fmt: skip
    return tmp_path


@pytest.mark.slow
def test_a_classifier_from_training_to_answers(folder, capsys):
    code, out, err = shell(
        capsys, "waveform", "train", "features.csv", *GIVEN, "--out", "a.eqstat", "--title",
        "a street", "--sequence", "event,second", "--prior-odds", 0.01,
    )  # fmt: skip
    assert code == 0, err
    assert "96 windows of 24 groups" in out and "SHA-256" in out
    small = edge.load("a.eqstat")
    assert small.artefact.card["title"] == "a street"
    assert small.artefact.card["training"]["groups_of_earthquakes"] == 24
    assert "time_step" in small.artefact.arrays
    code, out, _ = shell(
        capsys, "waveform", "score", "a.eqstat", "features.csv", "--answers", "b.csv", "--json"
    )
    content = json.loads(out)
    answers = pd.read_csv("b.csv")
    assert code == 0 and np.allclose(content["log_ratio"], answers["log_ratio"])
    quake = answers.groupby("is_earthquake")["log_ratio"].mean()
    assert quake[True] > 0 > quake[False]
    odds = answers["log_ratio"] + np.log(0.01)
    assert np.allclose(answers["earthquake_probability"], 1 / (1 + np.exp(-odds)), atol=1e-5)
    code, out, _ = shell(capsys, "artefact", "score", "a.eqstat", "features.csv")
    assert code == 0 and "status" in out


@pytest.mark.slow
def test_evaluation_holds_groups_out(folder, capsys):
    code, out, err = shell(
        capsys, "waveform", "evaluate", "features.csv", *GIVEN, "--folds", 3, "--json"
    )
    assert code == 0, err
    content = json.loads(out)
    assert content["groups"] == 60 and 0.7 < content["scores"]["auc"]["value"] < 0.99
    assert content["scores"]["auc"]["low"] < content["scores"]["auc"]["value"]


def test_bad_input_is_one_line(folder, capsys):
    train = ("waveform", "train", "features.csv")
    assert "name the file to write" in refused(capsys, *train, *GIVEN)
    wrong = ("--features", "iqr,pga", "--group", "event", "--out", "a.eqstat")
    assert "column pga is missing" in refused(capsys, *train, *wrong)
    line = refused(capsys, *train, *GIVEN, "--out", "a.eqstat", "--sequence", "event")
    assert "RECORD,SECOND" in line
    shell(capsys, "artefact", "export", "device", "--out", "d.eqstat")
    assert "not of waveforms" in refused(capsys, "waveform", "score", "d.eqstat", "features.csv")
