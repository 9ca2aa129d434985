"""Speed of `eqstat.counts`: scores and fit against SciPy in the same run: `make bench`.

Required: a million scores take 0.1 s on one core once compiled and no
longer than SciPy's negative-binomial tail; one score 30 us; NUTS on 90 days of 50 regions two
minutes. The fit of 10^8 windows has a script of its own, `check_counts_scale.py`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat.counts import Background, Design, History, combine, fit, prepare, simulate
from eqstat.counts.alarm import Scorer, score, score_one, scorer

SCORES = 10**6
REGIONS = 50


@pytest.fixture(scope="module")
def background() -> Background:
    rng = np.random.default_rng(1)
    return Background(
        "negative_binomial",
        0.5,
        daily=np.array([0.4, 0.2, 0.1, 0.0]),
        weekly=np.array([0.05, 0.05]),
        region_effect=rng.normal(0.0, 0.3, REGIONS),
        region_sd=0.3,
        dispersion=0.2,
        dispersion_slope=0.2,
        regions=tuple(f"region {i:02d}" for i in range(REGIONS)),
    )


@pytest.fixture(scope="module")
def made(background: Background) -> Scorer:
    return scorer(background)


@pytest.fixture(scope="module")
def asked() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(2)
    active = np.round(np.exp(rng.uniform(2, 9, SCORES)))
    triggers = np.minimum(rng.integers(0, 40, SCORES), active)
    return triggers, active, rng.uniform(0, 24, SCORES), rng.integers(0, REGIONS, SCORES)


@pytest.mark.benchmark(group="a million scores")
def test_score(benchmark, made: Scorer, asked: tuple[np.ndarray, ...]) -> None:
    compiled = jax.jit(score)
    arrays = [jnp.asarray(column) for column in asked]
    benchmark.pedantic(
        lambda: jax.block_until_ready(compiled(made, *arrays)), rounds=15, warmup_rounds=2
    )


@pytest.mark.benchmark(group="a million scores")
def test_scipy_tail_alone(benchmark, asked: tuple[np.ndarray, ...]) -> None:
    """SciPy gives the tail of one window, not the alarm rate nor the threshold."""
    triggers, active, _, _ = asked
    mean = active * 0.5 * 10 / 3600
    benchmark.pedantic(lambda: stats.nbinom.logsf(triggers - 1, 5.0, 5.0 / (5.0 + mean)), rounds=5)


@pytest.mark.benchmark(group="one score")
def test_score_one(benchmark, made: Scorer) -> None:
    ask = score_one(made)
    benchmark(ask, 12, 500, 3.5, 7)


@pytest.mark.benchmark(group="one score")
def test_score_compiled_scalar(benchmark, made: Scorer) -> None:
    compiled = jax.jit(score)
    numbers = np.float32(12), np.float32(500), np.float32(3.5), np.int32(7)
    benchmark(lambda: jax.block_until_ready(compiled(made, *numbers)))


@pytest.mark.benchmark(group="one score")
def test_scipy_scalar(benchmark) -> None:
    benchmark(stats.nbinom.logsf, 11, 5.0, 0.9)


@pytest.mark.benchmark(group="39 million windows, fitted once compiled")
def test_fit(benchmark, background: Background) -> None:
    active = np.random.default_rng(3).choice([60.0, 150.0, 400.0, 1000.0], REGIONS)
    history = simulate(jax.random.key(0), background, Design(active=active, days=90))
    benchmark.extra_info["windows"] = history.total_windows
    benchmark.pedantic(lambda: fit(history), rounds=2, warmup_rounds=1)


def in_order(number: int, rng: np.random.Generator) -> History:
    """60 days of windows of 10 s of one region, in their order, with rare bursts."""
    windows = 60 * 8640
    active = round(60 * 20 ** (number / 19))
    lifted = rng.gamma(1 / 0.15, 0.15, windows)
    burst = (rng.uniform(size=windows) < 2e-5) * rng.binomial(active, 0.05, windows)
    table = pd.DataFrame(
        {
            "time": pd.date_range("2026-01-05", periods=windows, freq="10s", tz="UTC"),
            "triggers": np.minimum(rng.poisson(active * lifted / 600) + burst, active),
            "active": active,
            "region": f"r{number}",
            "window_s": 10.0,
        }
    )
    return prepare(table, time_zone="UTC")


@pytest.mark.parametrize("bursts", [False, True])
@pytest.mark.benchmark(group="60 days of 20 regions in their order, fitted once compiled")
def test_fit_in_order(benchmark, bursts: bool) -> None:
    rng = np.random.default_rng(4)
    history = combine([in_order(number, rng) for number in range(20)])
    benchmark.extra_info["windows"] = history.total_windows
    benchmark.pedantic(lambda: fit(history, bursts=bursts), rounds=1, warmup_rounds=1)
