"""The likelihood against enumeration of all outcomes of the stations, and against simulation."""

import dataclasses
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat.detectability.history import (
    Design,
    Sensitivity,
    log_likelihood,
    pointwise_log_likelihood,
    prepare,
    simulate,
)
from eqstat.detectability.history._likelihood import log_outcomes

KEY = jax.random.key(0)
TRUTH = Sensitivity(
    magnitude_50_km=1.5,
    event_sd=0.35,
    station_share=0.8,
    system_share=0.9,
    coincidence_probability=0.01,
    masked_share=0.7,
    masking_s=3600.0,
    group_shift=(0.0, 0.4),
    count_share=(0.3, 0.7),
    station_sd=0.3,
)
SMALL = Design(
    events=12,
    stations=6,
    extent_km=120.0,
    days=0.1,
    counts=(2, 3),
    groups=2,
    station_effects=True,
    masking_km=60.0,
)


def arrays(history):
    return jax.tree.map(jnp.asarray, history.data)


def station_magnitudes(sensitivity, distance_km):
    """The same formula in NumPy, from its definition."""
    return (
        float(sensitivity.magnitude_50_km)
        + float(sensitivity.spreading) * np.log10(distance_km / 50.0)
        + float(sensitivity.anelastic_per_100_km) * (distance_km - 50.0) / 100.0
    )


def enumerated(sensitivity, history, row, magnitude=None):
    """Probability of a hit: all outcomes of the stations, 2,001 nodes of the event term."""
    data = history.data
    distance = np.asarray(data.distance_km)[row]
    station = np.asarray(data.station)[row]
    group = np.asarray(sensitivity.group_shift)[np.asarray(data.group)[station]]
    own = np.asarray(sensitivity.station_shift)[station] if data.station_effects else 0.0
    size = np.asarray(data.magnitude)[row] if magnitude is None else magnitude
    nodes = np.linspace(-8, 8, 2001)
    eta = nodes * float(sensitivity.event_sd)
    excess = size + eta[:, None] - station_magnitudes(sensitivity, distance) - group - own
    p = float(sensitivity.station_share) * stats.norm.cdf(excess / float(sensitivity.trigger_sd))
    share = np.asarray(sensitivity.count_share)
    enough = np.zeros(len(nodes))
    for outcome in product((0, 1), repeat=len(station)):
        chosen = np.array(outcome)
        mass = np.prod(np.where(chosen, p, 1 - p), axis=1)
        enough += mass * sum(
            w for w, k in zip(share, data.counts, strict=True) if sum(outcome) >= k
        )
    weight = stats.norm.pdf(nodes)
    since = np.asarray(data.preceding_s)[row]
    free = np.prod(
        1 - float(sensitivity.masked_share) * np.exp(-since / float(sensitivity.masking_s))
    )
    up = float(sensitivity.system_share) * (free if data.masking else 1.0)
    chance = float(sensitivity.coincidence_probability)
    return chance + (1 - chance) * up * float(enough @ weight / weight.sum())


@pytest.fixture(scope="module")
def small():
    history = simulate(KEY, TRUTH, SMALL)
    own = history.stations["station_term"].to_numpy()
    with jax.enable_x64(True):
        values = jax.tree.map(lambda v: jnp.asarray(np.asarray(v), jnp.float64), vars(TRUTH))
        return Sensitivity(**{**values, "station_shift": jnp.asarray(own)}), history


@pytest.mark.slow
def test_probabilities_are_those_of_enumeration(small):
    sensitivity, history = small
    wanted = np.array([enumerated(sensitivity, history, row) for row in range(12)])
    assert wanted.min() < 0.1 and wanted.max() > 0.3
    with jax.enable_x64(True):
        hit, miss = log_outcomes(sensitivity, arrays(history))
    np.testing.assert_allclose(np.exp(hit)[:12], wanted, rtol=2e-4)
    np.testing.assert_allclose(np.exp(miss)[:12], 1 - wanted, rtol=2e-4)


@pytest.mark.slow
def test_likelihood_is_of_hits_and_misses(small):
    sensitivity, history = small
    with jax.enable_x64(True):
        data = arrays(history)
        hit, miss = (np.asarray(v)[:12] for v in log_outcomes(sensitivity, data))
        each = np.asarray(pointwise_log_likelihood(sensitivity, data))
        total = float(log_likelihood(sensitivity, data))
    wanted = np.where(history.events["detected"], hit, miss)
    np.testing.assert_allclose(each[:12], wanted)
    assert np.all(each[12:] == 0) and abs(total - wanted.sum()) < 1e-9


