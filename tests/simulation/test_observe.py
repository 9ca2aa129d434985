"""Streams reach the travel-time package the same by arrays and by tables."""

import jax
import numpy as np
import pytest

from eqstat import InputError, traveltime
from eqstat.simulation import observations, simulate
from eqstat.simulation.sources import Earthquakes, UniformTriggers

from . import cases

KEY = jax.random.key(2)


@pytest.mark.parametrize("silent", [False, True])
def test_arrays_are_those_of_prepare(silent):
    network = cases.box()
    streams = simulate(KEY, network, Earthquakes(), 2).seen(14.0)
    mine = observations(streams, 1, silent=silent, truncated=silent)
    table = streams.table(1)
    now = (
        table["time"].iloc[0]
        + (14.0 - float(streams.first_trigger_s[1].min()))
        * (table["time"].iloc[1] - table["time"].iloc[0])
        / np.diff(np.sort(streams.first_trigger_s[1])[:2].astype(float))[0]
    )
    theirs = traveltime.prepare(
        table, network=network.to_table() if silent else None, now=now, truncated=silent
    )
    assert mine.frame.latitude == pytest.approx(theirs.frame.latitude, abs=1e-9)
    assert mine.enough == theirs.enough
    assert mine.aperture_km == pytest.approx(theirs.aperture_km)
    shift = (mine.reference_time - theirs.reference_time).total_seconds()
    for name in ("position_km", "elevation_km", "phase", "mask", "time_sd_s"):
        np.testing.assert_allclose(getattr(mine.data, name), getattr(theirs.data, name), atol=1e-6)
    used = mine.data.mask
    np.testing.assert_allclose(
        mine.data.time_s[used] + shift, theirs.data.time_s[used], rtol=0, atol=2e-6
    )
    assert mine.data.window_s[1] + shift == pytest.approx(theirs.data.window_s[1], abs=1e-4)
    assert mine.data.has_silent == silent
    if silent:
        count = [np.sum(each.data.silent_mask) for each in (mine, theirs)]
        assert count[0] == count[1] == 200 - used.sum()
        np.testing.assert_allclose(
            mine.data.silent_position_km, theirs.data.silent_position_km, atol=1e-6
        )


def test_what_cannot_be_is_refused():
    streams = simulate(KEY, cases.box(), Earthquakes(), 1)
    with pytest.raises(InputError, match="need a present"):
        observations(streams, 0, silent=True)
    nobody = simulate(KEY, cases.box(), UniformTriggers(0.0), 1)
    with pytest.raises(InputError, match="no trigger"):
        observations(nobody, 0)
