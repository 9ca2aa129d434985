"""Fronts of unknown speed and anything else: their evidence, and what they keep from an alarm."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from eqstat.detection import _districts, detector, init, simulate, step
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


@pytest.mark.long
@pytest.mark.parametrize("event", [power_cut, towns, slow_front])
def test_coherent_events_are_no_earthquakes(watch, event):
    at = positions(watch)
    probability, _ = greatest(watch, event(at, np.random.default_rng(1)))
    assert probability < 0.9
    earlier = detector(
        cases.network(300, seed=4), background=cases.RATE_H, causes=default_causes()[:4]
    )
    assert greatest(earlier, event(at, np.random.default_rng(1)))[0] > 0.9


@pytest.mark.long
def test_a_front_as_fast_as_p_is_not_told_for_certain(watch):
    """At 7.1 km/s along the surface only the rates speak for an earthquake."""
    at, rng = positions(watch), np.random.default_rng(2)
    away = np.hypot(*(at - [3.0, -4.0]).T)
    times = 100.0 + away / 7.1 + rng.normal(0.0, 1.0, len(at))
    times[rng.uniform(size=len(at)) > 0.5] = np.inf
    probability, report = greatest(watch, times, until=112.0)
    # No text with two decimals says 1.
    assert probability < 0.995
    names = [cause.name for cause in watch.causes]
    assert float(report.probability[names.index("fast_front")]) > 0.003


def over_partitions(ratio, value, size=8):
    """Sum over partitions of a block of size x size districts, its first axes, by recursion."""
    if ratio.size == 0:
        return 1.0
    whole = value(ratio.sum(axis=(0, 1)))
    if size == 1:
        return whole
    half = size // 2
    corners = ((slice(half), slice(half, None)), (slice(half, None), slice(half, None)))
    parts = [ratio[:half, :half], ratio[half:, :half], *(ratio[corner] for corner in corners)]
    product = 1.0
    for part in parts:
        product = product * over_partitions(part, value, half)
    return (1 - _districts.SPLIT) * whole + _districts.SPLIT * product


@pytest.mark.slow
def test_evidence_of_bursts_is_that_of_the_formula():
    """Each block by itself, over all windows from each start on, by recursion and loops."""
    cause = other(participation=(0.1, 0.5), cells=30)
    watch = cases.small(80, causes=(cases.small_quake(), cause))
    tables, districts = watch.core.tables[1], watch.core.districts[1]
    rng = np.random.default_rng(3)
    places, _, slots, nodes = tables.shape
    assert np.prod(districts.shape) == places and 4 < max(districts.shape) <= 8
    ratio = rng.normal(0.0, 1.0, (places, slots, nodes))
    total = ratio + np.asarray(tables.log_weight) - np.log(places)
    fast = _districts.log_moments(tables, jnp.asarray(total[:, None], jnp.float32), districts)
    ratio = ratio.reshape(*districts.shape, slots, nodes)
    logs = []
    for start in range(slots):
        for window in _districts.WINDOWS:
            # Slots are counted backwards; of those that are still to come the ratios are 1.
            covered = ratio[:, :, max(start - window + 1, 0) : start + 1]
            future = window - covered.shape[2]
            for share in cause.participation:

                def value(block, share=share, future=future, window=window):
                    return 1 - share + share * (np.exp(block).sum(axis=0) + future) / window

                product = np.log(over_partitions(covered, value))
                logs.append(logsumexp(product, b=np.asarray(cause.nodes.weight)) - np.log(8))
    logs = logsumexp(np.reshape(logs, (slots, -1)), axis=1)
    np.testing.assert_allclose(fast, logs, atol=1e-3)


def test_evidence_of_a_course_in_time_is_that_of_the_formula():
    """Four slots, and all courses of the hazard by enumeration."""
    watch = cases.small(7, causes=(cases.small_quake(), other(cells=4)))
    tables, districts = watch.core.tables[1], watch.core.districts[1]
    tables = tables._replace(age=tables.age[:4])
    times = np.array([-0.5, -2.5, -2.9, -6.9, -40.0, np.inf, np.inf])
    active = np.array([True] * 6 + [False])
    nearest, count = np.asarray(districts.nearest), int(np.prod(districts.shape))
    silent = np.bincount(nearest, weights=active & np.isinf(times), minlength=count)
    background, start, latency = 0.5 / 3600, -1.0, 0.5
    fast = _districts.log_course(
        tables, districts, jnp.asarray(times), jnp.asarray(silent), jnp.asarray(start),
        jnp.log(background), jnp.asarray(latency),
    )  # fmt: skip
    changed = districts.participation[0]
    pairs = [(h / 3600, share) for share in districts.participation for h in _districts.COURSE_H]
    prior = np.array([1 - changed, *np.full(len(pairs), changed / len(pairs))])
    # Oldest first: from -7 to -5, -5 to -3, -3 to -1 and -1 s to the present.
    edges = [-7.0, -5.0, -3.0, -1.0, 0.0]
    chance, moved = prior, 0.5 * np.eye(len(prior)) + 0.5 * prior
    for number, (low, high) in enumerate(pairwise(edges)):
        within, at_risk = (times >= low) & (times < high), active & (times >= low)
        observed = min(high, -latency) - low
        ratio = [1.0]
        for hazard, share in pairs:
            log_ratio = [
                np.sum(within[nearest == b]) * np.log1p(hazard / background)
                - hazard * observed * np.sum(at_risk[nearest == b])
                for b in range(count)
            ]
            block = np.array(log_ratio).reshape(*districts.shape)
            ratio.append(over_partitions(block, lambda one, p=share: 1 - p + p * np.exp(one), 2))
        chance = (chance if number == 0 else chance @ moved) * ratio
    assert float(fast) == pytest.approx(np.log(4 * chance.sum()), abs=1e-3)


def test_districts_are_joined_to_blocks_as_the_evidence_supposes():
    """The root is one block with probability 1/3; neighbours are joined more often than others."""
    rng = np.random.default_rng(5)
    drawn = np.stack([_districts.partition(rng, (3, 5)) for _ in range(4000)])
    whole = np.mean(drawn.max(axis=1) == 0)
    assert whole == pytest.approx(1 - _districts.SPLIT, abs=0.03)
    # The first two districts towards the north lie in one block of two by two.
    together = np.mean(drawn[:, 0] == drawn[:, 1])
    single = 1 - (1 - _districts.SPLIT) * (1 + _districts.SPLIT + _districts.SPLIT**2)
    assert together == pytest.approx(1 - single, abs=0.03)


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
