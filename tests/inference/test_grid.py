"""Tests of grid posteriors against normal densities and brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, stats

from eqstat.inference import cell_edges, grid_posterior, highest_density_level, marginal, quantile

MEAN = np.array([1.3, -2.0])
COVARIANCE = np.array([[0.5, 0.3], [0.3, 0.8]])


def normal(x, y, data):
    mean, precision, log_scale = data
    away = jnp.stack([x, y]) - mean
    return log_scale - 0.5 * away @ precision @ away


def normal_of_three_scales(x, y, data):
    """A trailing nuisance axis: the same peak at three scales, weights in it."""
    mean, precision, log_scale = data
    away = jnp.stack([x, y]) - mean
    factor = jnp.array([1.0, 2.0, 4.0])
    return log_scale - 0.5 * (away @ precision @ away) * factor


def box(width):
    return np.full(2, -width), np.full(2, width)


@pytest.fixture(scope="module")
def data():
    return MEAN, np.linalg.inv(COVARIANCE), np.asarray(0.7)


@pytest.fixture(scope="module")
def posterior(data):
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, data)
        low, high = (jnp.asarray(side) for side in box(60.0))
        found = grid_posterior(normal, arrays, low, high, (60, 62), passes=3)
        return jax.tree.map(np.asarray, found)


def test_closes_in_on_a_small_peak_in_a_wide_box(posterior):
    mass = np.exp(posterior.log_mass)
    x, y = posterior.axes
    assert mass.sum() == pytest.approx(1.0)
    assert np.ptp(x) < 20
    assert np.all(np.diff(x) > 0)
    mean = [np.sum(mass.sum(1) * x), np.sum(mass.sum(0) * y)]
    np.testing.assert_allclose(mean, MEAN, atol=1e-3)
    dx, dy = x - mean[0], y - mean[1]
    spread = [dx**2 @ mass.sum(1), dx @ mass @ dy, dy**2 @ mass.sum(0)]
    np.testing.assert_allclose(spread, [0.5, 0.3, 0.8], rtol=2e-3)


def test_log_evidence_is_the_integral_of_the_density(posterior):
    expected = 0.7 + np.log(2 * np.pi * np.sqrt(np.linalg.det(COVARIANCE)))
    assert posterior.log_evidence == pytest.approx(expected, abs=1e-4)


def test_a_nuisance_axis_is_integrated(data):
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, data)
        low, high = (jnp.asarray(side) for side in box(30.0))
        found = grid_posterior(normal_of_three_scales, arrays, low, high, (60, 62), passes=3)
    mass = np.exp(np.asarray(found.log_mass))
    assert mass.shape == (60, 62, 3)
    np.testing.assert_allclose(mass.sum((0, 1)), np.array([4, 2, 1]) / 7, rtol=1e-3)
    area = 2 * np.pi * np.sqrt(np.linalg.det(COVARIANCE))
    assert float(found.log_evidence) == pytest.approx(0.7 + np.log(area * 1.75), abs=1e-3)


def test_other_data_of_the_same_shape_do_not_recompile(data, posterior):
    before = grid_posterior._cache_size()
    with jax.enable_x64(True):
        arrays = (jnp.asarray(MEAN + 3), jnp.asarray(data[1] * 2), jnp.asarray(np.array(0.1)))
        low, high = (jnp.asarray(side) for side in box(40.0))
        found = grid_posterior(normal, arrays, low, high, (60, 62), passes=3)
    assert np.asarray(found.log_mass).max() < 0
    assert grid_posterior._cache_size() == before


masses = hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(1e-3, 1.0))


@given(masses, st.floats(0.01, 0.99))
def test_level_bounds_the_smallest_region_that_holds_the_probability(mass, probability):
    mass = mass / mass.sum()
    level = highest_density_level(mass, probability)
    inside = mass >= level
    above = mass > level
    assert mass[inside].sum() >= probability - 1e-9
    assert mass[above].sum() <= probability + 1e-9


def test_level_counts_density_where_cells_differ_in_size():
    mass, volume = np.array([0.5, 0.3, 0.2]), np.array([10.0, 1.0, 1.0])
    assert highest_density_level(mass, 0.45, volume) == pytest.approx(0.2)
    assert highest_density_level(mass, 0.6, volume) == pytest.approx(0.05)


def test_level_of_a_normal_is_its_density_at_the_interval_end():
    x = np.linspace(-6, 6, 4001)
    mass = stats.norm.pdf(x) * (x[1] - x[0])
    level = highest_density_level(mass, 0.9, np.full(x.shape, x[1] - x[0]))
    assert level == pytest.approx(stats.norm.pdf(stats.norm.ppf(0.95)), rel=1e-2)


@pytest.mark.parametrize("probability", [0.0, 1.0, 1.5])
def test_level_needs_a_probability(probability):
    with pytest.raises(ValueError, match="probability must lie in"):
        highest_density_level(np.array([1.0]), probability)


@given(masses.filter(lambda mass: len(mass) > 1), st.floats(0.0, 1.0))
def test_quantiles_invert_the_cumulative_mass(mass, probability):
    edges = cell_edges(np.linspace(-3.0, 5.0, len(mass)))
    at = float(quantile(edges, mass, probability))
    cell = min(np.searchsorted(edges, at, side="right") - 1, len(mass) - 1)
    below = mass[:cell].sum() + mass[cell] * (at - edges[cell]) / (edges[1] - edges[0])
    assert below / mass.sum() == pytest.approx(probability, abs=1e-9)


def test_edges_lie_midway_between_centres():
    np.testing.assert_allclose(cell_edges(np.array([1.0, 2.0, 3.0])), [0.5, 1.5, 2.5, 3.5])


def test_marginal_sums_over_the_other_axes():
    mass = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(marginal(mass, (1,)), mass.sum((0, 2)))
    np.testing.assert_array_equal(marginal(mass, (0, 2)), mass.sum(1))


def test_a_narrow_second_peak_within_reach_is_kept():
    """Two peaks of different breadth: the mass ratio is that of the integrals."""

    def peaks(x, data):
        broad = -0.5 * (x / 2.0) ** 2
        narrow = -0.5 * ((x - 8.0) / data) ** 2 + 0.5
        return jnp.logaddexp(broad, narrow)

    with jax.enable_x64(True):
        found = grid_posterior(
            peaks, jnp.asarray(0.4), jnp.array([-50.0]), jnp.array([50.0]), (800,), passes=2
        )
    x, mass = np.asarray(found.axes[0]), np.exp(np.asarray(found.log_mass))
    narrow = integrate.quad(lambda t: np.exp(0.5 - 0.5 * (t / 0.4) ** 2), -4, 4)[0]
    broad = 2 * np.sqrt(2 * np.pi)
    assert mass[x > 6.5].sum() == pytest.approx(narrow / (narrow + broad), abs=2e-3)
