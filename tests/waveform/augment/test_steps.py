"""Steps that make a record like a phone's, each by itself and in turn."""

import os
from functools import partial

import jax
import jaxtyping
import numpy as np
import pytest

import eqstat
from eqstat.waveform import Record, problems
from eqstat.waveform.augment import (
    PHONE,
    add_gravity,
    add_noise,
    change_rate,
    clip,
    phone_like,
    quantise,
    rotate,
    simulate_noise,
)

# Where the types of arguments are checked, too, a wrong type is found before the value is.
CHECKED = os.environ.get("EQSTAT_CHECK_TYPES", "0") not in ("", "0")
REFUSED = (eqstat.InputError, jaxtyping.TypeCheckError) if CHECKED else eqstat.InputError
KEY = jax.random.key(0)


def record(seconds=20, level=0.5, rate=100.0, seed=0, **options):
    samples = np.random.default_rng(seed).normal(0, level, (3, int(seconds * rate)))
    return Record(
        **{"acceleration_m_s2": samples, "rate_hz": rate, "gravity": "out", "start_time": None}
        | options
    )


def rms(one):
    moved = one.acceleration_m_s2 - one.acceleration_m_s2.mean(axis=1, keepdims=True)
    return np.sqrt((moved**2).sum(axis=0).mean())


def test_gravity_stands_on_the_vertical():
    made = add_gravity(KEY, record(vertical=1))
    np.testing.assert_allclose(made.acceleration_m_s2.mean(axis=1), [0, 9.80665, 0], atol=0.05)
    unknown = add_gravity(KEY, record())
    assert np.linalg.norm(unknown.acceleration_m_s2.mean(axis=1)) == pytest.approx(9.8, abs=0.1)
    with pytest.raises(eqstat.InputError, match="has gravity already"):
        add_gravity(KEY, made)


def test_orientations_are_all_alike():
    axes = Record(acceleration_m_s2=np.eye(3), rate_hz=1.0, start_time=None, gravity="out",
                  vertical=2)  # fmt: skip
    turns = np.stack(
        [rotate(jax.random.fold_in(KEY, i), axes).acceleration_m_s2 for i in range(400)]
    )
    np.testing.assert_allclose(np.linalg.det(turns), 1.0)
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.eye(3) + 0 * turns, atol=1e-12)
    assert np.abs(turns.mean(axis=0)).max() < 0.12
    np.testing.assert_allclose((turns**2).mean(axis=0), 1 / 3, atol=0.06)
    assert rotate(KEY, axes).vertical is None


def test_rates_differ_between_devices():
    rates = [
        change_rate(jax.random.fold_in(KEY, i), record(2), rate_hz=50.0, jitter=0.02).rate_hz
        for i in range(60)
    ]
    assert np.std(rates) == pytest.approx(1.0, rel=0.4) and np.mean(rates) == pytest.approx(
        50, 0.01
    )


def test_simulated_noise_has_its_level():
    still = record(level=0.0)
    levels = [
        rms(simulate_noise(jax.random.fold_in(KEY, i), still)) / np.sqrt(3) for i in range(100)
    ]
    assert np.median(levels) == pytest.approx(0.006, rel=0.25)
    assert np.std(np.log(levels)) == pytest.approx(0.5, rel=0.25)


def test_real_noise_is_a_piece_of_the_noise():
    phone = record(level=0.01, seed=1, gravity="in")
    made = add_noise(KEY, record(5, level=0.0), noise=[phone])
    moved = phone.acceleration_m_s2 - phone.acceleration_m_s2.mean(axis=1, keepdims=True)
    at = np.flatnonzero(np.isclose(moved[0], made.acceleration_m_s2[0, 0], atol=1e-15))
    assert at.size == 1
    np.testing.assert_allclose(made.acceleration_m_s2, moved[:, at[0] : at[0] + 500])
    long = add_noise(KEY, record(60, level=0.0), noise=[phone])
    assert rms(long) == pytest.approx(rms(phone), rel=0.05)
    other = add_noise(KEY, record(20, level=0.0, rate=50.0), noise=[phone])
    assert 0.5 * rms(phone) < rms(other) < rms(phone)
    with pytest.raises(eqstat.InputError, match="noise must be records"):
        add_noise(KEY, phone, noise=[])
    holes = record(mask=np.arange(2000) > 5)
    with pytest.raises(eqstat.InputError, match="has gaps"):
        add_noise(KEY, phone, noise=[holes])


def test_clipped_and_rounded():
    made = clip(KEY, record(level=10.0))
    assert np.abs(made.acceleration_m_s2).max() == pytest.approx(19.6133)
    assert [one.kind for one in problems(made)] == ["clipped", "unit"][::-1]
    steps = quantise(KEY, record(), step_m_s2=0.1).acceleration_m_s2 / 0.1
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)


def test_a_phone_has_the_motion_of_the_station():
    station = record(30, vertical=2, mask=np.arange(3000) > 500)
    made = phone_like(KEY, station)
    assert made.gravity == "in" and made.vertical is None and made.clip_m_s2 is not None
    assert problems(made) == [] or {one.kind for one in problems(made)} == {"gap"}
    # White noise loses what lies above the new rate's Nyquist frequency.
    kept = made.acceleration_m_s2[:, made.mask]
    lost = np.sqrt(0.9 * made.rate_hz / 100.0)
    assert np.sqrt(kept.var(axis=1).sum()) == pytest.approx(lost * np.sqrt(0.75), rel=0.05)
    again, other = phone_like(KEY, station), phone_like(jax.random.key(1), station)
    np.testing.assert_array_equal(again.acceleration_m_s2, made.acceleration_m_s2)
    assert other.rate_hz != made.rate_hz


def test_steps_can_be_replaced():
    still = record(level=0.0, vertical=0)
    steps = (add_gravity, partial(quantise, step_m_s2=5.0))
    np.testing.assert_array_equal(
        phone_like(KEY, still, steps=steps).acceleration_m_s2[:, 0], [10.0, 0.0, 0.0]
    )
    assert phone_like(KEY, still, steps=()) is still and len(PHONE) == 6
    with pytest.raises(REFUSED, match=None if CHECKED else "step 0 gave a int"):
        phone_like(KEY, still, steps=(lambda key, one: 3,))
    with pytest.raises(REFUSED, match=None if CHECKED else "key must be"):
        phone_like(3, still)
