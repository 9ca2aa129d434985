"""Adaptive scores: the present intensity moves the threshold, an earthquake does not."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from eqstat.counts import Background, Intensity
from eqstat.counts.alarm import Scorer, init, score, score_one, scorer, step, threshold

pytestmark = pytest.mark.long

MEAN = 500 * 0.6 / 360


@pytest.fixture(scope="module")
def tables() -> Scorer:
    background = Background(
        "negative_binomial",
        0.6,
        dispersion=0.15,
        dispersion_slope=0.0,
        region_effect=np.zeros(2),
        intensity=Intensity(0.35, 4.0),
        regions=("a", "b"),
    )
    return scorer(background, most_active=600, most_triggers=40)


def after(tables: Scorer, x: np.ndarray, hours: int = 6):
    rng = np.random.default_rng(0)
    state, advance = init(tables), jax.jit(step)
    for _ in range(60 * hours):
        rate = MEAN * np.exp(x) * rng.gamma(1 / 0.15, 0.15, (6, 2))
        total = rng.poisson(rate).sum(axis=0)
        state = advance(tables, state, total, 500.0, 12.5, windows=6)
    return state


def test_thresholds_follow_the_present_intensity(tables: Scorer) -> None:
    state = after(tables, np.array([0.5, -0.5]))
    assert np.asarray(state.mean) == pytest.approx([0.5, -0.5], abs=0.2)
    busy, quiet = (-float(score(tables, 0, 500, 12.5, r, state=state).margin) for r in (0, 1))
    fixed = -float(score(tables, 0, 500, 12.5).margin)
    assert quiet + 2 <= fixed
    assert quiet + 3 <= busy <= fixed + 2
    one = score_one(tables)
    for region, k in ((0, 9), (1, 14)):
        known = (float(state.mean[region]), float(state.variance[region]))
        alone, many = (
            one(k, 500, 12.5, region, state=known),
            score(tables, k, 500, 12.5, region, state=state),
        )
        assert alone.log_tail == pytest.approx(float(many.log_tail), abs=1e-3)
        assert alone.margin == float(many.margin)


def test_windows_tell_the_level_of_a_region() -> None:
    rng = np.random.default_rng(4)
    ones = np.ones(60)
    effect = np.stack([0.01 * rng.normal(size=60), 0.3 * rng.normal(size=60)], axis=1)
    posterior = Background(
        "negative_binomial", 0.6 * ones, daily=np.zeros((60, 4)), weekly=np.zeros((60, 2)),
        region_effect=effect - effect.mean(axis=0), region_sd=0.3 * ones, dispersion=0.15 * ones,
        dispersion_slope=0.0 * ones, intensity=Intensity(0.2 * ones, 4.0 * ones),
        regions=("known", "new"),
    )  # fmt: skip
    tables = scorer(posterior, most_active=600, most_triggers=48)

    def needed(state=None) -> list[float]:
        return [-float(score(tables, 0, 500, 12.5, r, state=state).margin) for r in (0, 1)]

    fixed, begin = needed(), needed(init(tables))
    assert fixed[1] >= fixed[0] + 3
    np.testing.assert_allclose(begin, fixed, atol=1)
    state = after(tables, np.zeros(2))
    told = needed(state)
    assert abs(told[1] - told[0]) <= 1
    assert told[1] <= fixed[1] - 3
    # Where nothing is known for days the level is open again.
    for _ in range(48):
        state = step(tables, state, 0.0, 0.0, 12.5, windows=360)
    np.testing.assert_allclose(state.variance, init(tables).variance, rtol=1e-3)
    np.testing.assert_allclose(state.mean, init(tables).mean, atol=1e-3)


def test_an_earthquake_does_not_raise_the_intensity(tables: Scorer) -> None:
    state = after(tables, np.zeros(2), 2)
    after_it = step(tables, state, np.array([60, 1]), 500.0, 12.5)
    assert abs(float(after_it.mean[0] - state.mean[0])) < 0.01
    # Nothing is known where no device is active: the state relaxes.
    for _ in range(200):
        after_it = step(tables, after_it, 0, 0, 12.5, windows=360)
    assert np.asarray(after_it.variance) == pytest.approx([0.35**2] * 2, rel=1e-3)


def test_without_a_state_scores_are_those_of_the_fixed_threshold(tables: Scorer) -> None:
    background = Background(
        "negative_binomial", 0.6, dispersion=0.15, dispersion_slope=0.0,
        region_effect=np.zeros(2), intensity=Intensity(0.35, 4.0), regions=("a", "b"),
    )  # fmt: skip
    active = np.array([20.0, 50.0, 200.0, 500.0])
    found = threshold(background, active, [3.0, 12.0], kind="plug-in")
    k = found["triggers"].to_numpy()
    region = np.arange(2)[:, None, None]
    hour = np.array([3.0, 12.0])[:, None]
    assert np.all(np.asarray(score(tables, k, active, hour, region).margin) >= 0)
    assert np.all(np.asarray(score(tables, k - 1, active, hour, region).margin) < 0)
    rate = np.asarray(score(tables, k, active, hour, region).false_alarm_rate_per_year)
    assert rate == pytest.approx(found["false_alarm_rate_per_year"].to_numpy(), rel=0.05)
    # It is dearer than without the slow intensity.
    plain = Background(
        "negative_binomial", 0.6, dispersion=0.15, dispersion_slope=0.0,
        region_effect=np.zeros(2), regions=("a", "b"),
    )  # fmt: skip
    cheap = threshold(plain, active, [3.0, 12.0], kind="plug-in")["triggers"].to_numpy()
    assert np.all(k >= cheap)
    assert np.all(k[..., 3] >= cheap[..., 3] + 2)
