"""Learner of many sensors: exact posteriors, recovery, shaking, forgetting, its twin."""

import os

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from scipy import stats

import eqstat
from eqstat import edge
from eqstat.calibration import rank_uniformity, sbc_ranks
from eqstat.waveform.background import (
    BackgroundPrior,
    LearnedThreshold,
    draw_rates,
    fit_prior,
    init,
    learn,
    noise_floor,
    rates,
    simulate,
    step,
    threshold,
    weak_prior,
)

CHECKED = os.environ.get("EQSTAT_CHECK_TYPES", "0") not in ("", "0")
REFUSED = (eqstat.InputError, jaxtyping.TypeCheckError) if CHECKED else eqstat.InputError
LEVELS = np.linspace(0.0, 4.0, 9)
HOURS = 30 / 3600
FLEET = BackgroundPrior(
    noise_mean=-6.0,
    noise_weight=0.1,
    noise_shape=4.0,
    noise_scale=0.2,
    levels=LEVELS,
    mean_per_hour=np.geomspace(12.0, 0.05, 9),
    strength_h=0.5,
    factor=np.exp([-1.5, -0.75, 0.0, 0.75, 1.5]) / 1.388,
    factor_weight=np.array([0.1, 0.2, 0.4, 0.2, 0.1]),
    noise_half_life_h=np.inf,
    half_life_h=np.inf,
    shaking=0.0,
)


def changed(**values):
    return BackgroundPrior(**(FLEET.model | values))


def learned(prior, noise, top, **options):
    return learn(prior, init(prior, noise.shape[1:], **options), HOURS, noise, top)


def test_without_forgetting_and_shaking_the_posterior_is_that_of_all_blocks_at_once():
    rng = np.random.default_rng(0)
    x, top = rng.normal(-5.0, 0.3, 40), rng.gumbel(1.0, 0.7, 40)
    with jax.enable_x64(True):
        state, _ = learned(FLEET, x, top, dtype=jnp.float64)
        mean, scale = noise_floor(FLEET, state)
    # Normal-inverse-gamma by its textbook update (Bernardo and Smith 1994), in batch.
    w = 0.1 + 40
    m = (0.1 * -6.0 + x.sum()) / w
    a = 4.0 + 20
    b = 0.2 + 0.5 * ((x - x.mean()) ** 2).sum() + 0.5 * 0.1 * 40 / w * (x.mean() + 6.0) ** 2
    assert mean == pytest.approx(m, rel=1e-10)
    assert scale == pytest.approx(np.sqrt(b / a * (1 + 1 / w)), rel=1e-10)
    # Rates: evidence of each factor from scipy's negative binomials, then gamma by gamma.
    counts = (top[:, None] > LEVELS).sum(axis=0)
    parts, shapes = -np.diff(counts, append=0), 0.5 * -np.diff(FLEET.mean_per_hour, append=0.0)
    before, time = 0.5 / FLEET.factor, 40 * HOURS
    evidence = [stats.nbinom.logpmf(parts, shapes, h / (h + time)).sum() for h in before]
    weight = FLEET.factor_weight * np.exp(evidence - np.max(evidence))
    weight /= weight.sum()
    shape = np.cumsum((shapes + parts)[::-1])[::-1]
    mean = (weight / (before + time)).sum() * shape
    square = (weight / (before + time) ** 2).sum() * shape * (shape + 1)
    table = rates(FLEET, state)
    np.testing.assert_allclose(table["per_hour"], mean, rtol=1e-10)
    got = edge.background_rates(np, FLEET.model, np.asarray(state))
    np.testing.assert_allclose(got[1], square - mean**2, rtol=1e-8)
    draws = draw_rates(jax.random.key(0), FLEET, state, 40_000)
    np.testing.assert_allclose(draws.mean(axis=0), mean, rtol=0.1)
    np.testing.assert_allclose(draws.var(axis=0)[:5], (square - mean**2)[:5], rtol=0.1)


def test_old_blocks_count_half_after_the_half_life():
    prior = changed(half_life_h=2.0, noise_half_life_h=0.5)
    state = step(prior, init(prior), 1.0, -6.0, 1.2)
    later = step(prior, state, 2.0, np.nan, np.nan)
    np.testing.assert_allclose(later[3:], state[3:] / 2, rtol=1e-6)
    np.testing.assert_allclose(later[:3], state[:3] / 16, rtol=1e-6)
    with_gap = step(prior, state, 2.0, np.nan, 5.0)
    assert with_gap[3] == pytest.approx(state[3] / 2 + 2.0)
    assert (with_gap[4:] - state[4:] / 2).tolist() == [1.0] * 9


