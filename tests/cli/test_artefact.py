"""`eqstat artefact`: the files of scorers from the shell."""

import json

import numpy as np
import pandas as pd
import pytest

from eqstat import counts, edge

from .shell import quake, refused, shell


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counts.save(counts.Background("poisson", 5.76), "background.json")
    pd.DataFrame(
        {"rate_per_h": [0.5] * 3, "hours": [1000.0] * 3, "pick_probability": [0.8] * 3}
    ).to_csv("sensors.csv", index=False)
    pd.DataFrame({"latitude": [46.0, 46.5], "longitude": [7.0, 7.0]}).to_csv(
        "sites.csv", index=False
    )
    return tmp_path


@pytest.mark.slow
def test_counts_from_background_to_answers(folder, capsys):
    ends = ("--most-active", 500, "--most-triggers", 32)
    code, out, _ = shell(
        capsys, "artefact", "export", "counts", "background.json", "--out", "a.eqstat",
        "--title", "a coast", *ends,
    )  # fmt: skip
    assert code == 0 and "SHA-256" in out
    code, out, _ = shell(capsys, "artefact", "inspect", "a.eqstat")
    assert code == 0 and "counts: a coast" in out and "measured: nothing" in out
    pd.DataFrame({"triggers": [5, 30, 4], "active": [400, 400, 2], "hour": 12.5}).to_csv(
        "counts.csv", index=False
    )
    code, out, _ = shell(
        capsys, "artefact", "score", "a.eqstat", "counts.csv", "--answers", "answers.csv"
    )
    assert code == 0
    assert "1 of 3 at or beyond the decision; status: 1 BAD_INPUT, 2 OK" in out
    answers = pd.read_csv("answers.csv")
    expected = edge.load("a.eqstat").score(30, 400, 12.5)
    assert answers["margin"][1] == expected.margin
    assert np.isnan(answers["margin"][2])


def test_json_of_the_actions(folder, capsys):
    code, out, _ = shell(
        capsys, "artefact", "export", "coincidence", "sensors.csv", "--out", "s.eqstat", "--json"
    )
    assert code == 0 and json.loads(out)["kind"] == "coincidence"
    pd.DataFrame({f"pre_warned_{n}": [1, 1, 0] for n in (1, 2, 3)}).to_csv("on.csv", index=False)
    code, out, _ = shell(capsys, "artefact", "score", "s.eqstat", "on.csv", "--json")
    answers = json.loads(out)["answers"]
    assert answers["margin"][0] >= 0 and answers["earthquake_probability"][2] < 0.01


@pytest.mark.slow
def test_data_sets(folder, capsys):
    quake().to_csv("triggers.csv", index=False)
    assert shell(capsys, "artefact", "export", "classification", "--out", "c.eqstat")[0] == 0
    code, out, _ = shell(capsys, "artefact", "score", "c.eqstat", "triggers.csv")
    assert code == 0 and "1 of 1 at or beyond the decision; status: 1 OK" in out
    pd.DataFrame(
        {"latitude": [46.0] * 2, "longitude": 7.0, "depth_km": 9.0, "magnitude": 6.0}
    ).to_csv("source.csv", index=False)
    command = "artefact", "export", "exceedance", "sites.csv", "--threshold-m-s2", "0.1,0.5"
    assert shell(capsys, *command, "--out", "e.eqstat")[0] == 0
    code, out, _ = shell(capsys, "artefact", "score", "e.eqstat", "source.csv", "--json")
    assert np.shape(json.loads(out)["answers"]["exceedance_probability"]) == (2, 2)
    assert shell(capsys, "artefact", "export", "device", "--out", "d.eqstat")[0] == 0
    source = pd.DataFrame({"magnitude": [3, 7], "distance_km": 30, "depth_km": 10})
    source.to_csv("quakes.csv", index=False)
    code, out, _ = shell(capsys, "artefact", "score", "d.eqstat", "quakes.csv")
    assert "1 of 2 at or beyond the decision" in out


def test_bad_input_is_one_line(folder, capsys):
    line = refused(capsys, "artefact", "export", "counts", "--out", "a.eqstat")
    assert "artefact export counts: needs a SOURCE" in line
    assert "name the file to write" in refused(capsys, "artefact", "export", "classification")
    (folder / "bad.eqstat").write_bytes(b"PK")
    line = refused(capsys, "artefact", "inspect", "bad.eqstat")
    assert "bad.eqstat: truncated or changed" in line
    shell(capsys, "artefact", "export", "device", "--out", "d.eqstat")
    line = refused(capsys, "artefact", "score", "d.eqstat", "sites.csv")
    assert "has no column 'depth_km'" in line
