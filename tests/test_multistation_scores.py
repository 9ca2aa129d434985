"""Scores of the check of multistation networks, against closed forms."""

import jax
import jax.numpy as jnp
import multistation_scores
import numpy as np
import pytest
from scipy import stats

from eqstat.ground_motion.mixture import Mixture, censored_crps, censored_log_density

FLOOR = -1.0
THRESHOLDS = np.array([-0.5, 0.3])


def forecasts(rows=6, sites=4, seed=0):
    rng = np.random.default_rng(seed)
    shape = (rows, sites, 3)
    weight = rng.dirichlet(np.ones(3), (rows, sites))
    mean, scale = rng.normal(-0.8, 0.5, shape), rng.uniform(0.15, 0.4, shape)
    mixture = Mixture(*(jnp.asarray(x, jnp.float32) for x in (np.log(weight), mean, scale)))
    value = np.maximum(rng.normal(-0.8, 0.6, (rows, sites)), FLOOR).astype(np.float32)
    return mixture, value


@pytest.mark.slow
def test_scores_of_mixtures_are_the_closed_forms():
    mixture, value = forecasts()

    def part(first):
        return jax.tree.map(lambda x: x[first : first + 2], mixture)

    parts = map(part, (0, 2, 4))
    own = multistation_scores.scored(jax.random.key(0), parts, value, FLOOR, THRESHOLDS)
    np.testing.assert_allclose(own.crps, censored_crps(mixture, value, FLOOR), atol=2e-3)
    np.testing.assert_allclose(
        -own.log_score, censored_log_density(mixture, value, FLOOR), rtol=1e-4, atol=1e-4
    )
    weight = np.exp(np.asarray(mixture.log_weight))
    for k, u in enumerate(THRESHOLDS):
        tail = stats.norm.sf(u, np.asarray(mixture.mean), np.asarray(mixture.scale))
        np.testing.assert_allclose(own.chance[..., k], (weight * tail).sum(axis=-1), atol=1e-5)


def test_classes_are_scored_as_the_distribution_that_joins_them():
    mixture, value = forecasts()
    own = FLOOR + 0.05 * np.arange(60)
    weight = np.exp(np.asarray(mixture.log_weight))
    tails = [
        (weight * stats.norm.sf(u, np.asarray(mixture.mean), np.asarray(mixture.scale))).sum(-1)
        for u in own
    ]
    fine = multistation_scores.scored_classes(
        np.stack(tails, axis=-1), value, FLOOR, own, THRESHOLDS
    )
    np.testing.assert_allclose(fine.crps, censored_crps(mixture, value, FLOOR), atol=3e-3)
    assert np.isnan(fine.pit).all()


def test_a_mean_is_of_sites_and_its_interval_of_earthquakes():
    rng = np.random.default_rng(0)
    event = np.repeat(np.arange(40), 2)
    term = np.repeat(rng.normal(size=40), 2)[:, None]
    values = term + 0.01 * rng.normal(size=(80, 5))
    values[0, 0] = np.nan
    mean, (low, high) = multistation_scores.mean_interval(values, event)
    assert mean == pytest.approx(np.nanmean(values), abs=1e-9)
    assert (high - low) / 2 == pytest.approx(1.96 * term.std() / np.sqrt(40), rel=0.2)
