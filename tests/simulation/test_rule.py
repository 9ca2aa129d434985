"""The rule finds what a plain loop over triggers finds."""

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat.counts import Background
from eqstat.counts.alarm import threshold
from eqstat.geodesy import great_circle_distance
from eqstat.simulation import count_rule, first_detections, ratio_rule, simulate
from eqstat.simulation.sources import Earthquakes, UniformTriggers

from . import cases

KEY = jax.random.key(8)


def by_loop(streams, stream, rule, window_s=10.0, radius_km=30.0):
    """First detection of one stream, trigger by trigger, as the rule is told."""
    network, active = streams.network, streams.active[stream]
    order = np.argsort(streams.first_trigger_s[stream], kind="stable")
    order = order[np.isfinite(streams.first_trigger_s[stream][order])]
    for index, device in enumerate(order):
        now = streams.first_trigger_s[stream, device]
        near = radius_km >= great_circle_distance(
            network.latitude[device], network.longitude[device], network.latitude, network.longitude
        )
        members = [
            other
            for other in order[: index + 1]
            if near[other] and now - streams.first_trigger_s[stream, other] <= window_s
        ]
        many = int(np.sum(near & active))
        if len(members) >= rule(np.array(many), streams.hour[stream]):
            return index, device, now, len(members), many, set(members)
    return None


@pytest.fixture(scope="module")
def thresholds():
    null = Background("poisson", 3.0, daily=np.array([0.5, 0.0, 0.0, 0.0]))
    return threshold(null, [10, 50, 150, 300, 900], [2.0, 8.0, 14.0, 20.0], kind="plug-in")


@pytest.mark.parametrize(
    ("source", "hour", "ratio"),
    [
        (Earthquakes((-60, 60), (-60, 60)), None, 0.1),
        (Earthquakes((-60, 60), (-60, 60)), 3.0, 0.2),
        (UniformTriggers(0.5, (0.0, 40.0)), None, 0.15),
        # So many triggers that the first ones do not do, and many streams that never detect.
        (UniformTriggers(0.9, (0.0, 40.0)), None, 0.3),
        (UniformTriggers(0.05, (0.0, 12.0)), 14.0, 0.2),
        ("counts", 21.0, None),
    ],
)
def test_detections_are_those_of_a_loop(source, hour, ratio, thresholds):
    rule = ratio_rule(ratio) if ratio else count_rule(thresholds)
    source = Earthquakes((-60, 60), (-60, 60)) if source == "counts" else source
    streams = simulate(KEY, cases.box(), source, 12, hour=hour)
    found = first_detections(streams, rule)
    for stream in range(12):
        expected = by_loop(streams, stream, rule)
        assert found.detected[stream] == (expected is not None)
        if expected is None:
            assert (found.index[stream], found.device[stream]) == (-1, -1)
            assert found.time_s[stream] == np.inf and not found.members[stream].any()
            continue
        index, device, now, count, active, members = expected
        assert (found.index[stream], found.device[stream]) == (index, device)
        assert found.time_s[stream] == now
        assert (found.count[stream], found.active[stream]) == (count, active)
        assert set(np.flatnonzero(found.members[stream])) == members


def test_window_and_radius_are_used():
    streams = simulate(KEY, cases.box(), UniformTriggers(0.4, (0.0, 60.0)), 8)
    rule = ratio_rule(0.1, minimum=4)
    found = first_detections(streams, rule, window_s=25.0, radius_km=12.0)
    for stream in range(8):
        expected = by_loop(streams, stream, rule, 25.0, 12.0)
        assert found.index[stream] == (-1 if expected is None else expected[0])
    assert found.detected.any()


def test_silent_streams_are_not_detected():
    streams = simulate(KEY, cases.box(), UniformTriggers(0.0), 3)
    assert not first_detections(streams, ratio_rule(0.1)).detected.any()


def test_ratios_ask_for_whole_triggers():
    rule = ratio_rule(0.1, minimum=1)
    # In binary 0.1 times 30 is above 3.
    active = np.array([1, 10, 30, 31, 70, 700])
    assert rule(active, np.array(0.0)).tolist() == [1, 1, 3, 4, 7, 70]
    assert ratio_rule(0.1)(active, np.array(0.0)).tolist() == [6, 6, 6, 6, 7, 70]


def test_counts_are_those_of_the_next_larger_network_and_the_nearest_hour(thresholds):
    rule = count_rule(thresholds)
    table = thresholds["triggers"].sel(region="all").transpose("hour", "active").values
    assert (
        rule(np.array([5, 50, 51, 900]), np.array(2.0)).tolist() == table[0, [0, 1, 2, 4]].tolist()
    )
    # 23.5 h is nearest to 2 h, round midnight.
    assert rule(np.array([300]), np.array(23.5)).tolist() == [table[0, 3]]
    assert rule(np.array([300]), np.array(15.0)).tolist() == [table[2, 3]]
    with pytest.raises(InputError, match="end at 900"):
        rule(np.array([901]), np.array(2.0))


def test_counts_that_no_network_reaches_are_never_met():
    null = Background("poisson", 3.0)
    found = threshold(null, [3, 100], 12.0, kind="plug-in")
    assert not found["attainable"].values.ravel()[0]
    assert count_rule(found)(np.array([3]), np.array(12.0))[0] > 10**6


def test_bad_rules_are_refused(thresholds):
    streams = simulate(KEY, cases.box(), UniformTriggers(), 1)
    for make in (
        lambda: ratio_rule(0.0),
        lambda: ratio_rule(0.1, minimum=0),
        lambda: count_rule(thresholds.isel(active=0)),
        lambda: count_rule(thresholds, region="nowhere"),
        lambda: first_detections(streams, ratio_rule(0.1), window_s=0.0),
        lambda: first_detections(streams, ratio_rule(0.1), radius_km=-1.0),
    ):
        with pytest.raises(InputError):
            make()
