"""Magnitude in the sequential posterior: shares, peaks, dead devices, and what it may not break."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr
from scipy.stats import binomtest, kstest

from eqstat import InputError, hypocentre
from eqstat._core.constants import YEAR_S
from eqstat.detectability import DeviceResponse
from eqstat.detection import _terms, detector, init, locate, simulate, step
from eqstat.detection.causes import MagnitudeModel, earthquake, network_burst, nodes
from eqstat.ground_motion import GroundMotion, median

from . import cases


def quake(**options):
    usual = {"deepest_km": 45.0, "slots": 20, "cells": 60}
    return earthquake(**(usual | options))


@pytest.fixture(scope="module")
def watch():
    return cases.small(causes=(quake(), network_burst()))


def shaken(watch, magnitude, *, at=(5.0, -5.0), depth_km=10.0, able=0.7, seed=0, shared=0.0):
    """Trigger times and peaks of an earthquake at 100 s, from the formulas of the documentation."""
    rng = np.random.default_rng(seed)
    response = DeviceResponse()
    position = np.asarray(watch.core.position, float)[:, :2]
    away = np.hypot(np.hypot(*(position - at).T), depth_km)
    pga = np.asarray(median(GroundMotion(), magnitude, away, depth_km, 2.6)) + shared
    # A sheet of within-event, station and site terms: sd^2 = 0.25^2 + 0.2^2 + (0.5 x 0.15)^2.
    pga = pga + np.sqrt(0.0625 + 0.04 + 0.075**2) * rng.standard_normal(len(away))
    reading = pga + 0.223 - 0.254 * (pga - np.log10(0.980665))
    reading += np.hypot(0.2, 0.3) * rng.standard_normal(len(away))
    first = reading + np.log10(float(response.p_amplitude_ratio)) > -1.0
    noticed = (reading > -1.0) & (rng.uniform(size=len(away)) < able)
    travel = away / np.where(first, 7.8, 4.5)
    times = 100.0 + travel + 2.0 + 1.3 * rng.standard_normal(len(away))
    return np.where(noticed, times, np.inf), 10**reading


def seen(watch, times, peaks=None, now=116.0):
    who = np.flatnonzero(times <= now)
    peak = None if peaks is None else peaks[who]
    return step(watch, init(watch, 90.0), now, who, times[who], peak)


@pytest.mark.long
def test_greater_magnitudes_are_found_greater(watch):
    means = [
        np.mean([float(seen(watch, shaken(watch, m, seed=s)[0])[1].magnitude) for s in range(4)])
        for m in (3.5, 4.5, 5.5, 6.5)
    ]
    assert np.all(np.diff(means) > 0.25)
    state, report = seen(watch, shaken(watch, 4.5)[0])
    assert float(np.sum(report.magnitude_weight)) == pytest.approx(1.0, abs=1e-5)
    found = locate(watch, state, report)
    assert float(found["magnitude_low"]) < float(found["magnitude_mean"]) < 5.5
    drawn = hypocentre.draw(jax.random.key(0), found, 4000)["magnitude"]
    assert float(drawn.mean()) == pytest.approx(float(found["magnitude_mean"]), abs=0.05)
    assert float(drawn.std()) == pytest.approx(float(found["magnitude_sd"]), abs=0.05)


def test_the_posterior_is_that_of_the_formula(watch):
    # Of the apparent magnitude to the magnitude: by a fine numerical integration.
    model = watch.causes[0].magnitudes
    cells = model.cells(7)
    probability, given = model.given(cells)
    m = np.linspace(3.0, 8.5, 5501)
    prior = 10.0**-m / np.sum(10.0**-m)
    strength = np.asarray(median(GroundMotion(), m, 30.0, 10.0, 2.6)) + 1e-3 * m
    edge = np.array([-np.inf, *(np.asarray(median(GroundMotion(), x, 30.0, 10.0, 2.6)) + 1e-3 * x
                                for x in cells.high[:-1]), np.inf])  # fmt: skip
    inside = np.diff(ndtr((edge[:, None] - strength) / model.shared_sd), axis=0) * prior
    np.testing.assert_allclose(probability, inside.sum(axis=1), rtol=0.02)
    np.testing.assert_allclose(given @ model.magnitudes, inside @ m / inside.sum(axis=1), atol=0.02)


@pytest.mark.slow
def test_peaks_say_more_than_triggers_alone(watch):
    # All able devices trigger: from who triggered one only knows that it was strong.
    times, peaks = shaken(watch, 6.5, able=0.9)
    weak, strong = (float(seen(watch, times, f * peaks)[1].magnitude) for f in (0.3, 3.0))
    assert strong > weak + 0.7
    alone = seen(watch, times)[1]
    # No peak at all, or none that can be read, is the same as no column.
    nothing = seen(watch, times, np.where(peaks > 0, np.nan, peaks))[1]
    assert float(nothing.magnitude) == pytest.approx(float(alone.magnitude), abs=1e-4)
    zero = seen(watch, times, 0.0 * peaks)[1]
    assert float(zero.log_shiryaev_roberts[0]) == pytest.approx(
        float(alone.log_shiryaev_roberts[0]), abs=1e-3
    )
    with pytest.raises(InputError, match="peak_m_s2 must have one entry per trigger"):
        step(watch, init(watch, 0.0), 1.0, np.array([1]), np.array([0.5]), np.ones(2))


@pytest.mark.slow
@pytest.mark.parametrize("peaks", [False, True])
def test_the_expected_ratio_of_a_device_is_one(watch, peaks):
    # Under the background: with a device's trigger time exponential and its peak of handling.
    tables, rate_s = watch.core.tables[0], 0.5 / 3600
    model = watch.causes[0].magnitudes
    after, step_s = jnp.arange(0.05, 36.0, 0.1), 0.1
    now = tables._replace(age=jnp.zeros(1))
    bins = [(-np.inf, np.inf)]
    if peaks:
        ends = np.round(np.arange(-4.0, 1.21, 0.1), 1)
        bins = [(-np.inf, -4.0), *itertools.pairwise(ends), (1.2, np.inf)]
    mean, sd = model.handling_log10_mean, model.handling_log10_sd
    total = 0.0
    for low, high in bins:
        mass = ndtr((high - mean) / sd) - ndtr((low - mean) / sd)
        terms = jax.vmap(
            lambda t, low=low, high=high: _terms.trigger_terms(
                now, t[None], jnp.log(rate_s), (jnp.float32(low), jnp.float32(high))
            )
        )
        ratio = np.exp(np.asarray(terms(after), float))
        density = rate_s * np.exp(-rate_s * np.asarray(after, float))
        total = total + mass * step_s * np.einsum("t,trdsn->rdsn", density, ratio)
    silent = np.exp(np.asarray(_terms.silent_terms(now, jnp.array([36.0])), float))
    total = total + np.exp(-36.0 * rate_s) * silent
    # What an earthquake triggers before its slot began counts for the background: a little is lost.
    assert total.max() < 1 + 2e-4
    assert total.min() > 0.99


def test_dead_devices_do_not_lower_the_magnitude():
    # Of 120 devices most are dead and stay on the list: the share of able devices takes them up.
    # With all magnitudes equally probable, since a prior weighs more where fewer devices speak.
    watch = cases.small(causes=(quake(magnitudes=MagnitudeModel(b_value=0.0)), network_burst()))
    change = []
    for seed in range(6):
        times, _ = shaken(watch, 5.0, able=0.9, seed=seed)
        dead = np.random.default_rng(seed).uniform(size=len(times)) < 0.6
        found = [float(seen(watch, np.where(gone, np.inf, times))[1].magnitude)
                 for gone in (np.zeros_like(dead), dead)]  # fmt: skip
        change.append(found[1] - found[0])
    # Six differences that scatter by about 0.3; without the share the magnitude would fall by 1.
    assert np.mean(change) == pytest.approx(0.0, abs=0.3)


@pytest.mark.slow
def test_reactions_alone_do_not_speak_for_a_great_depth():
    """A tenth of the phones react to a weak earthquake and none is shaken: the prior's depths."""
    rng = np.random.default_rng(0)
    network = pd.DataFrame(
        {
            "latitude": rng.uniform(-12.39, -11.74, 150),
            "longitude": rng.uniform(-77.17, -76.66, 150),
        }
    )
    everywhere = detector(network)
    depths = []
    for _ in range(3):
        device, time = rng.choice(150, 15, replace=False), 1000.0 + rng.uniform(0, 30, 15)
        _, report = step(everywhere, init(everywhere, 900.0), 1030.0, device, time)
        depths.append(float(report.depth_km))
    # The prior's mean is 42 km; where shaking begins at magnitude 4 for all nodes it is above 190.
    assert np.mean(depths) < 100.0


