"""Networks in cells: pole, antimeridian, counts of devices, circles, rules."""

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.detectability import Rule, prepare
from eqstat.detectability._network import arc_between, circles, unit_vectors


def table(latitude, longitude, **more):
    return pd.DataFrame({"latitude": latitude, "longitude": longitude, **more})


def test_devices_of_one_place_are_one_cell():
    network = prepare(table([1.0, 1.0, 1.0001, 3.0], [5.0, 5.0, 5.0, 5.0]))
    assert sorted(network.devices) == [1, 3]
    assert len(network) == 4


@pytest.mark.parametrize("centre", [(0.0, 180.0), (89.9, 40.0), (-12.0, -77.0)])
def test_cells_and_circles_do_not_depend_on_where_they_are(centre):
    rng = np.random.default_rng(0)
    bearing, away = rng.uniform(0, 2 * np.pi, 300), 20 * np.sqrt(rng.random(300))
    lat0, lon0 = np.deg2rad(centre)
    angle = away / 6371.0
    lat = np.arcsin(np.sin(lat0) * np.cos(angle) + np.cos(lat0) * np.sin(angle) * np.cos(bearing))
    lon = lon0 + np.arctan2(
        np.sin(bearing) * np.sin(angle) * np.cos(lat0), np.cos(angle) - np.sin(lat0) * np.sin(lat)
    )
    lon = (np.rad2deg(lon) + 180) % 360 - 180
    network = prepare(table(np.rad2deg(lat), lon))
    assert len(network) == 300
    around = circles(network, 45.0, np.array([20.0]))
    # Everything lies within 40 km of everything.
    assert np.all(around.listed == 300)
    number, places = len(around.listed), len(network.devices)
    weight, total = np.ones((number, places)), np.full((number, number), 300.0)
    np.testing.assert_allclose(around.overlap(np.arange(number), weight, total), 1.0, rtol=1e-6)
    apart = arc_between(network.position, unit_vectors(*np.array(centre)[:, None]))
    assert apart.max() < 22


def test_circles_of_towns_far_apart_are_disjoint():
    around = circles(prepare(table([0.0, 0.0], [0.0, 2.0])), 30.0, np.array([20.0]))
    assert around.listed.tolist() == [1, 1]
    overlap = around.overlap(np.array([0, 1]), np.ones((2, 2)), np.ones((2, 2)))
    assert overlap.tolist() == [[1, 0], [0, 1]]
    assert around.neighbour_correlation == 0


@pytest.mark.parametrize(
    "needed",
    [lambda n, h: np.full(n.shape, np.nan), lambda n, h: 0 * n, lambda n: n, lambda n, h: "eight",
     lambda n, h: np.ones(17)],
)  # fmt: skip
def test_rules_that_give_no_counts_are_refused(needed):
    with pytest.raises(InputError, match="Rule"):
        Rule(needed).required(np.array([[5.0], [7.0]]), np.array([3.0, 14.0]))


def test_devices_near_a_centre_are_some_where_they_are_sparse():
    around = circles(prepare(table(np.arange(16) * 0.15, np.zeros(16))), 30.0, np.array([20.0]))
    near = np.asarray(around.near.sum(axis=0)).ravel()
    assert np.all(near >= 2)
    assert np.all(near <= around.listed)


def test_numbers_of_devices_come_from_a_column():
    towns = table([0.0, 1.0, 2.0], [0.0, 0.0, 0.0], phones=[10, 2.5, 0])
    network = prepare(towns, devices="phones")
    assert sorted(network.devices) == [2.5, 10]
    assert network.left_out["reason"].tolist() == ["no devices at this place"]
    for column, match in (("people", "no column 'people'"), ("phones", "rows 1")):
        bad = towns.assign(phones=[10, -1, 3])
        with pytest.raises(InputError, match=match):
            prepare(bad, devices=column)
    with pytest.raises(InputError, match="no device"):
        prepare(towns.assign(phones=0), devices="phones")


def test_rules_take_numbers_and_functions():
    active = np.array([[50.0], [200.4]])
    hours = np.array([3.0, 14.0])
    assert Rule(7).required(active, hours).tolist() == [[7, 7], [7, 7]]
    share = Rule(lambda n, hour: np.ceil(0.1 * n) + (hour > 12))
    assert share.required(active, hours).tolist() == [[5, 6], [20, 21]]
    for wrong in ({"needed": 0}, {"needed": 5, "window_s": 0}, {"needed": 5, "radius_km": -1}):
        with pytest.raises(InputError):
            Rule(**wrong)


def test_neighbours_are_correlated_over_the_range_of_each_ring():
    ranges = np.array([10.0, 20.0, 10.0, 40.0])
    apart = table([0.0, 0.0], [0.0, 0.1])
    found = circles(prepare(apart), 30.0, ranges).neighbour_correlation
    np.testing.assert_allclose(found, np.exp(-3 * 11.12 / ranges), rtol=0.02)
