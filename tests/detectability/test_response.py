"""Response of a device: thresholds, phases, delays and its prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.detectability import DeviceResponse, ResponsePrior, trigger_probability


def test_threshold_is_where_the_mean_reading_triggers():
    response = DeviceResponse()
    reading = 10 ** response.reading_log10(response.log10_threshold)
    assert float(reading) == pytest.approx(0.1, rel=1e-5)
    # Phones read 1.67 times too high at 0.1 g, and three times at 0.01 g.
    for pga, factor in ((0.980665, 1.67), (0.0980665, 3.0)):
        reading = 10 ** float(response.reading_log10(jnp.log10(pga)))
        assert reading / pga == pytest.approx(factor, rel=0.01)


def test_probabilities_are_those_of_drawn_readings():
    response = DeviceResponse(able_share=0.7, dead_share=0.2)
    log10_pga, own_sd, count = -1.5, 0.25, 400_000
    rng = np.random.default_rng(0)
    ground = log10_pga + rng.normal(0, own_sd, count)
    own = rng.normal(0, 0.3, count) + rng.normal(0, 0.2, count)
    reports = (rng.random(count) < 0.7) & (rng.random(count) >= 0.2)
    on_p = reports & (response.reading_log10(ground + np.log10(0.25)) + own > -1)
    on_any = reports & (response.reading_log10(ground) + own > -1)
    p, s = trigger_probability(response, jnp.asarray(log10_pga), jnp.asarray(own_sd))
    for expected, seen in ((p, on_p), (s, on_any & ~on_p)):
        error = np.sqrt(seen.mean() * (1 - seen.mean()) / count)
        assert abs(float(expected) - seen.mean()) < 4 * error


def test_delay_has_its_moments():
    response = DeviceResponse(delay_mean_s=3.0, delay_sd_s=1.2)
    times = np.array([0.0, 1.0, 3.0, 6.0])
    np.testing.assert_allclose(
        response.delay_cdf(jnp.asarray(times)),
        stats.gamma(6.25, scale=0.48).cdf(times),
        atol=1e-5,
    )


def test_background_of_a_window():
    response = DeviceResponse(background_per_hour=5.76)
    assert float(response.background_in(10.0)) == pytest.approx(0.01587, abs=1e-4)


def test_prior_draws_about_its_centre():
    draws = ResponsePrior().draws(jax.random.key(0), 4000)
    assert np.median(draws.trigger_m_s2) == pytest.approx(0.1, rel=0.03)
    assert np.std(np.log10(draws.trigger_m_s2)) == pytest.approx(0.35, rel=0.05)
    assert np.mean(draws.able_share) == pytest.approx(0.8, abs=0.01)
    assert np.mean(draws.dead_share) == pytest.approx(0.1, abs=0.01)
    known = ResponsePrior(DeviceResponse()).draws(jax.random.key(0), 10)
    assert np.all(known.dead_share == 0)


@pytest.mark.parametrize(
    "wrong",
    [{"trigger_m_s2": 0}, {"able_share": 1.2}, {"dead_share": 1.0}, {"delay_sd_s": 0.0},
     {"amplification_slope": -1.0}, {"p_amplitude_ratio": np.nan}],
)  # fmt: skip
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        DeviceResponse(**wrong)
