"""Mixture density networks: features, missing ones, predictors, files."""

import json
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from eqstat import InputError
from eqstat.ground_motion import GroundMotion, Predictor, load, save
from eqstat.ground_motion._parameters import median
from eqstat.ground_motion.mixture import _mixture as mx
from eqstat.ground_motion.network import FEATURES, Feature, FeatureNoise, Member, Network
from eqstat.ground_motion.network._features import Scaling, transform
from eqstat.ground_motion.network._network import each_member, init_member, merge, trainable
from eqstat.ground_motion.network._trend import trend_basis, trend_prior

LOW, HIGH = (4.0, 5.0, 1.0, 200.0), (7.0, 150.0, 15.0, 900.0)


def scaling(features=FEATURES, dtype=jnp.float32):
    count = len(features)
    mean = jnp.asarray((5.0, 1.7, 7.0, 2.6)[:count], dtype)
    sd = jnp.asarray((0.7, 0.4, 3.0, 0.2)[:count], dtype)
    ends = (jnp.asarray(end[:count], dtype) for end in (LOW, HIGH))
    return Scaling(mean, sd, *ends, features)


@lru_cache
def network(members=3, components=2, dtype=jnp.float32, features=FEATURES):
    """Members with trends of their own and weights that are not small."""
    own, made = scaling(features, dtype), []
    for number in range(members):
        trend = trend_prior(features)[0] + 0.1 * number
        one = init_member(jax.random.key(number), own, trend, 0.3, components=components)
        weight = lambda m: m.perceptron.layers[-1].weight  # noqa: E731
        made.append(eqx.tree_at(weight, one, 10 * weight(one)))
    stacked = jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], *made)
    return Network(stacked, jnp.asarray(1.2, dtype), json.dumps({"what": "a test", "n": 3}))


def rows(count=7, seed=0):
    rng = np.random.default_rng(seed)
    return np.array(LOW) + (np.array(HIGH) - LOW) * rng.random((count, 4))


def test_an_untrained_member_is_its_trend_with_the_spread_about_it():
    own = scaling()
    trend = np.array([-0.3, 0.7, -0.05, 1.4, 0.2, -0.1, 0.1, -0.5])
    mixture = init_member(jax.random.key(0), own, trend, 0.35, components=1)(jnp.asarray(rows()))
    level, slope, bend, spreading, anelastic, spreading_slope, depth, vs30 = trend
    motion = GroundMotion(
        level, slope, bend, spreading, spreading_slope, anelastic, depth_slope=depth,
        vs30_slope=vs30,
    )  # fmt: skip
    expected = median(motion, *rows()[:, :3].T, np.log10(rows()[:, 3]))
    mean, sd = mx.mean_and_sd(mixture)
    np.testing.assert_allclose(mean, expected, atol=0.1)
    np.testing.assert_allclose(sd, 0.35, rtol=0.25)


def test_distance_saturates_near_large_ruptures():
    values = np.array([[5.0, 10.0, 8.0, 400.0], [7.0, 10.0, 8.0, 400.0], [7.0, 1000.0, 8.0, 400.0]])
    plain = np.asarray(transform(FEATURES, jnp.asarray(values)))
    sizes = 6.0 * 10 ** (0.235 * (values[:, 0] - 5))
    np.testing.assert_allclose(plain[:, 1], np.log10(np.hypot(values[:, 1], sizes)), rtol=1e-6)
    np.testing.assert_allclose(plain[:, 3], np.log10(400.0), rtol=1e-6)
    alone = transform((Feature("distance_km", "km", log=True),), jnp.asarray(values[:, 1:2]))
    np.testing.assert_allclose(alone[:, 0], np.log10(values[:, 1]), rtol=1e-6)


def test_a_missing_feature_is_told_and_any_other_gives_nan():
    own = scaling()
    values = rows(3)
    values[1, 3], values[2, 1] = np.nan, np.nan
    inputs = np.asarray(own(jnp.asarray(values)))
    assert inputs.shape == (3, 5)
    assert inputs[:, 4].tolist() == [0.0, 1.0, 0.0]
    assert inputs[1, 3] == 0.0
    mean = np.asarray(network()(values).mean)
    assert np.isfinite(mean[:2]).all()
    assert np.isnan(mean[2]).all()


