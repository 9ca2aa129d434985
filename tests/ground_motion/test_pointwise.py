"""Each record given the others, against the dense normal distribution."""

import jax
import numpy as np
import pytest
from scipy import stats

from eqstat.ground_motion import (
    Design,
    GroundMotion,
    log_likelihood,
    pointwise_log_likelihood,
    simulate,
)

from .dense import by_hand, ours

MOTION = GroundMotion(event_sd=0.3, station_sd=0.2, record_sd=0.25)


def dense(motions):
    """Residuals and covariance of all records."""
    rows = np.asarray(motions.data.weight) > 0
    mean, covariance, _, _ = by_hand(MOTION, motions, stations=bool(motions.stations))
    return np.log10(motions.table["pga_m_s2"].to_numpy()) - mean, covariance, rows


@pytest.mark.slow
@pytest.mark.parametrize(
    "design",
    [Design(events=4, stations=6, recorded=0.7), Design(events=20, stations=5, recorded=0.7)],
)
def test_records_have_the_density_given_the_others(design):
    motions = simulate(jax.random.key(1), MOTION, design)
    residual, covariance, rows = dense(motions)
    with jax.enable_x64(True):
        found = ours(pointwise_log_likelihood, MOTION, motions.data)
    assert np.all(found[~rows] == 0)
    inverse = np.linalg.inv(covariance)
    for i in range(0, len(residual), 3):
        others = np.arange(len(residual)) != i
        weights = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, i])
        mean = weights @ residual[others]
        sd = np.sqrt(covariance[i, i] - weights @ covariance[others, i])
        expected = stats.norm(mean, sd).logpdf(residual[i])
        assert found[rows][i] == pytest.approx(expected, abs=1e-6), i
        assert sd == pytest.approx(inverse[i, i] ** -0.5)


@pytest.mark.slow
def test_without_stations_only_events_are_shared():
    motions = simulate(jax.random.key(2), MOTION, Design(events=5, stations=6))
    from eqstat.ground_motion import prepare

    motions = prepare(motions.table.drop(columns=["station", "latitude", "longitude"]))
    residual, covariance, rows = dense(motions)
    with jax.enable_x64(True):
        found = ours(pointwise_log_likelihood, MOTION, motions.data)[rows]
        assert np.isfinite(float(log_likelihood(MOTION, motions.data)))
    inverse = np.linalg.inv(covariance)
    mean = residual - inverse @ residual / np.diagonal(inverse)
    expected = stats.norm(mean, np.diagonal(inverse) ** -0.5).logpdf(residual)
    np.testing.assert_allclose(found, expected, atol=1e-6)
