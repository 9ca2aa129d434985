"""Alarms, their outcomes, and scores with intervals."""

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat.exceedance import alerts

KEY = jax.random.key(0)
NEVER = np.inf
MOMENTS = np.array(["2027-01-15T08:00:00", "NaT"], "datetime64[ns]")


def history(events=60, sites=20, seed=0):
    """Exceedances and alarms of events whose sites succeed or fail together."""
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(events), sites)
    strong = rng.random(events)[event] < 0.4
    passed = np.where(
        strong & (rng.random(event.size) < 0.7), rng.uniform(5, 20, event.size), NEVER
    )
    good = rng.random(events)[event] < 0.6
    alarm = np.where(good == strong, passed - rng.normal(2, 2, event.size), NEVER)
    return np.where(np.isfinite(alarm), alarm, np.where(good, NEVER, 9.0)), passed, event


def test_level_is_cost_over_loss():
    """Acting above the level costs least of all levels, if probabilities are true."""
    rng = np.random.default_rng(0)
    chance = rng.random(200_000)
    happens = rng.random(chance.size) < chance
    levels = np.linspace(0.05, 0.95, 19)
    spent = [3.0 * (chance > p).sum() + 10.0 * (happens & (chance <= p)).sum() for p in levels]
    assert levels[int(np.argmin(spent))] == pytest.approx(alerts.alert_level(3.0, 10.0))
    for cost, loss in ((0.0, 1.0), (2.0, 1.0), (1.0, 1.0)):
        with pytest.raises(InputError, match="cost"):
            alerts.alert_level(cost, loss)


def test_thresholds_are_those_of_the_literature():
    for own, percent in (
        (alerts.TAIWAN_M_S2, [0.81, 2.5, 8.1, 14, 25]),
        (alerts.JAPAN_M_S2, [1, 2, 5, 10, 20]),
    ):
        np.testing.assert_allclose(own, np.array(percent) * 0.0980665, rtol=1e-5)


def test_alarm_is_the_first_forecast_above_the_level():
    time = [1.0, 2.0, 4.0]
    chance = [[0.2, 0.6, 0.1], [0.5, 0.5, 0.9], [0.0, 0.0, 0.0]]
    assert alerts.alarm_times(time, chance, 0.5).tolist() == [2.0, 4.0, NEVER]
    many = alerts.alarm_times(time, chance, [0.0, 0.1, 0.95])
    assert many.tolist() == [[1.0, 1.0, NEVER], [1.0, 1.0, NEVER], [NEVER, NEVER, NEVER]]


def test_a_late_alarm_is_a_miss():
    found = alerts.outcomes([3, 5, 7, NEVER, 3, NEVER, np.nan], [5, 5, 5, 5, NEVER, NEVER, np.nan])
    told = ["true_positive", *["false_negative"] * 3, "false_positive", *["true_negative"] * 2]
    assert [alerts.OUTCOMES[each] for each in found] == told


def test_scores_are_those_of_the_counts():
    alarm, passed, event = history()
    found = alerts.metrics(KEY, alarm, passed, event, replicates=200)
    good = (alarm < passed) & np.isfinite(passed)
    wrong, missed = np.isfinite(alarm) & ~np.isfinite(passed), np.isfinite(passed) & ~good
    assert int(found["true_positive"]) == good.sum()
    assert int(found["false_negative"]) == missed.sum()
    total = sum(int(found[name]) for name in alerts.OUTCOMES)
    assert total == event.size
    precision, recall = good.sum() / (good | wrong).sum(), good.sum() / (good | missed).sum()
    assert float(found["precision"]) == pytest.approx(precision)
    assert float(found["recall"]) == pytest.approx(recall)
    assert float(found["f1"]) == pytest.approx(2 * precision * recall / (precision + recall))
    lead = (passed - np.where(good, alarm, 0))[good]
    assert float(found["lead_time_mean_s"]) == pytest.approx(lead.mean())
    assert float(found["lead_time_median_s"]) == pytest.approx(np.median(lead))
    assert float(found["lead_time_max_s"]) == pytest.approx(lead.max())
    for name in ("precision", "recall", "f1"):
        assert float(found[name + "_low"]) < float(found[name]) < float(found[name + "_high"])
    assert float(found["lead_time_mean_low_s"]) < lead.mean()
    assert found.attrs["interval_probability"] == 0.9


def test_intervals_are_of_events_not_of_sites():
    """A site more of the same event tells nothing new."""
    alarm, passed, event = history(sites=2)
    few = alerts.metrics(KEY, alarm, passed, event, replicates=400)
    many = alerts.metrics(KEY, *(np.repeat(row, 10) for row in (alarm, passed, event)),
                         replicates=400)  # fmt: skip
    assert float(many["f1_low"]) == pytest.approx(float(few["f1_low"]))
    assert float(many["f1_high"]) == pytest.approx(float(few["f1_high"]))


@pytest.mark.long
def test_intervals_hold_the_truth():
    """Of events drawn alike, nine intervals in ten hold the recall of all."""
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        event = np.repeat(np.arange(80), 5)
        caught = rng.random(event.size) < rng.beta(3, 2, 80)[event]
        found = alerts.metrics(
            jax.random.key(seed), np.where(caught, 1.0, NEVER), np.full(event.size, 5.0), event
        )
        inside += float(found["recall_low"]) <= 0.6 <= float(found["recall_high"])
    # Five standard errors of 200 intervals, and what a percentile interval falls short of.
    assert inside >= 180 - 5 * np.sqrt(200 * 0.09) - 2


