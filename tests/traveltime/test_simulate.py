"""Simulated triggers follow the law that they are fitted with."""

import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat.schema import check_triggers
from eqstat.traveltime import (
    Design,
    GaussianParameters,
    MixtureParameters,
    arrival_times,
    prepare,
    simulate,
)
from eqstat.velocity import ConstantVelocity

from . import cases

COUNT = 4000
QUAKE = GaussianParameters(10.0, -6.0, 20.0, 5.0, sd_s=0.7, trigger_probability=0.3)
PHONES = MixtureParameters(
    10.0,
    -6.0,
    20.0,
    5.0,
    delay_s=1.5,
    scatter_s=0.4,
    p_share=0.5,
    s_share=0.3,
    trigger_probability=0.3,
)


@pytest.fixture(scope="module")
def design():
    devices = cases.network(COUNT, 1)
    return Design(
        devices["latitude"].to_numpy(),
        devices["longitude"].to_numpy(),
        window_s=(-10.0, 50.0),
        velocity=ConstantVelocity(6.0, 3.5),
    )


def late(table, design, speed):
    """Seconds of each trigger after the arrival of a wave."""
    place = cases.destination(design.frame.latitude, design.frame.longitude, 10.0, -6.0)
    times = (table["time"] - pd.Timestamp(design.reference_time)).dt.total_seconds()
    travel = cases.straight(*place, 20.0, table.drop(columns="elevation_m")) / speed
    return times.to_numpy() - 5.0 - travel


@pytest.mark.parametrize(("wave", "speed"), [("P", 6.0), ("S", 3.5)])
def test_gaussian_times_scatter_about_the_arrival(design, wave, speed):
    changed = Design(design.latitude, design.longitude, velocity=design.velocity, wave=wave)
    table = simulate(jax.random.key(1), QUAKE, changed)
    residual = late(table, changed, speed) / 0.7
    assert len(table) == COUNT
    assert stats.kstest(residual, "norm").pvalue > 1e-3
    assert set(table["cause"]) == {wave}


