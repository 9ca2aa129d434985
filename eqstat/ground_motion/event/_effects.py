"""Effects of one event given its reports, in closed form: pure JAX for one draw of the parameters.

The record terms of located reports are correlated, so that reports of neighbours count less than
as many far apart, and sites near a report are predicted from it (kriging).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.normal import log_ndtr
from eqstat.ground_motion._parameters import GroundMotion, field_correlation
from eqstat.inference import bucket_size, pad_rows

# Quadrature over the effects where reports are clipped: nodes of each axis, half width in sds.
NODES, REACH, NEWTON_STEPS = 65, 8.0, 12


class Reports(eqx.Module):
    """Reports of an event as seen by each draw of the parameters.

    Attributes
    ----------
    residual
        Reports (or clipping levels) less their prediction without the event's effects,
        (draws, reports).
    variance
        Their variance given the effects: record and station term, Vs30, device, (draws, reports).
    record_sd
        Standard deviation of the record term; 0 for a report without coordinates,
        (draws, reports).
    design
        Factors of the event's effects, (draws, reports, 2).
    place_km
        Positions, (reports, 3).
    clipped
        1 for a right-censored report, else 0, (reports,).
    """

    residual: Float[Array, "*draws reports"] | np.ndarray
    variance: Float[Array, "*draws reports"] | np.ndarray
    record_sd: Float[Array, "*draws reports"] | np.ndarray
    design: Float[Array, "*draws reports 2"] | np.ndarray
    place_km: Float[Array, "reports 3"] | np.ndarray
    clipped: Float[Array, " reports"] | np.ndarray

    @classmethod
    def none(cls, draws: int) -> Reports:
        """No reports."""
        empty = np.zeros((draws, 0))
        return cls(empty, empty, empty, np.zeros((draws, 0, 2)), np.zeros((0, 3)), np.zeros(0))

    def __len__(self) -> int:
        """Number of reports."""
        return len(self.clipped)

    def by_draw(self) -> dict[str, Any]:
        """Fields with an axis of draws."""
        return {name: getattr(self, name) for name, axis in AXES.items() if axis == 1}

    def and_then(self, later: Reports) -> Reports:
        """Join earlier and later reports."""
        return Reports(*(
            np.concatenate([getattr(self, name), getattr(later, name)], axis)
            for name, axis in AXES.items()
        ))  # fmt: skip

    def padded(self) -> tuple[Reports, np.ndarray]:
        """Pad to a size bucket; and 1 for a report, 0 for padding."""
        size = bucket_size(len(self))

        def wider(values: np.ndarray, axis: int) -> np.ndarray:
            return np.moveaxis(pad_rows(np.moveaxis(values, axis, 0), size), 0, axis)

        parts = (wider(np.asarray(getattr(self, name)), axis) for name, axis in AXES.items())
        return Reports(*parts), pad_rows(np.ones(len(self)), size)


# Axis of the reports in each field.
AXES = {"residual": 1, "variance": 1, "record_sd": 1, "design": 1, "place_km": 0, "clipped": 0}


class Effects(NamedTuple):
    """Moments of the event's effects, and the log density of the reports."""

    mean: Array
    covariance: Array
    log_evidence: Array


class Whitened(NamedTuple):
    """Reports that are not clipped, whitened by their covariance given the effects."""

    root: Array  # lower triangular
    residual: Array
    design: Array


def separations(one_km: Array, other_km: Array) -> Array:
    """Distances between two sets of positions, km."""
    return jnp.sqrt(jnp.sum((one_km[:, None] - other_km) ** 2, axis=-1))


def whitened(motion: GroundMotion, reports: Reports, apart_km: Array, used: Array) -> Whitened:
    size = jnp.asarray(reports.record_sd) * used
    design = jnp.asarray(reports.design)
    shared = field_correlation(motion, apart_km, design, design)
    shared = shared * size[:, None] * size
    own = jnp.where(used > 0, jnp.asarray(reports.variance), 1.0)
    root = jnp.linalg.cholesky(jnp.where(jnp.eye(len(own)) > 0, own[:, None], shared))
    sides = jnp.concatenate([reports.residual[:, None], reports.design], axis=1) * used[:, None]
    white = jax.scipy.linalg.solve_triangular(root, sides, lower=True)
    return Whitened(root, white[:, 0], white[:, 1:])


def _root(covariance: Array) -> Array:
    """Lower triangular root of a covariance of two effects, of which one may be known."""
    first = jnp.sqrt(covariance[0, 0])
    second = jnp.where(first > 0, covariance[0, 1] / jnp.where(first > 0, first, 1.0), 0.0)
    third = jnp.sqrt(jnp.maximum(covariance[1, 1] - second**2, 0.0))
    return jnp.stack([jnp.stack([first, jnp.zeros_like(first)]), jnp.stack([second, third])])


def by_plain(
    motion: GroundMotion, prior: Array, reports: Reports, plain: Array, apart_km: Array
) -> tuple[Effects, Whitened]:
    """Condition the effects on the reports that are known exactly (`plain` is 1), as `_condition`.

    It also returns these reports whitened, for what the others are given them.
    """
    white = whitened(motion, reports, apart_km, plain)
    root = _root(prior)
    scaled = white.design @ root
    core = jnp.eye(2) + scaled.T @ scaled
    covariance = root @ jnp.linalg.solve(core, root.T)
    weighted = white.design.T @ white.residual
    mean = covariance @ weighted
    quadratic = white.residual @ white.residual - weighted @ mean
    log_det = jnp.sum(plain * jnp.log(jnp.diagonal(white.root)))
    evidence = -0.5 * (quadratic + jnp.log(jnp.linalg.det(core))) - log_det
    evidence = evidence - HALF_LOG_2PI * jnp.sum(plain)
    return Effects(mean, covariance, evidence), white


