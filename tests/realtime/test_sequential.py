"""The sequential posterior in a service: statuses, snapshots, and the package's own answers."""

import jax
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError, detection, realtime
from eqstat.detection.causes import default_causes
from eqstat.realtime import Status


def network(number=40, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "latitude": rng.uniform(-12.3, -11.8, number),
            "longitude": rng.uniform(-77, -76.6, number),
        }
    )


@pytest.fixture(scope="module")
def scorer():
    return realtime.SequentialScorer.init(
        detection.detector(network(), causes=default_causes()[:3])
    )


def wave(scorer, origin_s):
    """All devices in the order of their distance from a corner, and the times of a P wave."""
    position = np.asarray(scorer.detector.core.position, float)
    away = np.hypot(*(position[:, :2] - position[:, :2].min(axis=0)).T)
    device = np.argsort(away)
    scatter = np.random.default_rng(3).normal(1.5, 0.5, len(device))
    return device, origin_s + np.hypot(away[device], 12.0) / 7.8 + scatter


@pytest.mark.slow
def test_steps_are_those_of_the_package(scorer):
    device, time = wave(scorer, 1.8e9)
    state = other = scorer.start(1.8e9)
    alarms = []
    for now in 1.8e9 + np.arange(1.0, 26.0):
        new = (time > now - 1) & (time <= now)
        peak = np.where(device[new] % 3 == 0, np.nan, 0.2)
        state, answer, found = scorer.step(
            state, now, device[new].tolist(), time[new].tolist(), peak.tolist()
        )
        other, report = detection.step(scorer.detector, other, now, device[new], time[new], peak)
        assert float(found.magnitude) == pytest.approx(float(report.magnitude))
        assert answer.earthquake_probability == pytest.approx(float(report.probability[0]))
        alarms.append(answer.margin >= 0)
    assert answer.status == Status.OK
    assert alarms[-1] and not alarms[0]
    assert answer.false_alarm_rate_per_year < 1


def test_statuses(scorer):
    state = scorer.start(100.0)
    step = scorer.step
    for now in (99.0, np.nan, np.inf, None, "now", [101.0], 1e9, 10**400):
        result = step(state, now)
        assert result.answer.status == Status.CLOCK and result.state is state
    assert step(state, 101.0, [1, 2], [100.5]).answer.status == Status.BAD_INPUT
    assert step(state, 101.0, np.zeros(5000), np.zeros(5000)).answer.status == Status.TOO_MANY
    for device, time in (
        ([-1], [100.5]), ([40], [100.5]), ([1.5], [100.5]), ([None], [100.5]), ([1], [np.nan]),
        ([1], [1e300]), ([1, 1], [100.5, 100.6]), ([1], [5000.0]), (["1"], [100.5]),
    ):  # fmt: skip
        result = step(state, 101.0, device, time)
        assert result.answer.status == Status.PARTIAL, (device, time)
        assert 0 <= result.answer.earthquake_probability <= 1
    assert step(state, 101.0).answer.status == Status.OK


@pytest.mark.slow
def test_nothing_compiles_after_init(scorer):
    seen = []
    state = scorer.start(0.0)
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        from jax._src.interpreters import pxla

        patch.setattr(pxla.logger, "log", lambda level, text, *a: seen.append(text % a))
        rng = np.random.default_rng(0)
        for second in range(1, 30):
            count = int(rng.integers(0, 20)) if second < 28 else 300
            state = scorer.step(
                state, float(second), rng.integers(0, 40, count), second - rng.random(count)
            ).state
    assert [text for text in seen if text.startswith("Compiling")] == []


@pytest.mark.slow
def test_a_restart_continues(scorer, tmp_path):
    device, time = wave(scorer, 0.0)
    path = tmp_path / "state.eqstat"
    state = whole = scorer.start(0.0)
    for now in range(1, 26):
        new = (time > now - 1) & (time <= now)
        if now == 8:
            realtime.save_state(path, scorer, state)
            again = detection.detector(network(), causes=default_causes()[:3])
            state = realtime.load_state(path, realtime.SequentialScorer.init(again))
        state, answer, _ = scorer.step(state, now, device[new], time[new])
        whole, expected, _ = scorer.step(whole, now, device[new], time[new])
        assert answer.margin == expected.margin
    assert answer.margin >= 0


@pytest.mark.slow
def test_a_state_that_does_not_fit_is_refused(scorer, tmp_path):
    path = tmp_path / "state.eqstat"
    realtime.save_state(path, scorer, scorer.start(0.0))
    moved = detection.detector(network(seed=1), causes=default_causes()[:3])
    moved = realtime.SequentialScorer.init(moved)
    with pytest.raises(InputError, match="the state of another detector"):
        realtime.load_state(path, moved)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="truncated or changed"):
        realtime.load_state(path, scorer)
    with pytest.raises(InputError, match="no scorer of kind 'detector state' here"):
        realtime.save_state(path, scorer, scorer.start(0.0))
        realtime.load(path)
