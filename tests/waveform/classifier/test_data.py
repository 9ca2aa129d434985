"""Tables of features: what is taken, what is left out, and what is refused by name."""

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.waveform.classifier import prepare

from .feature_tables import FEATURES, table_of


def test_either_class_counts_half_in_the_scaling():
    even, rare = table_of(1, 400, 400), table_of(1, 400, 400)
    rare = rare[~rare["is_earthquake"] | (rare["event"] < 40)]
    a, b = (prepare(table, FEATURES, group="event").scaling for table in (even, rare))
    assert np.abs(a.centre - b.centre).max() < 0.15
    assert np.abs(a.centre).max() < 0.15  # that of all rows of `rare` is -0.4
    assert np.allclose(a.scale, b.scale, atol=0.15)


def test_rows_without_features_are_left_out_with_their_reason():
    table = table_of(2, 4, 4)
    table.loc[3, "zc_hz"] = np.nan
    table.loc[7, "cav_g_s"] = np.inf
    windows = prepare(table, FEATURES, group="event")
    assert windows.left_out["reason"].tolist() == [
        "zc_hz is missing or not finite",
        "cav_g_s is missing or not finite",
    ]
    assert windows.left_out.index.tolist() == [3, 7]
    assert len(windows.table) == len(windows.labels) == len(table) - 2
    assert "2 windows" in windows.notes[0]


def test_zero_is_raised_to_half_of_the_smallest():
    table = table_of(3, 3, 3)
    table["zc_hz"] = np.arange(len(table), dtype=float)
    scaling = prepare(table, FEATURES).scaling
    assert scaling.floor[1] == 0.5
    assert scaling(np.array([[1.0, 0.0, 1.0]]))[0, 1] == scaling(np.array([[1.0, 0.5, 1.0]]))[0, 1]


def wrong(change, **options):
    """The error for a table that was changed."""
    table = table_of(4, 3, 3)
    with pytest.raises(InputError) as error:
        prepare(change(table), **{"features": FEATURES, "group": "event"} | options)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda t: t.drop(columns="zc_hz"), {}, "column zc_hz is missing"),
        (lambda t: t.assign(zc_hz="much"), {}, "column zc_hz must be numbers"),
        (lambda t: t.assign(is_earthquake=1), {}, "must be true or false"),
        (lambda t: t[t["is_earthquake"]], {}, "there are no other windows"),
        (lambda t: t.assign(zc_hz=-1.0 * t["zc_hz"]), {"logged": ["zc_hz"]}, "negative in row 0"),
        (lambda t: t.assign(zc_hz=2.0), {}, "zc_hz does not vary"),
        (lambda t: t, {"group": "trial"}, "'trial' is missing"),
        (lambda t: t.assign(event=np.nan), {}, "event is missing in row 0"),
        (lambda t: t, {"logged": ["pga"]}, "'pga'"),
        (lambda t: t, {"features": []}, "at least one feature"),
        (lambda t: t, {"training_odds": 0.0}, "training_odds"),
    ],
    ids=range(11),
)
def test_bad_tables_are_named(change, options, words):
    assert words in wrong(change, **options)


def test_a_table_is_needed():
    with pytest.raises(InputError, match="table"):
        prepare([1.0, 2.0], FEATURES)
    assert isinstance(table_of(0, 2, 2), pd.DataFrame)
