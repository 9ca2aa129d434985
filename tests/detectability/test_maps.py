"""Maps, smallest magnitudes and blind zones."""

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.detectability import (
    Rule,
    blind_zone_km,
    miss_map,
    miss_probability,
    prepare,
    smallest_magnitude,
)
from eqstat.velocity import ConstantVelocity

TOWN = pd.DataFrame({"latitude": [0.0], "longitude": [179.9], "phones": [300]})
SIZES = np.arange(2.0, 7.1, 0.5)


@pytest.fixture(scope="module")
def area():
    network = prepare(TOWN, devices="phones")
    return miss_map(network, Rule(12), [-0.5, 0.0, 0.5], [179.4, 179.9, 180.4], SIZES, delays=True)


@pytest.mark.slow
def test_map_holds_the_values_of_its_places(area):
    network = prepare(TOWN, devices="phones")
    one = miss_probability(network, Rule(12), 0.5, -179.6, SIZES, delays=True)
    for name in ("miss_probability", "delay_s"):
        value = area[name].sel(latitude=0.5, longitude=180.4)
        np.testing.assert_allclose(value, one[name].isel(place=0), rtol=1e-3, atol=1e-6)
    # The town is in the middle, and the antimeridian makes no difference.
    log_miss = area["log_miss_probability"].isel(hour=0)
    np.testing.assert_allclose(
        log_miss.isel(longitude=0), log_miss.isel(longitude=2), rtol=1e-3, atol=1e-6
    )
    assert area["latitude"].attrs["units"] == "degrees_north"


@pytest.mark.slow
def test_smallest_magnitude_is_where_the_probability_is_reached(area):
    smallest = smallest_magnitude(area, [0.5, 0.9])
    assert smallest.dims == ("probability", "latitude", "longitude", "hour")
    middle = smallest.isel(latitude=1, longitude=1, hour=0)
    assert 2 < middle[0] < middle[1] < 6
    network = prepare(TOWN, devices="phones")
    for row, share in enumerate((0.5, 0.9)):
        size = float(smallest.isel(latitude=2, longitude=2, hour=0)[row])
        miss = miss_probability(network, Rule(12), 0.5, 180.4, size)["miss_probability"].item()
        assert 1 - miss == pytest.approx(share, abs=0.04)


def test_smallest_magnitude_at_the_ends(area):
    small = area.sel(magnitude=[2.0, 2.5])
    assert np.isnan(smallest_magnitude(small, 0.99)).all()
    large = area.sel(magnitude=[6.5, 7.0]).isel(latitude=1, longitude=1)
    assert smallest_magnitude(large, 0.5).item() == 6.5
    with pytest.raises(InputError, match="two or more"):
        smallest_magnitude(area.sel(magnitude=[5.0]))
    with pytest.raises(InputError, match="probability"):
        smallest_magnitude(area, 90)


def test_blind_zone_is_where_s_is_at_the_warning(area):
    zone = blind_zone_km(area, processing_s=2.0).isel(latitude=1, longitude=1, hour=0)
    delay = area["delay_s"].isel(latitude=1, longitude=1, hour=0) + 2.0
    model = ConstantVelocity()
    for km, seconds in zip(zone.sel(magnitude=5.0), delay.sel(magnitude=5.0), strict=True):
        assert float(model.travel_time(float(km), 10.0)[1]) == pytest.approx(
            float(seconds), abs=0.2
        )
    with pytest.raises(InputError, match="delays"):
        blind_zone_km(area.drop_vars("delay_s"))


def test_axes_must_increase():
    network = prepare(TOWN, devices="phones")
    with pytest.raises(InputError, match="latitude"):
        miss_map(network, Rule(12), [1.0, 0.0], [0.0], [5.0])
