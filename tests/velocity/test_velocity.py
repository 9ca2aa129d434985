"""Tests of the velocity models."""

import csv
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqstat.velocity import ConstantVelocity, layered, load_velocity

RADIUS_KM = 6371.0
CRUST = ([0.0, 12.0, 32.0], [5.6, 6.4, 8.0])
# Layer 2 is slower than the one above.
SLOW_LAYER = ([0.0, 8.0, 15.0, 33.0], [5.8, 6.6, 6.0, 8.1])


def chord2(distance_km):
    return (2.0 * RADIUS_KM * np.sin(np.asarray(distance_km) / (2.0 * RADIUS_KM))) ** 2


def reference(name):
    """Frozen TauP times: distance (km), depth (km), P (s), S (s)."""
    with (Path(__file__).parent / "taup_reference.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == name]
    column = {key: np.array([float(r[key]) for r in rows]) for key in rows[0] if key != "model"}
    distance = np.radians(column["distance_deg"]) * RADIUS_KM
    return distance, column["depth_km"], column["p_s"], column["s_s"]


@pytest.fixture(scope="module")
def crust():
    return layered(*CRUST, max_distance_km=400.0, max_depth_km=80.0)


@pytest.fixture(scope="module")
def ak135():
    return load_velocity("ak135")


@pytest.fixture(params=["constant", "ak135", "crust"])
def model(request, crust, ak135):
    if request.param == "constant":
        return ConstantVelocity()
    return crust if request.param == "crust" else ak135


class TestConstant:
    @given(
        distance=st.floats(0.0, 2000.0),
        depth=st.floats(0.0, 500.0),
        elevation=st.floats(0.0, 5.0),
    )
    def test_is_the_straight_line_in_cartesian_space(self, distance, depth, elevation):
        angle = distance / RADIUS_KM
        device = (RADIUS_KM + elevation) * np.array([np.sin(angle), np.cos(angle)])
        straight = np.linalg.norm(device - np.array([0.0, RADIUS_KM - depth]))
        with jax.enable_x64(True):
            p_s, s_s = ConstantVelocity(7.0, 4.0).travel_time(distance, depth, elevation)
            assert float(p_s) == pytest.approx(straight / 7.0, abs=2e-6)
            assert float(s_s) == pytest.approx(straight / 4.0, abs=2e-6)

    @pytest.mark.parametrize(
        "pair", [(0.0, -1.0), (-7.0, 4.0), (4.0, 4.0), (np.nan, 4.0), (np.inf, 4.0), (7.0, -4.0)]
    )
    def test_refuses_impossible_velocities(self, pair):
        with pytest.raises(ValueError, match="velocity_km_s"):
            ConstantVelocity(*pair)

    def test_velocities_may_be_traced(self):
        def time(p, s):
            return ConstantVelocity(p, s).travel_time(100.0, 10.0)[0]

        slope = jax.jit(jax.grad(time))(8.0, 4.0)
        assert float(slope) == pytest.approx(-float(time(8.0, 4.0)) / 8.0, rel=1e-5)


@pytest.mark.parametrize("name", ["ak135", "iasp91"])
def test_tables_agree_with_frozen_taup(name):
    distance, depth, p_ref, s_ref = reference(name)
    assert distance.size == 100
    p_s, s_s = load_velocity(name).travel_time(distance, depth)
    np.testing.assert_allclose(p_s, p_ref, atol=0.02, rtol=0.0)
    np.testing.assert_allclose(s_s, s_ref, atol=0.02, rtol=0.0)


@pytest.mark.long
@pytest.mark.parametrize("name", ["ak135", "iasp91"])
def test_tables_agree_with_fresh_taup(name):
    taup = pytest.importorskip("obspy.taup").TauPyModel(name)
    rng = np.random.default_rng(8)
    model = load_velocity(name)
    for depth in np.concatenate([rng.uniform(0, 40, 20), rng.uniform(0, 700, 20), [35, 410, 660]]):
        degrees = np.concatenate([rng.uniform(0, 3, 4), rng.uniform(0, 10, 4)])
        p_s, s_s = model.travel_time(np.radians(degrees) * RADIUS_KM, depth)
        for i, d in enumerate(degrees):
            for ours, phases in ((p_s[i], ["p", "P", "Pn"]), (s_s[i], ["s", "S", "Sn"])):
                theirs = min(a.time for a in taup.get_travel_times(depth, d, phase_list=phases))
                assert float(ours) == pytest.approx(theirs, abs=0.02), (depth, d, phases)


@pytest.mark.slow
def test_float32_agrees_with_float64(model):
    rng = np.random.default_rng(2)
    c2 = chord2(rng.uniform(0.0, getattr(model, "max_distance_km", 1100.0), 4000))
    depth, elevation = rng.uniform(0.0, 700.0, 4000), rng.uniform(0.0, 3.0, 4000)
    single = model.times(*(jnp.asarray(a, jnp.float32) for a in (c2, depth, elevation)))
    with jax.enable_x64(True):
        double = model.times(c2, depth, elevation)
    for low, high in zip(single, double, strict=True):
        assert low.dtype == jnp.float32
        assert high.dtype == jnp.float64
        np.testing.assert_allclose(low, high, atol=2e-4, rtol=0.0)


@pytest.mark.slow
def test_gradients_are_finite_and_match_differences(model):
    rng = np.random.default_rng(3)
    c2 = np.concatenate([np.zeros(50), chord2(rng.uniform(0.0, 1300.0, 950))])
    depth, elevation = rng.uniform(0.05, 650.0, 1000), rng.uniform(0.0, 3.0, 1000)
    with jax.enable_x64(True):
        for phase in (0, 1):

            def time(c, d, e, *, phase=phase):
                return model.times(c, d, e)[phase]

            exact = jax.vmap(jax.grad(time, argnums=(0, 1, 2)))(c2, depth, elevation)
            # Derivatives may jump at the edges of layers and have a kink of their own at edges of
            # cells, so a few points may differ.
            for i, step in enumerate((1e-3, 1e-6, 1e-6)):
                up, down = [c2, depth, elevation], [c2, depth, elevation]
                up[i], down[i] = up[i] + step, np.maximum(down[i] - step, 0.0)
                change = (time(*up) - time(*down)) / (up[i] - down[i])
                assert np.all(np.isfinite(exact[i]))
                far = np.abs(exact[i] - change) > 1e-6 + 1e-4 * np.abs(change)
                assert far.sum() <= 3, i


@pytest.mark.parametrize("point", [(0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 20.0, 0.0)])
def test_gradients_at_the_epicentre_are_finite(model, point):
    for phase in (0, 1):
        slopes = jax.grad(lambda c, d, e, i=phase: model.times(c, d, e)[i], argnums=(0, 1, 2))(
            *point
        )
        assert all(np.isfinite(float(s)) for s in slopes)
        # As a function of place, the time is flat right above the source.
        flat = jax.grad(lambda x, i=phase: model.times(x * x, 20.0, 0.5)[i])(0.0)
        assert float(flat) == 0.0


@pytest.mark.slow
def test_second_derivatives_are_finite(model):
    for point in ([0.0, 0.0, 5.0], [30.0, -40.0, 12.0], [700.0, 900.0, 35.0]):
        curved = jax.hessian(lambda x: model.times(x[0] ** 2 + x[1] ** 2, x[2], 0.4)[0])
        assert np.all(np.isfinite(np.asarray(curved(jnp.array(point)))))


@pytest.mark.slow
def test_slope_is_continuous_within_layers(ak135):
    with jax.enable_x64(True):
        slope = jax.vmap(jax.grad(lambda c, d: ak135.times(c, d, 0.0)[1], argnums=(0, 1)))
        at = np.linspace(0.0, 1090.0, 8001) ** 2
        by_chord, _ = slope(at, np.full_like(at, 14.2))
        jump = np.abs(np.diff(by_chord * 2.0 * np.sqrt(at)))
        # The largest change of slowness, 1/3.46 - 1/4.48, takes a cell of 2 km, not one of 0.14.
        assert jump.max() < 0.2 * (1 / 3.46 - 1 / 4.48)
        depth = np.linspace(0.0, 19.99, 8001)
        _, by_depth = slope(np.full_like(depth, 150.0**2), depth)
        assert np.abs(np.diff(by_depth)).max() < 0.01


@pytest.mark.slow
def test_later_farther_and_p_before_s(model):
    distance = np.concatenate([np.linspace(0.0, 400.0, 2001), np.linspace(401.0, 3000.0, 500)])
    depth = np.array([0.0, 3.0, 11.9, 20.0, 34.0, 36.0, 79.0, 200.0, 399.0, 500.0])[:, None]
    with jax.enable_x64(True):
        p_s, s_s = (np.asarray(t) for t in model.travel_time(distance[None, :], depth))
    for times in (p_s, s_s):
        assert np.all(np.isfinite(times))
        assert np.all(np.diff(times, axis=1) > 0.0)
    assert np.all(p_s[1:] < s_s[1:])
    assert p_s[0, 0] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.long
def test_beyond_the_table_is_smooth(ak135):
    edge = ak135.max_distance_km
    assert edge == pytest.approx(np.radians(10.0) * RADIUS_KM, abs=1e-3)
    assert ak135.max_depth_km == 700.0
    distance = edge + np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    with jax.enable_x64(True):
        slowness = np.diff(np.asarray(ak135.travel_time(distance, 50.0)[0]))
        np.testing.assert_allclose(slowness, slowness[0], atol=2e-5)
        far = np.asarray(ak135.travel_time(np.array([1500.0, 5000.0, 20015.0]), 50.0)[0])
    assert np.all(np.isfinite(far))
    assert float(ak135.travel_time(100.0, 900.0)[0]) == float(ak135.travel_time(100.0, 700.0)[0])
    for depth in (-2.0, 900.0):
        assert np.isfinite(float(ak135.travel_time(100.0, depth, 3.0)[1]))


@pytest.mark.slow
def test_one_depth_gives_the_same(model):
    c2, elevation = chord2(np.linspace(0.0, 1300.0, 300)), np.linspace(0.0, 2.0, 300)
    for depth in (0.0, 7.3, 35.0, 412.0):
        whole = model.times(c2, depth, elevation)
        sliced = eqx.filter_jit(model.times_at_depth)(c2, depth, elevation)
        for a, b in zip(whole, sliced, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-5)


@pytest.mark.slow
def test_transforms_and_broadcasting(model):
    c2, depth = chord2(np.linspace(1.0, 900.0, 7))[:, None], np.linspace(1.0, 60.0, 5)[None, :]
    plain, _ = model.times(c2, depth, 0.1)
    assert plain.shape == (7, 5)
    compiled, _ = eqx.filter_jit(lambda m, c, d: m.times(c, d, 0.1))(model, c2, depth)
    np.testing.assert_allclose(plain, compiled, rtol=1e-5)
    mapped = jax.vmap(lambda c: model.times(c, depth[0], 0.1)[0])(c2[:, 0])
    np.testing.assert_allclose(plain, mapped, rtol=1e-5)
    assert not np.isfinite(model.times(np.nan, 5.0, 0.0)[0])


class TestLayered:
    @pytest.mark.parametrize(
        ("layers", "elevation"), [(CRUST, 0.0), (CRUST, 2.0), (SLOW_LAYER, 0.0)]
    )
    @pytest.mark.long
    def test_is_the_least_time_over_all_paths(self, layers, elevation):
        from .fermat import fermat_time

        model = layered(*layers, max_distance_km=300.0, max_depth_km=60.0)
        rng = np.random.default_rng(4)
        for depth in (0.5, 6.0, 10.0, 14.0, 20.0, 40.0):
            for distance in rng.uniform(2.0, 280.0, 2):
                expected = fermat_time(*layers, distance, depth, elevation)
                p_s, s_s = model.travel_time(distance, depth, elevation)
                assert float(p_s) == pytest.approx(expected, abs=0.03), (depth, distance)
                assert float(s_s) == pytest.approx(1.73 * expected, abs=0.05), (depth, distance)

    def test_head_wave_of_two_layers(self):
        model = layered([0, 30], [6, 8], [3.5, 4.5], max_depth_km=40.0, max_distance_km=300.0)
        depth, distance = 10.0, np.array([150.0, 200.0, 250.0])
        # Flat closed form with the interface's length shrunk to its radius: good to some 0.01 s.
        for times, v1, v2 in zip(
            model.travel_time(distance, depth), (6.0, 3.5), (8.0, 4.5), strict=True
        ):
            flat = distance * (1.0 - 30.0 / RADIUS_KM) / v2
            flat = flat + (2.0 * 30.0 - depth) * np.sqrt(v1**-2 - v2**-2)
            np.testing.assert_allclose(times, flat, atol=0.08)

    @pytest.mark.slow
    def test_one_layer_is_constant_velocity(self):
        model = layered([0.0], [6.0], [3.4], max_depth_km=60.0)
        distance, depth = np.linspace(0.0, 900.0, 40), 12.0
        for ours, exact in zip(
            model.travel_time(distance, depth, 1.0),
            ConstantVelocity(6.0, 3.4).travel_time(distance, depth, 1.0),
            strict=True,
        ):
            np.testing.assert_allclose(ours, exact, atol=1e-3)

    def test_a_slower_half_space_has_no_head_wave(self):
        model = layered([0.0, 10.0], [6.0, 5.0], max_distance_km=200.0, max_depth_km=20.0)
        p_s, _ = model.travel_time(100.0, 5.0)
        exact = ConstantVelocity(6.0, 3.0).travel_time(100.0, 5.0)[0]
        assert float(p_s) == pytest.approx(float(exact), abs=0.01)

    @pytest.mark.parametrize(
        ("layers", "options", "message"),
        [
            (([1.0, 10.0], [6.0, 8.0]), {}, "begin with 0"),
            (([0.0, 10.0, 10.0], [6.0, 7.0, 8.0]), {}, "increase"),
            (([0.0, 10.0], [6.0]), {}, "one length"),
            (([], []), {}, "one length"),
            (([0.0], [-6.0]), {}, "p_velocity_km_s"),
            (([0.0], [np.nan]), {}, "p_velocity_km_s"),
            (([0.0, 10.0], [6.0, 8.0], [3.0, 8.0]), {}, "layer 1"),
            (([0.0], [6.0]), {"max_distance_km": 0.0}, "max_distance_km"),
            (([0.0], [6.0]), {"max_depth_km": np.nan}, "max_depth_km"),
            (([0.0], [6.0]), {"cell_km": 0.0}, "cell_km"),
        ],
    )
    def test_refuses_bad_layers(self, layers, options, message):
        with pytest.raises(ValueError, match=message) as caught:
            layered(*layers, **options)
        assert "\n" not in str(caught.value)


def test_unknown_model():
    with pytest.raises(ValueError, match="ak135, iasp91"):
        load_velocity("prem")


def test_tables_are_small():
    import eqstat.velocity as package

    folder = Path(package.__file__).parent / "tables"
    assert 0 < sum(f.stat().st_size for f in folder.glob("*.npz")) <= 2_000_000
