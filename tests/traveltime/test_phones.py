"""Real phones: the Borrego Springs earthquake from all triggers of its hour."""

import jax
import pytest

from eqstat import datasets, geodesy
from eqstat.traveltime import grid, prepare, report
from eqstat.velocity import ConstantVelocity


@pytest.mark.long
@pytest.mark.data
def test_mixture_locates_borrego_springs(data_folder):
    triggers, truth = datasets.load_myshake()
    observations = prepare(triggers, velocity=ConstantVelocity(6.1, 3.55))
    assert len(observations.triggers) == 184
    posterior = grid(observations, likelihood="mixture", key=jax.random.key(0))
    found = report(observations, posterior)
    error = geodesy.great_circle_distance(
        truth["latitude"], truth["longitude"], found.latitude, found.longitude
    )
    assert float(error) <= 5.0
    assert abs((found.origin_time - truth["time"]).total_seconds()) <= 2.0
    assert found.region.contains(truth["latitude"], truth["longitude"])
    assert found.standard_error["origin_time_s"] > 0.5  # the delay's prior, at the least
