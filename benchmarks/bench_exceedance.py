"""Speed of `eqstat.exceedance` and `eqstat.ground_motion`: `make bench`.

Required, on one core: 10,000 sites of 5 components and one threshold take at
most 1 ms compiled, in single precision, and half the time of vectorised NumPy and SciPy in the same
run; 10,000 sites of 256 draws of the source take at most 100 ms. pygmm evaluates one event and site
after the other; its time for a few sites is scaled up beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import special

from eqstat.exceedance import Sources, _kernel, shaking
from eqstat.ground_motion import Design, GroundMotion, PointSource, simulate
from eqstat.ground_motion.mixture import Mixture, exceedance
from eqstat.ground_motion.network import fit_network

SITES, COMPONENTS, DRAWS = 10_000, 5, 256
LOG_U = np.float32(np.log10(0.49))


def best_ms(function: Callable[[], Any], rounds: int = 30) -> float:
    """Least time of some rounds, ms."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


@pytest.fixture(scope="module")
def mixtures() -> Mixture:
    rng = np.random.default_rng(0)
    shape = (SITES, COMPONENTS)
    rows = rng.normal(size=shape), rng.normal(-1, 0.5, shape), rng.uniform(0.1, 0.5, shape)
    logits, mean, scale = (jnp.asarray(row, jnp.float32) for row in rows)
    return Mixture(jax.nn.log_softmax(logits), mean, scale)


@pytest.mark.benchmark(group="P(PGA > u), 10,000 sites, 5 components, one threshold")
def test_mixture(benchmark, mixtures: Mixture) -> None:
    compiled = jax.jit(exceedance)

    def own() -> Any:
        return jax.block_until_ready(compiled(mixtures, LOG_U))

    own()
    benchmark.pedantic(own, rounds=200, warmup_rounds=5)
    weight, mean, scale = (
        np.asarray(row, np.float64)
        for row in (jnp.exp(mixtures.log_weight), mixtures.mean, mixtures.scale)
    )
    single = [row.astype(np.float32) for row in (weight, mean, scale)]

    def plain(weight: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return (weight * special.ndtr((mean - LOG_U) / scale)).sum(-1)

    np.testing.assert_allclose(own(), plain(weight, mean, scale), atol=1e-5)
    ours = best_ms(own, 200)
    info = benchmark.extra_info
    info["numpy_float64_ratio"] = round(best_ms(lambda: plain(weight, mean, scale)) / ours, 2)
    info["numpy_float32_ratio"] = round(best_ms(lambda: plain(*single)) / ours, 2)
    assert ours < 1.0


@pytest.fixture(scope="module")
def source() -> Sources:
    rng = np.random.default_rng(1)
    return Sources(
        46 + rng.normal(0, 0.1, DRAWS),
        7 + rng.normal(0, 0.1, DRAWS),
        rng.uniform(5, 20, DRAWS),
        rng.normal(6, 0.3, DRAWS),
        rng.normal(0, 1, DRAWS),
    )


@pytest.fixture(scope="module")
def sites() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {"latitude": rng.uniform(45, 47, SITES), "longitude": rng.uniform(6, 8, SITES)}
    )


@pytest.mark.benchmark(group="P(PGA > u), 10,000 sites, 256 draws of the source")
def test_posterior(benchmark, source: Sources, sites: pd.DataFrame) -> None:
    model, frame = PointSource(), source.frame
    place = _kernel.positions(frame, source.latitude, source.longitude, source.depth_km)
    rows = place, source.depth_km, source.magnitude, np.full(DRAWS, -np.log(DRAWS))
    drawn = _kernel.SourceDraws(*(jnp.asarray(row, jnp.float32) for row in rows))
    at = _kernel.positions(frame, sites["latitude"], sites["longitude"], np.zeros(SITES))
    given = (jnp.asarray(at, jnp.float32), jnp.full(SITES, jnp.nan, jnp.float32))
    threshold = jnp.array([LOG_U])

    def own() -> Any:
        return jax.block_until_ready(_kernel.exceedances(model, drawn, *given, threshold))

    own()
    benchmark.pedantic(own, rounds=30, warmup_rounds=2)
    h2 = (5.0 * np.exp(0.53 * (source.magnitude - 6.0))) ** 2
    sd = np.sqrt(0.39**2 + 0.39**2 + 0.552**2)

    def plain() -> np.ndarray:
        away2 = np.sum((at[:, None] - place[None]) ** 2, axis=-1) + 0.01
        natural = 3.87 + 1.12 * source.magnitude - 0.915 * np.log(away2 + h2)
        return special.ndtr((natural - np.log(49.0)) / sd).mean(axis=1)

    np.testing.assert_allclose(own()[:, 0], plain(), atol=1e-4)
    ours = best_ms(own, 15)
    benchmark.extra_info["numpy_float64_ratio"] = round(best_ms(plain, 5) / ours, 1)
    assert ours < 100.0


@pytest.mark.benchmark(group="the whole forecast: probability, quantiles, lead times; 10,000 sites")
def test_forecast(benchmark, source: Sources, sites: pd.DataFrame) -> None:
    model = PointSource()
    benchmark.pedantic(
        lambda: shaking(model, source, sites, 0.49, now_s=5.0), rounds=5, warmup_rounds=1
    )


@pytest.mark.benchmark(group="a ground-motion model, 10,000 sites")
def test_against_pygmm(benchmark) -> None:
    pygmm = pytest.importorskip("pygmm")
    model = jax.jit(PointSource())
    away = jnp.linspace(5.0, 200.0, SITES)
    same = jnp.ones(SITES)

    def own() -> Any:
        return jax.block_until_ready(model(6 * same, away, 10 * same, jnp.nan * same))

    own()
    benchmark.pedantic(own, rounds=100, warmup_rounds=3)
    few = np.asarray(away[:: SITES // 50], float)

    def theirs() -> list[Any]:
        made = (pygmm.Scenario(mag=6.0, dist_jb=d, v_s30=760.0, mechanism="SS") for d in few)
        return [pygmm.BooreStewartSeyhanAtkinson2014(each).pga for each in made]

    each = best_ms(theirs, 3) / few.size
    benchmark.extra_info["pygmm_ratio"] = round(each * SITES / best_ms(own))


@pytest.mark.benchmark(group="an ensemble of 8 networks, 48 events, 2,500 records")
def test_training(benchmark) -> None:
    """Including compilation; required: 3 minutes."""
    table = simulate(jax.random.key(0), GroundMotion(), Design(events=48, stations=70)).table

    def own() -> Any:
        return fit_network(jax.random.key(1), table, check_unit=False, progress=False)

    learned = benchmark.pedantic(own, rounds=1)
    benchmark.extra_info["records"] = len(table)
    benchmark.extra_info["epochs"] = int(learned.trained.history["epoch"].max())
    assert benchmark.stats.stats.max < 180.0
