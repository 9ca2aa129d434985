"""Conditioning on recorded shaking with correlated residuals, against dense normals."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.exceedance.alerts import (
    MeanHypocentre,
    Plum,
    PosteriorPredictive,
    SpatiallyConditioned,
    StationConditioned,
)
from eqstat.ground_motion import GroundMotion
from eqstat.ground_motion.felt import FeltPredictor
from eqstat.ground_motion.mixture import exceedance, mean_and_sd

from .cases import LOG_U, MODEL, PHI, TAU, means, situation

RHO, RANGE = 0.6, 40.0
RULE = SpatiallyConditioned(MODEL, correlated_share=RHO, correlation_km=RANGE)
RULES = (PosteriorPredictive(MODEL), MeanHypocentre(MODEL), StationConditioned(MODEL), RULE)


def elsewhere(case, seed=5):
    """The same with sites that are no stations behind those that are."""
    rng = np.random.default_rng(seed)
    place = jnp.asarray(np.column_stack([rng.uniform(-80, 80, (5, 2)), np.zeros(5)]), jnp.float32)
    fields = lambda s: (s.site_km, s.vs30_m_s, s.site_station)  # noqa: E731
    return eqx.tree_at(
        fields,
        case,
        (
            jnp.concatenate([case.site_km, place]),
            jnp.full(17, jnp.nan),
            jnp.concatenate([case.site_station, jnp.full(5, -1)]),
        ),
    )


def dense(case):
    """Weights, means and variances of each draw and site by dense normals, double precision."""
    station, site = (np.asarray(x, float) for x in (case.station_km, case.site_km))
    everywhere = eqx.tree_at(lambda s: s.station_km, case, case.site_km)
    at_station, at_site = means(case), means(everywhere)
    apart = np.linalg.norm(station[:, None] - station, axis=-1)
    c = RHO * np.exp(-3 * apart / RANGE)
    np.fill_diagonal(c, 1.0)
    cross = RHO * np.exp(-3 * np.linalg.norm(site[:, None] - station, axis=-1) / RANGE)
    for place, at in enumerate(np.asarray(case.site_station)):
        if at >= 0:
            cross[place] = c[at]
    peak, done = np.asarray(case.peak_m_s2, float), np.asarray(case.complete)
    growth, sd = np.asarray(case.growth_mean, float), np.asarray(case.growth_sd, float)
    used = np.flatnonzero((peak > 0) & (done | np.isfinite(sd)))
    seen = np.log10(peak[used]) + np.where(done[used], 0.0, growth[used])
    error = np.where(done[used], 0.0, sd[used])
    cov = PHI**2 * c[np.ix_(used, used)] + np.diag(error**2) + TAU**2
    to_site = PHI**2 * cross[:, used] + TAU**2
    log = np.asarray(case.drawn.log_weight, float) + [
        stats.multivariate_normal.logpdf(seen, mean, cov) for mean in at_station[used].T
    ]
    solved = np.linalg.solve(cov, to_site.T)
    mean = at_site + solved.T @ (seen[:, None] - at_station[used])
    variance = PHI**2 + TAU**2 - np.sum(to_site.T * solved, axis=0)
    weight = np.exp(log - log.max())
    return weight / weight.sum(), mean, variance


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.slow
def test_spatially_conditioned_is_the_dense_normal(seed):
    case = elsewhere(situation(seed))
    case = eqx.tree_at(lambda s: s.growth_sd, case, case.growth_sd.at[7].set(jnp.inf))
    weight, mean, variance = dense(case)
    peak, done = np.asarray(case.peak_m_s2, float), np.asarray(case.complete)
    wanted = np.empty((17, len(LOG_U)))
    for place, at in enumerate(np.asarray(case.site_station)):
        tail = lambda u: weight @ stats.norm.sf(u, mean[place], np.sqrt(variance[place]))  # noqa: B023, E731
        floor = np.log10(peak[at]) if at >= 0 and peak[at] > 0 else -9.0
        for column, u in enumerate(np.asarray(LOG_U, float)):
            if at >= 0 and done[at]:
                wanted[place, column] = floor > u
            else:
                wanted[place, column] = 1.0 if floor > u else tail(u) / tail(floor)
    np.testing.assert_allclose(RULE(case, LOG_U), wanted, rtol=5e-3, atol=2e-5)
    # Sites that no station has recorded at are plain mixtures.
    quiet = [*range(9, 17)]
    mixture = RULE.predictive(case)
    m, sd = mean_and_sd(mixture)
    np.testing.assert_allclose(np.asarray(m)[quiet], (mean @ weight)[quiet], atol=1e-3)
    spread = np.sqrt((((mean - (mean @ weight)[:, None]) ** 2) @ weight + variance)[quiet])
    np.testing.assert_allclose(np.asarray(sd)[quiet], spread, rtol=2e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_without_correlation_it_is_station_conditioned(seed):
    case = elsewhere(situation(seed))
    rule = SpatiallyConditioned(MODEL, correlated_share=0.0)
    plain = StationConditioned(MODEL)
    np.testing.assert_allclose(rule(case, LOG_U), plain(case, LOG_U), rtol=1e-3, atol=1e-6)
    for one, two in zip(
        mean_and_sd(rule.predictive(case)), mean_and_sd(plain.predictive(case)), strict=True
    ):
        np.testing.assert_allclose(one, two, atol=2e-4)


@pytest.mark.slow
def test_neighbours_of_a_loud_station_are_expected_to_be_loud():
    case = situation(running=0)
    close = case.station_km.at[8].set(case.station_km[0] + jnp.array([3.0, 0.0, 0.0]))
    case = eqx.tree_at(lambda s: (s.station_km, s.site_km), case, (close, close))
    louder = eqx.tree_at(lambda s: s.peak_m_s2, case, case.peak_m_s2.at[0].multiply(5.0))

    def raised(rule):
        return np.asarray(rule(louder, LOG_U) - rule(case, LOG_U))[8, 1]

    assert raised(RULE) > 2 * raised(StationConditioned(MODEL)) > 0


def test_probabilities_of_its_own_world_are_true():
    """PIT values of PGA at silent sites, drawn from the model, are uniform."""
    rng = np.random.default_rng(11)
    case = situation(0, stations=12, done=6, running=3)
    mean, weight = means(case), np.exp(np.asarray(case.drawn.log_weight, float))
    station = np.asarray(case.station_km, float)
    c = RHO * np.exp(-3 * np.linalg.norm(station[:, None] - station, axis=-1) / RANGE)
    np.fill_diagonal(c, 1.0)
    root = np.linalg.cholesky(c)
    predict = eqx.filter_jit(
        lambda s, u: jnp.diagonal(jax.vmap(lambda v: exceedance(RULE.predictive(s), v))(u))
    )
    pit = []
    for _ in range(300):
        drawn = rng.choice(len(weight), p=weight / weight.sum())
        pga = mean[:, drawn] + TAU * rng.normal() + PHI * root @ rng.normal(size=12)
        growth = np.asarray(case.growth_mean) + np.asarray(case.growth_sd) * rng.normal(size=12)
        seen = np.where(np.arange(12) < 6, pga, pga - growth)
        peak = jnp.asarray(np.where(np.arange(12) < 9, 10.0**seen, 0.0), jnp.float32)
        now = eqx.tree_at(lambda s: s.peak_m_s2, case, peak)
        pit.append(1 - np.asarray(predict(now, jnp.asarray(pga, jnp.float32)))[9])
    assert stats.kstest(pit, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_predictive_mixtures_give_the_probabilities(rule):
    case = situation()
    mixture = rule.predictive(case)
    np.testing.assert_allclose(jnp.exp(mixture.log_weight).sum(axis=1), 1.0, rtol=1e-5)
    tail = np.asarray(jax.vmap(lambda u: exceedance(mixture, u), out_axes=1)(LOG_U))
    chance = np.asarray(rule(case, LOG_U))
    # No station: the same numbers. Growing: a normal in place of a normal that is cut.
    np.testing.assert_allclose(tail[9:], chance[9:], rtol=1e-3, atol=1e-5)
    if hasattr(rule, "_conditioned"):
        np.testing.assert_allclose(tail[:6] > 0.5, chance[:6] > 0.5)
        assert np.abs(tail[6:9] - chance[6:9]).max() < 0.12


def test_cut_normals_keep_their_moments():
    case = situation(seed=3)
    mixture = RULE.predictive(case)
    weight, mean, variance = dense(case)
    for place in range(6, 9):
        floor = np.log10(float(case.peak_m_s2[place]))
        sd = np.sqrt(variance[place])
        each = [stats.truncnorm((floor - m) / sd, np.inf, m, sd) for m in mean[place]]
        share = weight * stats.norm.sf(floor, mean[place], sd)
        first = sum(w * one.mean() for w, one in zip(share, each, strict=True)) / share.sum()
        second = (
            sum(w * (one.var() + one.mean() ** 2) for w, one in zip(share, each, strict=True))
            / share.sum()
        )
        got = [float(x[place]) for x in mean_and_sd(mixture)]
        np.testing.assert_allclose(got, [first, np.sqrt(second - first**2)], rtol=5e-3)


def test_plum_has_a_density_only_with_a_scatter():
    case = situation()
    mixture = Plum(radius_km=40, scatter=0.3).predictive(case)
    tail = jax.vmap(lambda u: exceedance(mixture, u), out_axes=1)(LOG_U)
    np.testing.assert_allclose(tail, Plum(radius_km=40, scatter=0.3)(case, LOG_U), atol=1e-6)
    with pytest.raises(InputError, match="scatter"):
        Plum().predictive(case)


def test_site_terms_move_stations_and_sites():
    case = elsewhere(situation())
    rng = np.random.default_rng(3)
    term = rng.normal(0, 0.3, 12)
    at_site = np.concatenate([term, rng.normal(0, 0.3, 5)])
    fields = lambda s: (s.station_term, s.site_term)  # noqa: E731
    given = eqx.tree_at(
        fields,
        case,
        (jnp.asarray(term, jnp.float32), jnp.asarray(at_site, jnp.float32)),
        is_leaf=lambda leaf: leaf is None,
    )
    # Records less their terms, at sites that are as much quieter, are the same problem.
    for rule in (*RULES, Plum(radius_km=60, scatter=0.3)):
        reduced = eqx.tree_at(
            lambda s: s.peak_m_s2, case, case.peak_m_s2 * jnp.asarray(10.0**-term, jnp.float32)
        )
        wanted, sd = mean_and_sd(rule.predictive(reduced))
        got, got_sd = mean_and_sd(rule.predictive(given))
        heard = np.asarray(wanted) > -8
        np.testing.assert_allclose(got[heard], (wanted + at_site)[heard], atol=2e-3)
        np.testing.assert_allclose(got_sd, sd, atol=2e-3)


def test_felt_predictors_serve_rules():
    case = situation()
    motion = GroundMotion(vs30_slope=0.0, event_sd=TAU, station_sd=0.0, record_sd=PHI)
    for rule in (StationConditioned, SpatiallyConditioned, PosteriorPredictive):
        chance = np.asarray(rule(FeltPredictor(motion))(case, LOG_U))
        deeper = FeltPredictor(dataclasses.replace(motion, depth_slope=0.5))
        assert np.all((chance >= 0) & (chance <= 1)) and chance[9:].std() > 0
        assert not np.allclose(rule(deeper)(case, LOG_U)[9:], chance[9:], rtol=1e-3)


@pytest.mark.slow
def test_dead_stations_and_far_outliers_stay_finite():
    case = situation(done=0, running=0)
    np.testing.assert_allclose(
        RULE(case, LOG_U), PosteriorPredictive(MODEL)(case, LOG_U), rtol=2e-3, atol=1e-6
    )
    loud = eqx.tree_at(lambda s: s.peak_m_s2, situation(), situation().peak_m_s2 * 1e4)
    mixture = RULE.predictive(loud)
    for leaf in jax.tree.leaves(mixture):
        assert not np.any(np.isnan(leaf))
    gradient = jax.grad(
        lambda rho: jnp.sum(SpatiallyConditioned(MODEL, rho, 20.0)(situation(), LOG_U))
    )(0.3)
    assert np.isfinite(gradient)


@pytest.mark.parametrize(
    "wrong", [{"correlated_share": 1.0}, {"correlated_share": -0.1}, {"correlation_km": 0.0}]
)
def test_no_correlation_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SpatiallyConditioned(MODEL, **wrong)
