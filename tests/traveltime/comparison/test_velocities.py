"""Velocity models by their evidence: the true one is found, and where none can be it is said."""

import numpy as np
import pytest

from eqstat import InputError
from eqstat.traveltime import grid, prepare
from eqstat.traveltime.comparison import compare_velocities
from eqstat.velocity import ConstantVelocity

from .. import cases

MODELS = {"slow": 5.5, "fast": ConstantVelocity(7.8, 4.5)}


@pytest.mark.parametrize(("speed", "true"), [(5.5, "slow"), (7.8, "fast")])
@pytest.mark.slow
def test_the_true_velocity_has_most_evidence(speed, true):
    table = cases.quake(40, 2, speed=speed, sd_s=0.2, radius_km=90.0)
    comparison = compare_velocities(table, MODELS)
    assert comparison.preferred == true and comparison.is_clear
    loser = next(name for name in MODELS if name != true)
    assert str(comparison).startswith(true) and loser in str(comparison)
    # The evidence is that of the posterior under the model.
    alone = grid(prepare(table, velocity=MODELS[true]))
    assert comparison.log_evidence[true] == pytest.approx(alone.log_evidence)
    np.testing.assert_allclose(comparison.posteriors[true].mass, alone.mass)


def test_near_triggers_do_not_tell_velocities_apart():
    comparison = compare_velocities(cases.quake(8, 1, sd_s=1.0, radius_km=8.0), MODELS)
    assert not comparison.is_clear
    assert "do not tell them apart" in str(comparison)


@pytest.mark.parametrize(
    ("models", "match"), [(["constant"], "two models"), (["constant", "prem"], "prem")]
)
def test_fewer_than_two_models_or_unknown_ones_are_refused(models, match):
    with pytest.raises(InputError, match=match):
        compare_velocities(cases.quake(12), models)


def test_the_mixture_needs_a_key():
    with pytest.raises(InputError, match="key"):
        compare_velocities(cases.quake(12), MODELS, likelihood="mixture")


def test_a_posterior_that_exists_already_is_not_computed_again():
    """What `locate` found to choose the likelihood is one of the models' posteriors."""
    table = cases.quake(12)
    comparison = compare_velocities(table, MODELS)
    name = next(iter(MODELS))
    again = compare_velocities(table, MODELS, known={name: comparison.posteriors[name]})
    assert again.posteriors[name] is comparison.posteriors[name]
    assert again.log_evidence == comparison.log_evidence
