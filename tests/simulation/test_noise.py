"""People, sound, crowds and servers trigger as often, where and when they should."""

import jax
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.counts import Background, Bursts
from eqstat.counts._simulate import week_means
from eqstat.simulation import simulate
from eqstat.simulation.sources import (
    Crowd,
    HumanTriggers,
    ServerBurst,
    Thunder,
    UniformTriggers,
    human_triggers,
)

from . import cases

KEY = jax.random.key(5)


def test_people_are_a_poisson_process():
    source = HumanTriggers(2.0, window_s=(-100.0, 500.0))
    streams = simulate(KEY, cases.box(200), source, 250)
    chance = 1 - np.exp(-2.0 * 600 / 3600)
    assert abs(cases.apart(streams.triggered.sum(), 50_000, chance)) < 4
    times = streams.first_trigger_s[streams.triggered] + 100
    law = stats.truncexpon(b=600 * 2 / 3600, scale=3600 / 2)
    assert stats.kstest(times, law.cdf).pvalue > 1e-3
    # Devices are independent: the counts of data sets are binomial.
    count = streams.triggered.sum(axis=1)
    assert abs(count.var() / (200 * chance * (1 - chance)) - 1) < 4 * np.sqrt(2 / 250)


def test_people_keep_hours():
    rate = np.zeros(24)
    rate[14] = 60.0
    source = HumanTriggers(rate, window_s=(0.0, 60.0))
    # All phones take part, whatever the hour, when they are fixed.
    network = cases.box()
    network.fixed[:] = True
    streams = simulate(KEY, network, source, 100, hour=np.repeat([14.9, 15.0], 50))
    assert abs(cases.apart(streams.triggered[:50].sum(), 10_000, 1 - np.exp(-1))) < 4
    assert not streams.triggered[50:].any()


def test_lively_times_are_common_to_all():
    source = HumanTriggers(3.0, window_s=(0.0, 60.0), dispersion=0.4)
    count = simulate(KEY, cases.box(), source, 1000).triggered.sum(axis=1)
    # P(trigger | G) = 1 - exp(-m G): its first two moments by the transform of the gamma law.
    m, shape = 0.05, 1 / 0.4
    one = (1 + m / shape) ** -shape
    two = (1 + 2 * m / shape) ** -shape
    mean, between = 200 * (1 - one), 200**2 * (two - one**2)
    variance = between + 200 * (one - two)
    assert abs(count.mean() - mean) < 4 * np.sqrt(variance / 1000)
    # The kurtosis of a gamma of shape 2.5 makes the variance of 1,000 counts err by 7 per cent.
    assert abs(count.var() / variance - 1) < 0.28


def test_bursts_come_as_often_and_as_large_as_said():
    bursts = Bursts(0.02, 0.1, 30.0)
    source = HumanTriggers(1e-9, window_s=(0.0, 100.0), bursts=bursts)
    streams = simulate(KEY, cases.box(), source, 2000)
    count = streams.triggered.sum(axis=1)
    shaken = count > 0
    law = stats.betabinom(200, 3.0, 27.0)
    chance = (1 - 0.98**10) * (1 - law.pmf(0))
    # A few bursts begin so late that nothing of them is seen.
    assert abs(cases.apart(shaken.sum(), 2000, chance)) < 4
    inside = np.array([np.ptp(row[np.isfinite(row)]) for row in streams.first_trigger_s[shaken]])
    assert inside.max() < 10
    # Those that begin in the last tenth are cut.
    begin = np.nanmin(np.where(streams.triggered, streams.first_trigger_s, np.nan)[shaken], axis=1)
    whole = count[shaken][begin < 85]
    assert abs(whole.mean() - law.mean() / (1 - law.pmf(0))) < 4 * law.std() / np.sqrt(len(whole))


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "beta_binomial"])
def test_human_triggers_of_a_background_are_those_of_counts(family):
    dispersed = family != "poisson"
    background = Background(
        family,
        40.0,
        daily=np.array([0.5, 0.1, 0.0, 0.0]),
        region_effect=np.array([0.4, 0.0]),
        dispersion=0.3 if family == "negative_binomial" else 0.02 if dispersed else None,
        dispersion_slope=0.0 if dispersed else None,
        regions=("a", "b"),
    )
    source = human_triggers(background, 200, region="a", window_s=(0.0, 10.0))
    hours = np.arange(7) * 24 + 14
    mean = week_means(background, np.zeros(7, int), hours, np.full(7, 200.0)).mean()
    np.testing.assert_allclose(200 * source.rate_per_device_h[14] / 360, mean, rtol=1e-6)
    network = cases.box()
    network.fixed[:] = True
    count = simulate(KEY, network, source, 1500, hour=14.0).triggered.sum(axis=1)
    # A device counts once, so a little fewer than the mean of a Poisson count.
    assert abs(count.mean() / mean - 1) < 0.25
    assert count.mean() < mean
    excess = count.var() / count.mean()
    assert excess > 2.5 if dispersed else excess < 1.1


