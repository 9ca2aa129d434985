"""Shapes, counts, and what must not matter: masked stations, order, places that are asked."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqstat import InputError
from eqstat.ground_motion.mixture import Mixture
from eqstat.ground_motion.network.multistation import (
    ABLATIONS,
    MultistationSettings,
    View,
    init_multistation,
    parameter_count,
    sense,
    team,
)

pytestmark = pytest.mark.slow

N = 6
KINDS = {
    "sense": {},
    "classes": {"head": "classes", "log10_thresholds": (-1.0, 0.0)},
    "conformer": {"blending": "conformer"},
    "base": {"base": True},
    **{f"ablation {name}": flags for name, flags in ABLATIONS.items()},
}


def small(**options):
    return sense(N, width=20, layers=2, heads=2, feed_forward=30, readout=(16,), **options)


def view(seed=0, n=N, extra=2, samples=30):
    rng = np.random.default_rng(seed)
    one = View.of_places(jnp.asarray(rng.uniform(-80, 80, (n, 3)), jnp.float32), samples=samples)
    working, reporting = rng.random(n) < 0.8, rng.random(n) < 0.6
    signal = 10 ** rng.uniform(-3, 1, (n, samples, 1)) * reporting[:, None, None]
    base = np.stack([rng.normal(-1, 0.5, n + extra), rng.uniform(0.1, 0.4, n + extra)], axis=1)
    return eqx.tree_at(
        lambda v: (v.station, v.working, v.reporting, v.signal, v.elapsed_s, v.base, v.extra_km,
                   v.extra_station),
        one,
        (jnp.arange(n), jnp.asarray(working), jnp.asarray(reporting),
         jnp.asarray(signal, jnp.float32), jnp.float32(4.0), jnp.asarray(base, jnp.float32),
         jnp.asarray(rng.uniform(-80, 80, (extra, 3)), jnp.float32), jnp.full(extra, -1)),
    )  # fmt: skip


def moved(network, seed=1):
    """The network with random embeddings and weights, as after a training."""
    keys = jax.random.split(jax.random.key(seed), 3)
    return eqx.tree_at(
        lambda n: (n.early, n.late, n.blend),
        network,
        tuple(jax.random.normal(k, x.shape) for k, x in
              zip(keys, (network.early, network.late, network.blend), strict=True)),
    )  # fmt: skip


forward = eqx.filter_jit(lambda network, at: network(at))


def answers(network, at):
    leaves = jax.tree.leaves(forward(network, at))
    return np.concatenate([np.asarray(x).reshape(len(at.sites_km), -1) for x in leaves], axis=1)


@pytest.fixture(scope="module", params=[*KINDS, "team"])
def network(request):
    if request.param == "team":
        plain = team(N, width=20, layers=1, heads=2, feed_forward=30, readout=(16,))
        return moved(init_multistation(jax.random.key(0), plain))
    return moved(init_multistation(jax.random.key(0), small(**KINDS[request.param])))


def changed(at, which, seed=9):
    """The view with everything about some stations changed, but for their places and numbers."""
    rng = np.random.default_rng(seed)
    noise = jnp.asarray(rng.uniform(0.1, 5.0, at.signal.shape), jnp.float32)
    return eqx.tree_at(
        lambda v: (v.signal, v.reporting),
        at,
        (jnp.where(which[:, None, None], noise, at.signal), at.reporting ^ which),
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_a_station_that_does_not_work_tells_nothing(network, seed):
    at = view(seed)
    at = eqx.tree_at(lambda v: v.working, at, at.working.at[0].set(False).at[1].set(True))
    np.testing.assert_allclose(
        answers(network, at), answers(network, changed(at, ~at.working)), rtol=1e-5, atol=1e-5
    )


def test_what_a_working_station_has_recorded_matters(network):
    at = view()
    at = eqx.tree_at(lambda v: (v.working, v.reporting), at, (jnp.ones(N, bool),) * 2)
    other = eqx.tree_at(lambda v: v.signal, at, at.signal.at[2].set(0.5))
    away = np.delete(np.abs(answers(network, at) - answers(network, other)).max(axis=1), 2)
    assert away.max() > 1e-5


def test_the_order_of_the_stations_changes_the_order_only(network):
    if network.settings.blending == "conformer":
        pytest.skip("a conformer sees stations in their order")
    at = view(3)
    order = np.random.default_rng(0).permutation(N)
    sites = np.concatenate([order, np.arange(N, N + 2)])
    turned = eqx.tree_at(
        lambda v: (v.place_km, v.station, v.working, v.reporting, v.signal, v.base),
        at,
        (*(getattr(at, name)[order] for name in
           ("place_km", "station", "working", "reporting", "signal")), at.base[sites]),
    )  # fmt: skip
    np.testing.assert_allclose(
        answers(network, turned), answers(network, at)[sites], rtol=1e-4, atol=1e-5
    )


def test_to_ask_for_a_place_changes_no_answer_elsewhere(network):
    at = view(4)
    fewer = eqx.tree_at(
        lambda v: (v.extra_km, v.extra_station, v.base),
        at,
        (at.extra_km[:1], at.extra_station[:1], at.base[: N + 1]),
    )
    np.testing.assert_allclose(
        answers(network, at)[: N + 1], answers(network, fewer), rtol=1e-5, atol=1e-5
    )


def test_a_batch_is_its_rows(network):
    rows = [view(seed) for seed in range(3)]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
    full = forward(network, batch)
    for k, row in enumerate(rows):
        single = forward(network, row)
        for a, b in zip(jax.tree.leaves(full), jax.tree.leaves(single), strict=True):
            np.testing.assert_allclose(np.asarray(a)[k], np.asarray(b), rtol=1e-5, atol=1e-5)


def test_nobody_who_works_leaves_a_finite_answer(network):
    at = eqx.tree_at(lambda v: v.working, view(), jnp.zeros(N, bool))
    assert np.isfinite(answers(network, at)).all()

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(network, at):
        return sum(x.sum() for x in jax.tree.leaves(network(at)))

    slope = gradient(network, at)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(slope))


def test_before_training_all_embeddings_are_zero_and_a_station_is_like_a_new_one():
    network = init_multistation(jax.random.key(0), small())
    at = view()
    new = eqx.tree_at(lambda v: v.station, at, jnp.full(N, -1))
    np.testing.assert_allclose(answers(network, at), answers(network, new), rtol=1e-6)
    assert not np.any(network.early) and not np.any(network.late)


def test_a_new_station_has_the_mean_embedding():
    network = moved(init_multistation(jax.random.key(0), small()))
    table = network.early, network.late, network.blend
    mean = [jnp.broadcast_to(x.mean(axis=0), x.shape) for x in table]
    averaged = eqx.tree_at(lambda n: (n.early, n.late, n.blend), network, tuple(mean))
    at = view()
    new = eqx.tree_at(lambda v: v.station, at, jnp.full(N, -1))
    # All others keep their own embedding, so that only the answer of all-new views is compared.
    np.testing.assert_allclose(answers(network, new), answers(averaged, at), rtol=1e-4, atol=1e-5)


def test_a_network_on_a_base_starts_at_the_base():
    network = init_multistation(jax.random.key(0), small(base=True))
    at = view()
    mixture = network(at)
    assert isinstance(mixture, Mixture)
    mean, sd = np.asarray(at.base).T
    assert np.all(np.abs(np.asarray(mixture.mean) - mean[:, None]) < 0.5 * sd[:, None])
    np.testing.assert_allclose(np.asarray(mixture.scale), sd[:, None] * np.ones(5), rtol=0.35)
    other = eqx.tree_at(lambda v: v.base, at, jnp.zeros_like(at.base))
    assert np.all(np.abs(np.asarray(network(other).mean) + 1.0) < 0.5)


def test_the_published_sizes_have_as_many_parameters_as_published():
    full = jax.eval_shape(
        lambda: eqx.filter(
            init_multistation(jax.random.key(0), sense(250, size="paper")), eqx.is_array
        )
    )
    count = sum(leaf.size for leaf in jax.tree.leaves(full))
    assert 12.5e6 < count < 14.5e6
    assert sense(250, size="paper").encoded == 864


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_leaves_parameters_out(name):
    full = parameter_count(init_multistation(jax.random.key(0), sense(250)))
    part = parameter_count(init_multistation(jax.random.key(0), sense(250, **ABLATIONS[name])))
    flags, width = ABLATIONS[name], sense(250).width
    left_out = 250 * (width * sum(key in flags for key in ("early", "late")) + ("weights" in flags))
    assert full - part == left_out


@pytest.mark.long
def test_the_published_size_answers_for_250_stations():
    network = init_multistation(jax.random.key(0), sense(250, size="paper"))
    at = View.of_places(jnp.zeros((250, 3)), samples=3000, channels=3)
    signal = jax.random.normal(jax.random.key(1), at.signal.shape)
    at = eqx.tree_at(lambda v: (v.reporting, v.signal), at, (jnp.ones(250, bool), signal))
    mixture = eqx.filter_jit(network)(at)
    assert mixture.mean.shape == (250, 5) and np.isfinite(np.asarray(mixture.scale)).all()


def test_sizes_that_do_not_fit_are_named():
    for bad, words in (
        ({"width": 25}, "width"),
        ({"samples": 5}, "samples"),
        ({"head": "classes"}, "log10_thresholds"),
        ({"head": "classes", "log10_thresholds": (0.0, 0.0)}, "increase"),
        ({"head": "classes", "log10_thresholds": (0.0,), "base": True}, "base"),
        ({"wavelength_km": (5.0, 1.0)}, "wavelength_km"),
        ({"layers": 0}, "layers"),
        ({"widht": 20}, "widht"),
    ):
        with pytest.raises(InputError, match=words):
            sense(5, **bad)
    with pytest.raises(InputError, match="size"):
        sense(5, size="large")
    fields = {field.name for field in dataclasses.fields(MultistationSettings)}
    assert {flag for flags in ABLATIONS.values() for flag in flags} <= fields
