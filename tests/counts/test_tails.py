"""Learned tails and surges: identities, recovery from simulated blocks, and their use."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat.counts import Background, Intensity, load, log_tail, save
from eqstat.counts._blocks import Blocks
from eqstat.counts._intensity._largest import transforms
from eqstat.counts._intensity._learn_tail import learn_tail
from eqstat.counts._intensity._parameters import log_surge, nodes_of
from eqstat.counts._intensity._surges import blocks_of_a_surge, learn_surges
from eqstat.counts._intensity._tail import Tail, Tails, inflate_log
from eqstat.counts.alarm import score, score_one, scorer, threshold
from eqstat.counts.alarm._draws import draws_of
from eqstat.counts.alarm._rate_table import with_surges
from eqstat.counts.alarm._shapes import cell_table

BACKGROUND = Background("negative_binomial", 0.6, dispersion=0.15, dispersion_slope=0.0)
HEAVY = Tail(level=5.0, log_ratio=0.3, scale=1.4, shape=0.1, log_block_h=-2.5, log_sliding=2.0)


def test_deflating_inverts_inflating() -> None:
    rates = np.linspace(-40.0, 5.0, 200)
    for tail in (HEAVY, replace(HEAVY, shape=0.0), replace(HEAVY, log_ratio=-0.3), Tail()):
        inflated = tail.inflate(rates)
        assert np.all(inflated >= rates - 1e-12)
        assert np.all(np.diff(inflated) >= -1e-12)
        np.testing.assert_allclose(tail.inflate(tail.deflate(inflated)), inflated, atol=1e-9)
        one = tail.inflater()
        np.testing.assert_allclose([one(float(r)) for r in rates], inflated, atol=1e-9)
        in_jax = inflate_log(jnp.asarray(rates, jnp.float32), tail.values, jnp)
        np.testing.assert_allclose(in_jax, inflated, atol=2e-5)
    np.testing.assert_allclose(Tail().inflate(rates), rates, atol=1e-9)


def blocks_of(
    rng: np.random.Generator, heavy: float, count: int = 60_000
) -> tuple[Blocks, np.ndarray]:
    """Blocks of 30 windows; in a share `heavy` of them one window has two to five times as many."""
    mean = np.exp(rng.normal(0.0, 0.3, count)).round(1) + 0.1
    counts = rng.poisson(mean[:, None] * rng.gamma(1 / 0.15, 0.15, (count, 30)))
    far = rng.random(count) < heavy
    counts[far, 0] = rng.poisson(mean[far] * rng.uniform(2.0, 5.0, far.sum()))
    ones = np.ones(count)
    blocks = Blocks(
        np.zeros(count, np.int32), np.arange(count), 12 * ones, 30 * ones,
        counts.sum(axis=1) * ones, 500 * 30 * ones, counts.max(axis=1) * ones, 500 * ones, 300.0,
    )  # fmt: skip
    return blocks, np.log(mean)


@pytest.mark.long
def test_the_largest_count_of_a_block_has_its_exact_tail() -> None:
    rng = np.random.default_rng(0)
    intensity = Intensity(0.3, 4.0, 0.05, 0.4)
    background = replace(BACKGROUND, intensity=intensity)
    size = log_surge(rng.exponential(0.4, 200_000))
    surge = np.where(rng.random(200_000) < 0.05, size, 0.0)
    x = rng.normal(0.0, 0.3, 200_000) + surge
    largest = rng.poisson(0.8 * np.exp(x)[:, None] * rng.gamma(1 / 0.15, 0.15, (200_000, 30))).max(
        axis=1
    )
    one = np.ones(1)
    e = transforms(background, np.log(0.8) * one, 0.09 * one, 500.0, 30.0)[0]
    for k in range(3, 12):
        assert -np.log(np.mean(largest >= k)) == pytest.approx(e[k], abs=0.12)


@pytest.mark.slow
def test_a_right_tail_is_left_as_it_is_and_a_heavy_one_is_learned() -> None:
    rng = np.random.default_rng(2)
    zero = np.zeros(60_000)
    blocks, log_mean = blocks_of(rng, 0.0)
    right = learn_tail(BACKGROUND, blocks, log_mean, zero, zero)
    assert (right.log_ratio, right.scale, right.shape) == (0.0, 1.0, 0.0)
    blocks, log_mean = blocks_of(rng, 0.01)
    heavy = learn_tail(BACKGROUND, blocks, log_mean, zero, zero)
    assert float(heavy.inflate(np.log(1e-6))) > np.log(1e-6) + 0.1
    # Too few blocks teach nothing.
    few = replace(blocks.take(np.arange(100)))
    assert learn_tail(BACKGROUND, few, log_mean[:100], zero[:100], zero[:100]).scale == 1.0


def test_surges_are_recovered_and_absent_where_there_are_none() -> None:
    rng = np.random.default_rng(3)
    count, expected = 60_000, np.full(60_000, 25.0)
    size = np.full(count, 30 / 0.15)
    slow = rng.normal(0.0, 0.1, count)
    zero, variance = np.zeros(count), np.full(count, 0.01)
    surge = np.where(rng.random(count) < 0.02, log_surge(rng.exponential(0.3, count)), 0.0)

    def sums(x: np.ndarray) -> np.ndarray:
        return rng.poisson(expected * np.exp(x) * rng.gamma(size, 1 / size)).astype(float)

    number = np.arange(count)
    found = learn_surges(sums(slow + surge), expected, size, zero, variance, number)
    assert found is not None
    assert 1 / (1 + np.exp(-found.estimate[0])) == pytest.approx(0.02, rel=0.3)
    assert np.exp(found.estimate[1]) == pytest.approx(0.3, rel=0.2)
    assert np.corrcoef(found.size, surge)[0, 1] > 0.7
    assert learn_surges(sums(slow), expected, size, zero, variance, number) is None


def test_neighbouring_blocks_are_of_one_surge() -> None:
    probability = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    number = np.array([0, 1, 2, 3, 4, 5])
    assert blocks_of_a_surge(probability, number) == pytest.approx(2.0)
    # Neither a gap nor the order of the blocks matters.
    assert blocks_of_a_surge(probability, np.array([0, 1, 3, 4, 5, 7])) == pytest.approx(4 / 3)
    assert blocks_of_a_surge(probability[::-1], number[::-1]) == pytest.approx(2.0)
    assert blocks_of_a_surge(probability, 2 * number) == 1.0


@pytest.mark.slow
def test_surges_are_averaged_over() -> None:
    factors, logs = nodes_of(np.asarray(0.3), 0.05, 0.2)
    assert np.exp(logs).sum() == pytest.approx(1.0)
    mean = np.exp(logs + factors).sum()
    assert mean == pytest.approx(0.95 + 0.05 * (1 + 0.5 / (1 - 0.2)), rel=1e-3)
    background = replace(BACKGROUND, intensity=Intensity(0.2, 4.0, 0.05, 0.3))
    x = np.linspace(-3.0, 6.0, 9001)
    g = np.linspace(0.0, 6.0, 3001)
    slow = stats.norm.pdf(x[:, None] - log_surge(g), -0.02, 0.2) @ (
        stats.expon.pdf(g, scale=0.3) * (g[1] - g[0])
    )
    density = 0.95 * stats.norm.pdf(x, -0.02, 0.2) + 0.05 * slow
    for k in (4, 9, 14):
        tail = np.sum(density * stats.nbinom.sf(k - 1, 1 / 0.15, 1 / (1 + 0.15 * np.exp(x)))) * (
            x[1] - x[0]
        )
        with jax.enable_x64(True):
            assert float(log_tail(background, k, 1e5, 1.0)) == pytest.approx(np.log(tail), abs=0.05)
    nodes = 0.2 * np.arange(60)
    table = np.log(stats.norm.sf(12.0 - nodes))[None, :, None]
    one = with_surges(table, 0.05, 0.3)[0, 30, 0]
    exact = 0.95 * stats.norm.sf(6.0) + 0.05 * np.sum(
        stats.norm.sf(6.0 - log_surge(g)) * stats.expon.pdf(g, scale=0.3)
    ) * (g[1] - g[0])
    assert one == pytest.approx(np.log(exact), abs=0.1)


@pytest.mark.parametrize("mean", [0.3, 3.0])
def test_tables_end_where_every_level_is_an_alarm(mean: float) -> None:
    # Surges of a mean of 3 reach beyond every table, whose last node then stands for them.
    background = replace(BACKGROUND, intensity=Intensity(0.2, 4.0, 1e-7, mean))
    active = np.array([60.0, 500.0])
    found = threshold(background, active, 12.0, kind="plug-in")
    draws, log_rate = draws_of(background), np.log(0.6) * np.ones((1, 1))
    for n, k, rate in zip(
        active,
        found["triggers"].to_numpy().ravel(),
        found["false_alarm_rate_per_year"].to_numpy().ravel(),
        strict=True,
    ):
        exact = np.exp(cell_table(background, draws, n, log_rate, int(k))[0, -1]) * 8766
        assert rate == pytest.approx(exact, rel=0.1)


@pytest.mark.slow
def test_tails_raise_thresholds_and_scores_alike(tmp_path) -> None:
    tails = Tails(HEAVY, HEAVY)
    plain = replace(BACKGROUND, intensity=Intensity(0.2, 4.0))
    heavy = replace(plain, tails=tails)
    active, hours = np.array([50.0, 500.0]), [3.0, 12.0]
    low, high = (
        threshold(b, active, hours, kind="plug-in")["triggers"].to_numpy() for b in (plain, heavy)
    )
    assert np.all(high >= low + 1)
    tables = scorer(heavy, most_active=600, most_triggers=64)
    hour = np.array(hours)[:, None]
    assert np.all(np.asarray(score(tables, high[0], active, hour).margin) == 0)
    rate = np.asarray(score(tables, high[0], active, hour).false_alarm_rate_per_year)
    assert np.all((rate <= 1.02) & (rate > 0.05))
    one = score_one(tables)(int(high[0, 1, 1]), 500, 12.0)
    assert one.margin == 0
    assert one.log_tail == pytest.approx(
        float(score(tables, high[0, 1, 1], 500, 12.0).log_tail), abs=1e-3
    )
    save(heavy, tmp_path / "b.json")
    assert load(tmp_path / "b.json").tails == tails


@pytest.mark.slow
def test_an_unknown_shift_of_the_clock_is_marginalised_over() -> None:
    profile = np.zeros(336)
    profile.reshape(7, 48)[:, 16] = profile.reshape(7, 48)[:, 17] = 1.0  # from 8 to 9
    known = replace(BACKGROUND, profile=profile)
    unknown = replace(known, clock_shift_h=1.0)
    at = [
        threshold(b, 500.0, np.arange(24) + 0.5, kind="plug-in")["triggers"].to_numpy()[0]
        for b in (known, unknown)
    ]
    assert np.all(at[1][[7, 9]] >= at[0][[7, 9]] + 2)
    assert at[1][8] <= at[0][8]
    np.testing.assert_array_equal(at[0][12:], at[1][12:])
    tables = scorer(unknown, most_active=600, most_triggers=64)
    found = score(tables, at[1], 500.0, np.arange(24) + 0.5).margin
    assert np.all(np.asarray(found) == 0)
