"""Causes: nodes at all combinations, leads that leave no trigger before the start, bad input."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm

from eqstat.detection.causes import (
    default_causes,
    earthquake,
    front,
    gutenberg_richter_rate,
    nodes,
)
from eqstat.detection.causes._default import KEPT


def test_nodes_are_all_combinations():
    made = nodes(share=(0.2, 0.5), first_share=(1.0, 0.25), sd_s=(1.0, 2.0, 3.0))
    assert len(made.weight) == 12
    assert np.sum(made.weight) == pytest.approx(1.0)
    assert sorted({round(float(x), 6) for x in made.first + made.second}) == [0.2, 0.5]
    assert set(np.round(made.second, 6)) == {0.0, 0.15, 0.375}


@pytest.mark.parametrize("cause", default_causes(), ids=lambda cause: cause.name)
def test_triggers_do_not_come_before_their_cause(cause):
    early = cause.lead_s + np.asarray(cause.nodes.delay_s)
    assert np.all(norm.cdf(0.0, early, cause.nodes.sd_s) < 0.0014)


def test_rivals_outlast_the_earthquake():
    quake = earthquake()
    last = quake.slots * quake.slot_s - quake.lead_s
    # S of an earthquake at 300 km comes 28 s after P, and is reported some seconds later.
    assert quake.slots == 40 and earthquake(deepest_km=80).slots == KEPT
    for rival in default_causes()[1:]:
        delay = rival.lead_s + np.max(np.asarray(rival.nodes.delay_s))
        assert rival.slots * rival.slot_s - delay >= last


def test_depths_follow_the_region():
    usual, slab = earthquake(), earthquake(deepest_km=700, half_depth_km=100)
    assert (usual.greatest_depth_km, slab.greatest_depth_km) == (300, 700)
    assert np.max(slab.depth_km) > 500
    deep = [float(each.depth_weight[each.depth_km > 100].sum()) for each in (usual, slab)]
    # By the density (z + h)^-2 from the cells' edge at 100 km on.
    shares = [
        (1 / (100 + h) - 1 / (z + h)) / (1 / h - 1 / (z + h)) for z, h in ((300, 20), (700, 100))
    ]
    np.testing.assert_allclose(deep, shares, rtol=1e-6)


def test_a_front_has_each_speed_with_each_node():
    made = front(speed_km_s=(1.0, 2.0), sd_s=(1.0,))
    pairs = set(zip(made.node_speed_km_s.tolist(), np.asarray(made.nodes.first), strict=True))
    assert len(pairs) == len(made.nodes.weight) == 8
    assert np.sum(made.nodes.weight) == pytest.approx(1.0)


def test_gutenberg_and_richter():
    rate = gutenberg_richter_rate(4.5, rate_per_year=100.0, above_magnitude=3.0, b_value=0.9)
    assert rate == pytest.approx(100 * 10 ** (-0.9 * 1.5))
    with pytest.raises(ValueError, match="above 0"):
        gutenberg_richter_rate(4.0, rate_per_year=-1.0, above_magnitude=3.0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rate_per_year": 0.0}, "rate_per_year"),
        ({"slots": 1}, "slots"),
        ({"delay_sd_s": -1.0}, "delay_sd_s"),
        ({"deepest_km": 100.0}, "deepest_km"),
        ({"depth_km": np.array([30.0, 8.0, 70.0, 132.5, 235.0])}, "increase"),
        ({"node_speed_km_s": np.ones(3)}, "node_speed_km_s"),
        ({"participation": (0.1, 1.0)}, "participation"),
        ({"depth_weight": np.array([0.5, 0.2, 0.2])}, "depth_weight"),
        ({"nodes": nodes(share=(1.0,))}, "first . second"),
        ({"nodes": nodes(share=(0.0,))}, "positive excess_h"),
        ({"nodes": nodes(share=(0.5,), sd_s=(0.0,))}, "sd_s"),
        ({"nodes": nodes(share=(0.5,), excess_h=(-1.0,))}, "excess_h"),
        ({"nodes": nodes(share=(0.5,), reach_km=(0.0,))}, "reach_km"),
        ({"nodes": nodes(share=(0.5,))._replace(weight=np.array([0.9]))}, "weights"),
    ],
)
def test_bad_causes(change, match):
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(earthquake(), **change)
