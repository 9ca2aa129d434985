"""Speed of the scorers of `eqstat.realtime` and `eqstat.edge`: `make bench`.

Required, on one core: counts 30 us a call by `edge` and 10 million a second in batches by JAX;
classification of up to 128 triggers 4 ms by JAX and 50 ms by `edge`; exceedance at 1,000 sites
200 us compiled; a step of the sequential posterior 10 ms for 10,000 devices and 30 ms for 100,000;
`import eqstat.edge` 0.15 s. SciPy computes the same in the same run; ratios are in extra_info.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
import realtime_inputs as inputs
from scipy import optimize, stats

from eqstat import detection, edge, realtime

Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def one_core():
    """Keep the process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def typical_us(function: Callable[[], Any], rounds: int = 50) -> float:
    """Median time of some rounds, us."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e6 * float(np.median(times))


def finish(benchmark, *, limit_us: float, scipy_us: float | None = None, calls: int = 1) -> None:
    """State limit and ratio beside the time of the benchmark."""
    own_us = 1e6 * benchmark.stats.stats.median / calls
    benchmark.extra_info |= {"median_us": own_us, "limit_us": limit_us}
    if scipy_us is not None:
        benchmark.extra_info |= {"scipy_us": scipy_us, "times_faster": scipy_us / own_us}


@pytest.mark.benchmark(group="one count")
def test_edge_counts(benchmark) -> None:
    scorer = edge.load(realtime.to_bytes(inputs.counts()))
    benchmark.pedantic(lambda: scorer.score(12, 300, 12.5, 1, 3), rounds=500, iterations=20)
    mean, size = 300 * 0.04, 20.0
    scipy_us = typical_us(lambda: stats.nbinom.sf(11, size, size / (size + mean)))
    finish(benchmark, limit_us=30.0, scipy_us=scipy_us)


@pytest.mark.benchmark(group="a batch of 4,096 counts")
def test_counts_batched(benchmark) -> None:
    compiled = realtime.compile(inputs.counts(), (4096,), progress=False)
    rng = np.random.default_rng(0)
    sound = inputs.sound("counts", rng, 4096)
    columns = {n: np.resize(v, 4096).astype(np.float32) for n, v in sound.items()}
    benchmark.pedantic(lambda: compiled.score(**columns), rounds=300, warmup_rounds=5)
    mean = 0.04 * columns["active"]
    k, size = columns["triggers"] - 1, 20.0
    scipy_us = typical_us(lambda: stats.nbinom.sf(k, size, size / (size + mean)))
    finish(benchmark, limit_us=4096 / 10.0, scipy_us=scipy_us)
    benchmark.extra_info["million_a_second"] = 4096 / (1e6 * benchmark.stats.stats.median)


def residuals(at: np.ndarray, place: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Residuals about their mean of a P wave from east, north and depth."""
    height = np.array([at[0], at[1], -at[2]]) - place
    left = time_s - np.sqrt(np.sum(height**2, axis=1)) / 7.8
    return left - left.mean()


@pytest.mark.parametrize("which", ["jax", "edge"])
@pytest.mark.benchmark(group="classification, 60 to 128 triggers")
def test_classification(benchmark, which: str) -> None:
    scorer = realtime.ClassificationScorer.init()
    if which == "jax":
        scored: Any = realtime.compile(scorer, (128,), progress=False)
    else:
        scored = edge.load(realtime.to_bytes(scorer))
    rng = np.random.default_rng(1)
    detections = [inputs.detection(rng, int(rng.integers(60, 129))) for _ in range(50)]
    turn = cycle(detections)
    benchmark.pedantic(lambda: scored.score(**next(turn)), rounds=200, warmup_rounds=5)
    data, _ = edge.trigger_rows(4096, **detections[0])
    starts = rng.uniform([-200, -200, 1], [200, 200, 200], (16, 3))

    def scipy() -> None:  # one wave, 16 starts
        for start in starts:
            optimize.least_squares(
                residuals, start, args=(data["place_km"], data["time_s"]), method="lm"
            )

    limit_us = 4e3 if which == "jax" else 5e4
    finish(benchmark, limit_us=limit_us, scipy_us=typical_us(scipy, 5))


@pytest.mark.parametrize("draws", [1, 16, 64, 256])
@pytest.mark.benchmark(group="exceedance, 1,000 sites, the compiled program")
def test_exceedance(benchmark, draws: int) -> None:
    scorer = inputs.exceedance(1000)
    one = realtime.ExceedanceScorer.init(
        scorer.predictor, inputs.sites(1000), 0.5, action_probability=0.1
    )
    compiled = realtime.compile(one, (draws,), progress=False)
    sound = inputs.sound("exceedance", np.random.default_rng(2), 300)
    columns = {name: np.resize(values, draws) for name, values in sound.items()}
    program, parameters = compiled.program(draws), compiled.parameters
    prepared = compiled.scorer.prepare(**columns).inputs | {"status": np.int32(0)}
    benchmark.pedantic(
        lambda: jax.block_until_ready(program(parameters, prepared)), rounds=200, warmup_rounds=5
    )
    mean = np.random.default_rng(3).normal(-1, 0.5, (1000, draws))
    scipy_us = typical_us(lambda: stats.norm.sf(-0.3, mean, 0.34).mean(axis=1), 20)
    finish(benchmark, limit_us=200.0, scipy_us=scipy_us)
    benchmark.extra_info["whole_call_us"] = typical_us(lambda: compiled.score(**columns))


@pytest.mark.parametrize("devices", [10_000, 100_000])
@pytest.mark.benchmark(group="a step of the sequential posterior")
def test_sequential(benchmark, devices: int) -> None:
    rng = np.random.default_rng(0)
    side = 0.35 * np.sqrt(devices / 10_000)
    network = pd.DataFrame(
        {
            "latitude": -12.0 + rng.uniform(-side, side, devices),
            "longitude": -77.0 + rng.uniform(-side, side, devices),
        }
    )
    scorer = realtime.SequentialScorer.init(detection.detector(network))
    held = [scorer.start(0.0)]

    def second() -> None:
        now = float(held[0].now_s) + 1.0
        count = rng.poisson(devices * 0.5 / 3600)
        number, ago = rng.integers(0, devices, count), rng.uniform(size=count)
        held[0] = scorer.step(held[0], now, number, now - ago).state

    benchmark.pedantic(second, rounds=100, warmup_rounds=5)
    finish(benchmark, limit_us=1e4 if devices == 10_000 else 3e4)


@pytest.mark.benchmark(group="import of eqstat.edge, in a new process")
def test_import(benchmark) -> None:
    code = (
        "import time; t = time.perf_counter(); import eqstat.edge; print(time.perf_counter() - t)"
    )
    seconds = []

    def run() -> None:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        seconds.append(float(done.stdout))

    benchmark.pedantic(run, rounds=10)
    benchmark.extra_info |= {"median_s": float(np.median(seconds)), "limit_s": 0.15}
