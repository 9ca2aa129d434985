"""Silent stations as bounds: against integrals and weighted draws, and in a world that selects."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.exceedance.alerts import SpatiallyConditioned, _silent
from eqstat.ground_motion.mixture import exceedance, mean_and_sd

from .cases import MODEL, PHI, TAU, means, situation

RHO, RANGE = 0.6, 40.0
RULE = SpatiallyConditioned(MODEL, correlated_share=RHO, correlation_km=RANGE)
IS_NONE = lambda leaf: leaf is None  # noqa: E731


def with_silence(case, below):
    return eqx.tree_at(
        lambda s: s.silent_below_m_s2, case, jnp.asarray(below, jnp.float32), is_leaf=IS_NONE
    )


def covariance(case):
    """Of the PGA of the stations given a draw, double precision."""
    station = np.asarray(case.station_km, float)
    c = RHO * np.exp(-3 * np.linalg.norm(station[:, None] - station, axis=-1) / RANGE)
    np.fill_diagonal(c, 1.0)
    return PHI**2 * c + TAU**2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_probability_of_silence_is_the_integral(seed):
    rng = np.random.default_rng(seed)
    case = situation(seed)
    v = covariance(case)[:5, :5]
    limit = rng.normal(0.2, 0.3, 5)
    got = _silent.silence(
        jnp.asarray(limit)[None], jnp.asarray(v), jnp.ones(5, bool), 0.0
    ).log_evidence[0]
    wanted = stats.multivariate_normal(np.zeros(5), v, seed=0, abseps=1e-6, releps=1e-6).logcdf(
        limit
    )
    assert float(got) == pytest.approx(wanted, abs=0.02)


def test_one_bound_and_one_that_may_be_dead_are_exact():
    v = jnp.array([[0.2, 0.1], [0.1, 0.3]])
    silent = jnp.array([True, False])
    for o in (0.0, 0.3):
        got = _silent.silence(jnp.array([[-0.4, 9.0]]), v, silent, o)
        alpha = -0.4 / np.sqrt(0.2)
        mass = o + (1 - o) * stats.norm.cdf(alpha)
        assert float(got.log_evidence[0]) == pytest.approx(np.log(mass), abs=1e-4)
        moved, less = (each[:, 0] for each in _silent.onto(got, v, v))
        q = (1 - o) * stats.norm.pdf(alpha) / mass
        np.testing.assert_allclose(moved[0], -np.sqrt(0.2) * q, rtol=1e-3)
        # A factor that would widen moves the mean only.
        np.testing.assert_allclose(less[0], max(0.2 * q * (alpha + q), 0.0), atol=1e-4)
        # The other goes along by its regression.
        np.testing.assert_allclose(moved[1], moved[0] * 0.5, rtol=1e-3)


def by_draws(case, o, size=2_000_000, seed=0):
    """Mean and sd at each site by weighted draws of source and PGA, given reports and silence."""
    rng = np.random.default_rng(seed)
    mean, weight = means(case), np.exp(np.asarray(case.drawn.log_weight, float))
    peak, done = np.asarray(case.peak_m_s2, float), np.asarray(case.complete)
    m, s = np.asarray(case.growth_mean, float), np.asarray(case.growth_sd, float)
    cov = covariance(case)
    used = np.flatnonzero(peak > 0)
    error = np.where(done[used], 0.0, s[used])
    k = cov[np.ix_(used, used)] + np.diag(error**2)
    seen = np.log10(peak[used]) + np.where(done[used], 0.0, m[used])
    log = [stats.multivariate_normal.logpdf(seen, each, k) for each in mean[used].T]
    posterior = weight * np.exp(np.array(log) - max(log))
    which = rng.choice(len(weight), size, p=posterior / posterior.sum())
    solved = np.linalg.solve(k, cov[used]).T
    centre = mean.T + (seen - mean[used].T) @ solved.T
    left = cov - solved @ cov[used]
    root = np.linalg.cholesky(left + 1e-12 * np.eye(len(left)))
    y = centre[which] + rng.normal(size=(size, len(left))) @ root.T
    below = np.asarray(case.silent_below_m_s2, float)
    joint = np.ones(size)
    for at in np.flatnonzero(below > 0):
        error = 0.0 if done[at] else s[at]
        growth = 0.0 if done[at] else m[at]
        share = (y[:, at] < np.log10(below[at]) + growth).astype(float)
        if error:
            share = stats.norm.cdf((np.log10(below[at]) + growth - y[:, at]) / error)
        joint *= o + (1 - o) * share
    first = joint @ y / joint.sum()
    second = joint @ y**2 / joint.sum()
    return first, np.sqrt(second - first**2), joint.sum() ** 2 / np.sum(joint**2)


@pytest.mark.parametrize(("seed", "o"), [(0, 0.0), (1, 0.0), (2, 0.1)])
@pytest.mark.slow
def test_silence_lowers_sites_as_weighted_draws_do(seed, o):
    case = situation(seed, done=3, running=2, draws=10)
    peak = np.median(np.asarray(case.peak_m_s2)[:5])
    below = np.where((np.arange(12) >= 5) & (np.arange(12) < 10), peak, 0.0)
    case = with_silence(case, below)
    wanted, sd, effective = by_draws(case, o, size=300_000)
    assert effective > 3000
    rule = eqx.tree_at(lambda r: r.out_of_order, RULE, o)
    got, got_sd = (np.asarray(x) for x in mean_and_sd(rule.predictive(case)))
    quiet = slice(5, 12)
    # Normal factors in place of bounds; and the draws' own error.
    np.testing.assert_allclose(got[quiet], wanted[quiet], atol=0.02)
    np.testing.assert_allclose(got_sd[quiet], sd[quiet], atol=0.02)
    unheard = np.asarray(mean_and_sd(RULE.predictive(with_silence(case, np.zeros(12))))[0])
    assert np.all(got[quiet] < unheard[quiet])


def test_without_levels_nothing_changes():
    case = situation()
    plain, none = RULE.predictive(case), RULE.predictive(with_silence(case, np.zeros(12)))
    for one, two in zip(jax.tree.leaves(plain), jax.tree.leaves(none), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
    # A level at a station that has recorded is not silence.
    heard = RULE.predictive(with_silence(case, np.where(np.arange(12) < 9, 1.0, 0.0)))
    np.testing.assert_allclose(heard.mean, plain.mean, rtol=1e-4, atol=1e-5)


def test_where_only_strong_shaking_is_reported_silence_makes_probabilities_true():
    """PIT at a station that nothing is known of, in a world that reports above a floor only."""
    rng = np.random.default_rng(17)
    case = situation(0, stations=12, done=12, running=0)
    mean, weight = means(case), np.exp(np.asarray(case.drawn.log_weight, float))
    root = np.linalg.cholesky(covariance(case))
    floor = float(np.median(mean))
    tail = eqx.filter_jit(lambda s, u: exceedance(RULE.predictive(s), u))
    pit: dict[str, list] = {"heard": [], "ignored": []}
    for _ in range(250):
        pga = mean[:, rng.choice(len(weight), p=weight / weight.sum())] + root @ rng.normal(size=12)
        seen = (pga > floor) & (np.arange(12) < 11)
        peak = jnp.asarray(np.where(seen, 10.0**pga, 0.0), jnp.float32)
        below = np.where(~seen & (np.arange(12) < 11), 10.0**floor, 0.0)
        for name, level in (("heard", below), ("ignored", np.zeros(12))):
            now = with_silence(eqx.tree_at(lambda s: s.peak_m_s2, case, peak), level)
            pit[name].append(1 - float(tail(now, jnp.asarray(pga, jnp.float32))[11]))
    assert stats.kstest(pit["heard"], "uniform").pvalue > 1e-3
    assert stats.kstest(pit["ignored"], "uniform").pvalue < 1e-6


def test_contradictions_stay_finite():
    # Silent where every draw lets expect the strongest shaking.
    case = with_silence(situation(), np.full(12, 1e-6))
    for o in (0.0, 0.1):
        rule = eqx.tree_at(lambda r: r.out_of_order, RULE, o)
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(rule.predictive(case)))
    with pytest.raises(InputError, match="out_of_order"):
        SpatiallyConditioned(MODEL, out_of_order=1.0)
