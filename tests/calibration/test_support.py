"""What cannot be used gets one clear line, from every door."""

import jax
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.calibration import _curves as curves
from eqstat.calibration import _rates as rates
from eqstat.calibration import _recalibration as recalibration
from eqstat.calibration import _thresholds as thresholds
from eqstat.calibration import _total as total
from eqstat.calibration import calibration_test, reliability

KEY = jax.random.key(0)
SCORE, LABEL = [0.1, 0.4, 0.6, 0.9], [False, True, False, True]
DOORS = {
    "error_rates": lambda s, y, **k: rates.error_rates(s, y, 0.5, **k),
    "roc": curves.roc,
    "auc": curves.auc,
    "at_miss_probability": lambda s, y, **k: thresholds.at_miss_probability(s, y, 0.1, **k),
    "at_false_alarm_probability": lambda s, y, **k: thresholds.at_false_alarm_probability(
        s, y, 0.1, **k
    ),
    "of_least_total": lambda s, y, **k: total.of_least_total(KEY, s, y, replicates=20, **k),
    "recalibrate": recalibration.recalibrate,
}
BAD = {
    "missing": ([0.1, np.nan, 0.6, 0.9], LABEL, "score is not finite in 1 of 4 places"),
    "infinite": ([0.1, np.inf, 0.6, 0.9], LABEL, "score is not finite"),
    "texts": (["a", "b", "c", "d"], LABEL, "score must be numbers"),
    "flags for scores": (LABEL, LABEL, "score must be numbers"),
    "table": ([SCORE], LABEL, "one row of numbers"),
    "empty": ([], [], "one row of numbers"),
    "string labels": (SCORE, ["noise", "quake", "noise", "quake"], "true or false, not <U5"),
    "whole labels": (SCORE, [0, 1, 0, 1], "true or false, not int64"),
    "lengths": (SCORE, LABEL[:3], "not 4 of score, 3 of is_earthquake"),
    "no noise": (SCORE, [True] * 4, "there are no noise among the 4"),
    "no earthquake": (SCORE, [False] * 4, "there are no earthquakes among the 4"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("case", BAD)
def test_bad_detections_are_refused_in_one_line(door, case):
    score, label, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        DOORS[door](score, label, larger="earthquake")
    assert str(caught.value).startswith(door)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("door", DOORS)
def test_the_direction_must_be_said(door):
    with pytest.raises(InputError, match='larger is "earthquake" or "noise", not \'quake\''):
        DOORS[door](SCORE, LABEL, larger="quake")
    with pytest.raises(TypeError, match="larger"):
        DOORS[door](SCORE, LABEL)


@pytest.mark.parametrize("door", DOORS)
def test_series_and_object_labels_are_taken(door):
    plain = DOORS[door](SCORE, LABEL, larger="earthquake")
    label = pd.Series(LABEL, index=[7, 5, 3, 1], dtype=object)
    series = DOORS[door](pd.Series(SCORE), label, larger="earthquake")
    assert str(plain) == str(series)


FORECASTS = {
    "above 1": ([0.1, 1.2, 0.6, 0.9], LABEL, r"in \[0, 1\], not 1.2 \(place 1\)"),
    "below 0": ([-0.1, 0.2, 0.6, 0.9], LABEL, "not -0.1"),
    "missing": ([0.1, np.nan, 0.6, 0.9], LABEL, "forecast is not finite"),
    "labels": ([0.1, 0.2, 0.6, 0.9], ["y", "n", "y", "n"], "true or false"),
    "lengths": ([0.1, 0.2], LABEL, "as many of each"),
}


@pytest.mark.parametrize("case", FORECASTS)
def test_bad_forecasts_are_refused_in_one_line(case):
    forecast, label, message = FORECASTS[case]
    for door in (reliability, calibration_test):
        with pytest.raises(InputError, match=message):
            door(KEY, forecast, label)


@pytest.mark.parametrize(
    ("cluster", "message"),
    [(["a", "b"], "4 labels"), (["a", None, "b", "b"], "1 missing"),
     ([1.0, np.nan, 2.0, 2.0], "1 missing")],
)  # fmt: skip
def test_bad_clusters_are_refused(cluster, message):
    for door in ("error_rates", "at_miss_probability", "of_least_total"):
        with pytest.raises(InputError, match=message):
            DOORS[door](SCORE, LABEL, larger="earthquake", cluster=cluster)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, np.nan])
def test_probabilities_of_intervals_lie_between_0_and_1(value):
    with pytest.raises(InputError, match=r"probability must lie in \(0, 1\)"):
        rates.error_rates(SCORE, LABEL, 0.5, larger="earthquake", probability=value)
    with pytest.raises(InputError, match="miss_probability"):
        thresholds.at_miss_probability(SCORE, LABEL, value, larger="noise")
