"""Speed of the features of `eqstat.waveform`, on the edge and in a batch: `make bench`.

Asked: the features of one device-second on the edge (NumPy) take 20 us, and a batch makes 10^5
device-seconds a second. A device-second is a step of 1 s with its window of 2 s.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat import edge
from eqstat.waveform import FeatureSettings, FeatureStream, window_features

DEVICES = 20_000
RATES = [25, 50, 100]


def second(rate: int, *shape: int) -> np.ndarray:
    """A second of noise on gravity, (..., 3, rate)."""
    noise = np.random.default_rng(0).normal(0, 0.01, (*shape, 3, rate))
    return (noise + np.array([[0.1], [0.2], [9.8]])).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.benchmark(group="features of one device-second, edge")
def test_edge(benchmark, rate: int) -> None:
    stream, samples = edge.FeatureStream(rate), second(rate).astype(np.float64)
    for _ in range(20):
        stream.update(samples)
    benchmark(stream.update, samples)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.benchmark(group="features of 20,000 device-seconds: a step of as many streams")
def test_streams(benchmark, rate: int) -> None:
    settings = FeatureSettings(rate)
    streams = jax.vmap(lambda _: FeatureStream.init(settings))(jnp.arange(DEVICES))
    step = jax.jit(jax.vmap(FeatureStream.step))
    samples = jnp.asarray(second(rate, DEVICES))
    streams, _ = step(streams, samples)
    benchmark.extra_info["device_seconds"] = DEVICES
    benchmark.pedantic(
        lambda: jax.block_until_ready(step(streams, samples)), rounds=5, warmup_rounds=1
    )


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.benchmark(group="features of 20,000 windows of 2 s")
def test_windows(benchmark, rate: int) -> None:
    settings, samples = FeatureSettings(rate), jnp.asarray(second(2 * rate, DEVICES))
    benchmark.extra_info["device_seconds"] = DEVICES
    benchmark.pedantic(
        lambda: jax.block_until_ready(window_features(samples, settings)), rounds=5, warmup_rounds=1
    )
