"""People who are warned, and detectors that only a simulation describes."""

from __future__ import annotations

import os

import jax
import jaxtyping
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.detectability import (
    DeviceResponse,
    Rule,
    miss_of_detector,
    miss_probability,
    prepare,
    warned_share,
)

# Where the types of arguments are checked, too, a wrong type is found before the value is.
CHECKED = os.environ.get("EQSTAT_CHECK_TYPES", "0") not in ("", "0")
REFUSED = (InputError, jaxtyping.TypeCheckError) if CHECKED else InputError
TOWNS = pd.DataFrame(
    {"latitude": [0.0, 0.5], "longitude": [0.0, 0.0], "phones": [400, 0], "people": [300, 100]}
)


@pytest.fixture(scope="module")
def result():
    network = prepare(TOWNS, devices="phones")
    return miss_probability(network, Rule(12), 0.0, [0.0, 40.0], [5.0, 7.0], delays=True)


def test_a_town_is_warned_if_s_is_later_than_the_warning(result):
    def share(seconds):
        return warned_share(
            result, TOWNS.iloc[[1]], 1e-6, people="people", processing_s=seconds
        ).isel(place=0, pga_m_s2=0, hour=0, magnitude=1).item()  # fmt: skip

    # S takes 55.6 km / 3.55 km/s, and a second of detection.
    assert share(0.0) == pytest.approx(1.0, abs=1e-3)
    assert share(20.0) == pytest.approx(0.0, abs=1e-3)
    seconds = np.arange(0.0, 20.0, 2.0)
    assert np.all(np.diff([share(s) for s in seconds]) <= 0)


def test_people_weigh_the_towns(result):
    near, far = (
        warned_share(result, TOWNS.iloc[[i]], 1e-6, people="people", processing_s=5.0)
        for i in range(2)
    )
    both = warned_share(result, TOWNS, 1e-6, people="people", processing_s=5.0)
    np.testing.assert_allclose(both, 0.75 * near + 0.25 * far, atol=1e-6)


def test_strong_shaking_is_near_and_warned_less(result):
    share = warned_share(result, TOWNS, [0.01, 0.1, 1.0, 3.0], people="people", processing_s=3.0)
    assert np.all(np.diff(share.isel(place=0, magnitude=0, hour=0)) < 0)
    # Where nothing is detected nobody is warned.
    assert float(share.isel(place=1).max()) < 1e-6


def test_strong_earthquakes_are_detected_rather_than_others(result):
    """Of an earthquake that is mostly missed, those who are shaken strongly are mostly warned."""
    rare = result.isel(place=[0], magnitude=[0])
    rare = rare.assign(miss_probability=rare["miss_probability"] * 0 + 0.7)
    weak, strong = (
        warned_share(rare, TOWNS.iloc[[1]], pga, people="people").item() for pga in (1e-6, 0.3)
    )
    # Of all shaking it is the chance of a detection.
    assert weak == pytest.approx(0.3, abs=0.01)
    assert strong > 0.6


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"people": "souls"}, "places: has no column 'souls'"),
        ({"pga_m_s2": 0.0}, "pga_m_s2"),
        ({"result": 5}, "delays=True"),
        ({"places": TOWNS.assign(people=0)}, "holds no people"),
    ],
)
def test_bad_input_of_warned_share(result, wrong, match):
    given = {"result": result, "places": TOWNS, "pga_m_s2": 1.0, "people": "people", **wrong}
    with pytest.raises(REFUSED, match=None if CHECKED else match):
        warned_share(**given)


def phones(count=60):
    place = np.random.default_rng(2).normal(0.0, 0.04, (2, count))
    return pd.DataFrame({"latitude": place[0], "longitude": place[1]})


@pytest.mark.long
def test_a_count_as_a_detector_is_the_rule():
    network, needed = phones(), 15

    def alarm(triggers):
        return triggers["time"].iloc[needed - 1] if len(triggers) >= needed else None

    seen = miss_of_detector(jax.random.key(0), network, alarm, 0.1, 0.1, [3.4, 4.0], streams=150)
    rule = Rule(needed, window_s=120.0, radius_km=100.0)
    predicted = miss_probability(prepare(network), rule, 0.1, 0.1, [3.4, 4.0], delays=True)
    miss = predicted["miss_probability"].squeeze()
    assert 0.1 < miss[0] < 0.9
    np.testing.assert_allclose(seen["miss_probability"], miss, atol=3 * 0.5 / np.sqrt(150) + 0.02)
    delay = predicted["delay_s"].squeeze()
    np.testing.assert_allclose(seen["delay_s"], delay, atol=0.8)


@pytest.mark.long
def test_a_sequential_posterior_detects_what_is_strong():
    from eqstat.detection import detector, replay
    from eqstat.detection.causes import earthquake, network_burst

    network = phones()
    few = earthquake(cells=49, depth_km=(10.0, 30.0)), network_burst()
    watch = detector(network, causes=few, background=0.5)

    def alarm(triggers):
        result = replay(watch, triggers, progress=False)
        return None if result.alarm is None else result.alarm["time"]

    response = DeviceResponse(background_per_hour=0.5)
    result = miss_of_detector(
        jax.random.key(1), network, alarm, 0.1, 0.1, [2.0, 5.5], streams=6, response=response
    )
    assert result["miss_probability"].to_numpy().tolist()[0] == 1.0
    assert result["miss_probability"].to_numpy().tolist()[1] == 0.0
    assert 3.0 < result["delay_s"].sel(quantile=0.5)[1] < 20.0


@pytest.mark.slow
def test_bad_input_of_a_detector():
    with pytest.raises(REFUSED, match=None if CHECKED else "function of a table"):
        miss_of_detector(jax.random.key(0), phones(), 5, 0.0, 0.0, 5.0)
    with pytest.raises(InputError, match="time in UTC"):
        miss_of_detector(jax.random.key(0), phones(), lambda _: "now?", 0.0, 0.0, 6.0, streams=1)
    with pytest.raises(InputError, match="places and magnitudes"):
        miss_of_detector(jax.random.key(0), phones(), print, [0.0, 1.0], 0.0, [5.0] * 3)
