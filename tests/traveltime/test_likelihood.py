"""The likelihoods against loops of SciPy, and their probability laws."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from eqstat.traveltime import (
    GaussianParameters,
    MixtureParameters,
    arrival_times,
    class_probabilities,
    log_likelihood,
    pointwise_log_likelihood,
    prepare,
)

from . import cases

HYPOCENTRE = {"east_km": 6.0, "north_km": -9.0, "depth_km": 18.0, "origin_time_s": -4.0}
GAUSSIAN = {**HYPOCENTRE, "sd_s": 1.1, "trigger_probability": 0.6}
MIXTURE = {
    **HYPOCENTRE,
    "delay_s": 1.7,
    "scatter_s": 0.7,
    "p_share": 0.45,
    "s_share": 0.3,
    "trigger_probability": 0.6,
}
PHASES = ("", "P", "S")


def table(count=11, seed=3):
    """Triggers with labels, standard errors and elevations of every kind."""
    triggers, _ = cases.phones(count, seed)
    rng = np.random.default_rng(seed)
    labels = [None, "P", "S"] * count
    return triggers.assign(
        phase=labels[:count],
        time_sd_s=np.where(rng.uniform(size=count) < 0.5, np.nan, rng.uniform(0.1, 2.0, count)),
        elevation_m=rng.uniform(0, 4000, count),
        device=[f"d{i}" for i in range(count)],
    )


def observed(truncated=False, silent=False, wave="P"):
    triggers = table()
    now = triggers["time"].min() + pd.Timedelta(seconds=14)
    sites = None
    if silent:
        others = cases.network(9, 77).assign(device=[f"s{i}" for i in range(9)], elevation_m=300.0)
        sites = pd.concat([triggers.drop(columns=["time", "phase", "time_sd_s"]), others])
    return prepare(
        triggers,
        network=sites,
        now=now,
        start=triggers["time"].min() - pd.Timedelta(seconds=9),
        truncated=truncated,
        wave=wave,
    )


def loop(observations, kind, values):
    """Log-likelihood, one device after the other, with SciPy's distributions."""
    triggers = observations.triggers
    times = cases.seconds(observations)
    place = cases.geographic(observations, values["east_km"], values["north_km"])
    now, start = observations.data.window_s[1], observations.data.window_s[0]
    wave = "S" if int(observations.data.wave) == 2 else "P"
    silent = observations.data.has_silent
    chance = values["trigger_probability"]

    def arrivals(row):
        distance = cases.straight(*place, values["depth_km"], row.to_frame().T.infer_objects())[0]
        return {
            "P": values["origin_time_s"] + distance / cases.P_KM_S,
            "S": values["origin_time_s"] + distance / cases.S_KM_S,
        }

    def one(row, time, sd):
        arrival = arrivals(row)
        phase = row.get("phase")
        phase = phase if phase in ("P", "S") else ""
        if kind == "gaussian":
            law = stats.norm(arrival[phase or wave], sd)
            return law.pdf(time), law.cdf(now)
        density, by_now = 0.0, 0.0
        for name, share in (("P", values["p_share"]), ("S", values["s_share"])):
            law = stats.norm(arrival[name] + values["delay_s"], sd)
            density += share * law.pdf(time) * (phase in ("", name))
            by_now += share * law.cdf(now)
        background = 1 - values["p_share"] - values["s_share"]
        return density + background / (now - start), by_now + background

    scatter = values["sd_s" if kind == "gaussian" else "scatter_s"]
    total = 0.0
    for time, (_, row) in zip(times, triggers.iterrows(), strict=True):
        own = row["time_sd_s"] if np.isfinite(row["time_sd_s"]) else 0.0
        density, by_now = one(row, time, np.hypot(scatter, own))
        total += np.log(density)
        if silent:
            total += np.log(chance)
        elif observations.data.truncated:
            total -= np.log(by_now)
    if silent:
        late = observations.left_out  # their devices have not triggered by now
        others = pd.concat([cases.network(9, 77).assign(elevation_m=300.0), late])
        assert len(late) == 2
        for _, row in others.drop(columns=["phase", "time"]).iterrows():
            _, by_now = one(row, 0.0, scatter)
            total += np.log(1 - chance * by_now)
    return total


PARAMETERS = {"gaussian": (GaussianParameters, GAUSSIAN), "mixture": (MixtureParameters, MIXTURE)}


# Value and gradient, compiled for each likelihood and shape once.
SLOPES = eqx.filter_jit(jax.value_and_grad(log_likelihood))


def parameters(kind, **changes):
    made, values = PARAMETERS[kind]
    return made(**{k: jnp.asarray(float(v)) for k, v in {**values, **changes}.items()})


