"""The paper's simulation has the paper's numbers, and its test is that of `traveltime`."""

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError, traveltime
from eqstat.simulation import first_detections, observations, ratio_rule, simulate
from eqstat.simulation.study2023 import _study as study2023

from .. import cases

KEY = jax.random.key(4)
ALPHA = 0.03


@pytest.fixture(scope="module")
def network():
    return study2023.lima(jax.random.key(0), devices=200)


def test_true_detections_are_the_papers(network):
    streams = simulate(KEY, network, study2023.true_detections(network), 400)
    of_p, random = streams.cause == 1, streams.cause == 4
    assert abs(cases.apart(of_p.sum(), of_p.size, 0.7)) < 4
    assert abs(cases.apart(random.sum(), (~of_p).sum(), 0.06)) < 4
    assert abs(cases.apart((~streams.triggered).sum(), of_p.size, 0.3 * 0.94)) < 4
    times = streams.first_trigger_s[random]
    assert stats.kstest(times / 12, "uniform").pvalue > 1e-3
    truth = streams.truth
    latitude, longitude = network.frame.to_geographic(truth.east_km, truth.north_km)
    for values, (low, high) in ((latitude, (-12.39, -11.74)), (longitude, (-77.17, -76.66))):
        # The box is one of kilometres, 0.1 % off that of degrees at its corners.
        assert low - 2e-3 < values.min() < low + 0.02 and high - 0.02 < values.max() < high + 2e-3
    assert stats.kstest(truth.depth_km / 100, "uniform").pvalue > 1e-3
    assert np.all(truth.time_s == 0)


def test_errors_have_the_papers_percentiles(network):
    streams = simulate(KEY, network, study2023.true_detections(network), 300)
    truth, position = streams.truth, (network.east_km, network.north_km)
    away = np.sqrt(
        (position[0] - truth.east_km[:, None]) ** 2
        + (position[1] - truth.north_km[:, None]) ** 2
        + truth.depth_km[:, None] ** 2
    )
    of_p = streams.cause == 1
    error = (streams.first_trigger_s - away / 7.8)[of_p]
    for bound, tail in ((-3, 0.01), (3, 0.99)):
        assert abs(cases.apart((error < bound).sum(), error.size, tail)) < 4


def test_false_detections_are_the_papers(network):
    streams = simulate(KEY, network, study2023.false_detections(), 200)
    assert abs(cases.apart(streams.triggered.sum(), 40_000, 0.3)) < 4
    assert np.nanmax(np.where(streams.triggered, streams.first_trigger_s, np.nan)) <= 12


@pytest.mark.parametrize("kind", ["true", "false"])
def test_the_smallest_delta_is_where_the_verdict_turns(network, kind):
    source = study2023.true_detections(network) if kind == "true" else study2023.false_detections()
    streams = simulate(KEY, network, source, 8)
    found = first_detections(streams, ratio_rule(0.15))
    table = study2023.test_detections(streams, found, miss_probability=ALPHA)
    assert len(table) + table.attrs["left_out"] == found.detected.sum() == 8
    members = streams.only(found.members)
    for row in table.itertuples():
        seen = observations(members, row.stream)
        assert len(seen.triggers) == row.triggers == found.count[row.stream]
        for factor in (0.999, 1.001):
            verdict = traveltime.classify(
                seen, delta_s=factor * row.smallest_delta_s, miss_probability=ALPHA
            )
            assert verdict.is_earthquake == (factor > 1)
            for wave, sd in (("P", row.sd_p_s), ("S", row.sd_s_s)):
                assert verdict.models[wave].variance_s2 == pytest.approx(sd**2, rel=1e-5)
        assert row.is_earthquake == (kind == "true")
    assert table["epicentral_error_km"].isna().all() == (kind == "false")


def test_sharp_times_give_sharp_places(network):
    """Times that are exact to 0.02 s: whatever is wrong with coordinates shows."""
    true = study2023.true_detections(network).first
    sharp = eqx.tree_at(lambda s: (s.delay.sd_s, s.depth_km), true, (0.02, (5.0, 15.0)))
    streams = simulate(KEY, network, sharp, 6)
    table = study2023.test_detections(streams, first_detections(streams, ratio_rule(0.3)))
    assert set(table["wave"]) == {"P"}
    # In 0.02 s P goes 0.2 km; at the edge of the network one direction is three times as bad.
    assert table["epicentral_error_km"].median() < 0.3 and table["epicentral_error_km"].max() < 3
    assert table["depth_error_km"].abs().median() < 1
    freedom = (table["triggers"] - 4).sum()
    pooled = np.sqrt((table["triggers"] * table["sd_p_s"] ** 2).sum() / freedom)
    assert pooled == pytest.approx(0.02, rel=4 / np.sqrt(2 * freedom))


def test_few_triggers_are_counted_as_left_out(network):
    streams = simulate(KEY, network, study2023.true_detections(network), 5)
    found = first_detections(streams, ratio_rule(0.001, minimum=3))
    table = study2023.test_detections(streams, found)
    assert len(table) == 0 and table.attrs["left_out"] == 5
    with pytest.raises(InputError, match="miss_probability"):
        study2023.test_detections(streams, found, miss_probability=1.0)
