"""Scores through time against slow loops, and on forecasts that are true or known to be wrong."""

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat.exceedance.alerts import Design, Plum, forecasts, simulate
from eqstat.exceedance.alerts.scores import (
    PROTOCOL_TIMES_S,
    pit_in_time,
    protocol,
    reliability_in_time,
    value_curve,
)

KEY = jax.random.key(0)
TIME = np.array([1.0, 2.0, 4.0])


def history(events=60, sites=8, seed=0, clustered=True):
    """True forecasts: exceedance is a draw with the last probability, after the last time."""
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(events), sites)
    level = rng.beta(0.7, 1.5, events)[event] if clustered else rng.uniform(size=event.size)
    last = np.clip(level + 0.05 * rng.normal(size=event.size), 0.001, 0.999)
    chance = np.stack([last, last, last], axis=1)
    happened = rng.uniform(size=event.size) < last
    passed = np.where(happened, rng.uniform(0.5, 9.0, event.size), np.inf)
    return chance, passed, event


def test_reliability_is_that_of_a_slow_loop():
    chance, passed, event = history()
    chance = chance * np.array([0.5, 1.0, 0.8])
    edges = [0.0, 0.2, 0.5, 1.0]
    curve = reliability_in_time(KEY, TIME, chance, passed, event, edges=edges, replicates=50)
    for place, time in enumerate(TIME):
        for row, (low, high) in enumerate([(0.0, 0.2), (0.2, 0.5), (0.5, 1.1)]):
            own = [
                (p, np.isfinite(t))
                for p, t in zip(chance[:, place], passed, strict=True)
                if low <= p < high and t > time
            ]
            assert int(curve["number"][place, row]) == len(own)
            if not own:
                assert np.isnan(curve["observed"][place, row])
                continue
            forecast, observed = np.mean(own, axis=0)
            assert float(curve["forecast"][place, row]) == pytest.approx(forecast)
            assert float(curve["observed"][place, row]) == pytest.approx(observed)
            difference = float(curve["difference"][place, row])
            assert difference == pytest.approx(observed - forecast)
            ends = [float(curve[f"difference_{end}"][place, row]) for end in ("low", "high")]
            assert ends[0] <= difference <= ends[1]


def test_true_forecasts_are_reliable_and_others_are_not():
    chance, passed, event = history(400)
    later = np.where(np.isfinite(passed), 99.0, np.inf)  # nothing is passed yet
    true = reliability_in_time(KEY, TIME, chance, later, event)
    inside = (true["difference_low"] <= 0) & (true["difference_high"] >= 0)
    assert float(inside.mean()) >= 0.7
    wrong = reliability_in_time(KEY, TIME, np.sqrt(chance), later, event)
    outside = (wrong["difference_high"] < 0).isel(time_s=0)
    assert int(outside.sum()) >= 5


def test_intervals_of_reliability_hold_the_truth():
    """Rows of one event are draws of one probability; the bootstrap of events covers 0."""
    held = []
    for seed in range(60):
        chance, passed, event = history(80, seed=seed)
        later = np.where(np.isfinite(passed), 99.0, np.inf)
        curve = reliability_in_time(
            KEY, TIME[:1], chance[:, :1], later, event, edges=[0.0, 0.3, 1.0], replicates=200
        )
        held.append((curve["difference_low"] <= 0) & (curve["difference_high"] >= 0))
    share = np.mean(held)
    assert 0.82 < share < 0.97


def test_pit_histograms_count():
    rng = np.random.default_rng(0)
    pit = rng.uniform(size=(300, 3))
    pit[:, 1] = pit[:, 1] ** 2
    pit[5:9, 2] = np.nan
    event = np.arange(300) // 5
    result = pit_in_time(KEY, TIME, pit, event, bins=5, replicates=200)
    for place in range(3):
        own = pit[~np.isnan(pit[:, place]), place]
        expected = np.histogram(own, np.linspace(0, 1, 6))[0] / own.size
        np.testing.assert_allclose(result["share"][place], expected)
        assert float(result["mean"][place]) == pytest.approx(own.mean())
        assert int(result["number"][place]) == own.size
    low, high = result["mean_low"].values, result["mean_high"].values
    assert low[0] < 0.5 < high[0] and high[1] < 0.45


def slow_value(chance, passed, ratio, level):
    """Expense row by row."""
    expense, happened = 0.0, 0
    for row, end in zip(chance, passed, strict=True):
        alarm = next((t for p, t in zip(row, TIME, strict=True) if p > level), np.inf)
        expense += ratio * np.isfinite(alarm)
        if np.isfinite(end):
            happened += 1
            expense += not alarm < end
    base = happened / len(passed)
    without, perfect = min(ratio, base), ratio * base
    return (without - expense / len(passed)) / (without - perfect)


def test_value_is_that_of_a_slow_loop():
    chance, passed, event = history()
    chance = chance * np.array([0.3, 0.7, 1.0])
    ratios = np.array([0.05, 0.2, 0.6])
    curve = value_curve(KEY, TIME, chance, passed, event, ratio=ratios, replicates=50)
    for place, ratio in enumerate(ratios):
        expected = slow_value(chance, passed, ratio, ratio)
        assert float(curve["value"][place]) == pytest.approx(expected)
        best = max(slow_value(chance, passed, ratio, level) for level in ratios)
        assert float(curve["potential_value"][place]) == pytest.approx(best)
    assert float(curve["base_rate"]) == pytest.approx(np.isfinite(passed).mean())
    assert np.all(curve["value_low"] <= curve["value_high"])