def test_a_missing_feature_is_not_the_mean_of_it():
    net = network()
    values = rows(1)
    values[0, 3] = 10**2.6
    unknown = values.copy()
    unknown[0, 3] = np.nan
    assert not np.allclose(net(values).mean, net(unknown).mean, atol=1e-3)


def test_slopes_are_finite_where_a_feature_is_missing():
    net, values = network(), rows(4)
    values[:2, 3] = np.nan
    value = jnp.asarray(values, jnp.float32)

    @eqx.filter_jit
    @eqx.filter_grad
    def slopes_of(both):
        return jnp.sum(mx.log_density(both[0](both[1]), -1.0))

    slopes, slope = slopes_of((net, value))
    assert np.isfinite(np.asarray(slope)[:, :3]).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


def test_an_ensemble_is_the_average_density_of_its_members():
    net, values = network(), rows()
    y = np.linspace(-3, 1, len(values)).astype(np.float32)
    each = []
    for number in range(3):
        one = jax.tree.map(lambda x, n=number: x[n] if eqx.is_array(x) else x, net.members)
        mixture = one(jnp.asarray(values, jnp.float32))
        hot = mx.Mixture(mixture.log_weight, mixture.mean, 1.2 * mixture.scale)
        each.append(np.exp(mx.log_density(hot, y)))
    np.testing.assert_allclose(
        np.exp(mx.log_density(net(values), y)), np.mean(each, axis=0), rtol=2e-5
    )
    assert net(values).mean.shape == (7, 6)


def test_some_members_only():
    net, values = network(), jnp.asarray(rows(2), jnp.float32)
    each = eqx.filter_jit(each_member)(net.members, values)
    use = jnp.array([[True, False], [False, True], [False, True]])
    some = jax.jit(merge)(each, 1.0, use)
    weight = np.exp(np.asarray(some.log_weight)).reshape(2, 3, 2).sum(axis=-1)
    np.testing.assert_allclose(weight, [[1, 0, 0], [0, 0.5, 0.5]], atol=1e-6)
    assert np.isfinite(mx.log_density(some, -1.0)).all()
    assert np.isfinite(mx.crps(some, -1.0)).all()


def test_it_is_a_density_far_outside_of_the_training_range():
    mixture = network()(np.array([9.5, 2000.0, 600.0, np.nan]))
    grid = np.linspace(-40, 40, 160_001)
    total = integrate.trapezoid(np.exp(np.asarray(mx.log_density(mixture, grid))), grid)
    np.testing.assert_allclose(total, 1.0, rtol=1e-3)


def test_the_correction_is_bounded_so_that_the_trend_extrapolates():
    net = network(members=1)
    trend = np.asarray(net.members.trend)[0]
    step = jnp.array([[5.0, 50.0, depth, 400.0] for depth in (200.0, 400.0, 600.0)])
    plain = np.asarray(trend_basis(scaling(), step, scaling()(step))) @ (trend + np.eye(8)[6])
    moved = eqx.tree_at(lambda n: n.members.trend, net, net.members.trend + jnp.eye(8)[6])
    mean = np.asarray(mx.mean_and_sd(moved(step))[0])
    np.testing.assert_allclose(np.diff(mean), np.diff(plain), rtol=1e-2)