@pytest.mark.long
def test_detected_only_is_conditional_on_detection():
    """The density of each magnitude integrates to one, and is that of brute integration."""
    truth = dataclasses.replace(TRUTH, count_share=(1.0,), group_shift=(0.0,), station_sd=0.0)
    design = Design(
        events=80, stations=6, extent_km=120.0, counts=2, only_detected=True, max_magnitude=6.0
    )
    history = simulate(KEY, truth, design)
    low, high = history.data.magnitudes
    assert (low, round(high, 3)) == (1.5, 6.0)
    assert set(history.left_out["reason"]) == {"not detected"}
    with jax.enable_x64(True):
        value = np.asarray(pointwise_log_likelihood(truth, arrays(history)))
    grid = np.linspace(low, high, 451)
    beta = np.log(10.0)
    for row in range(3):
        density = [np.exp(-beta * m) * enumerated(truth, history, row, m) for m in grid]
        own = float(history.events["magnitude"].iloc[row])
        top = np.exp(-beta * own) * enumerated(truth, history, row)
        wanted = np.log(top / np.trapezoid(density, grid))
        assert abs(value[row] - wanted) < 0.01


@pytest.mark.slow
def test_simulated_share_is_the_probability():
    """Stations, systems and coincidences are drawn one by one; the likelihood integrates."""
    design = dataclasses.replace(SMALL, events=20_000, days=100.0, masking_km=None)
    design = dataclasses.replace(design, station_effects=False)
    truth = dataclasses.replace(TRUTH, station_sd=0.0)
    history = simulate(jax.random.key(3), truth, design)
    with jax.enable_x64(True):
        hit = np.exp(np.asarray(log_outcomes(truth, arrays(history))[0]))[:20_000]
    events = history.events.assign(p=hit)
    bins = events.groupby(pd.qcut(events["p"], 8))
    share, mean, number = bins["detected"].mean(), bins["p"].mean(), bins.size()
    z = (share - mean) / np.sqrt(mean * (1 - mean) / number)
    assert np.abs(z).max() < 4


@pytest.mark.slow
def test_event_term_is_shared():
    """Without it the curve is steeper than what enumeration with it gives."""
    truth = Sensitivity(event_sd=0.8)
    history = simulate(KEY, truth, Design(events=200, stations=20))
    with jax.enable_x64(True):
        data = arrays(history)
        shared, single = (
            np.exp(np.asarray(log_outcomes(Sensitivity(event_sd=tau), data)[0]))[:200]
            for tau in (0.8, 0.01)
        )
    weak = single < 0.02
    assert weak.sum() > 20 and shared[weak].mean() > 3 * single[weak].mean()


@pytest.mark.long
def test_slopes_are_finite_far_out():
    history = simulate(KEY, Sensitivity(), Design(events=16, masking_km=50.0))
    far = Sensitivity(magnitude_50_km=60.0, trigger_sd=0.05, coincidence_probability=1e-6)
    with jax.enable_x64(True):
        slopes = jax.grad(log_likelihood)(far, arrays(history))
    for value in jax.tree.leaves(slopes):
        assert np.all(np.isfinite(value))


@pytest.mark.slow
def test_few_stations_are_enough_only_for_their_count():
    stations = pd.DataFrame({"latitude": [0.0, 0.1], "longitude": [0.0, 0.0]})
    events = pd.DataFrame(
        {"latitude": [0.0], "longitude": [0.0], "depth_km": 5.0, "magnitude": 3.0, "detected": True}
    )
    sure = Sensitivity(station_share=1.0, system_share=1.0, coincidence_probability=0.0)
    history = prepare(events, stations, counts=2)
    with jax.enable_x64(True):
        hit = log_outcomes(sure, arrays(history))[0]
    assert np.exp(hit[0]) > 0.99


@pytest.mark.long
def test_precision_is_that_of_each_call():
    """A call in float64 leaves later ones in float32 as they are."""
    history = simulate(KEY, Sensitivity(), Design(events=16, stations=8, neighbours=8))
    with jax.enable_x64(True):
        high = log_likelihood(Sensitivity(), arrays(history))
    low = log_likelihood(Sensitivity(), arrays(history))
    assert (high.dtype, low.dtype) == (jnp.float64, jnp.float32)
    assert abs(float(high) - float(low)) < 1e-3 * abs(float(high))


def test_certain_hits_have_a_finite_miss_in_single_precision():
    """Where nothing can fail the smallest number stands, not minus infinity."""
    from eqstat.detectability.history._likelihood import _log_outcomes

    one = jnp.ones(3, jnp.float32)
    hit, miss = _log_outcomes(Sensitivity(), one, one)
    assert hit.dtype == miss.dtype == jnp.float32
    assert bool(jnp.all(jnp.isfinite(miss)))