def test_perfect_and_useless_warnings_have_value_one_and_none():
    _, passed, event = history()
    late = np.where(np.isfinite(passed), 99.0, np.inf)
    perfect = np.repeat(np.isfinite(passed)[:, None], 3, axis=1).astype(float)
    ratios = [0.1, 0.5]
    np.testing.assert_allclose(
        value_curve(KEY, TIME, perfect, late, event, ratio=ratios)["value"], 1.0
    )
    climate = np.full(perfect.shape, np.isfinite(passed).mean())
    np.testing.assert_allclose(
        value_curve(KEY, TIME, climate, late, event, ratio=ratios)["value"], 0.0, atol=1e-12
    )
    never = value_curve(KEY, TIME, climate, np.full(len(late), np.inf), event, ratio=ratios)
    assert np.isnan(never["value"]).all()


def slow_f1(chance, passed, level):
    hits = misses = false = 0
    for row, end in zip(chance, passed, strict=True):
        alarm = next((t for p, t in zip(row, TIME, strict=True) if p > level), np.inf)
        if np.isfinite(end):
            hits, misses = hits + (alarm < end), misses + (not alarm < end)
        else:
            false += np.isfinite(alarm)
    return 2 * hits / (2 * hits + misses + false), (hits, misses, false)


def test_protocol_chooses_on_validation_and_judges_the_others():
    chance, passed, event = history(100, seed=1)
    both = np.stack([chance, chance**2])
    ends = np.stack([passed, np.where(passed < 5.0, passed, np.inf)])
    validation = event < 40
    levels = np.array([0.1, 0.3, 0.5, 0.7])
    table = protocol(
        KEY, TIME, both, ends, event, validation, [0.1, 0.2], level=levels, replicates=50
    )
    for row in range(2):
        tried = [slow_f1(both[row][validation], ends[row][validation], u)[0] for u in levels]
        level = levels[int(np.argmax(tried))]
        f1, (hits, misses, false) = slow_f1(both[row][~validation], ends[row][~validation], level)
        own = table.iloc[row]
        assert own["level"] == level and own["f1"] == pytest.approx(f1)
        counts = own[["true_positive", "false_negative", "false_positive"]].tolist()
        assert counts == [hits, misses, false]
        assert own["positives"] == hits + misses and own["events"] == 60
        assert own["f1_low"] <= f1 <= own["f1_high"]
    # What happens on the judged earthquakes does not change the level.
    other = both.copy()
    other[:, ~validation] = 0.05
    again = protocol(
        KEY, TIME, other, ends, event, validation, [0.1, 0.2], level=levels, replicates=50
    )
    assert again["level"].tolist() == table["level"].tolist()


@pytest.mark.slow
def test_protocol_runs_on_simulated_earthquakes():
    drawn = simulate(KEY, 8, Design(stations=10, growth="envelope"))
    time, u = np.array(PROTOCOL_TIMES_S), [0.05, 50.0]
    assert time[0] == 0.5 and time[-1] == 24.9 and len(time) == 123
    chance = forecasts(drawn, Plum(), time, u, after_first_p=True)
    begin = drawn.first_p_s[drawn.event]
    passed = np.stack([drawn.exceedance_times(each) - begin for each in u])
    table = protocol(KEY, time, chance, passed, drawn.event, drawn.event < 4, u, replicates=50)
    assert table["validation_positives"].iloc[0] > 0 and 0 <= table["f1"].iloc[0] <= 1
    assert table["level"].iloc[1] == 0.5 and table["positives"].iloc[1] == 0


CHANCE, PASSED, EVENT = history(6, 4)
HALF = EVENT < 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: reliability_in_time(KEY, TIME, CHANCE[:, :2], PASSED, EVENT), "of shape"),
        (lambda: reliability_in_time(KEY, TIME, CHANCE + 1, PASSED, EVENT), "must lie in"),
        (lambda: reliability_in_time(KEY, TIME[::-1], CHANCE, PASSED, EVENT), "must increase"),
        (lambda: reliability_in_time(KEY, TIME, CHANCE, PASSED[1:], EVENT), "exceedance_time_s"),
        (lambda: reliability_in_time(KEY, TIME, CHANCE, PASSED, EVENT * 0), "one event only"),
        (lambda: reliability_in_time(KEY, TIME, CHANCE, PASSED, EVENT, edges=[0, 2]), "edges"),
        (lambda: pit_in_time(KEY, TIME, CHANCE + 3, EVENT), "pit must lie"),
        (lambda: pit_in_time(KEY, TIME, CHANCE, EVENT, bins=1), "bins"),
        (lambda: value_curve(KEY, TIME, CHANCE, PASSED, EVENT, ratio=[1.0]), "ratio must lie"),
        (lambda: value_curve(KEY, TIME, CHANCE, PASSED, EVENT[1:]), "labels"),
        (lambda: value_curve(KEY, TIME, CHANCE, PASSED, EVENT, replicates=1), "replicates"),
        (lambda: protocol(KEY, TIME, CHANCE[None], PASSED[None], EVENT, EVENT > 9, [0.1]),
         "at least two"),
        (lambda: protocol(KEY, TIME, CHANCE[None], PASSED[None], EVENT, HALF, [0.1, 1.0]), "shape"),
        (lambda: protocol(KEY, TIME, CHANCE[None], PASSED[None], EVENT, HALF, [-0.1]), "threshold"),
        (lambda: protocol(KEY, TIME, CHANCE[None], PASSED[None], EVENT, np.arange(24) < 9, [0.1]),
         "event 2 is in the validation"),
        (lambda: protocol(KEY, TIME, CHANCE[None], PASSED[None], EVENT, EVENT, [0.1]), "true or"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
