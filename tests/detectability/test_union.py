"""Orthants of correlated normal variables against numerical integration."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from eqstat.detectability import _union


def log_none_detects(*arrays):
    return _union.log_none_detects(*(jnp.asarray(array, jnp.float32) for array in arrays))


def exact(score, covariance):
    return multivariate_normal(np.zeros(len(score)), covariance, allow_singular=True).cdf(score)


@pytest.mark.slow
@pytest.mark.parametrize("range_", [0.3, 1.0, 3.0])
def test_orthants_are_those_of_numerical_integration(range_):
    rng = np.random.default_rng(1)
    score = np.sort(rng.normal(rng.uniform(-1.5, 1.5, (40, 1)), 0.7, (40, 5)), axis=1)
    slope = rng.uniform(0.0, 1.0, (40, 5))
    place = rng.uniform(0, 1, (40, 5, 2))
    apart = np.linalg.norm(place[:, :, None] - place[:, None], axis=-1)
    overlap, field = np.exp(-apart / range_), np.exp(-apart / 2)
    least, rest = log_none_detects(score[..., None], slope[..., None], overlap, field)
    found = np.exp(np.log(exact_below(least)) + np.asarray(rest)).ravel()
    for row in range(40):
        covariance = overlap[row] + np.outer(slope[row], slope[row]) * field[row]
        assert found[row] == pytest.approx(exact(score[row], covariance), abs=0.03)
    wanted = [exact(score[i], overlap[i] + np.outer(slope[i], slope[i]) * field[i])
              for i in range(40)]  # fmt: skip
    assert abs(np.mean(found - wanted)) < 0.01


def exact_below(score):
    from scipy.special import ndtr

    return ndtr(np.asarray(score, float))


@pytest.mark.slow
def test_circles_without_anything_in_common_are_independent_and_the_same_circle_counts_once():
    score = np.array([[[-1.0], [-0.5], [0.3]]])
    apart, same = np.eye(3)[None], np.ones((1, 3, 3))
    least, rest = log_none_detects(score, np.zeros_like(score), apart, apart)
    expected = np.prod(exact_below(score))
    assert exact_below(least) * np.exp(rest) == pytest.approx(expected, rel=1e-4)
    equal = np.full((1, 2, 1), -1.0)
    least, rest = log_none_detects(equal, np.zeros_like(equal), same[:, :2, :2], same[:, :2, :2])
    # The moments of a truncated variable are not those of a normal one.
    assert exact_below(least) * np.exp(rest) == pytest.approx(exact_below(-1.0), abs=0.03)