def evaluate(observations, kind, **changes):
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        return float(SLOPES(parameters(kind, **changes), data)[0])


@pytest.mark.slow
@pytest.mark.parametrize("wave", ["P", "S"])
@pytest.mark.parametrize("case", ["plain", "truncated", "silent"])
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
def test_agrees_with_a_loop_over_devices(kind, case, wave):
    observations = observed(case == "truncated", case == "silent", wave)
    assert len(observations.triggers) >= 8
    values = PARAMETERS[kind][1]
    expected = loop(observations, kind, values)
    assert evaluate(observations, kind) == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_labels_standard_errors_truncation_and_silence_all_matter():
    values = {
        evaluate(observed(*case), k) for k in PARAMETERS for case in [(), (True,), (False, True)]
    }
    bare = table().drop(columns=["phase", "time_sd_s"])
    values |= {evaluate(prepare(bare), k) for k in PARAMETERS}
    assert len(values) == 8


@pytest.mark.parametrize("case", ["plain", "truncated", "silent"])
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
def test_padding_and_order_change_nothing(kind, case):
    observations = observed(case == "truncated", case == "silent")
    expected = evaluate(observations, kind)
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        spoilt = eqx.tree_at(
            lambda d: (d.time_s, d.position_km, d.time_sd_s, d.phase),
            data,
            (
                jnp.where(data.mask, data.time_s, 1e6),
                jnp.where(data.mask[:, None], data.position_km, 500.0),
                jnp.where(data.mask, data.time_sd_s, 3.0),
                jnp.where(data.mask, data.phase, 2),
            ),
        )
        assert float(SLOPES(parameters(kind), spoilt)[0]) == pytest.approx(expected, rel=1e-12)
        order = np.random.default_rng(0).permutation(len(data.mask))
        names = ("position_km", "elevation_km", "time_s", "time_sd_s", "phase", "mask")
        turned = eqx.tree_at(
            lambda d: [getattr(d, name) for name in names],
            data,
            [getattr(data, name)[order] for name in names],
        )
        assert float(SLOPES(parameters(kind), turned)[0]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["plain", "truncated", "silent"])
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
def test_single_precision_is_within_a_thousandth(kind, case):
    observations = observed(case == "truncated", case == "silent")
    expected = evaluate(observations, kind)
    data = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, jnp.float32 if np.asarray(leaf).dtype.kind == "f" else None),
        observations.data,
    )
    single, _ = SLOPES(parameters(kind), data)
    assert single.dtype == jnp.float32
    assert float(single) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
@pytest.mark.parametrize("depth", [0.0, 5.0])
def test_gradient_is_finite_with_a_device_at_the_epicentre(kind, depth):
    observations = observed()
    frame = observations.frame
    first = observations.triggers.iloc[0]
    east, north = (float(v) for v in frame.to_local(first["latitude"], first["longitude"]))
    at = {"east_km": east, "north_km": north, "depth_km": depth}
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        sea = eqx.tree_at(lambda d: d.elevation_km, data, jnp.zeros_like(data.elevation_km))
        for arrays in (data, sea):
            value, slope = SLOPES(parameters(kind, **at), arrays)
            assert np.isfinite(float(value))
            assert np.all(np.isfinite(jax.tree.leaves(slope)))


