r"""Metropolis-Hastings jumps between modes, with independence proposals from a Student-t mixture.

A gradient-based kernel stays in its mode. Followed by independence proposals from a density $q$
that covers all modes, which are accepted with probability

.. math:: \min\{1, \pi(z') q(z) / (\pi(z) q(z'))\},

it visits each as often as its mass: both kernels leave the posterior $\pi$ invariant, whatever $q$
is, if $q$ is fixed before the draws that are kept. Since $q$ has heavier tails than a posterior in
unconstrained coordinates, $\pi / q$ is bounded and the chain is uniformly ergodic.

References
----------
Tierney, L. (1994), Markov chains for exploring posterior distributions, Annals of Statistics 22,
1701-1728, doi:10.1214/aos/1176325750 (independence kernels, and cycles of kernels).
Hesterberg, T. (1995), Technometrics 37, 185-194, doi:10.1080/00401706.1995.10484303 (the
defensive component).
Peel, D. and McLachlan, G. J. (2000), Statistics and Computing 10, 339-348,
doi:10.1023/A:1008981510081 (EM for mixtures of t).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln, logsumexp
from jaxtyping import Array, ArrayLike, Bool, Float, PRNGKeyArray

DEGREES = 8.0
ITERATIONS = 40
# Weight and variance factor of the component that covers all points.
DEFENSIVE = 0.05, 2.0


class StudentMixture(NamedTuple):
    """Mixture of multivariate t distributions with 8 degrees of freedom.

    Attributes
    ----------
    log_weights
        Logarithms of the weights, which sum to 1.
    centres
        Locations.
    roots, inverses
        Cholesky factors of the scale matrices, lower triangular, and their inverses.
    """

    log_weights: Float[Array, " k"]
    centres: Float[Array, "k d"]
    roots: Float[Array, "k d d"]
    inverses: Float[Array, "k d d"]


class Place(NamedTuple):
    """A point with its potential energy (negative log density) and the gradient of that."""

    point: Float[Array, " d"]
    potential: Float[Array, ""]
    gradient: Float[Array, " d"]


def _component_terms(mixture: StudentMixture, points: Array) -> tuple[Array, Array]:
    """Joint log density of points and components, and squared Mahalanobis distances, (n, k)."""
    size = points.shape[-1]
    apart = points[:, None, :] - mixture.centres
    squares = jnp.sum(jnp.einsum("kij,nkj->nki", mixture.inverses, apart) ** 2, axis=-1)
    diagonals = jnp.diagonal(mixture.inverses, axis1=-2, axis2=-1)
    log_norm = (
        gammaln((DEGREES + size) / 2)
        - gammaln(DEGREES / 2)
        - 0.5 * size * jnp.log(DEGREES * jnp.pi)
        + jnp.sum(jnp.log(diagonals), axis=-1)
    )
    log_kernel = -0.5 * (DEGREES + size) * jnp.log1p(squares / DEGREES)
    return mixture.log_weights + log_norm + log_kernel, squares


def log_density(mixture: StudentMixture, points: ArrayLike) -> Float[Array, " n"]:
    """Log density of the mixture."""
    return logsumexp(_component_terms(mixture, jnp.asarray(points))[0], axis=-1)


def draw(key: PRNGKeyArray, mixture: StudentMixture, count: int) -> Float[Array, "count d"]:
    """Independent draws of the mixture."""
    which_key, normal_key, scale_key = jax.random.split(key, 3)
    dtype = mixture.centres.dtype
    which = jax.random.categorical(which_key, mixture.log_weights, shape=(count,))
    noise = jax.random.normal(normal_key, (count, mixture.centres.shape[1]), dtype)
    chi_square = 2 * jax.random.gamma(scale_key, DEGREES / 2, (count, 1), dtype)
    noise = noise * jnp.sqrt(DEGREES / chi_square)
    return mixture.centres[which] + jnp.einsum("nij,nj->ni", mixture.roots[which], noise)


def _mixture(log_weights: Array, centres: Array, scales: Array) -> StudentMixture:
    roots = jnp.linalg.cholesky(scales)
    identity = jnp.broadcast_to(jnp.eye(scales.shape[-1], dtype=scales.dtype), scales.shape)
    inverses = jax.scipy.linalg.solve_triangular(roots, identity, lower=True)
    return StudentMixture(log_weights, centres, roots, inverses)


def _spread_out(key: Array, points: Array, count: int) -> Array:
    """Points far from each other, by the seeding of k-means++."""
    first = points[0]

    def add(least: Array, key: Array) -> tuple[Array, Array]:
        chosen = points[jax.random.categorical(key, jnp.log(least + 1e-30))]
        return jnp.minimum(least, jnp.sum((points - chosen) ** 2, axis=1)), chosen

    least = jnp.sum((points - first) ** 2, axis=1)
    _, others = jax.lax.scan(add, least, jax.random.split(key, count - 1))
    return jnp.concatenate([first[None], others])


@partial(jax.jit, static_argnames=("components",))
def fit_mixture(key: PRNGKeyArray, points: Float[Array, "n d"], components: int) -> StudentMixture:
    """Fit a mixture to whitened points by EM, with a wide component about all of them added.

    Scale matrices are shrunk towards their average by as much as `d + 2` points would, so that
    a component of few points stays regular.
    """
    count, size = points.shape
    eye = jnp.eye(size, dtype=points.dtype)
    shrinkage = size + 2.0

    def improve(_: Array | int, mixture: StudentMixture) -> StudentMixture:
        joint, squares = _component_terms(mixture, points)
        share = jax.nn.softmax(joint, axis=-1)
        # Points far out in a component's tail count less in its location and scale.
        weight = share * (DEGREES + size) / (DEGREES + squares)
        number, total = jnp.sum(share, axis=0), jnp.sum(weight, axis=0) + 1e-9
        centres = weight.T @ points / total[:, None]
        apart = points[:, None, :] - centres
        sums = jnp.einsum("nk,nki,nkj->kij", weight, apart, apart, optimize="optimal")
        average = jnp.sum(sums, axis=0) / count + 1e-6 * eye
        scales = (sums + shrinkage * average) / (number + shrinkage)[:, None, None]
        return _mixture(jnp.log((number + 0.5) / (count + 0.5 * components)), centres, scales)

    even = jnp.full(components, -jnp.log(float(components)), points.dtype)
    narrow = jnp.broadcast_to(components ** (-2.0 / size) * eye, (components, size, size))
    start = _mixture(even, _spread_out(key, points, components), narrow)
    fitted = jax.lax.fori_loop(0, ITERATIONS, improve, start)
    weight, factor = DEFENSIVE
    wide = factor * (jnp.cov(points, rowvar=False).reshape(size, size) + 1e-6 * eye)
    around = _mixture(
        jnp.log(jnp.array([weight], points.dtype)), jnp.mean(points, axis=0)[None], wide[None]
    )
    inner = fitted._replace(log_weights=fitted.log_weights + jnp.log1p(-weight))
    return StudentMixture(*(jnp.concatenate(pair) for pair in zip(inner, around, strict=True)))


def jump(
    key: PRNGKeyArray,
    mixture: StudentMixture,
    potential: Callable[[Array], Array],
    at: Place,
    tries: int,
) -> tuple[Place, Bool[Array, ""]]:
    """Take `tries` Metropolis-Hastings steps in a row with independence proposals.

    Returns
    -------
    place
        The new place.
    moved
        Whether any proposal was accepted.
    """
    draw_key, accept_key = jax.random.split(key)
    # Proposals do not depend on the state, so all of them are evaluated at once.
    points = draw(draw_key, mixture, tries)
    proposed = Place(points, *jax.vmap(jax.value_and_grad(potential))(points))
    every = jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), at, proposed)
    # Log importance weights: two of them differ by the log of the acceptance ratio.
    log_weights = -every.potential - log_density(mixture, every.point)
    log_weights = jnp.where(jnp.isnan(log_weights), -jnp.inf, log_weights)
    log_uniforms = jnp.log(jax.random.uniform(accept_key, (tries,), points.dtype))
    chosen = jnp.zeros((), int)
    for number in range(1, tries + 1):
        accepted = log_uniforms[number - 1] < log_weights[number] - log_weights[chosen]
        chosen = jnp.where(accepted, number, chosen)
    return jax.tree.map(lambda leaf: leaf[chosen], every), chosen > 0
