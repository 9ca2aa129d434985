"""Steps against the likelihood device by device, and what steps must not depend on."""

import jax
import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from eqstat import InputError
from eqstat.detection import BackgroundRate, detector, init, shiryaev_roberts_threshold, step
from eqstat.detection._detector import grid_over
from eqstat.detection.causes import earthquake, network_burst, nodes, venue

from . import cases


@pytest.fixture(scope="module")
def watch():
    return cases.small()


def quake_times(watch, seed=1, origin_s=100.0, share=0.5, at=(5.0, -8.0), depth=20.0):
    """Trigger times of an earthquake of P, and who triggers."""
    rng = np.random.default_rng(seed)
    position = np.asarray(watch.core.position, float)
    away = np.hypot(position[:, 0] - at[0], position[:, 1] - at[1])
    travel = np.asarray(watch.causes[0].velocity.travel_time(away, depth)[0], float)
    time = origin_s + travel + rng.normal(1.0, 1.0, len(away))
    return np.where(rng.uniform(size=len(away)) < share, time, np.inf)


def seen_by(times, now, after=-np.inf):
    who = np.flatnonzero((times <= now) & (times > after))
    return who, times[who]


def run(watch, times, until, *, first=90.0, by=1.0):
    """Step from the first moment to the last; the state and all reports."""
    state, reports, last = init(watch, first), [], -np.inf
    for now in np.arange(first + by, until + by / 2, by):
        state, report = step(watch, state, now, *seen_by(times, now, last))
        reports.append(report)
        last = now
    return state, reports


@pytest.mark.slow
def test_a_step_is_the_sum_over_all_hypotheses(watch):
    times = quake_times(watch)
    now = 104.0
    state, report = step(watch, init(watch, 90.0), now, *seen_by(times, now))
    cause = watch.causes[0]
    position = np.asarray(watch.core.position, float)
    seen = np.where(times <= now, times, np.inf)
    latitude, longitude = (cases.network()[name].to_numpy() for name in ("latitude", "longitude"))
    east, north, steps = grid_over(*watch.frame.to_local(latitude, longitude), cause.margin_km, 60)
    within = cases.spread(cause, steps.max(), cause.slot_s, np.diff(cause.depth_km)[0])
    logs = []
    rate_s = cases.RATE_H / 3600
    for place in zip(east, north, strict=True):
        for depth in cause.depth_km:
            for slot in range(cause.slots):
                for node in range(len(cause.nodes.weight)):
                    ratio = cases.slow_log_ratio(
                        cause, place, depth, now - slot, node, position[:, :2], seen, now,
                        rate_s, within,
                    )  # fmt: skip
                    logs.append(ratio - np.log(len(east) * 2 * len(cause.nodes.weight)))
    exact = logsumexp(logs)
    # Rings and single precision: some thousandths for each device that the waves are passing.
    assert float(report.log_shiryaev_roberts[0]) == pytest.approx(exact, abs=0.3)
    assert exact > 20
    assert float(state.now_s) == now


def test_reports_come_in_any_order_and_twice(watch):
    times = quake_times(watch)
    who, when = seen_by(times, 108.0)
    _, once = step(watch, init(watch, 90.0), 108.0, who, when)
    order = np.random.default_rng(0).permutation(len(who))
    state = init(watch, 90.0)
    for part in np.array_split(order, 4):
        state, _ = step(watch, state, 106.0 + 0.0 * part.sum(), who[part][when[part] < 106.5],
                        when[part][when[part] < 106.5])  # fmt: skip
    late = when >= 106.5
    state, _ = step(watch, state, 107.0, who[late][:0], when[late][:0])
    state, again = step(watch, state, 108.0, np.r_[who[late], who], np.r_[when[late], when])
    assert int(again.ignored) == len(who)
    np.testing.assert_allclose(
        again.log_shiryaev_roberts, once.log_shiryaev_roberts, rtol=1e-4, atol=0.02
    )
    np.testing.assert_allclose(again.probability, once.probability, atol=2e-3)


def test_it_does_not_matter_how_often_one_steps(watch):
    times = quake_times(watch)
    _, fine = run(watch, times, 110.0, by=0.5)
    _, coarse = run(watch, times, 110.0, by=4.0)
    # What the quiet devices teach about the background comes a little sooner.
    np.testing.assert_allclose(
        fine[-1].log_shiryaev_roberts, coarse[-1].log_shiryaev_roberts, rtol=1e-3, atol=0.02
    )


def test_unrest_is_the_same_step_by_step_and_at_once(watch):
    """Triggers before a slot's start do not count in it, whether it was there already or not."""
    rng = np.random.default_rng(8)
    times = 95.0 + rng.exponential(3600 / 60, watch.devices)
    _, fine = run(watch, times, 112.0)
    _, once = step(watch, init(watch, 90.0), 112.0, *seen_by(times, 112.0))
    assert int(once.triggered) > 20
    np.testing.assert_allclose(
        fine[-1].log_shiryaev_roberts, once.log_shiryaev_roberts, rtol=1e-3, atol=0.3
    )


