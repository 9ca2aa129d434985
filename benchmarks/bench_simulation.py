"""Speed of `eqstat.simulation`: `make bench`.

Required: two thousand detections of 1,000 phones simulated and the detection
rule in at most 10 s on one core. The table of the 2023 study is to take at most
three minutes: `EQSTAT_STUDY=1000 python examples/study_2023.py`.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest

from eqstat.simulation import Network, first_detections, ratio_rule, simulate, study2023
from eqstat.simulation.sources import (
    Earliest,
    Earthquakes,
    HumanTriggers,
    ShakingProbability,
    gamma_delay,
)

STREAMS = 1000


@pytest.fixture(scope="module")
def network() -> Network:
    return study2023.lima(jax.random.key(0))


@pytest.mark.benchmark(group="2,000 detections of 1,000 phones")
@pytest.mark.parametrize("ratio", [0.05, 0.25])
def test_simulate_and_detect(benchmark, network: Network, ratio: float) -> None:
    rule = ratio_rule(ratio)

    def run() -> int:
        detected_count = 0
        for number, source in enumerate(
            (study2023.true_detections(network), study2023.false_detections())
        ):
            streams = simulate(jax.random.key(number), network, source, STREAMS)
            detected_count += int(first_detections(streams, rule).detected.sum())
        return detected_count

    assert benchmark.pedantic(run, rounds=5, warmup_rounds=1) > 1.9 * STREAMS


@pytest.mark.benchmark(group="1,000 detections of 1,000 phones by night and day")
def test_simulate_and_detect_around_the_clock(benchmark, network: Network) -> None:
    """Every stream has active phones of its own, P, S, gamma delays and people."""
    source = Earliest(
        Earthquakes(probability=ShakingProbability(), delay=gamma_delay(), magnitude=(4.0, 7.0)),
        HumanTriggers(0.5, window_s=(-30.0, 60.0), dispersion=0.2),
    )
    hour = np.linspace(0.0, 23.9, STREAMS)

    def run() -> None:
        streams = simulate(jax.random.key(0), network, source, STREAMS, hour=hour)
        first_detections(streams, ratio_rule(0.1))

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="10 earthquakes of 100,000 phones")
def test_a_large_network(benchmark) -> None:
    network = study2023.lima(jax.random.key(0), devices=100_000)
    source = study2023.true_detections(network)
    benchmark.pedantic(
        lambda: simulate(jax.random.key(0), network, source, 10), rounds=3, warmup_rounds=1
    )
