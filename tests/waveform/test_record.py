"""The contract of a record, and what looks wrong with one."""

import dataclasses
import os

import jaxtyping
import numpy as np
import pandas as pd
import pytest

import eqstat
from eqstat.waveform import Record, clipped, features, problems

# Where the types of arguments are checked, too, a wrong type is found before the value is.
CHECKED = os.environ.get("EQSTAT_CHECK_TYPES", "0") not in ("", "0")
REFUSED = (eqstat.InputError, jaxtyping.TypeCheckError) if CHECKED else eqstat.InputError
RATE = 50.0
LIFT = np.array([[0.0], [9.8], [0.0]])


def noise(seconds=20, level=0.005, gravity=9.8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, level, (3, int(seconds * RATE))) + np.array([[0.0], [gravity], [0.0]])


def record(samples=None, gravity="in", **options):
    samples = noise() if samples is None else samples
    return Record(
        **{"acceleration_m_s2": samples, "rate_hz": RATE, "start_time": "2027-01-15T08:00Z",
           "gravity": gravity} | options
    )  # fmt: skip


def kinds(*given, **options):
    return [problem.kind for problem in problems(record(*given, **options))]


def test_a_good_record_keeps_what_it_is_given():
    samples = noise()
    made = record(samples, device="a", trigger_s=3.0)
    assert made.duration_s == 20.0
    assert made.end_time == pd.Timestamp("2027-01-15T08:00:20Z")
    samples[:] = 0
    assert made.acceleration_m_s2.std() > 1 and not made.acceleration_m_s2.flags.writeable
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.rate_hz = 3.0
    assert kinds() == []
    assert record(start_time=None).start_time is pd.NaT
    assert record(np.ones((3, 4), np.float32)).acceleration_m_s2.dtype == np.float32
    assert record([[1, 2], [3, 4], [5, 6]]).acceleration_m_s2.dtype == np.float64


BAD = {
    "empty": ({"acceleration_m_s2": np.zeros((3, 0))}, "is empty"),
    "two axes": ({"acceleration_m_s2": np.zeros((2, 9))}, r"\(3, samples\), not \(2, 9\)"),
    "turned": ({"acceleration_m_s2": np.zeros((9, 3))}, r"not \(9, 3\)"),
    "text": ({"acceleration_m_s2": "many"}, "must be numbers"),
    "ragged": ({"acceleration_m_s2": [[1], [1, 2], [3]]}, "must be numbers"),
    "nan": ({"acceleration_m_s2": [[1, np.nan]] * 3}, "not finite at 1 of 2 samples, first at 1"),
    "mask": ({"mask": [True, False]}, "mask must be 1000"),
    "numbers": ({"mask": np.ones(1000)}, "mask must be 1000"),
    "nothing left": ({"mask": np.zeros(1000, bool)}, "leaves no sample"),
    "rate": ({"rate_hz": 0.0}, "rate_hz"),
    "gravity": ({"gravity": "yes"}, "gravity must be 'in' or 'out'"),
    "vertical": ({"vertical": 3}, "vertical must be"),
    "clip": ({"clip_m_s2": -1.0}, "clip_m_s2"),
    "time": ({"start_time": "05.02.2027"}, "start_time"),
}


@pytest.mark.parametrize("name", BAD)
def test_contradictions_are_refused(name):
    change, text = BAD[name]
    with pytest.raises(REFUSED, match=None if CHECKED else text):
        record(**change)
    with pytest.raises(REFUSED, match=None if CHECKED else "record 'A7'"):
        record(**change, name="A7")


def test_missing_samples_are_masked():
    samples = noise()
    mask = np.ones(1000, bool)
    mask[100:130] = False
    made = record(samples, mask=mask)
    assert np.isnan(made.acceleration_m_s2[:, 100:130]).all()
    (problem,) = problems(made)
    assert (problem.kind, problem.samples) == ("gap", 30)


@pytest.mark.parametrize(
    "factor, unit", [(1 / 9.80665, "in g it would"), (100, "in Gal it would"), (1e3, "should be")]
)
def test_a_wrong_unit_is_named_by_gravity(factor, unit):
    (problem,) = problems(record(noise() * factor))
    assert problem.kind == "unit"
    assert unit in problem.detail
    with pytest.raises(eqstat.InputError, match="unit: the mean is"):
        features(record(noise() * factor))


def test_a_wrong_unit_is_named_by_the_noise():
    assert kinds(noise(gravity=0.0, level=0.001), "out") == []
    assert kinds(noise(gravity=0.0, level=0.1), "out") == ["unit"]
    assert kinds(noise(gravity=0.0, level=1e-10), "out") == ["unit"]
    assert kinds(noise(gravity=0.0, level=0.001) + 500 * (np.arange(1000) == 3), "out") == ["unit"]
    assert kinds(noise(gravity=0.0), "in") == ["unit"]


def test_a_flat_axis_is_named():
    samples = noise()
    samples[2] = 0.25
    (problem,) = problems(record(samples))
    assert problem.kind == "flat axis" and "axis 2" in problem.detail
    with pytest.raises(eqstat.InputError, match="flat axis"):
        features(record(samples))


def test_clipped_samples_are_named():
    t = np.arange(1000) / RATE
    wave = noise(gravity=0.0) + 12 * np.sin(2 * np.pi * t)
    cut = np.clip(wave, -9, 9) + LIFT
    assert kinds(cut) == ["clipped"]
    assert clipped(record(wave + LIFT)).sum() == 0
    level = record(wave + LIFT, clip_m_s2=19.6)
    share = clipped(level).mean()
    assert 0.05 < share < 0.3
    # Rounded samples of a quiet sensor repeat at the ends of their range.
    assert kinds(np.round(noise(level=0.01), 2)) == []


def test_a_rate_that_drifts_is_named():
    (problem,) = problems(record(nominal_rate_hz=52.0))
    assert problem.kind == "rate drift" and "52 Hz stated" in problem.detail
    assert kinds(rate_drift=0.02) == ["rate drift"]
    assert kinds(nominal_rate_hz=50.1, rate_drift=0.001) == []


def test_what_is_too_short_is_named():
    assert kinds(noise(seconds=1.5)) == ["too short"]
    mask = np.arange(1000) < 60
    assert kinds(mask=mask) == ["too short", "gap"]
