"""Waves arrive when the velocity model says, and trigger whom the functions say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.geodesy import great_circle_distance, hypocentral_distance
from eqstat.simulation import simulate
from eqstat.simulation.sources import (
    ConstantProbability,
    Earthquakes,
    NormalDelay,
    ShakingProbability,
    blasts,
    gamma_delay,
)
from eqstat.velocity import load_velocity

from . import cases

KEY = jax.random.key(11)
EXACT = {"delay": NormalDelay(0.0, 0.0)}


def epicentres(network, streams):
    """Latitude and longitude of the truth, one row each."""
    truth = streams.truth
    return [x[:, None] for x in network.frame.to_geographic(truth.east_km, truth.north_km)]


@pytest.mark.slow
@pytest.mark.parametrize(("wave", "velocity"), [("P", 7.8), ("S", 4.5)])
def test_arrivals_of_straight_rays(wave, velocity):
    network = cases.box()
    chance = ConstantProbability(1.0) if wave == "P" else ConstantProbability(0.0, 1.0)
    source = Earthquakes((-80, 80), (-80, 80), time_s=(3.0, 9.0), probability=chance, **EXACT)
    streams = simulate(KEY, network, source, 40)
    truth = streams.truth
    distance = hypocentral_distance(
        *epicentres(network, streams), truth.depth_km[:, None], network.latitude, network.longitude
    )
    expected = truth.time_s[:, None] + distance / velocity
    np.testing.assert_allclose(streams.first_trigger_s, expected, atol=2e-5)
    assert set(np.unique(streams.cause)) == {1 if wave == "P" else 2}


@pytest.mark.long
def test_arrivals_of_a_tabulated_earth():
    network = cases.box()
    model = load_velocity("ak135")
    source = Earthquakes(velocity=model, probability=ConstantProbability(1.0), **EXACT)
    streams = simulate(KEY, network, source, 20)
    distance = great_circle_distance(
        *epicentres(network, streams), network.latitude, network.longitude
    )
    expected, _ = model.travel_time(distance, streams.truth.depth_km[:, None])
    np.testing.assert_allclose(streams.first_trigger_s, expected, atol=1e-3)


def test_hypocentres_are_even_in_their_ranges():
    source = Earthquakes((-5, 25), (3, 4), (10, 80), (-2, 2), (4, 6), 1.3)
    truth = simulate(KEY, cases.box(), source, 1500).truth
    for values, (low, high) in (
        (truth.east_km, (-5, 25)),
        (truth.north_km, (3, 4)),
        (truth.depth_km, (10, 80)),
        (truth.time_s, (-2, 2)),
    ):
        assert stats.kstest((values - low) / (high - low), "uniform").pvalue > 1e-3
    rate = 1.3 * np.log(10)
    law = stats.truncexpon(b=rate * 2, loc=4, scale=1 / rate)
    assert stats.kstest(truth.magnitude, law.cdf).pvalue > 1e-3


def test_magnitudes_of_slope_zero_are_even():
    truth = simulate(KEY, cases.box(), Earthquakes(magnitude=(3, 7), b_value=0), 1500).truth
    assert stats.kstest((truth.magnitude - 3) / 4, "uniform").pvalue > 1e-3


def test_constant_probabilities_trigger_so_many():
    source = Earthquakes(probability=ConstantProbability(0.4, 0.5))
    streams = simulate(KEY, cases.box(200), source, 200)
    assert abs(cases.apart((streams.cause == 1).sum(), 40_000, 0.4)) < 4
    assert abs(cases.apart((streams.cause == 2).sum(), 40_000, 0.6 * 0.5)) < 4


def test_shaking_triggers_as_the_formula_says():
    probability = ShakingProbability(ceiling=0.7)
    distance, magnitude = np.geomspace(5, 300, 30), 5.3
    by_p, by_s = (np.asarray(x) for x in probability(jnp.asarray(distance), jnp.asarray(magnitude)))
    log_peak = 3.87 + 1.12 * magnitude - 1.83 * np.log(distance) - np.log(10.0)
    both = 0.7 / (1 + np.exp(-1.7 * log_peak / 0.78))
    np.testing.assert_allclose(by_p + (1 - by_p) * by_s, both, rtol=1e-4, atol=1e-6)
    only_p = 0.7 / (1 + np.exp(-1.7 * (log_peak + np.log(0.25)) / 0.78))
    np.testing.assert_allclose(by_p, only_p, rtol=1e-4, atol=1e-6)
    stronger = probability(jnp.asarray(distance), jnp.asarray(6.3))
    assert np.all(np.asarray(stronger[0]) > by_p)


def test_a_probability_of_ones_own_is_used():
    def near(distance_km, magnitude):
        here = jnp.where(distance_km < 20, 1.0, 0.0)
        return here, jnp.zeros_like(here)

    network = cases.box()
    source = Earthquakes(depth_km=(5, 15), probability=near)
    streams = simulate(KEY, network, source, 30)
    distance = hypocentral_distance(
        *epicentres(network, streams),
        streams.truth.depth_km[:, None],
        network.latitude,
        network.longitude,
    )
    # Single precision may put a device on the edge on either side.
    clear = np.abs(distance - 20) > 1e-3
    np.testing.assert_array_equal(streams.triggered[clear], distance[clear] < 20)
    assert streams.triggered.any()


@pytest.mark.parametrize(
    ("delay", "law"),
    [
        (NormalDelay(), stats.norm(0, 3 / stats.norm.isf(0.01))),
        (NormalDelay(1.5, 0.4), stats.norm(1.5, 0.4)),
        (gamma_delay(), stats.gamma(9.77, scale=0.256)),
        (gamma_delay(0.8, 3.0), stats.gamma(0.8, scale=3.0)),
    ],
)
def test_delays_follow_their_law(delay, law):
    drawn = np.asarray(delay(KEY, (20_000,)))
    assert stats.kstest(drawn, law.cdf).pvalue > 1e-3
    # The far tails too, where a table might end too soon.
    for tail in (1e-3, 1 - 1e-3):
        assert abs(cases.apart((drawn < law.ppf(tail)).sum(), 20_000, tail)) < 4


def test_blasts_are_waves_from_the_surface():
    streams = simulate(KEY, cases.box(), blasts(magnitude=(2.5, 4.0)), 50)
    assert set(streams.event) == {"blast"}
    assert np.all(streams.truth.depth_km == 0)
    assert streams.triggered.any() and set(np.unique(streams.cause)) <= {0, 1, 2}


@pytest.mark.parametrize(
    "bad",
    [
        {"depth_km": (50.0, 10.0)},
        {"depth_km": (-1.0, 10.0)},
        {"magnitude": (5.0, 11.0)},
        {"east_km": (0.0, np.nan)},
    ],
)
def test_bad_ranges_are_refused(bad):
    with pytest.raises(InputError, match=r"two numbers in order|must lie in"):
        Earthquakes(**bad)


def test_bad_numbers_are_refused():
    for make in (
        lambda: ConstantProbability(1.2),
        lambda: NormalDelay(0.0, -1.0),
        lambda: gamma_delay(-1.0),
        lambda: ShakingProbability(ceiling=2.0),
    ):
        with pytest.raises(InputError):
            make()
