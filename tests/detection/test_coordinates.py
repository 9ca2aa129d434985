"""Depths and origin times from the coordinates of the fine grid."""

import numpy as np
import pytest

from eqstat.detection._coordinates import depth_edges, with_depths, with_origins
from eqstat.detection.causes import earthquake


def test_origin_times_have_the_moments_of_their_parts():
    cause = earthquake(delay_sd_s=0.5)
    joint = np.zeros((1, 1, 2, 30, 1))
    edges, arrival = np.array([99.0, 101.0, 103.0]), np.linspace(-3.0, 3.0, 30)
    weight = np.exp(-0.5 * (arrival / 0.6) ** 2)
    joint[0, 0, 0, :, 0] = weight / weight.sum()
    turned, origin, _ = with_origins(cause, joint, arrival, 6 / 29, edges, np.array([1.1]))
    probability = turned.sum(axis=(0, 1, 2, 4))
    assert probability.sum() == pytest.approx(1.0)
    # The apparent depth of 100 km is the factor times the depth: its time is that of 100 km.
    mean = probability @ origin
    assert mean == pytest.approx(-100.0 / 7.8, abs=0.02)
    # Arrival, delay (normal, its mean 2 s is far from 0) and the depths within a cell.
    expected = np.sqrt(0.6**2 + 0.5**2 + (2 / 7.8) ** 2 / 12 + 0.25**2 / 12)
    assert np.sqrt(probability @ (origin - mean) ** 2) == pytest.approx(expected, rel=0.02)


def test_a_factor_on_the_travel_times_widens_the_depth():
    edges = depth_edges(198.0, 202.0, 9)
    joint = np.full((1, 1, 9, 1, 3), 1 / 27)
    turned, depths = with_depths(joint, edges, np.array([0.9, 1.0, 1.1]))
    assert turned.sum() == pytest.approx(1.0)
    middle = (depths[1:] + depths[:-1]) / 2
    by_factor = turned[0, 0, :, 0, :]
    np.testing.assert_allclose(
        middle @ by_factor / by_factor.sum(axis=0), 200 / np.array([0.9, 1.0, 1.1]), rtol=0.01
    )
