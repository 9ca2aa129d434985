"""Rules of alarm: each against its own integral, and the baselines."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.exceedance._kernel import SourceDraws
from eqstat.exceedance.alerts import (
    Always,
    MeanHypocentre,
    Never,
    Plum,
    PosteriorPredictive,
    StationConditioned,
)

from .cases import LOG_U, MODEL, PHI, TAU, means, situation


def test_integrated_is_the_sum_over_draws():
    case = situation()
    weight = np.exp(np.asarray(case.drawn.log_weight, float))
    tails = stats.norm.sf((np.asarray(LOG_U) - means(case)[..., None]) / np.hypot(TAU, PHI))
    wanted = np.einsum("sdt,d->st", tails, weight)
    np.testing.assert_allclose(
        PosteriorPredictive(MODEL)(case, LOG_U), wanted, rtol=2e-3, atol=1e-6
    )


def test_best_hypocentre_is_one_draw_at_the_mean():
    case = situation()
    weight = jnp.exp(case.drawn.log_weight)
    mean = SourceDraws((weight @ case.drawn.place_km)[None], (weight @ case.drawn.depth_km)[None],
                 (weight @ case.drawn.magnitude)[None], jnp.zeros(1))  # fmt: skip
    one = eqx.tree_at(lambda s: s.drawn, case, mean)
    np.testing.assert_allclose(
        MeanHypocentre(MODEL)(case, LOG_U), PosteriorPredictive(MODEL)(one, LOG_U), rtol=1e-5
    )


def brute(case, size=400_000, seed=0):
    """P(PGA > u | all stations) by weighted draws of source, event term, PGA and growth."""
    rng = np.random.default_rng(seed)
    mean, weight = means(case), np.exp(np.asarray(case.drawn.log_weight, float))
    which = rng.choice(len(weight), size, p=weight / weight.sum())
    peak, done = np.asarray(case.peak_m_s2, float), np.asarray(case.complete)
    seen = np.log10(np.where(peak > 0, peak, 1.0))
    growth = np.asarray(case.growth_mean, float), np.asarray(case.growth_sd, float)
    # The event term from a proposal about what the stations ask for.
    running = (peak > 0) & ~done
    told = np.where(running, seen + growth[0], seen) - mean.mean(axis=1)
    term = rng.normal(told[peak > 0].mean(), 0.25, size)
    log = stats.norm.logpdf(term, 0, TAU) - stats.norm.logpdf(term, told[peak > 0].mean(), 0.25)
    for place in np.flatnonzero(peak > 0):
        at = mean[place][which] + term
        sd = PHI if done[place] else np.hypot(PHI, growth[1][place])
        log = log + stats.norm.logpdf(
            seen[place] + (0 if done[place] else growth[0][place]), at, sd
        )
    joint = np.exp(log - log.max())
    found = np.zeros((len(peak), len(LOG_U)))
    for place in range(len(peak)):
        at = mean[place][which] + term
        own = joint
        if done[place]:
            found[place] = seen[place] > np.asarray(LOG_U)
            continue
        if running[place]:
            s = growth[1][place]
            k = PHI**2 / (PHI**2 + s**2)
            at = (1 - k) * at + k * (seen[place] + growth[0][place])
            y = at + np.sqrt(1 - k) * PHI * rng.normal(size=size)
            own = joint * (y > seen[place])
        else:
            y = at + PHI * rng.normal(size=size)
        found[place] = [(own * (y > u)).sum() / own.sum() for u in np.asarray(LOG_U)]
    return found, joint.sum() ** 2 / np.sum(joint**2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_conditioned_is_the_posterior_predictive(seed):
    case = situation(seed)
    wanted, effective = brute(case)
    # Four standard errors of the weighted draws.
    assert effective > 2000
    np.testing.assert_allclose(
        StationConditioned(MODEL)(case, LOG_U), wanted, atol=4 * 0.5 / np.sqrt(effective)
    )


def test_growth_that_is_unknown_says_nothing_but_the_bound():
    case = situation(done=0, running=4)
    blind = eqx.tree_at(lambda s: s.growth_sd, case, jnp.full(12, jnp.inf))
    found = np.asarray(StationConditioned(MODEL)(blind, LOG_U))
    plain = np.asarray(PosteriorPredictive(MODEL)(case, LOG_U), float)
    np.testing.assert_allclose(found[4:], plain[4:], rtol=2e-3, atol=1e-6)
    peak = jnp.log10(case.peak_m_s2[:4])
    least = np.array([PosteriorPredictive(MODEL)(case, peak[i : i + 1])[i, 0] for i in range(4)])
    wanted = np.where(
        np.asarray(peak)[:, None] > np.asarray(LOG_U), 1.0, plain[:4] / least[:, None]
    )
    np.testing.assert_allclose(found[:4], wanted, rtol=2e-3, atol=1e-6)


def test_conditioned_without_reports_is_integrated():
    case = situation(done=0, running=0)
    np.testing.assert_allclose(
        StationConditioned(MODEL)(case, LOG_U),
        PosteriorPredictive(MODEL)(case, LOG_U),
        rtol=2e-3,
        atol=1e-6,
    )


def test_sites_without_a_station_hear_of_the_others():
    case = situation()
    away = eqx.tree_at(lambda s: s.site_station, case, jnp.full(12, -1))
    found, own = (np.asarray(StationConditioned(MODEL)(each, LOG_U)) for each in (away, case))
    np.testing.assert_allclose(found[9:], own[9:], rtol=1e-5)
    assert np.all((found[:6] > 0) & (found[:6] < 1))


def test_strong_reports_raise_what_is_expected_elsewhere():
    case = situation(running=0)
    plain = StationConditioned(MODEL)(case, LOG_U)[6:]
    louder = eqx.tree_at(lambda s: s.peak_m_s2, case, case.peak_m_s2 * 3)
    assert np.all(StationConditioned(MODEL)(louder, LOG_U)[6:] > plain)


def test_far_outliers_stay_finite():
    case = situation()
    for factor in (1e4, 1e-6):
        loud = eqx.tree_at(lambda s: s.peak_m_s2, case, case.peak_m_s2 * factor)
        found = np.asarray(StationConditioned(MODEL)(loud, LOG_U))
        assert np.all(np.isfinite(found)) and found.min() >= 0 and found.max() <= 1


def test_plum_takes_the_strongest_station_near_by():
    case = situation()
    found = np.asarray(Plum(radius_km=40)(case, LOG_U))
    station, peak = np.asarray(case.station_km), np.asarray(case.peak_m_s2)
    for place in range(len(station)):
        near = np.linalg.norm(station - station[place], axis=1) <= 40
        np.testing.assert_array_equal(found[place], peak[near].max() > 10 ** np.asarray(LOG_U))
    soft = np.asarray(Plum(radius_km=40, scatter=0.3)(case, LOG_U))
    np.testing.assert_array_equal(soft > 0.5, found > 0.5)
    alone = eqx.tree_at(lambda s: s.peak_m_s2, case, jnp.zeros_like(case.peak_m_s2))
    assert not np.any(Plum(scatter=0.3)(alone, LOG_U))


def test_without_a_source_only_stations_speak():
    case = situation(located=False)
    for rule in (PosteriorPredictive(MODEL), MeanHypocentre(MODEL), Always()):
        assert not np.any(rule(case, LOG_U))
    assert not np.any(Never()(situation(), LOG_U))
    assert np.all(Always()(situation(), LOG_U) == 1)
    own = np.asarray(StationConditioned(MODEL)(case, LOG_U))
    np.testing.assert_array_equal(
        own, np.asarray(case.peak_m_s2)[:, None] > 10 ** np.asarray(LOG_U)
    )


@pytest.mark.parametrize("wrong", [{"radius_km": 0.0}, {"scatter": -1.0}])
def test_no_rule_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Plum(**wrong)