def _condition(
    motion: GroundMotion, prior: Array, reports: Reports, used: Array, apart_km: Array
) -> Effects:
    r"""Condition the effects $\beta \sim N(0, P)$ on reports $r \sim N(X \beta, C)$.

    With $P = S S^\top$ the posterior is
    $N(\Sigma X^\top C^{-1} r, \Sigma)$, $\Sigma = S (1 + S^\top X^\top C^{-1} X S)^{-1} S^\top$,
    which stays finite where a variance of $P$ is 0.
    """
    clipped = used * reports.clipped
    before, _ = by_plain(motion, prior, reports, used * (1 - reports.clipped), apart_km)
    return jax.lax.cond(
        jnp.any(clipped > 0), lambda: _by_clipped(before, reports, clipped), lambda: before
    )


def _by_clipped(before: Effects, reports: Reports, used: Array) -> Effects:
    r"""Update the effects by right-censored (clipped) reports, independent given the effects.

    With $z_i = (x_i^\top \beta - l_i) / s_i$ and the clipping level $l_i$ (less the prediction) the
    likelihood is $\prod_i \Phi(z_i)$; the moments of its product with the normal density come from
    quadrature.
    """
    root = _root(before.covariance)
    scatter = jnp.sqrt(jnp.where(used > 0, jnp.asarray(reports.variance), 1.0))
    factors = (reports.design @ root) / scatter[:, None]
    offset = (reports.design @ before.mean - reports.residual) / scatter
    # Many clipped reports move the posterior many prior sds away, where nodes about the prior would
    # miss it. The density is log-concave, so Newton's method finds its mode, about which the nodes
    # are centred; first and second derivatives of log Phi(z) are h and -h (z + h) with the
    # hazard h = phi(z) / Phi(z).
    centre, precision = jnp.zeros(2, factors.dtype), jnp.eye(2, dtype=factors.dtype)
    for _ in range(NEWTON_STEPS):
        z = offset + factors @ centre
        hazard = jnp.exp(-0.5 * z**2 - HALF_LOG_2PI - log_ndtr(z))
        gradient = factors.T @ (used * hazard) - centre
        curvature = used * hazard * (z + hazard)
        precision = jnp.eye(2) + (factors.T * curvature) @ factors
        centre = centre + jnp.linalg.solve(precision, gradient)
    width = _root(jnp.linalg.inv(precision))
    axis = jnp.linspace(-REACH, REACH, NODES, dtype=factors.dtype)
    grid = jnp.stack(jnp.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    nodes = centre + grid @ width.T
    log_density = jnp.sum(used * log_ndtr(offset + nodes @ factors.T), axis=1)
    log_density = log_density - 0.5 * jnp.sum(nodes**2, axis=1)
    weight = jax.nn.softmax(log_density)
    effects = before.mean + nodes @ root.T
    mean = weight @ effects
    covariance = ((effects - mean).T * weight) @ (effects - mean)
    cell = jnp.log(axis[1] - axis[0]) * 2 + jnp.log(width[0, 0] * width[1, 1])
    evidence = jax.scipy.special.logsumexp(log_density) + cell - 2 * HALF_LOG_2PI
    return Effects(mean, covariance, before.log_evidence + evidence)


@jax.jit
def condition_draws(motion: GroundMotion, prior: Array, reports: Reports, used: Array) -> Effects:
    """Condition the effects in each draw: (draws, 2), (draws, 2, 2), (draws,)."""
    place, clipped = jnp.asarray(reports.place_km), jnp.asarray(reports.clipped)
    apart = separations(place, place)

    def one(given: tuple) -> Effects:
        own, covariance, parts = given
        seen = Reports(**parts, place_km=place, clipped=clipped)
        return _condition(own, covariance, seen, used, apart)

    # One draw after the other: batched calls of LAPACK can wait for one another (see the fit).
    return jax.lax.map(one, (motion, prior, reports.by_draw()))


@jax.jit
def krige_draws(
    motion: GroundMotion,
    effects: tuple[Array, Array],
    reports: Reports,
    used: Array,
    sites: tuple[Array, Array, Array, Array],
) -> tuple[Array, Array]:
    r"""Add the event's effects and the reports of neighbours to predictions in each draw.

    With the covariance $k_j$ of a site's record term and those of the reports, and the row $x_j$ of
    its design, the mean and variance that are added are

    $$ k_j^\top C^{-1} (r - X m) + x_j^\top m, \qquad a_j^\top \Sigma a_j - k_j^\top C^{-1} k_j,
    \qquad a_j = x_j - X^\top C^{-1} k_j. $$

    Clipped reports take part by the effects only.
    """
    site_km, has_place, *by_draw = sites
    place = jnp.asarray(reports.place_km)
    apart, across = separations(place, place), separations(site_km, place)
    plain = used * (1 - jnp.asarray(reports.clipped))

    def one(given: tuple) -> tuple[Array, Array]:
        own, (mean, covariance), (record_sd, design), parts = given
        seen = Reports(**parts, place_km=place, clipped=plain)
        white = whitened(own, seen, apart, plain)
        near = (record_sd * has_place)[:, None] * (jnp.asarray(seen.record_sd) * plain)
        near = field_correlation(own, across, design, jnp.asarray(seen.design)) * near
        near = jax.scipy.linalg.solve_triangular(white.root, near.T, lower=True)
        left = design - near.T @ white.design
        added = near.T @ white.residual + left @ mean
        spread = jnp.einsum("si,ij,sj->s", left, covariance, left) - jnp.sum(near**2, axis=0)
        return added, spread

    return jax.lax.map(one, (motion, effects, by_draw, reports.by_draw()))
