"""Wrong arguments are one clear error."""

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
    ResponsePrior,
    Rule,
    blind_zone_km,
    miss_map,
    miss_of_counts,
    miss_probability,
    prepare,
    simulate,
    smallest_magnitude,
)
from eqstat.detectability import history as learned
from eqstat.ground_motion import GroundMotion

# Where the types of arguments are checked, too, a wrong type is found before the value is.
CHECKED = os.environ.get("EQSTAT_CHECK_TYPES", "0") not in ("", "0")
REFUSED = (InputError, jaxtyping.TypeCheckError) if CHECKED else InputError
TOWN = pd.DataFrame({"latitude": [-12.0], "longitude": [-77.0], "phones": [40]})
KEY = jax.random.key(0)
THREE = np.full(3, 0.1)


def miss(**options):
    network = prepare(TOWN, devices="phones")
    return miss_probability(network, Rule(5), -12.0, -77.0, 5.0, **options)


CASES = {
    "a response of another kind": (lambda: miss(response={}), "response cannot be of type dict"),
    "a motion of another kind": (lambda: miss(motion=5), "motion cannot be of type int"),
    "draws of different numbers": (
        lambda: miss(response=DeviceResponse(trigger_m_s2=THREE, able_share=THREE[:2])),
        "response have different numbers of draws",
    ),
    "draws of response and motion": (
        lambda: miss(
            response=DeviceResponse(trigger_m_s2=THREE), motion=GroundMotion(event_sd=THREE[:2])
        ),
        "response and motion have different",
    ),
    "a result of another kind": (lambda: smallest_magnitude(5), "result must be what"),
    "a zone of nothing": (lambda: blind_zone_km(5), "result must be what"),
    "words for an axis": (
        lambda: miss_map(prepare(TOWN, devices="phones"), Rule(5), ["a"], [1.0], 5.0),
        "latitude must be a number",
    ),
    "a network of another kind": (lambda: prepare(5), "network cannot be of type int"),
    "draws to simulate": (
        lambda: simulate(KEY, TOWN, 0.0, 0.0, 5.0, response=ResponsePrior().draws(KEY, 3)),
        "response must be one set",
    ),
    "earthquakes of different lengths": (
        lambda: simulate(KEY, TOWN, [0.0, 1.0], [0.0, 1.0, 2.0], 5.0),
        "differ in length",
    ),
    "a centre of another kind": (lambda: ResponsePrior({}), "centre cannot be of type dict"),
    "networks of another kind": (lambda: miss_of_counts(5, 0.0, 0.0), "networks? cannot be"),
    "no count": (lambda: learned.Design(counts=[]), "counts must be a number"),
    "sensitivity of another kind": (
        lambda: learned.simulate(KEY, {}),
        "sensitivity cannot be of type dict",
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_wrong_arguments(name):
    run, match = CASES[name]
    with pytest.raises(REFUSED, match=None if CHECKED else match):
        run()


@pytest.mark.slow
def test_draws_in_some_fields_are_shared_by_all():
    """A field without an axis is the same in all draws."""
    both = miss(response=DeviceResponse(able_share=np.array([0.2, 0.9])))
    one, two = (miss(response=DeviceResponse(able_share=share)) for share in (0.2, 0.9))
    mean = 0.5 * (one["miss_probability"] + two["miss_probability"]).item()
    assert both["miss_probability"].item() == pytest.approx(mean, rel=1e-4)
