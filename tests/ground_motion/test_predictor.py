"""The plain point-source model: its numbers, its units, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat import InputError
from eqstat.ground_motion import PointSource, Predictor
from eqstat.ground_motion.mixture import mean_and_sd

NONE = jnp.array(jnp.nan)


def test_mean_is_the_regression_far_from_the_source():
    at = PointSource()(jnp.array(6.0), jnp.array(100.0), jnp.array(10.0), NONE)
    mean, sd = mean_and_sd(at)
    natural_gal = 3.87 + 1.12 * 6.0 - 1.83 * np.log(100.0)
    assert float(mean) == pytest.approx(np.log10(np.exp(natural_gal) / 100.0), abs=1e-3)
    assert float(sd) * np.log(10) == pytest.approx(0.78, abs=1e-3)


def test_shaking_falls_with_distance_and_stays_finite_at_the_source():
    model = PointSource(anelastic_per_km=0.002)
    away = jnp.array([0.1, 1.0, 10.0, 50.0, 200.0])
    mean = model.mean(jnp.array(7.5), away)
    assert np.all(np.diff(mean) < 0)
    assert 10.0 ** float(mean[0]) < 50.0
    less = PointSource().mean(jnp.array(7.5), away) - mean
    np.testing.assert_allclose(less * np.log(10), 0.002 * np.hypot(away, 5 * np.exp(0.795)), 2e-3)


def test_it_is_a_predictor_and_broadcasts_and_differentiates():
    model = PointSource()
    assert isinstance(model, Predictor)
    shape = (3, 4)
    given = [jnp.ones(shape) * value for value in (5.5, 40.0, 10.0, jnp.nan)]
    found = jax.jit(model)(*given)
    assert found.mean.shape == found.scale.shape == found.log_weight.shape == (*shape, 1)
    slope = jax.grad(lambda m: model(m, *(one[0, 0] for one in given[1:])).mean[0])(5.5)
    assert float(slope) == pytest.approx(1.12 / np.log(10), abs=0.02)
    with jax.enable_x64(True):
        assert model(*(jnp.asarray(np.asarray(one, np.float64)) for one in given)).scale.dtype == (
            jnp.float64
        )


def test_parts_of_the_scatter_add_up():
    model = PointSource(event_sd=0.3, station_sd=0.4, record_sd=0.5)
    whole = np.sqrt(0.3**2 + 0.4**2 + 0.5**2) / np.log(10)
    assert float(jnp.hypot(model.event_scale, model.within_scale)) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"event_sd": -0.1}, "event_sd must be at least 0"),
        ({"saturation_km": -1.0}, "saturation_km"),
        ({"event_sd": 0.0, "station_sd": 0.0, "record_sd": 0.0}, "must be above 0"),
    ],
)
def test_what_is_no_model_is_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        PointSource(**wrong)