def test_what_is_past_is_forgotten(watch):
    times = quake_times(watch)
    state, reports = run(watch, times, 112.0)
    assert float(reports[-1].probability[0]) > 0.99
    state, _ = step(watch, state, 250.0)
    state, later = step(watch, state, 251.0)
    begun, _ = step(watch, init(watch, 250.0), 250.0)
    _, fresh = step(watch, begun, 251.0)
    assert int(later.triggered) == 0
    np.testing.assert_allclose(later.log_shiryaev_roberts, fresh.log_shiryaev_roberts, atol=0.01)
    for counts, new in zip(state.silent, init(watch, 0.0).silent, strict=True):
        np.testing.assert_allclose(counts, new, atol=1e-3)


def test_an_earthquake_remains_one_until_its_devices_trigger_anew(watch):
    """Its starting times are kept for 20 s only; its probability and place are those of then."""
    times = quake_times(watch)
    _, reports = run(watch, times, 180.0)
    at = {second: reports[second - 91] for second in (115, 119, 140, 180)}
    assert all(float(one.probability[0]) > 0.99 for one in at.values())
    for name in ("east_km", "north_km", "depth_km"):
        assert float(getattr(at[180], name)) == pytest.approx(
            float(getattr(at[140], name)), abs=0.1
        )
    # Seconds before the present: 40 s more.
    assert float(at[140].origin_s - at[180].origin_s) == pytest.approx(40.0, abs=0.1)


def test_silent_devices_speak(watch):
    """The same triggers are no earthquake where all the others about them stay silent."""
    position = np.asarray(watch.core.position)
    near = np.argsort(np.hypot(position[:, 0], position[:, 1]))[::8][:6]
    times = np.full(watch.devices, np.inf)
    times[near] = 100.0 + 0.13 * np.hypot(position[near, 0], position[near, 1])
    _, report = step(watch, init(watch, 90.0), 104.0, *seen_by(times, 104.0))
    alone = np.isin(np.arange(watch.devices), near)
    _, few = step(watch, init(watch, 90.0, active=alone), 104.0, *seen_by(times, 104.0))
    assert float(few.log_evidence_ratio[0]) > float(report.log_evidence_ratio[0]) + 2


def test_bad_triggers_are_counted_and_change_nothing(watch):
    _, good = step(watch, init(watch, 90.0), 100.0)
    _, bad = step(
        watch, init(watch, 90.0), 100.0,
        np.array([0, 1, 2, -1, 10_000]), np.array([np.nan, 105.0, -50.0, 99.0, 99.0]),
    )  # fmt: skip
    assert int(bad.ignored) == 5
    np.testing.assert_allclose(bad.log_shiryaev_roberts, good.log_shiryaev_roberts, rtol=1e-6)


@pytest.mark.long
def test_many_triggers_go_in_several_calls():
    watch = cases.small(700, seed=2)
    times = quake_times(watch, share=0.8)
    who, when = seen_by(times, 106.0)
    assert len(who) > 256
    _, once = step(watch, init(watch, 90.0), 106.0, who, when)
    state, first = init(watch, 90.0), None
    for part in np.array_split(np.arange(len(who)), 7):
        state, first = step(watch, state, 106.0, who[part], when[part])
    np.testing.assert_allclose(once.log_shiryaev_roberts, first.log_shiryaev_roberts, rtol=1e-4)
    assert int(once.triggered) == len(who)


def test_unix_time_keeps_its_milliseconds(watch):
    times = quake_times(watch)
    zero = 1.8e9
    _, early = run(watch, times, 106.0)
    _, late = run(watch, times + zero, zero + 106.0, first=zero + 90.0)
    np.testing.assert_allclose(
        late[-1].log_shiryaev_roberts, early[-1].log_shiryaev_roberts, rtol=1e-3
    )


def test_a_burst_is_told_from_an_earthquake(watch):
    rng = np.random.default_rng(3)
    burst = np.where(rng.uniform(size=watch.devices) < 0.4, rng.normal(100.0, 0.4, watch.devices),
                     np.inf)  # fmt: skip
    _, report = step(watch, init(watch, 90.0), 103.0, *seen_by(burst, 103.0))
    assert float(report.probability[2]) > 0.99
    _, report = step(watch, init(watch, 90.0), 106.0, *seen_by(quake_times(watch), 106.0))
    assert float(report.probability[0]) > 0.99
    position = np.asarray(watch.core.position)
    close = np.argsort(np.hypot(position[:, 0] - 3, position[:, 1] - 3))[:10]
    crowd = np.full(watch.devices, np.inf)
    crowd[close] = rng.normal(100.0, 0.5, 10)
    _, report = step(watch, init(watch, 90.0), 103.0, *seen_by(crowd, 103.0))
    assert float(report.probability[1]) > 0.9


