"""Histories without their empty windows, and the length of windows that are not all alike."""

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError, counts
from eqstat.counts._windows import usual_spacing
from eqstat.schema import TableWarning

RATE = 0.075


def history(mean=RATE, count=5000, seed=0, **columns):
    """Windows of a minute; 0.0225 triggers per device and hour of 200 devices."""
    times = pd.date_range("2026-01-05", periods=count, freq="60s", tz="UTC")
    triggers = np.random.default_rng(seed).poisson(mean, count)
    return pd.DataFrame({"time": times, "triggers": triggers, "active": 200, **columns})


def without_zeros(table):
    return table[table["triggers"] > 0]


WITHOUT = {
    "no length": without_zeros(history()),
    "a column of the length": without_zeros(history(window_s=60.0)),
    "few windows": without_zeros(history()).head(15),
    "a higher rate": without_zeros(history(1.0)),
    "one of two regions": pd.concat(
        [history(region="a"), without_zeros(history(region="b", seed=1))]
    ),
    "summaries": pd.DataFrame(
        {"time": pd.date_range("2026-01-05", periods=2, freq="1h", tz="UTC"), "triggers": [1, 2],
         "active": 200, "windows": [50, 3], "window_s": 60.0}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT)
def test_a_history_that_leaves_out_empty_windows_is_refused(name):
    with pytest.raises(InputError, match=r"is without a trigger, and .* with triggers 0"):
        counts.prepare(WITHOUT[name])


def test_a_history_that_leaves_out_most_empty_windows_warns():
    table = history()
    keep = (table["triggers"] > 0) | (np.random.default_rng(1).random(len(table)) < 0.05)
    with pytest.warns(TableWarning, match=r"windows are missing in \d+ gaps between") as caught:
        found = counts.prepare(table[keep])
    assert str(caught[0].message) in found.notes


@pytest.mark.parametrize(
    "table",
    [
        history(),
        history(8.0),
        without_zeros(history(8.0)),
        history()[np.random.default_rng(2).random(5000) < 0.97],
        history().drop(index=range(1000, 4000)),
        history(1.0, 12).assign(triggers=1),
    ],
    ids=["whole", "busy", "busy, no zeros", "some lost", "one outage", "no gaps"],
)
def test_other_histories_are_read_without_a_word(table):
    found = counts.prepare(table)
    assert found.window_s == 60.0
    assert found.total_windows == len(table)
    assert found.notes == ("counts: window_s taken from the usual spacing, 60 s",)


@pytest.mark.parametrize("shift_s", [7.0, 30.0, 59.0 / 2])
def test_a_restart_does_not_make_the_windows_short(shift_s):
    table = history()
    table.loc[500:, "time"] -= pd.Timedelta(seconds=60 - shift_s)
    found = counts.prepare(table)
    assert found.window_s == 60.0
    assert found.left_out == {"cut short by the next window": 1}
    assert "row 499" in found.notes[-1]


def test_stamps_that_jitter_are_of_one_length():
    table = history()
    table["time"] += pd.to_timedelta(np.random.default_rng(3).uniform(-0.5, 0.5, 5000), unit="s")
    found = counts.prepare(table)
    assert found.window_s == pytest.approx(60.0, abs=0.05)
    assert found.total_windows == 5000


def test_empty_windows_left_out_at_night_alone_are_said():
    table = history()
    night = np.arange(5000) % 1440 < 480
    with pytest.warns(TableWarning, match=r"windows are missing in \d+ gaps between"):
        counts.prepare(table[(table["triggers"] > 0) | ~night])


def test_a_spacing_that_scatters_is_not_taken_for_its_shortest():
    step = np.random.default_rng(5).normal(60.0, 4.0, 5000)
    with pytest.raises(InputError, match=r"to 60.* s, and there is no usual spacing"):
        usual_spacing(step)
    assert usual_spacing(60.0 + 0.2 * (step - 60.0)) == pytest.approx(60.0, abs=0.1)


def test_windows_of_no_usual_length_are_refused():
    step = np.random.default_rng(4).uniform(10, 600, 500)
    with pytest.raises(InputError, match="no usual spacing; give window_s"):
        usual_spacing(step)


@pytest.mark.parametrize("restarts", [0, 3])
def test_a_running_total_is_refused(restarts):
    table = history(0.4)
    total = table["triggers"].cumsum() % (table["triggers"].sum() // (restarts + 1) + 1)
    with pytest.raises(InputError, match="are they a running total"):
        counts.prepare(table.assign(triggers=total, active=5000))
    two = pd.concat(
        [table.assign(region="a"), table.assign(region="b", triggers=total, active=5000)]
    )
    with pytest.raises(InputError, match="region 'b' went up in"):
        counts.prepare(two)


@pytest.mark.parametrize(("mean", "seed"), [(0.05, 1), (0.4, 2), (20.0, 3)])
def test_an_unmarked_earthquake_is_named(mean, seed):
    table = history(mean, 20_000, seed)
    assert not [note for note in counts.prepare(table).notes if "far above" in note]
    table.loc[[9000, 9001], "triggers"] = [90, 70]
    table.loc[12000, "triggers"] = 80  # its aftershock
    (note,) = (note for note in counts.prepare(table).notes if "far above" in note)
    assert "row 9000" in note and "row 12000" in note and "is_earthquake" in note
    table["is_earthquake"] = table.index.isin([9000, 9001, 12000])
    assert not [note for note in counts.prepare(table).notes if "far above" in note]


def test_people_who_react_together_are_no_unmarked_earthquake():
    table = history(0.3, 20_000, seed=4)
    rng = np.random.default_rng(5)
    bursts = rng.choice(len(table), 60, replace=False)
    table.loc[bursts, "triggers"] += rng.negative_binomial(2, 2 / 14, 60)
    assert not [note for note in counts.prepare(table).notes if "far above" in note]
