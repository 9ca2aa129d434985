"""Alarms of overlapping circles against a small country by brute force."""

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat.counts import Intensity
from eqstat.counts.scan import country_rate, log_alarms_per_hour, members_of_circles
from eqstat.counts.scan._clumps import clumps, stretches
from eqstat.geodesy import great_circle_distance

WINDOW_S = 10.0


def country(seed=3, devices=60, side_deg=1.2):
    rng = np.random.default_rng(seed)
    latitude = 44.0 + side_deg * rng.random(devices)
    longitude = 8.0 + side_deg * rng.random(devices)
    return latitude, longitude


def by_brute_force(rng, members, need, per_h, windows, block_windows, dispersion=0.0):
    """Clumps per hour and its standard error, from blocks with a factor of their own."""
    counts, length = [], block_windows * WINDOW_S
    need = np.broadcast_to(need, len(members))
    for _ in range(windows // block_windows):
        factor = rng.gamma(1 / dispersion, dispersion) if dispersion else 1.0
        number = rng.poisson(factor * per_h / 3600 * members.shape[1] * length)
        times = np.sort(rng.random(number) * length)
        devices = rng.integers(members.shape[1], size=number)
        both = stretches(times, devices, members, need, WINDOW_S)
        counts.append(clumps(both, WINDOW_S)[-1] + 1 if len(both) else 0)
    rate = np.array(counts) / (length / 3600)
    return rate.mean(), rate.std() / np.sqrt(rate.size)


def test_members_are_the_devices_within_the_radius():
    latitude, longitude = country()
    members = members_of_circles(latitude, longitude, radius_km=30.0)
    assert members.diagonal().all()
    distance = great_circle_distance(latitude[4], longitude[4], latitude, longitude)
    np.testing.assert_array_equal(members[4], distance <= 30.0)
    two = members_of_circles(
        latitude, longitude, centre_latitude=[44.5, 44.6], centre_longitude=[8.5, 8.6]
    )
    assert two.shape == (2, 60)


def test_one_circle_is_the_sliding_window():
    members = np.ones((1, 40), bool)
    rate = country_rate(
        jax.random.key(1), members, 6, rate_per_device_h=9.0, window_s=WINDOW_S, draws=2000
    )
    alone = float(log_alarms_per_hour(6, 1.0, window_s=WINDOW_S))
    assert rate.log_union_per_hour == pytest.approx(alone)
    assert rate.log_per_hour == pytest.approx(alone, abs=4 * rate.standard_error + 0.02)


@pytest.mark.long
def test_a_slow_intensity_is_averaged_over():
    members = members_of_circles(*country())
    known = {"rate_per_device_h": 4.0, "window_s": WINDOW_S, "draws": 1500}
    slow = Intensity(0.6, 4.0)
    whole = country_rate(jax.random.key(1), members, 5, dispersion=0.2, intensity=slow, **known)
    z = np.linspace(-4.5, 4.5, 19)
    weight = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
    rates, bounds = [], []
    for factor in np.exp(0.6 * z - 0.18):
        own = known | {"rate_per_device_h": 4.0 * factor}
        at = country_rate(jax.random.key(2), members, 5, dispersion=0.2, **own)
        rates.append(at.log_per_hour)
        bounds.append(at.log_union_per_hour)
    assert whole.log_union_per_hour == pytest.approx(np.log(weight @ np.exp(bounds)), abs=1e-3)
    error = 4 * np.hypot(whole.standard_error, 0.02) + 0.02
    assert whole.log_per_hour == pytest.approx(np.log(weight @ np.exp(rates)), abs=error)
    fixed = country_rate(jax.random.key(1), members, 5, dispersion=0.2, **known)
    assert whole.log_per_hour > fixed.log_per_hour + 0.5
    with pytest.raises(InputError, match="one intensity"):
        country_rate(jax.random.key(1), members, 5, intensity=Intensity(np.ones(3), 4.0), **known)


def test_circles_that_share_nothing_add_up():
    members = np.kron(np.eye(3, dtype=bool), np.ones((1, 20), bool))
    one = country_rate(
        jax.random.key(1), members[:1], 5, rate_per_device_h=3.0, window_s=WINDOW_S, draws=1500
    )
    three = country_rate(
        jax.random.key(2), members, 5, rate_per_device_h=3.0, window_s=WINDOW_S, draws=1500
    )
    error = 4 * np.hypot(one.standard_error, three.standard_error)
    assert three.log_per_hour == pytest.approx(one.log_per_hour + np.log(3), abs=error)
    # The same circle twice is one circle.
    twice = country_rate(
        jax.random.key(1), members[[0, 0]], 5, rate_per_device_h=3.0, window_s=WINDOW_S, draws=1500
    )
    assert twice == one


@pytest.mark.long
@pytest.mark.parametrize(
    ("per_h", "need", "dispersion"), [(4.0, 4, 0.0), (10.0, 6, 0.0), (8.0, 5, 0.2)]
)
def test_a_small_country_by_brute_force(per_h, need, dispersion):
    members = members_of_circles(*country())
    rate, error = by_brute_force(
        np.random.default_rng(9), members, need, per_h, 800_000, 400, dispersion
    )
    estimate = country_rate(
        jax.random.key(4),
        members,
        need,
        rate_per_device_h=per_h,
        window_s=WINDOW_S,
        dispersion=dispersion,
        draws=4000,
    )
    assert estimate.at_horizon < 0.02
    both = 4 * np.hypot(error / rate, estimate.standard_error)
    assert estimate.log_per_hour == pytest.approx(np.log(rate), abs=both + 0.02)
    assert estimate.log_union_per_hour > estimate.log_per_hour + np.log(2.0)


def test_far_in_the_tail_it_costs_the_same():
    members = members_of_circles(*country())
    rate = country_rate(
        jax.random.key(4), members, 15, rate_per_device_h=1.0, window_s=WINDOW_S, draws=300
    )
    assert rate.log_per_hour < -30
    assert rate.standard_error < 0.1
    assert rate.log_union_per_hour - np.log(60) < rate.log_per_hour < rate.log_union_per_hour


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"members": np.ones(3, bool)}, "shape"),
        ({"triggers": 50}, "no circle"),
        ({"rate_per_device_h": 0.0}, "above 0"),
        ({"draws": 1}, "at least 2"),
    ],
)
def test_bad_arguments_get_one_clear_error(change, match):
    arguments = {
        "members": np.ones((2, 10), bool),
        "triggers": 5,
        "rate_per_device_h": 1.0,
        "window_s": 10.0,
        **change,
    }
    with pytest.raises(ValueError, match=match):
        country_rate(jax.random.key(0), **arguments)