def test_curve_is_its_levels():
    rng = np.random.default_rng(1)
    time, event = np.arange(8.0), np.repeat(np.arange(30), 10)
    passed = np.where(rng.random(300) < 0.3, rng.uniform(2, 9, 300), NEVER)
    chance = np.clip(rng.random((300, 8)) * 0.6 + 0.4 * np.isfinite(passed)[:, None], 0, 1)
    level = [0.3, 0.7, 0.9]
    found = alerts.metrics_by_level(KEY, time, chance, passed, event, level=level, replicates=50)
    for place, p in enumerate(level):
        alone = alerts.metrics(
            KEY, alerts.alarm_times(time, chance, p), passed, event, replicates=50
        )
        for name in alone:
            assert float(found[name][place]) == pytest.approx(float(alone[name]), nan_ok=True)
    best = alerts.best_f1_level(found)
    assert float(found["f1"].sel(level=best)) == float(found["f1"].max())
    default = alerts.metrics_by_level(KEY, time, chance, passed, event, replicates=20)
    assert default.sizes["level"] == 49
    assert np.all(np.diff(default["true_positive"] + default["false_positive"]) <= 0)


def test_comparison_is_on_the_same_events():
    alarm, passed, event = history()
    same = alerts.compare_rules(KEY, alarm, alarm, passed, event, replicates=50)
    assert float(same["f1_low"]) == float(same["f1_high"]) == 0.0
    assert float(same["probability_of_greater_f1"]) == 0.5
    worse = np.where(np.arange(alarm.size) % 3 == 0, NEVER, alarm)
    found = alerts.compare_rules(KEY, alarm, worse, passed, event, replicates=400)
    apart = [float(alerts.metrics(KEY, row, passed, event, replicates=20)["f1"])
             for row in (alarm, worse)]  # fmt: skip
    assert float(found["f1"]) == pytest.approx(apart[0] - apart[1])
    # The pairing makes the interval far shorter than that of either.
    alone = alerts.metrics(KEY, alarm, passed, event, replicates=400)
    width = float(found["f1_high"] - found["f1_low"])
    assert width < 0.5 * float(alone["f1_high"] - alone["f1_low"])
    assert float(found["f1_low"]) > 0


def test_what_has_no_value_is_nan():
    passed, event = np.array([5.0, 6.0, NEVER]), [1, 2, 3]
    found = alerts.metrics(KEY, [NEVER] * 3, passed, event, replicates=40)
    assert np.isnan(found["precision"]) and np.isnan(found["lead_time_mean_s"])
    assert np.isnan(found["lead_time_median_s"])
    assert float(found["recall"]) == float(found["f1"]) == 0.0
    empty = alerts.metrics_by_level(
        KEY, [1.0], [[0.0]] * 3, [NEVER] * 3, event, level=[0.5], replicates=20
    )
    with pytest.raises(InputError, match="never passed"):
        alerts.best_f1_level(empty)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: alerts.alarm_times([2, 1], [[0.1, 0.2]], 0.5), "increasing"),
        (lambda: alerts.alarm_times([1, np.nan], [[0.1, 0.2]], 0.5), "increasing"),
        (lambda: alerts.alarm_times(MOMENTS, [[0.1, 0.2]], 0.5), "numbers of seconds"),
        (lambda: alerts.outcomes(MOMENTS, [3.0, NEVER]), "numbers of seconds"),
        (lambda: alerts.metrics(KEY, ["8:00", "8:01"], [3.0, 3.0], [1, 2]), "numbers of seconds"),
        (lambda: alerts.metrics(KEY, [1.0, 2.0], [3.0, 3.0], [1, np.nan]), "missing labels"),
        (lambda: alerts.alarm_times([1, 2], [0.1, 0.2], 0.5), "of shape"),
        (lambda: alerts.alarm_times([1, 2], [[0.1, 1.2]], 0.5), "probability must lie"),
        (lambda: alerts.alarm_times([1, 2], [[0.1, np.nan]], 0.5), "nan"),
        (lambda: alerts.alarm_times([1, 2], [[0.1, 0.2]], 1.5), "level"),
        (lambda: alerts.metrics(KEY, [1.0, 2.0], [3.0], [1, 2]), "as many"),
        (lambda: alerts.metrics(KEY, [1.0, 2.0], [3.0, 3.0], [1, 1]), "one event only"),
        (lambda: alerts.metrics(KEY, [1.0, 2.0], [3.0, 3.0], [1, 2], replicates=3), "replicates"),
        (lambda: alerts.metrics(KEY, [1.0, 2.0], [3.0, 3.0], [1, 2], probability=1.0), "(0, 1)"),
        (lambda: alerts.compare_rules(KEY, [[1.0]], [[1.0], [2.0]], [3.0], [1]), "one event"),
    ],
)
def test_bad_input_is_told(call, said):
    with pytest.raises(InputError) as caught:
        call()
    assert said in str(caught.value)
