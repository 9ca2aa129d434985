"""Devices far from all others do not stretch the grid; the region is an option."""

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.detection import detector, init, replay, triggered_devices, update_active
from eqstat.detection.causes import earthquake, network_burst
from eqstat.schema import TableWarning

CAUSES = (earthquake(cells=100, slots=8), network_burst())


def network(extra=()):
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.normal(-12.1, 0.4, 80), rng.normal(-77.0, 0.4, 80)])
    places = np.vstack([places, *[[each] for each in extra]])
    names = [f"d{i}" for i in range(len(places))]
    return pd.DataFrame(places, columns=["latitude", "longitude"]).assign(device=names)


@pytest.mark.slow
@pytest.mark.parametrize("place", [(0.0, 0.0), (-77.0, -12.1), (12.1, -77.0)])
def test_one_wrong_place_leaves_the_grid_as_it_is(place):
    alone = detector(network(), causes=CAUSES)
    with pytest.warns(TableWarning, match="far from all others .row 80: 'd80'"):
        watch = detector(network([place]), causes=CAUSES)
    assert watch.area_km2 == pytest.approx(alone.area_km2, rel=1e-6)
    assert watch.left_out.nonzero()[0].tolist() == [80]
    assert any("'d80'" in note for note in watch.notes)
    state = init(watch, 0.0)
    assert int(state.active.sum()) == 80
    assert int(update_active(watch, state, np.ones(81, bool)).active.sum()) == 80


def test_a_region_leaves_out_the_devices_outside():
    table = network([(-16.4, -71.5)] * 8)
    with pytest.warns(TableWarning, match="outside the region .*8 rows in all"):
        watch = detector(table, causes=CAUSES, region=(-14, -10, -79, -75))
    assert watch.left_out.sum() == 8
    for region, words in (
        ((0, 1, 2, 3), "no device lies in the region"),
        ((1, 0, 2, 3), "south < north"),
        ((-99, 1, 2, 3), "south"),
        ((1, 2, 3), "south, north, west and east"),
    ):
        with pytest.raises(InputError, match=words):
            detector(table, causes=CAUSES, region=region)


@pytest.mark.slow
def test_cells_too_wide_are_told_or_refused():
    rng = np.random.default_rng(1)
    globe = pd.DataFrame(
        {"latitude": rng.uniform(-60, 60, 60), "longitude": rng.uniform(-180, 180, 60)}
    )
    with pytest.raises(InputError, match=r"cells of the earthquake are .* km wide; give a region"):
        detector(globe, causes=CAUSES)
    country = globe.assign(latitude=globe["latitude"] / 15, longitude=globe["longitude"] / 45)
    with pytest.warns(TableWarning, match="earthquakes may be missed"):
        detector(country, causes=CAUSES)


@pytest.mark.slow
def test_a_clock_of_1970_does_not_make_a_stream_of_years():
    table = network()
    triggers = table[:10].assign(
        time=pd.Timestamp("2027-01-15T08:00:00.3Z") + pd.to_timedelta(np.arange(10) * 3.1, unit="s")
    )
    triggers.loc[3, "time"] = pd.Timestamp("1970-01-01T00:00:12Z")
    watch = detector(triggered_devices(triggers), causes=CAUSES)
    with pytest.warns(TableWarning, match="isolated in time .row 3"):
        found = replay(watch, triggers, least_probability=0.99)
    assert len(found.history) < 100
    assert found.left_out["reason"].tolist() == ["isolated in time"]


@pytest.mark.slow
def test_a_network_with_exchanged_coordinates_is_refused():
    table = network()
    triggers = table[:10].assign(
        time=pd.date_range("2027-01-15T08:00:00.3Z", periods=10, freq="3s")
    )
    swapped = table.rename(columns={"latitude": "longitude", "longitude": "latitude"})
    with pytest.raises(InputError, match="latitude and longitude swapped"):
        replay(detector(swapped, causes=CAUSES), triggers, network=swapped)