def test_compiled_and_in_both_precisions():
    values = rows()
    plain = network()
    assert plain(values).mean.dtype == jnp.float32
    compiled = eqx.filter_jit(plain)(jnp.asarray(values, jnp.float32))
    np.testing.assert_allclose(compiled.mean, plain(values).mean, rtol=1e-5, atol=1e-6)
    with jax.enable_x64(True):
        members = jax.tree.map(
            lambda x: x.astype(jnp.float64) if eqx.is_inexact_array(x) else x, plain
        )
        double = members(values)
        assert double.mean.dtype == jnp.float64
        np.testing.assert_allclose(plain(values).mean, double.mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(plain(values).scale, double.scale, rtol=1e-4)


def test_the_predictor_is_the_network_with_arguments_by_name():
    net, values = network(), rows()
    predictor = net.predictor()
    assert isinstance(predictor, Predictor)
    np.testing.assert_array_equal(predictor(*values.T).mean, net(values).mean)
    backwards = network(features=FEATURES[::-1])
    given = rows()
    np.testing.assert_array_equal(
        backwards.predictor()(*given.T).mean, backwards(given[:, ::-1]).mean
    )
    mixture = eqx.filter_jit(predictor)(
        jnp.array([5.0, 6.0])[:, None], jnp.ones(3) * 20, 8.0, jnp.nan
    )
    assert mixture.mean.shape == (2, 3, 6)
    assert predictor.network.card == {}
    two = network(features=FEATURES[:2])
    np.testing.assert_array_equal(two.predictor()(*values.T).mean, two(values[:, :2]).mean)


def test_no_predictor_of_other_features():
    other = network(features=(*FEATURES[:3], Feature("peak_m", "m", log=True)))
    with pytest.raises(InputError, match="also needs peak_m"):
        other.predictor()


def test_a_predictor_leaves_out_what_may_be_missing():
    more = network(features=(*FEATURES[:3], Feature("peak_m", "m", optional=True)))
    mixture = more.predictor()(*rows().T)
    missing = np.column_stack([rows()[:, :3], np.full(7, np.nan)])
    np.testing.assert_array_equal(mixture.mean, more(missing).mean)
    assert np.all(np.isfinite(mixture.mean))


def test_what_is_covered():
    net = network()
    values = np.array(
        [
            [5.0, 50.0, 8.0, 400.0],
            [5.0, 50.0, 8.0, np.nan],
            [7.5, 50.0, 8.0, 400.0],
            [5.0, 300.0, 8.0, 400.0],
            [np.nan, 50.0, 8.0, 400.0],
        ]
    )
    assert net.covers(values).tolist() == [True, True, False, False, False]
    assert net.predictor().covers(*values.T).tolist() == [True, True, False, False, False]
    assert net.ranges["distance_km"] == (5.0, 150.0)


def test_only_the_perceptron_is_trained():
    member = init_member(jax.random.key(0), scaling(), np.zeros(8), 0.3)
    learned, fixed = eqx.partition(member, trainable(member))
    assert isinstance(learned, Member)
    assert len(jax.tree.leaves(learned)) == 6
    assert learned.trend is None
    assert fixed.trend is not None


def test_what_is_done_in_training_hides_and_moves():
    noise = jnp.array([0.3, 0.0, 0.0, 0.0])
    values = jnp.asarray(np.tile(rows(1), (20_000, 1)), jnp.float32)
    out = np.asarray(FeatureNoise(noise, FEATURES)(jax.random.key(0), values))
    np.testing.assert_allclose(np.isnan(out).mean(axis=0), [0, 0, 0, 0.2], atol=0.015)
    np.testing.assert_allclose(out[:, 0].std(), 0.3, rtol=0.03)
    np.testing.assert_array_equal(out[:, 1:3], values[:, 1:3])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_a_saved_network_comes_back_bit_for_bit(tmp_path, dtype):
    with jax.enable_x64(dtype == jnp.float64):
        net = network(dtype=dtype)
    path = tmp_path / "network.eqx"
    save(net, path)
    again = load(path)
    assert again.card == net.card
    assert again.features == net.features
    one, two = jax.tree.leaves(net), jax.tree.leaves(again)
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        if eqx.is_array(a):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    with jax.enable_x64(dtype == jnp.float64):
        np.testing.assert_array_equal(net(rows()).mean, again(rows()).mean)


def test_files_that_are_no_networks(tmp_path):
    path = tmp_path / "network.eqx"
    with pytest.raises(InputError, match="no such file"):
        load(path)
    for text in (b"magnitude,distance_km\n5,20\n", b"{}\n", b"", b"\x93NUMPY\x01\x00", b"[1]\n"):
        path.write_bytes(text)
        with pytest.raises(InputError, match="not a ground-motion model that eqstat saved"):
            load(path)
    save(network(), path)
    good = path.read_bytes()
    head, body = good.split(b"\n", 1)
    for broken in (good[:-40], good + b"more", head + b"\n"):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="damaged"):
            load(path)
    header = json.loads(head)
    for key, value, words in (("format", "a cake", "a cake"), ("version", 99, "version is 99")):
        path.write_bytes(json.dumps({**header, key: value}).encode() + b"\n" + body)
        with pytest.raises(InputError, match=words):
            load(path)
    wide = {**header, "hidden": [17, 2]}
    path.write_bytes(json.dumps(wide).encode() + b"\n" + body)
    with pytest.raises(InputError, match="damaged"):
        load(path)
