"""Tests of multi-start BFGS against SciPy and against closed forms."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import optimize

from eqstat.inference import covariance, minimise
from eqstat.inference._optimise import whitening


def rosenbrock(x, scale):
    return scale * jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def ridge(x, width):
    """A curved valley, `width` times longer than it is broad, as of range against depth."""
    along, across = x[0], x[1] - 0.3 * x[0] ** 2
    return 0.5 * (across**2 + (along - 2.0) ** 2 / width**2) + jnp.log(jnp.cosh(x[2] - along))


def two_wells(x, deeper):
    return (x[0] ** 2 - 1.0) ** 2 + deeper * x[0] + x[1] ** 2


STARTS = np.array([[-1.5, 2.0, 0.5], [3.0, -1.0, 1.0], [0.0, 0.0, 0.0]])


@pytest.fixture(scope="module")
def solve():
    compiled = jax.jit(minimise, static_argnums=0, static_argnames=("max_steps", "stages"))

    def run(function, starts, argument, **options):
        with jax.enable_x64(True):
            found = compiled(function, jnp.asarray(starts), jnp.asarray(argument), **options)
            return jax.tree.map(np.asarray, found)

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "argument"), [(rosenbrock, 1.0), (rosenbrock, 250.0), (ridge, 30.0)]
)
def test_agrees_with_scipy(solve, function, argument):
    found = solve(function, STARTS, argument, max_steps=120)
    with jax.enable_x64(True):
        value = jax.jit(jax.value_and_grad(partial(function)))

        def plain(x):
            out, slope = value(jnp.asarray(x), argument)
            return float(out), np.asarray(slope)

        expected = min(
            (optimize.minimize(plain, start, jac=True, tol=1e-12) for start in STARTS),
            key=lambda run: run.fun,
        )
        hessian = np.asarray(jax.hessian(function)(jnp.asarray(expected.x), argument))
    assert found.converged
    np.testing.assert_allclose(found.value, expected.x, atol=2e-3)
    assert found.objective <= expected.fun + 1e-7
    assert found.decrement < 1e-6
    np.testing.assert_allclose(found.hessian, hessian, rtol=2e-2, atol=1e-3 * hessian.max())
    assert 1 <= found.starts_agreeing <= len(STARTS)


def test_says_so_when_it_stops_before_the_optimum(solve):
    stopped = solve(rosenbrock, STARTS[:1], 250.0, max_steps=2, stages=1)
    assert not stopped.converged
    assert stopped.decrement > 1e-6
    assert stopped.objective > 1e-3


def test_takes_the_deeper_of_two_wells_and_counts_who_found_it(solve):
    starts = np.array([[1.2, 0.3], [0.9, -0.4], [-1.1, 0.2]])
    found = solve(two_wells, starts, 0.2)
    best = optimize.minimize_scalar(
        lambda x: (x**2 - 1) ** 2 + 0.2 * x, bounds=(-2, 0), method="bounded"
    )
    assert found.value[0] == pytest.approx(best.x, abs=1e-3)
    assert found.starts_agreeing == 1
    assert solve(two_wells, starts[:, :] * [-1, 1], 0.2).starts_agreeing == 2


def test_an_objective_without_finite_values_has_not_converged(solve):
    found = solve(lambda x, a: jnp.log(-jnp.sum(x**2) - a), np.ones((2, 2)), 1.0)
    assert not found.converged


matrices = hnp.arrays(np.float64, (3, 3), elements=st.floats(-3, 3))


@given(matrices)
def test_whitening_makes_a_positive_hessian_the_identity(root):
    hessian = root @ root.T + 0.1 * np.eye(3)
    with jax.enable_x64(True):
        frame = np.asarray(whitening(jnp.asarray(hessian)))
    np.testing.assert_allclose(frame.T @ hessian @ frame, np.eye(3), atol=1e-8)


def test_whitening_bounds_flat_and_turns_negative_directions():
    with jax.enable_x64(True):
        frame = np.asarray(whitening(jnp.diag(jnp.array([4.0, -9.0, 0.0]))))
    lengths = np.sort(np.linalg.norm(frame, axis=1))
    np.testing.assert_allclose(lengths[:2], [1 / 3, 1 / 2])
    assert 1 < lengths[2] < 1e4


@given(matrices, st.lists(st.booleans(), min_size=3, max_size=3).filter(any))
def test_covariance_inverts_the_free_block_only(root, free):
    hessian = root @ root.T + 0.5 * np.eye(3)
    chosen = np.array(free)
    found, regular = covariance(hessian, chosen)
    block = np.ix_(chosen, chosen)
    assert regular
    np.testing.assert_allclose(found[block], np.linalg.inv(hessian[block]), rtol=1e-6, atol=1e-9)
    assert np.all(np.isnan(found[~chosen])) and np.all(np.isnan(found[:, ~chosen]))


@pytest.mark.parametrize(
    "hessian",
    [
        np.diag([1.0, -1.0]),
        np.array([[1.0, 1.0], [1.0, 1.0]]),
        np.array([[1.0, 2.0], [2.0, 1.0]]),
        np.array([[1.0, np.nan], [np.nan, 1.0]]),
    ],
)
def test_a_hessian_that_is_not_positive_definite_has_no_covariance(hessian):
    found, regular = covariance(hessian, np.ones(2, bool))
    assert not regular
    assert np.all(np.isnan(found))


def test_covariance_does_not_mind_units():
    hessian = np.array([[2.0, 1.0], [1.0, 3.0]])
    units = np.diag([1e-6, 1e6])
    found, regular = covariance(units @ hessian @ units, np.ones(2, bool))
    assert regular
    np.testing.assert_allclose(units @ found @ units, np.linalg.inv(hessian), rtol=1e-9)
