"""Laplace approximation of a NumPyro model: mode, covariance, delta method and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree
from numpyro.infer.util import constrain_fn

from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.inference._mode import Adjustment, Model, Sites, find_mode
from eqstat.inference._optimise import Optimum, covariance
from eqstat.inference._results import InferenceError, Result

# Smallest curvature of `Laplace.bounded_covariance`: a standard deviation of 10 units.
MIN_CURVATURE = 1e-2


@partial(jax.jit, static_argnames=("model",))
def _constrain(model: Model, args: tuple, template: Sites, vectors: Array) -> Sites:
    unravel = ravel_pytree(template)[1]

    def one(vector: Array) -> Sites:
        return constrain_fn(model, args, {}, unravel(vector), return_deterministic=True)

    return jax.vmap(one)(vectors)


@dataclass(frozen=True)
class Laplace(Explained):
    """Normal approximation of a posterior about its mode, in the model's unconstrained space.

    Made by `laplace`; arrays are NumPy's, in float64.

    Attributes
    ----------
    model, args
        The NumPyro model and arguments from which its sites follow.
    optimum
        The mode as one vector, with the gradient and the Hessian of the negative log posterior
        density there.
    free
        The vector taken apart: the unconstrained value of each latent site.
    sites
        Each site of the model at the mode, deterministic ones included.
    jacobian
        Derivative of each site by the vector, its shape followed by (parameters,).

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> import numpyro
    >>> import numpyro.distributions as dist
    >>> def model(data):
    ...     mean = numpyro.sample("mean", dist.Normal(0.0, 10.0))
    ...     numpyro.sample("data", dist.Normal(mean, 1.0), obs=data)
    >>> approximation = laplace(model, (jnp.array([1.0, 3.0]),), {"mean": jnp.zeros((1,))})
    >>> names, estimate, spread = approximation.marginal({"mean": ["mean"]})
    >>> round(float(estimate[0]), 2), round(float(spread[0, 0]), 2)
    (1.99, 0.5)
    """

    model: Model
    args: tuple
    optimum: Optimum
    free: dict[str, np.ndarray]
    sites: dict[str, np.ndarray]
    jacobian: dict[str, np.ndarray]

    @cached_property
    def _inverse(self) -> tuple[np.ndarray, bool]:
        hessian = np.asarray(self.optimum.hessian)
        return covariance(hessian, np.ones(len(hessian), bool))

    @property
    def covariance(self) -> np.ndarray:
        """Inverse Hessian in the unconstrained space; NaN where that is not positive definite."""
        return self._inverse[0]

    @property
    def regular(self) -> bool:
        """Whether the Hessian is positive definite."""
        return self._inverse[1]

    @cached_property
    def bounded_covariance(self) -> np.ndarray:
        """Inverse Hessian with flat or negative directions bounded; always positive definite.

        Raises
        ------
        eqstat.inference.InferenceError
            When the Hessian is not finite.
        """
        hessian = np.asarray(self.optimum.hessian, np.float64)
        if not np.all(np.isfinite(hessian)):
            raise InferenceError(Result.NOT_FINITE, "the posterior has no finite mode")
        eigenvalues, vectors = np.linalg.eigh(hessian)
        return (vectors / np.maximum(np.abs(eigenvalues), MIN_CURVATURE)) @ vectors.T

    @property
    def proposal_covariance(self) -> np.ndarray:
        """The covariance, or where the Hessian is singular the bounded one."""
        return self.covariance if self.regular else self.bounded_covariance

    @property
    def result(self) -> Result:
        """How the search for the mode ended."""
        values = [*self.sites.values(), np.asarray(self.optimum.objective)]
        if not all(np.all(np.isfinite(value)) for value in values):
            return Result.NOT_FINITE
        good = bool(self.optimum.converged) and self.regular
        return Result.CONVERGED if good else Result.NOT_CONVERGED

    @property
    def diagnostics(self) -> dict[str, float | int]:
        """Newton decrement, steps, and number of starts that reached the same mode."""
        return {
            "newton_decrement": float(self.optimum.decrement),
            "starts_agreeing": int(self.optimum.starts_agreeing),
            "steps": int(self.optimum.steps),
            "hessian_regular": float(self.regular),
        }

    def marginal(
        self, labels: Mapping[str, Sequence[str]]
    ) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        r"""Estimate and covariance of constrained sites by the delta method.

        .. math:: \operatorname{Cov}(\theta) \approx J\, H^{-1} J^\top

        with the derivative $J$ of the sites by the unconstrained vector and the Hessian $H$.

        Parameters
        ----------
        labels
            From the name of each wanted site to the names of its elements, in order.

        Returns
        -------
        names : tuple of str
            All labels.
        estimate : numpy.ndarray
            Shape (labels,).
        covariance : numpy.ndarray
            Shape (labels, labels).
        """
        names = tuple(label for each in labels.values() for label in each)
        estimate = np.concatenate([np.ravel(self.sites[site]) for site in labels])
        rows = [self.jacobian[site].reshape(-1, len(self.optimum.value)) for site in labels]
        slopes = np.concatenate(rows)
        if len(names) != len(estimate):
            raise InputError(f"{len(names)} labels do not name {len(estimate)} elements")
        return names, estimate, slopes @ self.covariance @ slopes.T

    def interval(
        self, labels: Mapping[str, Sequence[str]], width: float
    ) -> dict[str, tuple[float, float]]:
        r"""Wald intervals that stay within the ranges of the sites.

        .. math:: \theta\!\left(\hat u \pm w\, \frac{C s}{\sqrt{s^\top C s}}\right),
                  \qquad s = \partial \theta / \partial u,

        for each element: `width` standard errors along the direction in the unconstrained space
        in which it varies most. For a latent site that is the interval of its unconstrained
        value, transformed; for a linear one the plain Wald interval.

        Parameters
        ----------
        labels
            As in `marginal`.
        width
            Number of standard errors $w$.

        Returns
        -------
        dict
            From the label to the lower and upper end; NaN where the Hessian is singular.
        """
        spread, mode = self.covariance, np.asarray(self.optimum.value, np.float64)
        rows = [self.jacobian[site].reshape(-1, len(mode)) for site in labels]
        slopes = np.concatenate(rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.sqrt(np.sum((slopes @ spread) * slopes, axis=1))[:, None]
            moves = width * np.where(error > 0, slopes @ spread / error, 0.0 * error)
        with jax.enable_x64(True):
            args, free = jax.tree.map(jnp.asarray, (self.args, self.free))
            ends = [
                _constrain(self.model, args, free, jnp.asarray(mode + sign * moves))
                for sign in (-1.0, 1.0)
            ]
            low, high = (
                np.concatenate([np.asarray(end[s]).reshape(len(moves), -1) for s in labels], axis=1)
                for end in ends
            )
        names = [label for each in labels.values() for label in each]
        pairs = np.sort(np.stack([np.diagonal(low), np.diagonal(high)], axis=1), axis=1)
        return {name: (float(a), float(b)) for name, (a, b) in zip(names, pairs, strict=True)}

    def draws(self, key: PRNGKeyArray, count: int) -> dict[str, np.ndarray]:
        """Draw all sites: normal in the unconstrained space, then constrained.

        Where the Hessian is singular, `bounded_covariance` is drawn from.

        Parameters
        ----------
        key
            JAX random key.
        count
            Number of draws.

        Returns
        -------
        dict of numpy.ndarray
            Each site with a leading axis of draws; deterministic sites included.
        """
        with jax.enable_x64(True):
            mode = jnp.asarray(self.optimum.value)
            noise = jax.random.normal(key, (count, len(mode)), mode.dtype)
            root = jnp.linalg.cholesky(jnp.asarray(self.proposal_covariance))
            return self.constrain(mode + noise @ root.T)

    def constrain(self, vectors: Array) -> dict[str, np.ndarray]:
        """Sites of vectors in the unconstrained space, (draws, parameters); within x64."""
        args, free = jax.tree.map(jnp.asarray, (self.args, self.free))
        return jax.tree.map(np.asarray, _constrain(self.model, args, free, vectors))


def laplace(
    model: Model,
    args: tuple,
    starts: Mapping[str, Float[Array, "starts ..."] | np.ndarray],
    *,
    site_args: tuple | None = None,
    scale: Mapping[str, np.ndarray] | None = None,
    adjustment: Adjustment | None = None,
    adjustment_args: PyTree = (),
    rounds: int = 1,
    max_steps: int = 200,
    stages: int = 2,
    batch: int | None = None,
) -> Laplace:
    r"""Approximate the posterior of a NumPyro model by a normal distribution about its mode.

    The mode $\hat u$ of the density in the model's unconstrained space, where priors carry their
    Jacobians, is found by multi-start BFGS in float64 (`minimise`); the covariance is the
    inverse of the Hessian there. The compiled program depends on the model and on the shapes
    only.

    Parameters
    ----------
    model
        A NumPyro model, `model(*args)`; pass the same function object to reuse its program.
    args
        The model's arguments, a tuple of pytrees of arrays.
    starts
        Starting values of each latent site in its own (constrained) space, with a leading axis
        of starts.
    site_args
        Smaller arguments from which the sites follow as well; by default `args`.
    scale
        Rough standard errors of the latent sites in the unconstrained space, in the shapes of
        the unconstrained values: for long data, which know some directions very much better
        than others.
    adjustment, adjustment_args
        `adjustment(sites, adjustment_args)` is added to the negative log posterior density;
        a function of a module, so that programs are reused.
    rounds
        How often the search is begun anew at its end while it has not converged.
    max_steps, stages, batch
        As in `minimise`.

    Returns
    -------
    Laplace
        Its `result` tells how the search ended.

    References
    ----------
    Tierney, L. and Kadane, J. (1986), Accurate approximations for posterior moments and marginal
    densities, JASA 81, 82-86, doi:10.1080/01621459.1986.10478240.

    Examples
    --------
    >>> import numpyro, numpyro.distributions as dist
    >>> def model(data):
    ...     sd = numpyro.sample("sd", dist.LogNormal(0.0, 2.0))
    ...     numpyro.factor("data", jnp.sum(dist.Normal(0.0, sd).log_prob(data)))
    >>> data = np.array([1.0, -2.0, 0.5, 1.5, -1.0])
    >>> approximation = laplace(model, (data,), {"sd": np.array([1.0])})
    >>> approximation.result.name
    'CONVERGED'
    >>> names, estimate, covariance = approximation.marginal({"sd": ["sd"]})
    >>> round(float(estimate[0]), 1), round(float(covariance[0, 0] ** 0.5), 1)
    (1.3, 0.4)
    >>> approximation.draws(jax.random.key(0), 100)["sd"].shape
    (100,)
    """
    with jax.enable_x64(True):
        args, begin, extra = jax.tree.map(jnp.asarray, (args, dict(starts), adjustment_args))
        light = args if site_args is None else jax.tree.map(jnp.asarray, site_args)
        sizes = None if scale is None else jax.tree.map(jnp.asarray, dict(scale))
        for _ in range(rounds):
            mode = find_mode(
                model,
                args,
                light,
                begin,
                sizes,
                adjustment,
                extra,
                max_steps=max_steps,
                stages=stages,
                batch=batch,
            )
            if bool(mode.optimum.converged):
                break
            begin = {name: mode.sites[name][None] for name in begin}
        mode = jax.tree.map(np.asarray, mode)
    return Laplace(
        model=model,
        args=jax.tree.map(np.asarray, light),
        optimum=mode.optimum,
        free=mode.free,
        sites=mode.sites,
        jacobian=mode.jacobian,
    )
