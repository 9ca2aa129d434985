"""Point estimates of the ground-motion model by BFGS, and draws about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PRNGKeyArray
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

from eqstat.ground_motion._data import MotionData, Motions
from eqstat.ground_motion._likelihood import residuals
from eqstat.ground_motion._model import model, motion_of, site_names
from eqstat.ground_motion._parameters import GroundMotion
from eqstat.ground_motion._predict import MotionPosterior, MotionPredictor, posterior_of
from eqstat.ground_motion._prior import Prior
from eqstat.inference import (
    Fit,
    InferenceError,
    Result,
    Shapes,
    covariance,
    minimise,
    normal_draws,
    unravel,
)

DRAWS = 256


@dataclass(frozen=True)
class MotionFit(Fit):
    """A fitted ground-motion model: a `Fit` with what predictions need.

    Attributes
    ----------
    motion
        The parameters at the estimate.
    free
        The estimate in the model's unconstrained space, one vector.
    free_covariance
        Its covariance.
    motions
        What was fitted.
    prior
        The priors of the fit.
    """

    motion: GroundMotion = field(kw_only=True)
    free: np.ndarray = field(kw_only=True)
    free_covariance: np.ndarray = field(kw_only=True)
    motions: Motions = field(kw_only=True)
    prior: Prior = field(kw_only=True)

    def posterior(self, key: PRNGKeyArray | None = None, draws: int = DRAWS) -> MotionPosterior:
        """Draws of the normal approximation about the estimate, with station terms."""
        key = jax.random.key(0) if key is None else key
        return posterior_of(site_draws(key, self, draws), self.motions)

    def predictor(
        self, *, components: int | None = 5, region: str | None = None
    ) -> MotionPredictor:
        """Predictor of 256 draws about the estimate; see `MotionPosterior.predictor`."""
        return self.posterior().predictor(components=components, region=region)


def shapes_of(data: MotionData) -> Shapes:
    """Sites and their shapes."""
    return tuple(
        sorted((n, (data.regions,) if n == "region_level" else ()) for n in site_names(data))
    )


@lru_cache(maxsize=16)
def _programs(shapes: Shapes) -> tuple[Callable, ...]:
    def objective(vector: Array, args: tuple) -> Array:
        return jnp.asarray(potential_energy(model, args, {}, unravel(vector, shapes)))

    def sites(vector: Array, args: tuple) -> dict[str, Array]:
        return constrain_fn(model, args, {}, unravel(vector, shapes))

    @jax.jit
    def free(values: dict[str, Array], args: tuple) -> Array:
        return ravel_pytree(unconstrain_fn(model, args, {}, values))[0]

    @jax.jit
    def optimum(starts: Array, args: tuple) -> Any:
        return minimise(objective, starts, args, stages=2, max_steps=200)

    return (
        free,
        optimum,
        jax.jit(sites),
        jax.jit(jax.jacfwd(sites)),
        jax.jit(jax.vmap(sites, (0, None))),
    )


def _start(motions: Motions) -> dict[str, np.ndarray]:
    """Where the descent starts: plain values, with the level that the records ask for."""
    data = motions.data
    regions = np.zeros(data.regions)
    plain = GroundMotion(region_level=regions)
    rest = np.asarray(residuals(plain, data))[np.asarray(data.weight) > 0]
    values = {name: np.asarray(getattr(plain, name), float) for name in site_names(data)}
    values["level"] = np.asarray(values["level"] + np.median(rest))
    if "region_sd" in values:
        values["region_sd"] = np.asarray(0.2)
    return values


def fit(motions: Motions, *, prior: Prior | None = None, throw: bool = True) -> MotionFit:
    r"""Fit the ground-motion model: the mode of the posterior, by BFGS in float64.

    The mode is taken in the model's unconstrained space, event and station terms integrated out.

    Parameters
    ----------
    motions
        From `prepare` or `simulate`.
    prior
        The priors; `Prior()` by default.
    throw
        Raise where no usable estimate came out; with False look at `MotionFit.result`.

    Returns
    -------
    MotionFit
        Estimates with standard errors; `posterior` gives draws, `predictor` predicts.

    Raises
    ------
    eqstat.inference.InferenceError
        With `throw`, when BFGS did not converge or nothing finite came out.

    Examples
    --------
    >>> import jax
    >>> from eqstat.exceedance.simulate import Design, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=30, stations=20))
    >>> found = fit(motions)
    >>> bool(abs(found["record_sd"] - 0.25) < 0.05)
    True
    """
    prior = Prior() if prior is None else prior
    shapes = shapes_of(motions.data)
    free, optimum, sites_at, slopes_at, _ = _programs(shapes)
    with jax.enable_x64(True):
        args = jax.tree.map(jnp.asarray, (motions.data, prior))
        start = free(jax.tree.map(jnp.asarray, _start(motions)), args)
        found = optimum(start[None], args)
        vector = np.asarray(found.value)
        spread, regular = covariance(np.asarray(found.hessian), np.ones(len(vector), bool))
        sites = {name: np.asarray(v) for name, v in sites_at(found.value, args).items()}
        slopes = {name: np.asarray(v) for name, v in slopes_at(found.value, args).items()}
        motion = motion_of(sites)
    names = site_names(motions.data)
    rows = np.concatenate([slopes[name].reshape(-1, len(vector)) for name in names])
    labels = [
        label
        for name in names
        for label in (
            [f"region_level[{region}]" for region in motions.regions]
            if name == "region_level"
            else [name]
        )
    ]
    finite = np.all(np.isfinite(vector)) and np.isfinite(float(found.objective))
    good = bool(found.converged) and regular
    result = Result.CONVERGED if good else Result.NOT_CONVERGED
    out = MotionFit(
        tuple(labels),
        np.concatenate([np.ravel(sites[name]) for name in names]),
        rows @ spread @ rows.T,
        float(found.objective),
        result if finite else Result.NOT_FINITE,
        diagnostics={
            "records": int(np.sum(motions.data.weight)),
            "newton_decrement": float(found.decrement),
            "steps": int(found.steps),
        },
        motion=motion,
        free=vector,
        free_covariance=spread,
        motions=motions,
        prior=prior,
    )
    if throw and not out.result.ok:
        raise InferenceError(out.result, f"{out.diagnostics['records']} records")
    return out


def site_draws(key: PRNGKeyArray, found: MotionFit, count: int) -> Mapping[str, np.ndarray]:
    """Draws of the model's sites about the estimate: normal in the unconstrained space."""
    many = _programs(shapes_of(found.motions.data))[-1]
    with jax.enable_x64(True):
        vectors = normal_draws(key, found.free, found.free_covariance, count)
        args = jax.tree.map(jnp.asarray, (found.motions.data, found.prior))
        return {name: np.asarray(v) for name, v in many(vectors, args).items()}
