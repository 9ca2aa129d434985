"""Miss probabilities as functions of counts, and thresholds that miss least by them."""

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.counts import Background
from eqstat.counts.alarm import threshold
from eqstat.detectability import Rule, miss_of_counts, miss_probability, prepare


def town(phones):
    table = pd.DataFrame({"latitude": [-12.0], "longitude": [-77.0], "phones": [phones]})
    return prepare(table, devices="phones")


PLACES = ([-12.2, -11.8], [-77.2, -77.0])


@pytest.mark.long
def test_values_are_those_of_the_scaled_network():
    miss = miss_of_counts(town(400), *PLACES, magnitude=(4.0, 4.5), b_value=1.0)
    triggers, active = np.array([[8, 20], [8, 20]]), np.array([[60.0, 60.0], [400.0, 400.0]])
    result = miss(triggers, active, np.full((2, 2), 3.0), "all")
    weight = np.array([1, 10**-0.5]) / (1 + 10**-0.5)
    for count, devices, value in zip(triggers.flat, active.flat, result.flat, strict=True):
        rule = Rule(int(count))
        one = miss_probability(town(devices), rule, *PLACES, [4.0, 4.5])["miss_probability"]
        assert value == pytest.approx(one.mean("place").to_numpy().ravel() @ weight, abs=0.01)
    assert result[0, 0] < result[0, 1]
    assert result[1, 0] < result[0, 0]


@pytest.mark.slow
def test_thresholds_miss_less_than_equal_shares():
    background = Background(
        "poisson", 0.5, daily=np.zeros(4), region_effect=np.zeros(2), window_s=10.0,
        regions=("city", "village"),
    )  # fmt: skip
    networks = {"city": town(1000), "village": town(60)}
    miss = miss_of_counts(networks, *PLACES, magnitude=(3.5, 4.0, 4.5))
    active = np.array([1000.0, 60.0])

    def total(split, **more):
        import xarray as xr

        devices = xr.DataArray(active, dims="region", coords={"region": ["city", "village"]})
        table = threshold(background, devices, 12.0, kind="plug-in", minimum=3, split=split, **more)
        counts = table["triggers"].to_numpy().ravel()
        return sum(
            miss(np.array([k]), np.array([n]), np.array([12.0]), name)[0]
            for k, n, name in zip(counts, active, networks, strict=True)
        )

    assert total("least_miss", miss_probability=miss) <= total("equal")


def test_regions_must_be_known():
    miss = miss_of_counts({"city": town(100)}, *PLACES)
    with pytest.raises(InputError, match="village"):
        miss(np.array([8]), np.array([50.0]), np.array([3.0]), "village")
