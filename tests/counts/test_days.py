"""Effects of single days on all regions: recovery, none where regions differ alone, draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from eqstat.counts._intensity._days import Days, Ratios, _log_density, learn_days, ratios_of_days

BLOCK_S, DAYS, REGIONS, SD, CORRELATION_H = 300.0, 56, 12, 0.3, 4.0
MONDAY_S = 1767571200  # 2026-01-05
PER_DAY = 288
EXPECTED = 25.0


def residuals(seed: int, lively: float, *, sd: float = SD, offset_h: int = 0) -> Ratios:
    """Ratios of a world in which every other Wednesday evening is lively everywhere."""
    rng = np.random.default_rng(seed)
    steps = DAYS * PER_DAY
    keep = np.exp(-BLOCK_S / 3600 / CORRELATION_H)
    noise = rng.standard_normal((REGIONS, steps)) * sd * np.sqrt(1 - keep**2)
    slow = lfilter([1.0], [1.0, -keep], noise, axis=1) - 0.5 * sd**2
    hour = (np.arange(steps) + 0.5) / 12
    day = hour // 24
    effect = lively * (day % 14 == 9) * (hour % 24 >= 19) * (hour % 24 < 23)
    mean = EXPECTED * np.exp(slow + effect)
    total = rng.poisson(mean)
    expected = np.full(total.shape, EXPECTED)
    region = np.repeat(np.arange(REGIONS), steps)
    seconds = np.tile(MONDAY_S + BLOCK_S * np.arange(steps) - 3600.0 * offset_h, REGIONS)
    local = np.tile(hour % 168, REGIONS)
    zero = np.zeros(total.size)
    return ratios_of_days(region, seconds, local, total.ravel(), expected.ravel(), zero, sd)


def test_lively_days_are_found_and_are_those_of_the_calendar() -> None:
    # Local time ahead of UTC: a local day begins on the day before.
    for offset_h in (-9, 0, 13):
        ratios = residuals(0, 0.6, sd=0.1, offset_h=offset_h)
        days = learn_days(ratios, 0.1, CORRELATION_H)
        assert days is not None
        evening = days.effect[:, 40:44].mean(axis=1)
        lively = np.arange(DAYS) % 14 == 9
        # The mean over all days is left to the profile.
        assert evening[lively].mean() - evening[~lively].mean() == pytest.approx(0.6, abs=0.1)
        assert evening[lively].min() > evening[~lively].max()
        assert np.all(days.number[lively] % 7 == 2)
        at = days.at(
            np.array([MONDAY_S + 9 * 86400 + 20.1 * 3600 - 3600 * offset_h]), np.array([68.1])
        )
        assert at == days.effect[9, 40]
        assert days.at(np.array([MONDAY_S - 86400.0 * 30]), np.array([120.0])) == 0


@pytest.mark.slow
def test_regions_that_vary_alone_are_no_days() -> None:
    found = [learn_days(residuals(seed, 0.0), SD, CORRELATION_H) for seed in range(10)]
    assert sum(one is not None for one in found) <= 1
    # One region cannot tell a day from its own intensity; few days cannot either.
    ratios = residuals(1, 0.6)
    assert learn_days(Ratios(*(part[:10] for part in ratios)), SD, CORRELATION_H) is None


def test_the_likelihood_is_that_of_a_normal_vector() -> None:
    rng = np.random.default_rng(1)
    counting = np.where(np.arange(48) < 30, 0.01, np.inf)[None]
    ratios = Ratios(0.1 * rng.normal(size=(1, 48)), counting, np.array([0.2]), np.array([0]))
    apart = np.abs(np.subtract.outer(np.arange(48), np.arange(48)))
    signal, shared = 0.02 * np.exp(-apart / 4), 0.05 * np.exp(-apart / 8)
    full = (signal + 0.2 * shared)[:30, :30] + 0.01 * np.eye(30)
    exact = stats.multivariate_normal(np.zeros(30), full).logpdf(ratios.log_ratio[0, :30])
    found = _log_density(ratios, 0, signal, shared)
    assert found - 15 * np.log(2 * np.pi) == pytest.approx(exact)


def test_future_days_are_those_of_the_same_day_of_the_week_or_one_more_of_any() -> None:
    number = np.arange(7 * 9)
    # The effect of day d is its number, so that a draw tells which day it is.
    mean = np.repeat(number[:, None], 48, axis=1).astype(float)[:, None]
    days = Days(mean, np.ones((63, 1)), np.zeros((1, 48, 48)), number)
    drawn = days.draw(np.random.default_rng(0), 200).reshape(200, 7, 48)
    assert np.array_equal(drawn, np.repeat(drawn[..., :1], 48, axis=2))
    for day in range(7):
        chosen = np.bincount(drawn[:, day, 0].astype(int), minlength=63)
        own = chosen[day::7]
        assert chosen.sum() == 200
        # Nine parts of ten are of the nine weeks, each alike; one is of all days.
        assert own.min() >= 20 and own.max() <= 21
        assert 14 <= chosen.sum() - own.sum() <= 20