@pytest.mark.long
@pytest.mark.parametrize("moment_s", [0.0, 0.25, 0.5, 0.75])
def test_many_reports_within_a_second_are_no_earthquake(moment_s):
    """Whatever their moment between the slots, and however sharp an earthquake's delays."""
    sharp = nodes(
        share=(0.1, 0.3, 0.7),
        first_share=(0.9, 0.3),
        reach_km=(30.0, np.inf),
        delay_s=2.5,
        sd_s=(0.8,),
    )
    causes = (earthquake(nodes=sharp), venue(cells=40), network_burst())
    watch = cases.small(1000, seed=2, causes=causes)
    rng = np.random.default_rng(int(100 * moment_s))
    who = rng.choice(1000, 250, replace=False)
    time = 100.0 + moment_s + rng.uniform(0, 1, 250)
    state = init(watch, 90.0)
    for now in range(91, 106):
        new = (time <= now) & (time > now - 1)
        state, report = step(watch, state, float(now), who[new], time[new])
        assert float(report.probability[0]) < 0.5


def test_the_background_rate_is_learnt(watch):
    rng = np.random.default_rng(5)
    state, rate_h = init(watch, 0.0), 3 * cases.RATE_H
    chance = rate_h / 3600 * 10.0
    for now in np.arange(10.0, 7200.0, 10.0):
        who = np.flatnonzero(rng.uniform(size=watch.devices) < chance)
        state, report = step(watch, state, now, who, rng.uniform(now - 10, now, len(who)))
    # A tenth of the time devices are not asked; the prior weighs as 11 of some hundred triggers.
    assert float(report.expected_rate_h) == pytest.approx(rate_h, rel=0.25)


@pytest.mark.long
def test_mean_time_to_false_alarm_is_at_least_the_threshold(watch):
    """Runs of the background alone: the sum of ratios stays below A for A steps on average."""
    level, runs, longest = np.log(30.0), 40, 300
    total = alarms = 0
    for number in range(runs):
        rng = np.random.default_rng(100 + number)
        state = init(watch, 0.0)
        for now in range(1, longest + 1):
            who = np.flatnonzero(rng.uniform(size=watch.devices) < cases.RATE_H / 3600)
            state, report = step(watch, state, now, who, rng.uniform(now - 1, now, len(who)))
            total += 1
            if float(report.log_shiryaev_roberts[0]) >= level:
                alarms += 1
                break
    # Alarms come at most once in A steps on average: Poisson bound of 99.9 %.
    expected = total / np.exp(level)
    assert alarms <= expected + 3.1 * np.sqrt(expected)
    assert total > 0


def test_thresholds_are_steps_in_a_year(watch):
    level = shiryaev_roberts_threshold(watch, false_alarm_rate_per_year=2.0)
    assert np.exp(level) == pytest.approx(365.25 * 86400 / 2)
    with pytest.raises(InputError, match="above 0"):
        shiryaev_roberts_threshold(watch, false_alarm_rate_per_year=0)


def test_bad_arguments(watch):
    state = init(watch, 100.0)
    with pytest.raises(InputError, match="before"):
        step(watch, state, 99.0)
    with pytest.raises(InputError, match="one entry"):
        step(watch, state, 101.0, np.array([1, 2]), np.array([100.5]))
    with pytest.raises(InputError, match="active"):
        init(watch, 0.0, active=np.ones(3, bool))
    with pytest.raises(InputError, match="rate_per_device_h"):
        BackgroundRate(np.zeros(24))
    with pytest.raises(InputError, match="several rows"):
        start, end = "2026-01-01T00:00Z", "2026-01-03T00:00Z"
        frame = cases.network(4).assign(
            device=["a", "a", "b", "c"],
            active_from=[start, end, None, None],
            active_to=["2026-01-02T00:00Z", None, None, None],
        )

        detector(frame)
    jax.block_until_ready(state.silent)


@pytest.mark.slow
def test_a_dense_network_takes_no_rate_of_its_start():
    """Expected triggers count from the moment on at which observed ones do, when dead times end."""
    rng = np.random.default_rng(2)
    place = rng.uniform(0.0, 1.0, (2, 4000))
    dense = detector(
        pd.DataFrame({"latitude": place[0], "longitude": place[1]}),
        causes=(earthquake(cells=25, depth_km=(10.0,)), network_burst()),
        background=6.0,
    )
    state, rate_s = init(dense, 0.0), 6.0 / 3600
    for now in np.arange(2.0, 125.0, 2.0):
        who = np.flatnonzero(rng.uniform(size=dense.devices) < 2 * rate_s)
        state, report = step(dense, state, now, who, rng.uniform(now - 2, now, len(who)))
        assert float(report.probability[-1]) > 0.99
    assert float(report.expected_rate_h) == pytest.approx(6.0, rel=0.25)
