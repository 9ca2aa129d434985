"""Multistation networks as alert rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqstat import InputError
from eqstat.exceedance.alerts import (
    Design,
    MultistationRule,
    StationConditioned,
    base_of,
    forecasts,
    records,
    simulate,
    snapshots,
)
from eqstat.ground_motion.mixture import mean_and_sd
from eqstat.ground_motion.network.multistation import MultistationEnsemble, init_multistation, sense
from eqstat.inference.descent import stacked

DESIGN = Design(stations=5, growth="envelope", dead_share=0.2, noise_m_s2=1e-3, draws=8)
SIZES = dict(width=20, layers=1, heads=2, feed_forward=20, readout=(16,), convolutions=())


def ensemble(**options):
    members = [init_multistation(jax.random.key(k), sense(5, **SIZES, **options)) for k in (0, 1)]
    return MultistationEnsemble(stacked(members), jnp.zeros(4))


@pytest.fixture(scope="module")
def scenarios():
    return simulate(jax.random.key(3), 3, DESIGN)


def test_the_views_of_snapshots_are_those_of_training(scenarios):
    after = np.array([4.0, 9.0])
    data = records(scenarios, after)
    views = data.examples().features
    for row, number in enumerate(data.event):
        batch = snapshots(scenarios, int(number), scenarios.first_p_s[number] + after)
        for name in ("place_km", "station", "working", "reporting", "signal", "elapsed_s", "base"):
            own = np.asarray(getattr(views, name))[2 * row : 2 * row + 2]
            np.testing.assert_allclose(getattr(batch.view, name), own, rtol=2e-4, atol=2e-4)
    assert data.examples().log10_pga.shape == (6, 5)
    assert np.asarray(views.reporting).any() and not np.asarray(views.reporting).all()


@pytest.mark.slow
def test_a_network_is_a_rule_like_others(scenarios):
    rule = MultistationRule(ensemble())
    chance = forecasts(scenarios, rule, np.arange(2.0, 40.0, 6.0), [0.05, 0.5])
    assert chance.shape == (2, 15, 7) and np.all(chance[0] >= chance[1] - 1e-6)
    snapshot = jax.tree.map(lambda leaf: leaf[-1], snapshots(scenarios, 0, [1.0, 60.0]))
    passed = np.asarray(snapshot.peak_m_s2) > 0.05
    assert passed.any()
    np.testing.assert_array_equal(rule(snapshot, jnp.log10(jnp.array([0.05])))[passed, 0], 1.0)


@pytest.mark.slow
def test_a_network_on_a_base_starts_from_the_other_rule(scenarios):
    base = StationConditioned(DESIGN.ground_motion)
    rule = MultistationRule(ensemble(base=True), base)
    snapshot = jax.tree.map(lambda leaf: leaf[0], snapshots(scenarios, 0, [15.0, 30.0]))
    mean, sd = np.asarray(base_of(base, snapshot)).T
    np.testing.assert_allclose(base_of(base, snapshot).T, mean_and_sd(base.predictive(snapshot)))
    ours = np.asarray(mean_and_sd(rule.predictive(snapshot))[0])
    assert np.all(np.abs(ours - mean) < 0.6 * sd)


def test_what_a_rule_lacks_is_named(scenarios):
    plain = simulate(jax.random.key(0), 1, Design(stations=5))
    snapshot = jax.tree.map(lambda leaf: leaf[0], snapshots(plain, 0, [20.0]))
    with pytest.raises(InputError, match="view"):
        MultistationRule(ensemble())(snapshot, jnp.array([-1.0]))
    classes = ensemble(head="classes", log10_thresholds=(-1.0,))
    snapshot = jax.tree.map(lambda leaf: leaf[0], snapshots(scenarios, 0, [20.0]))
    with pytest.raises(InputError, match="classes"):
        MultistationRule(classes).predictive(snapshot)


def test_a_network_of_classes_is_a_rule_for_its_own_thresholds(scenarios):
    levels = (-1.5, -0.5)
    rule = MultistationRule(ensemble(head="classes", log10_thresholds=levels))
    chance = forecasts(scenarios, rule, np.array([6.0]), 10.0 ** np.array(levels))
    snapshot = jax.tree.map(lambda leaf: leaf[0], snapshots(scenarios, 0, [6.0]))
    np.testing.assert_allclose(chance[:, :5, 0].T, rule(snapshot, jnp.array(levels)), rtol=1e-5)
    assert np.isnan(forecasts(scenarios, rule, np.array([6.0]), [0.2])).any()
    with pytest.raises(InputError, match="thresholds"):
        rule(snapshot, jnp.array([-1.0]))