def test_truth_is_within_intervals_as_often_as_they_say():
    fleet = simulate(jax.random.key(0), FLEET, devices=400, blocks=600)
    state, _ = learned(FLEET, fleet.noise, fleet.top)
    for level in (2, 4, 6):
        draws = [draw_rates(jax.random.key(n), FLEET, one, 99)[:, level]
                 for n, one in enumerate(np.asarray(state))]  # fmt: skip
        ranks = sbc_ranks(fleet.per_hour[:, level], np.array(draws))
        assert rank_uniformity(ranks, 99, bins=20).p_value > 0.01
    mean, weight, shape, scale = (
        np.asarray(each) for each in edge.background_noise(np, FLEET.model, np.asarray(state))
    )
    z = (fleet.mean - mean) / np.sqrt(scale / shape / weight)
    assert stats.kstest(stats.t.cdf(z, 2 * shape), "uniform").pvalue > 0.01


@pytest.mark.slow
def test_predicted_rate_is_realised_from_the_first_hour_on():
    fleet = simulate(jax.random.key(1), FLEET, devices=300, blocks=480)
    _, before = learned(FLEET, fleet.noise, fleet.top)
    for rate in (0.5, 4.0):
        answer = threshold(FLEET, before, rate)
        above = fleet.top > np.asarray(answer.threshold)
        predicted = HOURS * np.asarray(answer.per_hour, float)
        predicted = np.where(np.isfinite(answer.threshold), predicted, 0.0)
        assert predicted.max() < 1.001 * rate * HOURS
        for part in (slice(0, 120), slice(120, 480)):
            off = (above - predicted)[part].sum(axis=0)
            # Sensors are independent: three standard errors.
            assert abs(off.sum()) < 3 * off.std() * np.sqrt(300)
            assert 3 * off.std() * np.sqrt(300) < 0.5 * predicted[part].sum()


@pytest.mark.parametrize("minutes", [1, 10])
def test_shaking_does_not_become_the_floor_and_new_noise_does(minutes):
    prior = changed(shaking=0.01, noise_half_life_h=2.0)
    rng = np.random.default_rng(2)
    quiet = rng.normal(-6.5, 0.2, 480)
    shaken = quiet.copy()
    shaken[300 : 300 + 2 * minutes] += 5.0
    top = np.full(480, -1.0)
    with_it = noise_floor(prior, learned(prior, shaken, top)[0])
    without = noise_floor(prior, learned(prior, quiet, top)[0])
    assert abs(float(with_it[0] - without[0])) < 0.02
    assert float(with_it[1]) < 1.1 * float(without[1])
    machine = rng.normal(-5.0, 0.2, 120 * 24)
    state, _ = learned(prior, np.append(quiet, machine), np.full(480 + len(machine), -1.0))
    assert float(noise_floor(prior, state)[0]) == pytest.approx(-5.0, abs=0.1)


def test_a_fleet_tells_its_prior():
    fleet = simulate(jax.random.key(3), FLEET, devices=300, blocks=1200)
    start = weak_prior(LEVELS, noise_mean=-4.0, half_life_h=np.inf, noise_half_life_h=np.inf)
    state, _ = learned(start, fleet.noise, fleet.top)
    fitted = fit_prior(start, state)
    # Within what 300 sensors can tell: three standard errors of their mean true rate.
    error = 3 * fleet.per_hour.std(axis=0) / np.sqrt(300)
    off = np.abs(fitted.mean_per_hour - FLEET.mean_per_hour)[2:]
    assert (off < error[2:] + 3 * np.sqrt(FLEET.mean_per_hour[2:] / 3000)).all()
    assert np.log(fitted.strength_h / 0.5) == pytest.approx(0.0, abs=0.5)
    spread = np.sqrt(fitted.factor_weight @ np.log(fitted.factor) ** 2
                     - (fitted.factor_weight @ np.log(fitted.factor)) ** 2)  # fmt: skip
    assert spread == pytest.approx(0.82, abs=0.25)  # of the five factors drawn from: 0.82
    assert fitted.noise_mean == pytest.approx(-6.0, abs=3 * np.sqrt(0.067 / 0.1 / 300))
    assert np.log(fitted.noise_weight / 0.1) == pytest.approx(0.0, abs=0.35)
    assert np.log(fitted.noise_scale / fitted.noise_shape / 0.05) == pytest.approx(0.0, abs=0.35)
    assert fitted.half_life_h == np.inf and fitted.levels is start.levels


@pytest.mark.slow
def test_little_known_means_a_higher_threshold_and_a_wider_interval():
    sensors = simulate(jax.random.key(4), FLEET, devices=100, blocks=1200)
    state, _ = learned(FLEET, sensors.noise, sensors.top)
    few, known = threshold(FLEET, init(FLEET), 1.0), threshold(FLEET, state, 1.0)
    assert float(few.threshold) > np.median(known.threshold)
    assert np.ptp(few.interval()) > 2 * np.median(np.ptp(known.interval(), axis=0))
    tables = [rates(FLEET, one) for one in state]
    for level in (1, 3):
        low, high = (np.array([t[name][level] for t in tables]) for name in ("low", "high"))
        inside = (sensors.per_hour[:, level] > low) & (sensors.per_hour[:, level] < high)
        assert 0.8 <= inside.mean() <= 0.97  # 90 %, of 100 sensors


