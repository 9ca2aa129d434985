"""Speed of `eqstat.detectability`: `make bench`.

Required, on two cores: a map of 10,000 places, 24 hours and 9 magnitudes for 50,000 devices at most
10 s; one place at most 1 ms compiled. `log_tails` stands beside direct convolution of all numbers.
"""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np
import pytest

from eqstat.detectability import (
    Rule,
    _at_last,
    log_tails,
    miss_map,
    miss_probability,
    poisson_rule,
    prepare,
)
from eqstat.simulation import active_share, towns

DEVICES, SIDE = 50_000, 100
HOURS = np.arange(24.0)
MAGNITUDES = np.arange(3.0, 7.5, 0.5)


@pytest.fixture(scope="module")
def network() -> Any:
    """Phones in 300 towns of a country."""
    rng = np.random.default_rng(0)
    place = rng.uniform([-18, -80], [-1, -70], (300, 2)).T
    table = towns(
        jax.random.key(0), DEVICES, latitude=place[0], longitude=place[1],
        weight=rng.pareto(1.0, 300) + 0.1, spread_km=6.0,
    ).to_table()  # fmt: skip
    return prepare(table)


def test_map_of_a_country(benchmark: Any, network: Any) -> None:
    """10,000 places, 24 hours, 9 magnitudes."""
    rule, share = Rule(poisson_rule(0.016)), active_share(HOURS)

    def run() -> Any:
        return miss_map(
            network, rule, np.linspace(-18, -1, SIDE), np.linspace(-80, -70, SIDE), MAGNITUDES,
            hour=HOURS, active_share=share,
        )  # fmt: skip

    result = benchmark.pedantic(run, rounds=2, warmup_rounds=1)
    assert result["miss_probability"].size == SIDE**2 * 24 * 9


def test_one_place_compiled(benchmark: Any, network: Any, monkeypatch: Any) -> None:
    """The compiled part for one place and magnitude."""
    calls = []
    original = _at_last.log_miss_at_last
    monkeypatch.setattr(
        "eqstat.detectability._miss.log_miss_at_last",
        lambda *given: (calls.append(given), original(*given))[1],
    )
    miss_probability(network, Rule(12), -12.0, -77.0, 5.0)
    benchmark(lambda: original(*calls[0]).block_until_ready())


def test_exact_tail_beside_convolution(benchmark: Any) -> None:
    """A tail of 5,000 devices; direct convolution is quadratic in their number."""
    probability = np.random.default_rng(1).beta(0.3, 3, 5000)

    def convolution() -> float:
        mass = np.ones(1)
        for p in probability:
            mass = np.convolve(mass, [1 - p, p])
        return float(np.log(mass[600:].sum()))

    start = time.perf_counter()
    direct = convolution()
    benchmark.extra_info["direct_s"] = time.perf_counter() - start
    exact = benchmark(lambda: log_tails(probability, 600)[0])
    assert exact == pytest.approx(direct, rel=1e-6)