@pytest.mark.parametrize("case", ["plain", "truncated", "silent"])
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
def test_gradient_agrees_with_differences(kind, case):
    observations = observed(case == "truncated", case == "silent")
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        _, slope = SLOPES(parameters(kind), data)
    for name in PARAMETERS[kind][1]:
        if case != "silent" and name == "trigger_probability":
            assert float(getattr(slope, name)) == 0
            continue
        step = 1e-4
        middle = PARAMETERS[kind][1][name]
        up, down = (evaluate(observations, kind, **{name: middle + d}) for d in (step, -step))
        assert float(getattr(slope, name)) == pytest.approx((up - down) / (2 * step), rel=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("origin", [-3000.0, -40.0, 40.0, 3000.0])
@pytest.mark.parametrize("chance", [1e-6, 0.6, 1.0])
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
@pytest.mark.slow
def test_extremes_stay_finite(kind, chance, origin, dtype):
    """Waves long before the window, or long after now; devices that trigger for certain."""
    for truncated, silent in ((True, False), (False, True)):
        observations = observed(truncated, silent)
        with jax.enable_x64(dtype == "float64"):
            data = jax.tree.map(
                lambda leaf: jnp.asarray(
                    leaf, dtype if np.asarray(leaf).dtype.kind == "f" else None
                ),
                observations.data,
            )
            params = parameters(kind, origin_time_s=origin, trigger_probability=chance)
            value, slope = SLOPES(params, data)
            assert np.isfinite(float(value))
            assert np.all(np.isfinite([float(getattr(slope, n)) for n in HYPOCENTRE]))


def single(kind, truncated, silent, **changes):
    """Density of the only trigger's time, as a function, and the window."""
    devices = cases.network(2, 5).assign(device=["a", "b"])
    devices.loc[1, ["latitude", "longitude"]] = devices.loc[0, ["latitude", "longitude"]].to_list()
    triggers = cases.stamp(devices.iloc[:1], [0.0])
    observations = prepare(
        triggers,
        network=devices if silent else None,
        start=cases.EPOCH - pd.Timedelta(seconds=200),
        now=cases.EPOCH + pd.Timedelta(seconds=9.0),
        truncated=truncated,
    )
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        params = parameters(kind, **changes)
        grid = jnp.linspace(data.window_s[0], data.window_s[1], 40_001)

        def at(time):
            moved = eqx.tree_at(lambda d: d.time_s, data, data.time_s.at[0].set(time))
            return pointwise_log_likelihood(params, moved)[0]

        density = np.exp(np.asarray(jax.jit(jax.vmap(at))(grid)))
        rest = float(SLOPES(params, data)[0] - at(data.time_s[0]))
    return np.asarray(grid), density, rest


@pytest.mark.parametrize("origin", [-20.0, 0.0, 7.0])
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
def test_truncated_density_integrates_to_one_by_now(kind, origin):
    times, density, rest = single(kind, True, False, origin_time_s=origin)
    assert integrate.simpson(density, x=times) == pytest.approx(1.0, abs=1e-6)
    assert rest == 0.0


@pytest.mark.parametrize("chance", [0.2, 0.9])
@pytest.mark.parametrize("origin", [-20.0, 0.0, 7.0])
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
def test_a_device_has_triggered_by_now_or_is_silent(kind, origin, chance):
    times, density, rest = single(
        kind, False, True, origin_time_s=origin, trigger_probability=chance
    )
    triggered = integrate.simpson(density, x=times)
    assert triggered + np.exp(rest) == pytest.approx(1.0, abs=1e-6)
    assert 0 < triggered < 1


@given(
    east=st.floats(-200, 200),
    north=st.floats(-200, 200),
    depth=st.floats(0, 300),
    origin=st.floats(-30, 10),
    p_share=st.floats(0.05, 0.5),
    s_share=st.floats(0.05, 0.45),
)
@settings(max_examples=8)
def test_class_probabilities_are_bayes_theorem(east, north, depth, origin, p_share, s_share):
    observations = observed()
    values = {
        **MIXTURE,
        "east_km": east,
        "north_km": north,
        "depth_km": depth,
        "origin_time_s": origin,
        "p_share": p_share,
        "s_share": s_share,
    }
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        params = parameters("mixture", **values)
        found = np.asarray(class_probabilities(params, data))
        p, s = (np.asarray(side) for side in arrival_times(params, data))
    count = len(observations.triggers)
    np.testing.assert_allclose(found[:count].sum(1), 1.0)
    window = np.diff(observations.data.window_s)[0]
    times, phase = cases.seconds(observations), observations.data.phase
    for row in range(count):
        sd = np.hypot(0.7, observations.data.time_sd_s[row])
        joint = np.array(
            [
                p_share * stats.norm.pdf(times[row], p[row] + 1.7, sd) * (phase[row] != 2),
                s_share * stats.norm.pdf(times[row], s[row] + 1.7, sd) * (phase[row] != 1),
                (1 - p_share - s_share) / window,
            ]
        )
        np.testing.assert_allclose(found[row], joint / joint.sum(), atol=1e-9)


@pytest.mark.parametrize(
    ("made", "values", "name"),
    [
        (GaussianParameters, {**GAUSSIAN, "depth_km": -1.0}, "depth_km"),
        (GaussianParameters, {**GAUSSIAN, "sd_s": 0.0}, "sd_s"),
        (GaussianParameters, {**GAUSSIAN, "trigger_probability": 1.1}, "trigger_probability"),
        (MixtureParameters, {**MIXTURE, "scatter_s": -0.1}, "scatter_s"),
        (MixtureParameters, {**MIXTURE, "p_share": 1.2}, "p_share"),
        (MixtureParameters, {**MIXTURE, "depth_km": np.nan}, "depth_km"),
    ],
)
def test_parameters_out_of_range_are_refused(made, values, name):
    with pytest.raises(ValueError, match=f"{name} must lie in"):
        made(**values)


def test_shares_leave_the_rest_to_background():
    assert MixtureParameters(**MIXTURE).background_share == pytest.approx(0.25)
