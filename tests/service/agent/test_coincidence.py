"""Coincidences: as they come they are those of the whole record; clocks; alarms."""

import numpy as np
import pytest

import eqstat
from eqstat import edge, realtime
from eqstat.counts.coincidence import Sensors
from eqstat.service.agent import CoincidenceWatch, coincidences_of

NAMES = ("a", "b", "c", "d", "e")
FRAME_S = 4.0


@pytest.fixture(scope="module")
def scorer():
    sensors = Sensors.alike(5, rate_per_h=0.5, prior_hours=1000.0)
    return edge.load(realtime.to_bytes(realtime.CoincidenceScorer.init(sensors, frame_s=FRAME_S)))


def watch_of(scorer, **options):
    watch = CoincidenceWatch(scorer, NAMES, FRAME_S, **options)
    for name in NAMES:
        watch.alive(name, 1000.0)
    return watch


def test_streamed_answers_are_those_of_the_record(scorer):
    rng = np.random.default_rng(0)
    for _ in range(50):
        time_s = np.sort(rng.uniform(1000, 1040, 30))
        names = [NAMES[i] for i in rng.integers(0, 5, 30)]
        on, answers = coincidences_of(scorer, NAMES, FRAME_S, names, time_s)
        watch = watch_of(scorer, keep_alive_s=100.0)
        for row, (name, t) in enumerate(zip(names, time_s, strict=True)):
            result = watch.add(name, t, t + 0.1)
            assert result.sensors == tuple(np.array(NAMES)[on[row]])
            for got, wanted in zip(result.answer, answers, strict=True):
                assert got == pytest.approx(np.broadcast_to(wanted, 30)[row], nan_ok=True)


def test_order_of_arrival_does_not_change_the_answer(scorer):
    rng = np.random.default_rng(1)
    time_s = np.array([1000.0, 1000.4, 1001.9, 1003.0])
    _, answers = coincidences_of(scorer, NAMES, FRAME_S, list("abcd"), time_s)
    for _ in range(10):
        watch = watch_of(scorer)
        for i in rng.permutation(4):
            result = watch.add("abcd"[i], time_s[i], 1004.0)
        assert result.answer.earthquake_probability == answers.earthquake_probability[-1]


def test_silence_counts_only_of_those_that_listen(scorer):
    watch = watch_of(scorer)
    all_listen = watch.add("a", 1000.0, 1000.0).answer.earthquake_probability
    for name in "cde":
        watch.gone(name)
    fewer = watch.add("a", 1000.0, 1000.0).answer.earthquake_probability
    assert fewer > all_listen
    assert watch.listening(1200.0).sum() == 0


def test_one_alarm_in_the_quiet_time(scorer):
    watch = watch_of(scorer, quiet_s=60.0)
    alarms = [watch.add(n, 1000.0 + 0.1 * i, 1001.0).is_alarm for i, n in enumerate(NAMES)]
    assert sum(alarms) == 1
    assert any(watch.add(n, 1100.0 + 0.1 * i, 1101.0).is_alarm for i, n in enumerate(NAMES))


def test_wrong_clocks_and_strangers_are_not_heard(scorer):
    watch = watch_of(scorer)
    for bad in (1e9, 0.0, float("nan"), float("inf"), -float("inf")):
        assert watch.add("a", bad, 1000.0) is None
    assert watch.add("stranger", 1000.0, 1000.0) is None
    # A clock of this computer that ran ahead and was put right leaves no trace.
    watch.add("a", 9000.0, 9000.0)
    assert watch.add("b", 1000.0, 1000.0).sensors == ("b",)


def test_scorer_of_other_sensors_is_refused(scorer):
    with pytest.raises(eqstat.InputError, match="not of 3 sensors"):
        CoincidenceWatch(scorer, ("a", "b", "c"), FRAME_S)
    with pytest.raises(eqstat.InputError, match="in their order"):
        coincidences_of(scorer, NAMES, FRAME_S, ["a", "b"], np.array([2.0, 1.0]))