def test_predictive_of_the_next_hours_is_negative_binomial():
    one = LearnedThreshold(2.0, 1.5, 4.0, 0)
    rng = np.random.default_rng(5)
    drawn = rng.poisson(2.0 * rng.gamma(6.0, 1 / 4.0, 200_000))
    assert one.at_least(5, 2.0) == pytest.approx((drawn >= 5).mean(), abs=0.004)


def test_threshold_beyond_the_grid_is_infinite_and_says_so():
    answer = threshold(FLEET, init(FLEET, 2), np.array([0.01, 100.0]))
    assert np.asarray(answer.status).tolist() == [edge.Status.BEYOND, edge.Status.OK]
    assert np.asarray(answer.threshold).tolist() == [np.inf, 0.0]
    assert float(answer.per_hour[0]) == pytest.approx(0.05, rel=1e-3)  # factors of mean 1.0003


@pytest.mark.slow
def test_edge_agrees_with_jax():
    prior = changed(shaking=0.02, half_life_h=5.0, noise_half_life_h=1.0)
    rng = np.random.default_rng(6)
    noise = rng.normal(-6, 0.5, (200, 5)) + 4 * (rng.random((200, 5)) < 0.05)
    top = rng.gumbel(1.0, 0.7, (200, 5))
    noise[rng.random(noise.shape) < 0.1] = np.nan
    top[rng.random(top.shape) < 0.1] = np.nan
    state = np.zeros((5, 13))
    for row in zip(noise, top, strict=True):
        state = edge.background_step(np, prior.model, state, np.full(5, HOURS), *row)
    fast, _ = learned(prior, noise, top)
    np.testing.assert_allclose(fast, state, rtol=1e-5, atol=1e-5)
    own = edge.background_threshold(np, prior.model, state, 2.0)
    for name, value in zip(LearnedThreshold._fields, own, strict=True):
        np.testing.assert_allclose(getattr(threshold(prior, fast, 2.0), name), value, rtol=1e-5)
    single = edge.background_step(np, prior.model, np.zeros(13), HOURS, noise[3, 1], top[3, 1])
    np.testing.assert_allclose(step(prior, init(prior), HOURS, noise[3, 1], top[3, 1]), single,
                               rtol=1e-5, atol=1e-6)  # fmt: skip


def test_steps_are_compiled_once_for_thousands_and_hostile_numbers_stay_in_their_sensor():
    traced = []

    @jax.jit
    def one(state, noise, top):
        traced.append(1)
        return step(FLEET, state, HOURS, noise, top)

    state = init(FLEET, 5000)
    top = np.zeros(5000, np.float32)
    noise = np.full(5000, -6.0, np.float32)
    noise[:3], top[:3] = [np.inf, -np.inf, np.nan], [np.nan, np.inf, -np.inf]
    for _ in range(3):
        state = one(state, noise, top)
    assert len(traced) == 1 and bool(jnp.isfinite(state).all())
    assert state[:3, 0].tolist() == [0.0] * 3 and state[1, 4:].tolist() == [3.0] * 9


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: weak_prior([3.0, 1.0]), "levels must ascend"),
        (lambda: weak_prior([3.0]), "two or more"),
        (lambda: weak_prior(LEVELS, half_life_h=0.0), "half_life_h"),
        (lambda: changed(shaking=1.0), "shaking"),
        (lambda: changed(mean_per_hour=np.ones(3)), "one for each level"),
        (lambda: changed(mean_per_hour=np.arange(1.0, 10.0)), "must not rise"),
        (lambda: changed(factor=np.ones(2)), "one for each factor"),
        (lambda: draw_rates(jax.random.key(0), FLEET, init(FLEET, 3), 2), "one sensor"),
        (lambda: threshold(FLEET, init(FLEET), 0.0), "false_per_hour must be above 0"),
        (lambda: fit_prior(FLEET, np.zeros((5, 3))), "state must be"),
        (lambda: fit_prior(FLEET, np.zeros((5, 13))), "sensors must be heard"),
        (lambda: rates(FLEET, init(FLEET, 3)), "one sensor"),
        (lambda: learn(FLEET, init(FLEET), HOURS, np.zeros(3), np.zeros(4)), "one shape"),
        (lambda: LearnedThreshold(1.0, 1.0, 1.0, 0).interval(1.5), "level"),
    ],
)
def test_bad_input_is_named(call, text):
    with pytest.raises(REFUSED, match=text):
        call()
