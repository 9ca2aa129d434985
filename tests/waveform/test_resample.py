"""Resampling without aliases, parts and windows."""

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pandas as pd
import pytest

import eqstat
from eqstat.waveform import Record, cut, features, random_windows, resample, windows


def record(samples, rate, **options):
    return Record(
        **{"acceleration_m_s2": samples, "rate_hz": rate, "gravity": "out",
           "start_time": "2027-01-15T08:00Z"} | options
    )  # fmt: skip


def tone(frequency, rate, seconds=20.0):
    t = np.arange(int(seconds * rate)) / rate
    return np.cos(2 * np.pi * frequency * t) * np.array([[1.0], [0.5], [-2.0]]) + 3.0


@hypothesis.given(st.floats(20.0, 120.0), st.floats(15.0, 120.0), st.floats(0.02, 0.8))
@hypothesis.settings(max_examples=12)
def test_tones_that_both_rates_hold_stay(old, new, share):
    frequency = share * 0.5 * min(old, new)
    made = resample(record(tone(frequency, old), old), new)
    t = np.arange(made.mask.size) / new
    expected = np.cos(2 * np.pi * frequency * t)
    inner = (t > 3) & (t < 17)
    last = (int(20 * old) - 1) / old
    assert made.rate_hz == new and t[-1] <= last + 1e-9 < t[-1] + 1 / new + 2e-9
    np.testing.assert_allclose(made.acceleration_m_s2[0, inner] - 3.0, expected[inner], atol=2e-3)


@pytest.mark.parametrize("frequency", [13.0, 20.0, 37.0])
def test_tones_that_the_new_rate_cannot_hold_go(frequency):
    made = resample(record(tone(frequency, 100.0), 100.0), 25.0)
    inner = made.acceleration_m_s2[0, 75:-75] - 3.0
    assert np.abs(inner).max() < 2e-3
    # Taking every fourth sample leaves all of it.
    assert np.abs(tone(frequency, 100.0)[0, 300:-300:4] - 3.0).max() > 0.5


def test_a_level_stays_up_to_the_ends_and_beside_gaps():
    mask = np.ones(500, bool)
    mask[200:260] = False
    made = resample(record(np.full((3, 500), 9.8), 50.0, mask=mask), 31.25)
    np.testing.assert_allclose(made.acceleration_m_s2[:, made.mask], 9.8, rtol=1e-12)
    assert (~made.mask).sum() == pytest.approx(60 * 31.25 / 50, abs=2)
    assert made.start_time == pd.Timestamp("2027-01-15T08:00Z")


@pytest.mark.slow
def test_features_of_a_resampled_record_are_those_of_the_motion():
    rng = np.random.default_rng(0)
    t = np.arange(6000) / 200
    wave = sum(rng.normal(size=(3, 1)) * np.sin(2 * np.pi * f * t + f) for f in (1.1, 2.3, 4.7))
    names = ["iqr_m_s2", "cav_m_s", "peak_m_s2", "dominant_period_s", "duration_s"]
    fine, coarse = (
        features(one)[names].iloc[3:-3].median()
        for one in (record(0.02 * wave, 200.0), resample(record(0.02 * wave, 200.0), 50.0))
    )
    np.testing.assert_allclose(coarse, fine, rtol=0.03)


def test_parts():
    whole = record(np.arange(1500.0).reshape(3, 500), 50.0, trigger_s=3.0, name="a")
    part = cut(whole, 2.0, 4.0)
    assert part.acceleration_m_s2[0, 0] == 100 and part.mask.size == 200
    assert (part.trigger_s, part.name) == (1.0, "a")
    for start, length in ((8.0, 4.0), (0.0, 0.001)):
        with pytest.raises(eqstat.InputError, match="do not lie in 10 s"):
            cut(whole, start, length)


@pytest.mark.slow
def test_windows_are_those_of_the_features():
    whole = record(np.random.default_rng(0).normal(0, 0.01, (3, 777)), 31.25)
    made, table = windows(whole), features(whole)
    np.testing.assert_allclose(made.time_s, table["time_s"])
    moved = made.samples - made.samples.mean(axis=2, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1).max(axis=1), table["peak_m_s2"])
    with pytest.raises(eqstat.InputError, match="none of 30 s fits"):
        windows(whole, window_s=30.0)


def test_random_windows_are_everywhere():
    whole = record(np.arange(900.0).reshape(3, 300), 50.0)
    made = random_windows(jax.random.key(0), whole, 2000)
    starts = made.samples[:, 0, 0]
    assert set(starts) == set(range(201))
    np.testing.assert_allclose(made.time_s, (starts + 100) / 50)
    again = random_windows(jax.random.key(0), whole, 2000)
    np.testing.assert_array_equal(again.samples, made.samples)
    with pytest.raises(eqstat.InputError, match="key must be"):
        random_windows(3, whole, 2)
