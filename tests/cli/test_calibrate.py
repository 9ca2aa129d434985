"""`eqstat calibrate`: from a table of detections to thresholds, and one line for bad input."""

import json

import numpy as np
import pandas as pd
import pytest

from eqstat.calibration import at_miss_probability, conformal_threshold, decompose
from eqstat.cli._main import main

from .test_schema import checked


@pytest.fixture(scope="module")
def history():
    """Detections of eighty events in eight regions, with a score and a probability."""
    rng = np.random.default_rng(1)
    event = np.repeat(np.arange(80), 4)
    quake = rng.random(80)[event] < 0.6
    odds = 1.5 * rng.normal(size=320) + np.where(quake, 1.5, -1.0)
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-01-05", periods=320, freq="h", tz="UTC"),
            "latitude": -12.0,
            "longitude": -77.0,
            "is_earthquake": quake,
            "score": odds,
            "sigma_hat": np.exp(-odds),
            "p": 1 / (1 + np.exp(-odds)),
            "event": event,
            "region": [f"r{each % 8}" for each in event],
        }
    )


def shell(capsys, *arguments):
    """Exit code, standard output and the lines of standard error."""
    code = main(["calibrate", *(str(argument) for argument in arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err.splitlines()


def written(path, frame):
    frame.to_csv(path, index=False)
    return path


def test_json_holds_what_the_functions_say(capsys, tmp_path, history):
    path = written(tmp_path / "history.csv", history)
    code, out, lines = shell(
        capsys, path, "--larger", "earthquake", "--probability-column", "p", "--json", "--figure",
        tmp_path / "figure.png", "--miss-probability", 0.05, "--probability", 0.8,
    )  # fmt: skip
    assert (code, lines) == (0, [])
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    found = checked(out)
    assert found["score"] == {"column": "score", "larger": "earthquake"}
    quake = history["is_earthquake"].to_numpy()
    assert found["history"] == {"detections": 320, "earthquakes": int(quake.sum()),
                                "noise": int((~quake).sum()), "clusters": []}  # fmt: skip
    rules = {each["rule"]: each for each in found["thresholds"]}
    assert list(rules) == ["miss_probability", "false_alarm_probability", "least_total"]
    plain = at_miss_probability(history["score"], quake, 0.05, larger="earthquake", probability=0.8)
    assert rules["miss_probability"] == plain.to_dict()
    assert found["interval"] == {"probability": 0.8}
    assert found["auc"]["low"] < found["auc"]["estimate"] < found["auc"]["high"]
    kept = conformal_threshold(
        history["score"][quake], miss_probability=0.05, larger="earthquake", confidence=0.95
    )
    assert found["guarantee"][1]["threshold"] == kept.threshold["all"]
    assert found["guarantee"][0]["confidence"] is None
    brier = found["reliability"]["scores"][0]
    assert brier == pytest.approx(decompose(history["p"], quake).to_dict())
    assert 0 < found["reliability"]["calibration_test"]["p_value"] <= 1
    assert len(found["roc"]["threshold"]) == 321
    assert found["roc"]["threshold"][0] is None


def test_directions_and_columns_agree(capsys, tmp_path, history):
    path = written(tmp_path / "history.csv", history.rename(columns={"is_earthquake": "truth"}))
    common = ("--columns", "is_earthquake=truth", "--json")
    up, down, own = (
        json.loads(shell(capsys, path, *more, *common)[1])
        for more in (
            ("--larger", "earthquake"),
            ("--score", "sigma_hat", "--larger", "noise"),
            ("--score", "p", "--probability-column", "p"),
        )
    )
    assert up["auc"] == pytest.approx(down["auc"])
    for one, other in zip(up["thresholds"], down["thresholds"], strict=True):
        assert np.exp(-one["value"]) == pytest.approx(other["value"])
        assert one["miss_probability"] == other["miss_probability"]
    assert own["score"] == {"column": "p", "larger": "earthquake"}
    assert up["reliability"] is None


def test_clusters_widen_what_is_told(capsys, tmp_path, history):
    path = written(tmp_path / "history.csv", history)
    plain, event, both = (
        json.loads(shell(capsys, path, "--larger", "earthquake", "--json", *more)[1])
        for more in ((), ("--cluster", "event"), ("--cluster", "event", "--cluster", "region"))
    )
    assert event["history"]["clusters"] == [80]
    assert both["history"]["clusters"] == [80, 8]
    widths = [
        each["thresholds"][0]["false_alarm_probability"]["high"] for each in (plain, event, both)
    ]
    assert widths[0] < widths[2]
    assert [len(each["guarantee"]) for each in (plain, event, both)] == [2, 1, 1]
    code, out, lines = shell(capsys, path, "--larger", "earthquake", "--cluster", "event")
    assert (code, lines) == (0, [])
    assert "Clusters        80" in out
    assert "for a new cluster" in out


def test_a_summary_is_told(capsys, tmp_path, history):
    path = written(tmp_path / "history.csv", history)
    code, out, lines = shell(capsys, path, "--probability-column", "p", "--score", "p")
    assert (code, lines) == (0, [])
    told = out.splitlines()
    assert told[0].startswith("History         320 detections: ")
    assert any(line.startswith("misses at most 0.01") for line in told)
    assert any(line.startswith("Brier score") for line in told)
    assert shell(capsys, path, "--larger", "noise", "--quiet") == (0, "", [])


def test_a_constant_forecast_has_no_discrimination_but_rounding(capsys, tmp_path, history):
    path = written(tmp_path / "history.csv", history.assign(chance=0.3))
    options = ("--larger", "earthquake", "--probability-column", "chance")
    _, out, _ = shell(capsys, path, *options)
    assert "- discrimination 0 +" in " ".join(out.split())


def test_a_score_the_wrong_way_round_or_without_content_is_doubted(capsys, tmp_path, history):
    path = written(tmp_path / "history.csv", history)
    _, _, lines = shell(capsys, path, "--larger", "noise")
    assert "do larger values of 'score' mean earthquake (--larger earthquake)?" in " ".join(lines)
    path = written(tmp_path / "history.csv", history.assign(score=0.5))
    _, _, lines = shell(capsys, path, "--larger", "earthquake")
    assert "tells nothing apart" in " ".join(lines)


BAD = {
    "no direction": (lambda t: t, (), "--larger: say what larger values of 'score' mean"),
    "no column": (lambda t: t, ("--score", "chi2", "--larger", "noise"), "no column 'chi2'"),
    "no score": (lambda t: t.drop(columns="score"), ("--larger", "noise"), "no column 'score'"),
    "texts": (lambda t: t.assign(score="high"), ("--larger", "noise"), "is not a number"),
    "missing": (lambda t: t.assign(score=t["score"].where(t.index > 0)), ("--larger", "noise"),
                "missing values (row 2: nan)"),
    "one class": (lambda t: t[t["is_earthquake"]], ("--larger", "noise"), "there are no noise"),
    "no label": (lambda t: t.drop(columns="is_earthquake"), ("--larger", "noise"),
                 "no column 'is_earthquake'"),
    "odd label": (lambda t: t.assign(is_earthquake="perhaps"), ("--larger", "noise"),
                  "must be true or false"),
    "no probability": (lambda t: t, ("--probability-column", "sigma_hat", "--larger", "noise"),
                       "column 'sigma_hat': must lie in [0, 1] (row 5: 2.57"),
    "one cluster": (lambda t: t.assign(region="all"),
                    ("--larger", "noise", "--cluster", "region"), "one cluster only"),
    "twice": (lambda t: t, ("--larger", "noise", "--cluster", "event", "--cluster", "event"),
              "named twice"),
    "direction": (lambda t: t, ("--larger", "quake"), "--larger"),
    "probability": (lambda t: t, ("--larger", "noise", "--miss-probability", "1"), "between 0 and"),
    "empty": (lambda t: t[:0], ("--larger", "noise"), "no rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(capsys, tmp_path, history, case):
    change, options, message = BAD[case]
    path = written(tmp_path / "history.csv", change(history))
    code, out, lines = shell(capsys, path, *options)
    assert (code, out, len(lines)) == (2, "", 1), lines
    assert message in lines[0]


def test_claims_of_a_real_network(capsys, tmp_path, data_folder):
    from eqstat.datasets._loaders import load_eqn

    table = load_eqn()
    table = table.assign(ratio=table["triggers"] / table["active"],
                         week=table["time"].dt.strftime("%G-%V"))  # fmt: skip
    path = written(tmp_path / "eqn.csv", table)
    code, out, _ = shell(
        capsys, path, "--score", "ratio", "--larger", "earthquake", "--cluster", "week", "--json"
    )
    assert code == 0
    found = json.loads(out)
    assert (found["history"]["earthquakes"], found["history"]["noise"]) == (539, 11)
    # Eleven false claims say little of the false-alarm probability, and it is told so.
    alarm = found["thresholds"][1]["false_alarm_probability"]
    assert alarm["high"] > 0.2
    assert found["auc"]["high"] - found["auc"]["low"] > 0.2
