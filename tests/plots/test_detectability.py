"""Figures of detectability: what they hold, and their limits."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eqstat import InputError
from eqstat.plots.detectability import detection_curves, smallest_magnitude_map


def smallest(shape=(4, 5), value=None):
    value = np.linspace(3, 6, shape[0] * shape[1]).reshape(shape) if value is None else value
    return xr.DataArray(
        value[None], dims=("probability", "latitude", "longitude"),
        coords={"probability": [0.9], "latitude": np.arange(shape[0]) * 0.1,
                "longitude": 179.8 + np.arange(shape[1]) * 0.1},
    )  # fmt: skip


def test_map_says_what_it_shows():
    devices = pd.DataFrame({"latitude": np.zeros(7000), "longitude": np.full(7000, -179.9)})
    towns = pd.DataFrame({"latitude": [0.1], "longitude": [180.0], "name": ["Taveuni"]})
    value = smallest().to_numpy()[0]
    value[0, 0] = np.nan
    ax = smallest_magnitude_map(smallest(value=value), devices=devices, towns=towns)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "device (one in 3)" in texts
    assert "none of those shown" in texts
    assert "90 %" in ax.figure.axes[1].get_ylabel()
    assert any(text.get_text() == "Taveuni" for text in ax.texts)


def test_map_of_nothing_and_of_one_row():
    smallest_magnitude_map(smallest(value=np.full((4, 5), np.nan)))
    smallest_magnitude_map(smallest(value=np.full((4, 5), 3.0)))
    with pytest.raises(InputError, match="two latitudes"):
        smallest_magnitude_map(smallest(shape=(1, 5)))


@pytest.mark.parametrize("places", [1, 2])
def test_curves_are_of_places_or_hours(places):
    dims = ("place", "magnitude", "hour")
    miss = np.linspace(0.9, 0.01, places * 6).reshape(places, 3, 2)
    result = xr.Dataset(
        {"miss_probability": (dims, miss), "low": (dims, miss / 2), "high": (dims, miss)},
        {"latitude": ("place", np.zeros(places)), "longitude": ("place", np.zeros(places) - 77.0),
         "magnitude": [3.0, 4.0, 5.0], "hour": [3.0, 14.0]},
        {"interval_probability": 0.9},
    )  # fmt: skip
    ax = detection_curves(result)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    expected = ["3 h", "14 h"] if places == 1 else ["0.00° N, 77.00° W"] * 2
    assert texts == [*expected, "90 % interval"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 1 - miss[0, :, 0])
