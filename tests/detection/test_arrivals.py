"""Hypocentres drawn from a location, and when their waves come."""

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat.detection import expected_arrivals, locate
from eqstat.hypocentre import draw
from eqstat.velocity import load_velocity

from . import cases
from .test_locate import seen


@pytest.fixture(scope="module")
def watch():
    return cases.small(300, seed=4)


@pytest.fixture(scope="module")
def found(watch):
    return locate(watch, *seen(watch))


def test_draws_have_the_moments_of_the_grid(watch, found):
    drawn = draw(jax.random.key(1), found, 20_000)
    pairs = (
        ("depth_km", "depth_mean_km", "depth_sd_km"),
        ("origin_time_s", "origin_mean_s", "origin_sd_s"),
        ("slowness", "slowness_mean", "slowness_sd"),
    )
    for name, mean, sd in pairs:
        spread = float(found[sd])
        assert float(drawn[name].mean()) == pytest.approx(float(found[mean]), abs=0.03 * spread)
        if name != "slowness":
            axis = found[name].to_numpy()
            spread = np.hypot(spread, (axis[1] - axis[0]) / np.sqrt(12))
        assert float(drawn[name].std()) == pytest.approx(spread, rel=0.02)
    place = watch.frame.to_geographic(drawn["east_km"].to_numpy(), drawn["north_km"].to_numpy())
    np.testing.assert_allclose(drawn["latitude"], np.asarray(place[0]))
    assert drawn["latitude"].attrs["units"] == "degrees_north"
    # What belongs together stays together: late origins go with small travel times.
    grid = found["weight"].transpose("origin_time_s", "slowness", ...).sum(("east_km", "north_km"))
    grid = grid.sum("depth_km").to_numpy().astype(float)
    t = (found["origin_time_s"].to_numpy() - float(drawn["origin_time_s"].mean()))[:, None]
    k = (found["slowness"].to_numpy() - float(drawn["slowness"].mean()))[None, :]
    covariance = float(np.cov(drawn["origin_time_s"], drawn["slowness"])[0, 1])
    assert covariance == pytest.approx(float((grid * t * k).sum()), rel=0.15, abs=1e-4)


def test_arrivals_are_those_of_the_source(watch, found):
    """The source was at (4, -9) km, 15 km deep, at 100 s; now is 109 s."""
    sites = [watch.frame.to_geographic(east, north) for east, north in ((4.0, -9.0), (60.0, 30.0))]
    latitude, longitude = (
        np.array([float(np.asarray(x)) for x in axis]) for axis in zip(*sites, strict=True)
    )
    expected = expected_arrivals(
        jax.random.key(0), watch, found, latitude, longitude, probability=0.99
    )
    away = np.array([0.0, np.hypot(56.0, 39.0)])
    true = 100.0 + np.stack(
        [np.asarray(t, float) for t in watch.causes[0].travel_s(away, 15.0)], axis=1
    )
    # The phones of `seen` wait 1 s, as the detector believes: nothing of it is in the arrivals.
    assert np.all(expected["low_s"] < true)
    assert np.all(true < expected["high_s"])
    np.testing.assert_allclose(expected["from_now_s"], expected["arrival_s"] - 109.0)
    passed = expected["passed_probability"].to_numpy()
    assert passed[0, 0] > 0.99
    assert passed[1, 1] < 0.01
    assert expected.attrs["interval_probability"] == 0.99


@pytest.mark.long
def test_with_a_table_of_travel_times():
    """A table is reduced to one depth or not: for a depth of each draw it must not be."""
    quake = cases.small_quake(velocity=load_velocity("iasp91"))
    watch = cases.small(300, seed=4, causes=(quake,))
    found = locate(watch, *seen(watch, travel=load_velocity("iasp91").travel_time))
    site = [np.array([float(x)]) for x in watch.frame.to_geographic(60.0, 30.0)]
    expected = expected_arrivals(jax.random.key(0), watch, found, *site, probability=0.99)
    true = 100.0 + np.array(quake.velocity.travel_time(np.hypot(56.0, 39.0), 15.0))
    assert np.all(expected["low_s"][0] < true)
    assert np.all(true < expected["high_s"][0])


def test_bad_arguments(watch, found):
    with pytest.raises(InputError, match="probability"):
        expected_arrivals(jax.random.key(0), watch, found, 0.0, 0.0, probability=1.0)
    with pytest.raises(InputError, match="as many numbers"):
        expected_arrivals(jax.random.key(0), watch, found, [0.0, 1.0], 0.0)
    with pytest.raises(InputError, match="latitude must lie"):
        expected_arrivals(jax.random.key(0), watch, found, 100.0, 0.0)
    with pytest.raises(InputError, match="count"):
        draw(jax.random.key(0), found, 0)
