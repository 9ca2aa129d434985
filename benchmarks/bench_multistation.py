"""Speed of `eqstat.ground_motion.network.multistation`: `make bench`.

Required, on two cores: a forecast at 250 stations from envelopes in at most 10 ms, compiled.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat.ground_motion.network import NegativeLogDensity
from eqstat.ground_motion.network.multistation import (
    Blinding,
    MultistationEnsemble,
    View,
    init_multistation,
    sense,
    team,
)

STATIONS, VIEWS, TRAINED_STATIONS = 250, 32, 32
SETTINGS = {
    "SENSE, envelopes": sense(STATIONS),
    "SENSE, waveforms at 25 Hz": sense(STATIONS, signal="waveforms"),
    "TEAM-like, envelopes": team(STATIONS),
}


def view_of(settings: Any, stations: int, seed: int = 0) -> View:
    """A view in which half of the stations have reported."""
    rng = np.random.default_rng(seed)
    place = jnp.asarray(rng.uniform(-150, 150, (stations, 3)), jnp.float32)
    view = View.of_places(place, samples=settings.samples, channels=settings.channels)
    reporting = rng.random(stations) < 0.5
    signal = rng.lognormal(-3, 1, view.signal.shape) * reporting[:, None, None]
    return eqx.tree_at(
        lambda v: (v.station, v.reporting, v.signal, v.elapsed_s),
        view,
        (
            jnp.arange(stations), jnp.asarray(reporting), jnp.asarray(signal, jnp.float32),
            jnp.float32(5.0),
        ),
    )  # fmt: skip


def members_of(settings: Any, count: int) -> Any:
    """Untrained networks side by side: their speed does not depend on training."""
    keys = jax.random.split(jax.random.key(0), count)
    return eqx.filter_vmap(lambda key: init_multistation(key, settings))(keys)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_forecast_at_250_stations(benchmark: Any, name: str, members: int) -> None:
    settings = SETTINGS[name]
    network = MultistationEnsemble(members_of(settings, members), jnp.zeros(4))
    view = view_of(settings, STATIONS)

    def run() -> Any:
        return jax.block_until_ready(network(view))

    answer: Any = benchmark.pedantic(run, rounds=20, warmup_rounds=3)
    assert answer.mean.shape == (STATIONS, 5 * members)


@pytest.mark.parametrize("signal", ["envelopes", "waveforms"])
def test_a_step_of_training_on_32_views(benchmark: Any, signal: str) -> None:
    """The gradient of one network on views of 32 stations, with its augmentation."""
    settings = sense(STATIONS, signal=signal)
    each = [view_of(settings, TRAINED_STATIONS, seed) for seed in range(VIEWS)]
    views = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)
    target = jnp.asarray(np.random.default_rng(0).normal(-1, 0.6, (VIEWS, TRAINED_STATIONS)))
    network = init_multistation(jax.random.key(0), settings)
    score = NegativeLogDensity()

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(network: Any, views: View) -> Any:
        return jnp.mean(score(network, Blinding()(jax.random.key(1), views), target, None))

    def run() -> Any:
        return jax.block_until_ready(jax.tree.leaves(gradient(network, views)))

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
