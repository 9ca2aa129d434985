"""Fronts of unknown speed and anything else: their evidence, and what they keep from an alarm."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from eqstat.detection import _terms, detector, init, simulate, step
from eqstat.detection._detector import grid_over
from eqstat.detection.causes import default_causes, front, network_burst, other

from .. import cases


@pytest.fixture(scope="module")
def watch():
    return detector(cases.network(300, seed=4), background=cases.RATE_H)


def positions(watch):
    return np.asarray(watch.core.position, float)[:, :2]


def greatest(watch, times, until=150.0):
    """Greatest probability of an earthquake over the seconds of a stream."""
    state, probability, last = init(watch, 80.0), [], 80.0
    for now in np.arange(81.0, until):
        device = np.flatnonzero((times <= now) & (times > last))
        state, report = step(watch, state, now, device, times[device])
        probability.append(float(report.probability[0]))
        last = now
    return max(probability), report


def power_cut(at, rng):
    away = np.hypot(*(at - [3.0, -4.0]).T)
    times = 100.0 + 3.0 * np.floor(away / 8.0) + rng.normal(0.0, 0.3, len(at))
    return np.where(rng.uniform(size=len(at)) < 0.5, times, np.inf)


def towns(at, rng):
    away = [np.hypot(*(at - centre).T) for centre in ([-15.0, -12.0], [18.0, 10.0])]
    times = np.where(away[0] < away[1], 100.0, 107.0) + rng.normal(0.0, 0.8, len(at))
    felt = (np.minimum(*away) < 10.0) & (rng.uniform(size=len(at)) < 0.5)
    return np.where(felt, times, np.inf)


def slow_front(at, rng):
    away = np.hypot(*(at - [-20.0, 5.0]).T)
    times = 100.0 + away / 2.0 + rng.normal(0.0, 1.0, len(at))
    return np.where(rng.uniform(size=len(at)) < 0.5, times, np.inf)


@pytest.mark.slow
@pytest.mark.parametrize("event", [power_cut, towns, slow_front])
def test_coherent_events_are_no_earthquakes(watch, event):
    at = positions(watch)
    probability, _ = greatest(watch, event(at, np.random.default_rng(1)))
    assert probability < 0.9
    earlier = detector(
        cases.network(300, seed=4), background=cases.RATE_H, causes=default_causes()[:4]
    )
    assert greatest(earlier, event(at, np.random.default_rng(1)))[0] > 0.9


@pytest.mark.slow
def test_a_front_as_fast_as_p_is_not_told_for_certain(watch):
    """At 7.1 km/s along the surface only the rates speak for an earthquake."""
    at, rng = positions(watch), np.random.default_rng(2)
    away = np.hypot(*(at - [3.0, -4.0]).T)
    times = 100.0 + away / 7.1 + rng.normal(0.0, 1.0, len(at))
    times[rng.uniform(size=len(at)) > 0.5] = np.inf
    probability, report = greatest(watch, times, until=112.0)
    assert probability < 0.99
    names = [cause.name for cause in watch.causes]
    assert float(report.probability[names.index("fast_front")]) > 0.01


def test_evidence_of_districts_is_that_of_the_formula():
    """Each district by itself, over all windows from each start on, by loops."""
    cause = other(participation=(0.1, 0.5), cells=9)
    watch = cases.small(80, causes=(cases.small_quake(), cause))
    tables = watch.core.tables[1]
    rng = np.random.default_rng(3)
    places, _, slots, nodes = tables.shape
    ratio = rng.normal(0.0, 3.0, (places, slots, nodes))
    total = ratio + np.asarray(tables.log_weight) - np.log(places)
    fast = _terms.log_sum(tables, jnp.asarray(total[:, None], jnp.float32), cause.participation)
    logs = []
    for start in range(slots):
        for window in _terms.WINDOWS:
            # Slots are counted backwards; of those that are still to come the ratios are 1.
            covered = ratio[:, max(start - window + 1, 0) : start + 1]
            future = window - covered.shape[1]
            mean = (np.exp(covered).sum(axis=1) + future) / window
            for share in cause.participation:
                product = np.log(1 - share + share * mean).sum(axis=0)
                logs.append(logsumexp(product, b=np.asarray(cause.nodes.weight)) - np.log(8))
    assert float(fast) == pytest.approx(logsumexp(logs), abs=1e-3)


def test_evidence_of_a_course_in_time_is_that_of_the_formula():
    """Four slots, and all courses of the hazard by enumeration."""
    tables = cases.small(20, causes=(cases.small_quake(), other(cells=4))).core.tables[1]
    tables = tables._replace(age=tables.age[:4])
    times = np.array([-0.5, -2.5, -2.9, -6.9, -40.0, np.inf, np.inf])
    active = np.array([True] * 6 + [False])
    background, share, start = 0.5 / 3600, 0.1, -1.0
    fast = _terms.log_profile(
        tables, jnp.asarray(times), jnp.asarray(active), jnp.asarray(start),
        jnp.log(background), share,
    )  # fmt: skip
    hazard = np.array([0.0, *_terms.PROFILE_H]) / 3600
    prior = np.array([1 - share, *np.full(len(hazard) - 1, share / (len(hazard) - 1))])
    # Oldest first: from -7 to -5, -5 to -3, -3 to -1 and -1 s to the present.
    edges = [-7.0, -5.0, -3.0, -1.0, 0.0]
    chance, moved = prior, 0.5 * np.eye(len(hazard)) + 0.5 * prior
    for number, (low, high) in enumerate(pairwise(edges)):
        triggers = np.sum((times >= low) & (times < high))
        at_risk = np.sum(active & (times >= low))
        ratio = (1 + hazard / background) ** triggers * np.exp(-hazard * (high - low) * at_risk)
        chance = (chance if number == 0 else chance @ moved) * ratio
    assert float(fast) == pytest.approx(np.log(4 * chance.sum()), abs=1e-3)


def test_devices_belong_to_their_nearest_district():
    cause = other(cells=9)
    network = cases.network(80)
    watch = detector(network, causes=(cases.small_quake(), cause))
    counts = np.asarray(init(watch, 0.0).silent[1])
    local = watch.frame.to_local(network["latitude"].to_numpy(), network["longitude"].to_numpy())
    east, north, _ = grid_over(*(np.asarray(x) for x in local), 0.0, 9)
    away = np.hypot(local[0][:, None] - east, local[1][:, None] - north)
    np.testing.assert_allclose(
        counts[:, 0], np.bincount(away.argmin(axis=1), minlength=len(east)), atol=1e-5
    )
    assert np.all(counts[:, 1:] == 0)


def test_simulated_streams_of_unknown_causes():
    causes = (front(rate_per_year=1e8), other(rate_per_year=1e8), network_burst())
    watch = cases.small(200, causes=(cases.small_quake(), *causes))
    drawn = simulate(jax.random.key(0), watch, 60)
    by_cause = [drawn.trigger_s[drawn.cause == number] for number in (1, 2)]
    for times in by_cause:
        assert len(times) > 15
        assert np.isfinite(times).sum() > 5 * len(times)
    assert np.all(np.isnan(drawn.latitude[drawn.cause == 2]))
    assert np.all(np.isfinite(drawn.latitude[drawn.cause == 1]))