def test_mixture_has_its_shares_and_delays(design):
    table = simulate(jax.random.key(2), PHONES, design)
    counts = table["cause"].value_counts().reindex(["P", "S", "background"]).to_numpy()
    assert stats.chisquare(counts, COUNT * np.array([0.5, 0.3, 0.2])).pvalue > 1e-3
    for wave, speed in (("P", 6.0), ("S", 3.5)):
        rows = table[table["cause"] == wave]
        assert stats.kstest((late(rows, design, speed) - 1.5) / 0.4, "norm").pvalue > 1e-3
    rows = table[table["cause"] == "background"]
    times = (rows["time"] - pd.Timestamp(design.reference_time)).dt.total_seconds()
    assert stats.kstest((times + 10) / 60, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("params", [QUAKE, PHONES], ids=["gaussian", "mixture"])
def test_silent_devices_do_not_trigger(design, params):
    table = simulate(jax.random.key(3), params, design, silent=True)
    low, high = stats.binom(COUNT, 0.3).interval(0.9999)
    assert low <= len(table) <= high


def test_nothing_after_now_is_seen(design):
    early = Design(
        design.latitude, design.longitude, window_s=(-10.0, 10.0), velocity=design.velocity
    )
    whole = simulate(jax.random.key(4), QUAKE, early)
    seen = simulate(jax.random.key(4), QUAKE, early, truncated=True)
    now = pd.Timestamp(early.reference_time) + pd.Timedelta(seconds=10)
    assert 0 < len(seen) < COUNT
    assert (seen["time"] <= now).all()
    expected = whole[whole["time"] <= now].reset_index(drop=True)
    pd.testing.assert_frame_equal(seen, expected)
    assert (simulate(jax.random.key(4), QUAKE, early, silent=True)["time"] <= now).all()


def test_the_key_decides(design):
    one, two, other = (simulate(jax.random.key(k), PHONES, design) for k in (7, 7, 8))
    pd.testing.assert_frame_equal(one, two)
    assert not one["time"].equals(other["time"])


def test_the_table_keeps_the_contract_and_is_sorted(design):
    table = simulate(jax.random.key(5), PHONES, design)
    check_triggers(table)
    assert table["time"].is_monotonic_increasing
    assert table["device"].is_unique
    observations = prepare(table.head(30))
    assert observations.notes == () and len(observations.triggers) == 30


def test_elevated_devices_hear_later():
    devices = cases.network(50, 1)
    place = devices["latitude"].to_numpy(), devices["longitude"].to_numpy()
    low, high = (
        simulate(jax.random.key(6), QUAKE, Design(*place, elevation_m=height))
        for height in (0.0, 4000.0)
    )
    apart = high.set_index("device")["time"] - low.set_index("device")["time"]
    assert (apart.dt.total_seconds() > 0.05).all()
    assert (high["elevation_m"] == 4000.0).all()


def test_design_and_jax_settings_are_left_alone(design):
    simulate(jax.random.key(1), QUAKE, design)
    assert not jax.config.jax_enable_x64


def travel(table, design, cause):
    """Seconds from origin time to the triggers of one cause."""
    rows = table[table["cause"] == cause].set_index("device")
    times = (rows["time"] - pd.Timestamp(design.reference_time)).dt.total_seconds()
    return times - PHONES.origin_time_s - PHONES.delay_s


@pytest.mark.parametrize(
    ("change", "cause", "factor"),
    [
        ({"p_slowness_ratio": 1.05}, "P", 1.05),
        ({"p_slowness_ratio": 1.05}, "S", 1.0),
        ({"s_slowness_ratio": 0.93}, "S", 0.93),
    ],
)
def test_slowness_ratios_stretch_the_travel_times_of_their_wave(design, change, cause, factor):
    exact = dataclasses.replace(PHONES, scatter_s=1e-6)
    plain = travel(simulate(jax.random.key(9), exact, design), design, cause)
    changed = dataclasses.replace(exact, **change)
    slower = travel(simulate(jax.random.key(9), changed, design), design, cause)
    np.testing.assert_allclose(slower, factor * plain[slower.index], rtol=1e-4, atol=1e-4)


def test_lateral_slowness_delays_one_side(design):
    exact = dataclasses.replace(PHONES, scatter_s=1e-6)
    plain = travel(simulate(jax.random.key(9), exact, design), design, "P")
    changed = dataclasses.replace(exact, slowness_east=0.03, slowness_north=-0.02)
    table = simulate(jax.random.key(9), changed, design)
    ratio = travel(table, design, "P") / plain
    rows = table.set_index("device").loc[ratio.index]
    east, north = design.frame.to_local(rows["latitude"].to_numpy(), rows["longitude"].to_numpy())
    away = np.hypot(east - 10.0, north + 6.0)
    expected = 1 + (0.03 * (east - 10.0) - 0.02 * (north + 6.0)) / away
    far = away > 10
    np.testing.assert_allclose(ratio.to_numpy()[far], expected[far], atol=3e-4)


def test_simulated_times_are_those_of_the_likelihood(design):
    """The likelihood's own arrival times leave normal residuals of every wave."""
    params = dataclasses.replace(
        PHONES, p_slowness_ratio=1.06, s_slowness_ratio=0.95, slowness_east=0.03
    )
    table = simulate(jax.random.key(10), params, design)
    observations = prepare(table, velocity=design.velocity)
    shift = pd.Timestamp(design.reference_time) - observations.reference_time
    moved = dataclasses.replace(params, origin_time_s=params.origin_time_s + shift.total_seconds())
    p, s = (np.asarray(x)[:COUNT] for x in arrival_times(moved, observations.data))
    for arrival, cause in ((p, "P"), (s, "S")):
        late = np.asarray(observations.data.time_s)[:COUNT] - arrival
        residual = (late[(table["cause"] == cause).to_numpy()] - 1.5) / 0.4
        assert stats.kstest(residual, "norm").pvalue > 1e-3