def test_uniform_triggers_are_uniform():
    streams = simulate(KEY, cases.box(), UniformTriggers(0.3, (0.0, 12.0)), 100)
    assert abs(cases.apart(streams.triggered.sum(), 20_000, 0.3)) < 4
    times = streams.first_trigger_s[streams.triggered]
    assert stats.kstest(times / 12, "uniform").pvalue > 1e-3
    assert set(streams.event) == {"nothing"}


def test_thunder_goes_at_the_speed_of_sound_and_no_farther():
    network = cases.box()
    source = Thunder(reach_km=(15.0, 15.0), time_s=(2.0, 4.0), sd_s=0.0, probability=1.0)
    streams = simulate(KEY, network, source, 60)
    truth = streams.truth
    away = np.hypot(
        network.east_km - truth.east_km[:, None], network.north_km - truth.north_km[:, None]
    )
    expected = truth.time_s[:, None] + away / 0.34
    seen = streams.triggered
    np.testing.assert_allclose(streams.first_trigger_s[seen], expected[seen], rtol=1e-4)
    assert not seen[away > 15].any()
    assert set(streams.event) == {"thunder"}
    near = (away > 5) & (away < 6)
    assert abs(cases.apart(seen[near].sum(), near.sum(), 1 - 5.5 / 15)) < 4


def test_crowds_are_the_nearest_to_their_venue():
    network = cases.box()
    streams = simulate(KEY, network, Crowd((30, 50), share=1.0, sd_s=0.0, time_s=(7, 7)), 200)
    truth = streams.truth
    away = np.hypot(
        network.east_km - truth.east_km[:, None], network.north_km - truth.north_km[:, None]
    )
    count = streams.triggered.sum(axis=1)
    assert count.min() == 30 and count.max() == 50
    for row, inside, many in zip(away, streams.triggered, count, strict=True):
        assert set(np.flatnonzero(inside)) == set(np.argsort(row)[:many])
    assert np.all(streams.first_trigger_s[streams.triggered] == 7)


def test_servers_send_all_at_once_from_everywhere():
    streams = simulate(KEY, cases.box(), ServerBurst((0.1, 0.3), (5.0, 5.0), 1.0), 200)
    share = streams.triggered.mean(axis=1)
    assert abs(share.mean() - 0.2) < 4 * np.sqrt(0.2**2 / 12 / 200)
    assert 0.04 < share.std() < 0.08
    times = streams.first_trigger_s[streams.triggered]
    assert times.min() >= 5 and times.max() <= 6


def test_bad_noise_is_refused():
    for make in (
        lambda: HumanTriggers(np.ones(23)),
        lambda: HumanTriggers(-1.0),
        lambda: HumanTriggers(window_s=(5.0, 1.0)),
        lambda: HumanTriggers(dispersion=-0.1),
        lambda: UniformTriggers(1.5),
        lambda: Thunder(velocity_km_s=7.0),
        lambda: Crowd(devices=(9, 3)),
        lambda: ServerBurst(share=(0.2, 1.2)),
        lambda: human_triggers(Background("poisson", np.ones(3)), 10),
    ):
        with pytest.raises(InputError):
            make()