@pytest.mark.slow
def test_nodes_without_magnitudes_have_none():
    watch = cases.small(causes=(cases.small_quake(), network_burst()))
    times = np.where(np.arange(120) < 10, 110.0, np.inf)
    state, report = seen(watch, times)
    assert np.isnan(float(report.magnitude)) and report.magnitude_weight.shape == (0,)
    assert "magnitude_mean" not in locate(watch, state, report)
    with pytest.raises(InputError, match="magnitudes or nodes, not both"):
        earthquake(magnitudes=MagnitudeModel(), nodes=nodes(share=(0.2,)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least_magnitude": 5.0, "greatest_magnitude": 4.0}, "greatest_magnitude"),
        ({"b_value": -1.0}, "b_value"),
        ({"able_share": 1.0}, "able_share"),
        ({"odd_peak_share": 1.0}, "odd_peak_share"),
        ({"motion": GroundMotion(level=np.zeros(3))}, "one each"),
    ],
)
def test_values_out_of_range_are_named(options, message):
    with pytest.raises(InputError, match=message):
        MagnitudeModel(**options)


@pytest.mark.long
@pytest.mark.parametrize("peaks", [False, True])
def test_magnitudes_of_simulated_streams_are_calibrated(peaks):
    often = dataclasses.replace(quake(), rate_per_year=1e3 * YEAR_S)
    watch = cases.small(causes=(often, network_burst()))
    drawn = simulate(jax.random.key(3), watch, 250)
    edges, rank = MagnitudeModel().magnitude_edges, []
    for number, times in enumerate(drawn.trigger_s):
        who = np.flatnonzero(np.isfinite(times))
        if drawn.cause[number] == 0 and len(who) > 4:
            given = drawn.peak_m_s2[number][who] if peaks else None
            begun = init(watch, drawn.now_s - watch.dead_time_s + 1e-3)
            _, report = step(watch, begun, drawn.now_s, who, times[who], given)
            below = np.append(0.0, np.cumsum(np.asarray(report.magnitude_weight, float)))
            rank.append(np.interp(drawn.magnitude[number], edges, below))
    inside = int(np.sum(np.abs(np.array(rank) - 0.5) < 0.45))
    assert kstest(rank, "uniform").pvalue > 0.005
    assert binomtest(inside, len(rank), 0.9).pvalue > 0.005
