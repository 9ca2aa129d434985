"""Rules of alarm: each against its own integral, and the baselines."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from eqstat.exceedance._kernel import Drawn
from eqstat.exceedance.baselines import Always, BestHypocentre, Never, Plum
from eqstat.exceedance.predictor import PointSource
from eqstat.exceedance.rules import Conditioned, Integrated, Situation, event_term
from eqstat.schema import InputError

MODEL = PointSource()
TAU = 0.39 / np.log(10)
PHI = np.hypot(0.39, 0.552) / np.log(10)
LOG_U = jnp.log10(jnp.array([0.1, 0.5, 2.0]))


def situation(seed=0, stations=12, draws=40, done=6, running=3, located=True):
    """A network of which some stations are done, some still shake, and some have heard nothing."""
    rng = np.random.default_rng(seed)
    place = np.column_stack([rng.normal(0, 8, (draws, 2)), -rng.uniform(5, 20, draws)])
    station = np.column_stack([rng.uniform(-80, 80, (stations, 2)), np.zeros(stations)])
    peak = np.where(np.arange(stations) < done + running, rng.lognormal(-1.0, 0.8, stations), 0.0)
    weight = rng.dirichlet(np.ones(draws))

    def single(values):
        return jnp.asarray(values, jnp.float32)

    return Situation(
        Drawn(single(place), single(-place[:, 2]), single(rng.normal(6, 0.3, draws)),
              single(np.log(weight))),
        jnp.array(located), single(station), single(peak), jnp.arange(stations) < done,
        single(station), single(np.full(stations, np.nan)), single(peak),
        jnp.arange(stations) < done,
    )  # fmt: skip


def means(case):
    """Mean log10 PGA of stations and draws in double precision."""
    place, station = (np.asarray(x, float) for x in (case.drawn.place_km, case.station_km))
    away = np.linalg.norm(station[:, None] - place[None], axis=-1)
    magnitude = np.asarray(case.drawn.magnitude, float)
    h = 5.0 * np.exp(0.53 * (magnitude - 6.0))
    return (3.87 + 1.12 * magnitude - 1.83 * np.log(np.hypot(away, h))) / np.log(10) - 2.0


def test_integrated_is_the_sum_over_draws():
    case = situation()
    weight = np.exp(np.asarray(case.drawn.log_weight, float))
    tails = stats.norm.sf((np.asarray(LOG_U) - means(case)[..., None]) / np.hypot(TAU, PHI))
    wanted = np.einsum("sdt,d->st", tails, weight)
    np.testing.assert_allclose(Integrated(MODEL)(case, LOG_U), wanted, rtol=2e-3, atol=1e-6)


def test_best_hypocentre_is_one_draw_at_the_mean():
    case = situation()
    weight = jnp.exp(case.drawn.log_weight)
    mean = Drawn((weight @ case.drawn.place_km)[None], (weight @ case.drawn.depth_km)[None],
                 (weight @ case.drawn.magnitude)[None], jnp.zeros(1))  # fmt: skip
    one = eqx.tree_at(lambda s: s.drawn, case, mean)
    np.testing.assert_allclose(
        BestHypocentre(MODEL)(case, LOG_U), Integrated(MODEL)(one, LOG_U), rtol=1e-5
    )


def test_event_term_is_the_conjugate_normal():
    rng = np.random.default_rng(0)
    residual, used = rng.normal(0.2, 0.3, (7, 3)), np.arange(7) < 5
    with jax.enable_x64(True):
        mean, variance, evidence = event_term(jnp.asarray(residual), jnp.asarray(used), TAU, PHI)
    cov = PHI**2 * np.eye(5) + TAU**2
    for place, row in enumerate(residual[:5].T):
        gain = TAU**2 * np.ones(5) @ np.linalg.inv(cov)
        assert float(mean[place]) == pytest.approx(gain @ row, rel=1e-5)
        assert float(variance) == pytest.approx(TAU**2 - gain @ np.ones(5) * TAU**2, rel=1e-5)
    exact = stats.multivariate_normal(np.zeros(5), cov).logpdf(residual[:5].T)
    np.testing.assert_allclose(np.diff(evidence), np.diff(exact), rtol=1e-4)
    nothing = event_term(jnp.asarray(residual), jnp.zeros(7, bool), TAU, PHI)
    assert float(nothing[1]) == pytest.approx(TAU**2, rel=1e-5)
    assert np.all(np.asarray(nothing[2]) == 0)


def brute(case, grid=401):
    """P(PGA > u | all stations) by a fine sum over the event term."""
    mean, weight = means(case), np.exp(np.asarray(case.drawn.log_weight, float))
    eta = np.linspace(-5, 5, grid) * TAU
    log = np.log(weight)[:, None] + stats.norm.logpdf(eta, 0, TAU)
    peak = np.asarray(case.peak_m_s2, float)
    seen = np.log10(np.where(peak > 0, peak, 1.0))
    for place in range(len(peak)):
        at = mean[place][:, None] + eta
        if case.complete[place]:
            log = log + stats.norm.logpdf(seen[place], at, PHI)
        elif peak[place] > 0:
            log = log + stats.norm.logsf(seen[place], at, PHI)
    joint = np.exp(log - log.max())
    joint /= joint.sum()
    found = np.zeros((len(peak), len(LOG_U)))
    for place in range(len(peak)):
        at = mean[place][:, None] + eta
        own = seen[place] if peak[place] > 0 else -9.0
        for column, u in enumerate(np.asarray(LOG_U, float)):
            if peak[place] > 0 and own > u:
                found[place, column] = 1.0
            elif not case.complete[place]:
                ratio = stats.norm.logsf(u, at, PHI) - stats.norm.logsf(own, at, PHI)
                found[place, column] = (joint * np.exp(ratio)).sum()
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_conditioned_is_the_posterior_predictive(seed):
    case = situation(seed)
    found = np.asarray(Conditioned(MODEL, nodes=9)(case, LOG_U))
    np.testing.assert_allclose(found, brute(case), rtol=0.01, atol=2e-3)
    # The default does for alarms.
    quick = np.asarray(Conditioned(MODEL)(case, LOG_U))
    np.testing.assert_allclose(quick, found, atol=0.01)


def test_conditioned_without_reports_is_integrated():
    case = situation(done=0, running=0)
    np.testing.assert_allclose(
        Conditioned(MODEL, nodes=15)(case, LOG_U), Integrated(MODEL)(case, LOG_U), rtol=0.01,
        atol=1e-4,
    )  # fmt: skip


def test_strong_reports_raise_what_is_expected_elsewhere():
    case = situation(running=0)
    plain = Conditioned(MODEL)(case, LOG_U)[6:]
    louder = eqx.tree_at(lambda s: s.peak_m_s2, case, case.peak_m_s2 * 3)
    assert np.all(Conditioned(MODEL)(louder, LOG_U)[6:] > plain)


def test_far_outliers_stay_finite():
    case = situation()
    for factor in (1e4, 1e-6):
        loud = eqx.tree_at(lambda s: s.peak_m_s2, case, case.peak_m_s2 * factor)
        found = np.asarray(Conditioned(MODEL)(loud, LOG_U))
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
    for rule in (Integrated(MODEL), BestHypocentre(MODEL), Always()):
        assert not np.any(rule(case, LOG_U))
    assert not np.any(Never()(situation(), LOG_U))
    assert np.all(Always()(situation(), LOG_U) == 1)
    own = np.asarray(Conditioned(MODEL)(case, LOG_U))
    np.testing.assert_array_equal(
        own, np.asarray(case.peak_m_s2)[:, None] > 10 ** np.asarray(LOG_U)
    )


@pytest.mark.parametrize("wrong", [{"radius_km": 0.0}, {"scatter": -1.0}])
def test_no_rule_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Plum(**wrong)
