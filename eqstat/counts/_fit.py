"""Point estimates of the background by BFGS, and draws about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PRNGKeyArray
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

from eqstat.counts._arrays import EARTHQUAKE_SHARE, count_data
from eqstat.counts._background import Background, Family
from eqstat.counts._data import History
from eqstat.counts._likelihood import CountData
from eqstat.counts._model import MODELS, background_of, site_names
from eqstat.counts._prior import Prior
from eqstat.counts._start import region_information, start_of, starting_sites
from eqstat.inference import (
    Fit,
    InferenceError,
    Optimum,
    Result,
    Shapes,
    covariance,
    minimise,
    normal_draws,
    unravel,
)

ROUNDS = 3


@dataclass(frozen=True)
class BackgroundFit(Fit):
    """A fitted background: a `Fit` with the background itself and what `draws` needs.

    Attributes
    ----------
    background
        The background at the estimate.
    free
        The estimate in the model's unconstrained space, one vector.
    free_covariance
        Its covariance.
    shapes
        Shapes of the sites that make up the vector, in the order of their names.
    prior
        The priors of the fit.
    """

    background: Background = field(kw_only=True)
    free: np.ndarray = field(kw_only=True)
    free_covariance: np.ndarray = field(kw_only=True)
    shapes: Mapping[str, tuple[int, ...]] = field(kw_only=True)
    prior: Prior = field(kw_only=True)


def _objective(model: Callable[..., Any], shapes: Shapes) -> Callable[[Array, tuple], Array]:
    r"""Negative log posterior with the regions' effects integrated out of their spread.

    The joint density of effects and their standard deviation has no maximum that makes sense
    where the data say little: it grows without bound as all shrink to nothing. Laplace's
    integral over the effects, with the information $I_r$ about each, mends that:
    $\tfrac12 \sum_r \log(I_r + 1/\sigma_u^2)$ is added.
    """

    def objective(scaled: Array, args: tuple) -> Array:
        data, prior, information, (start, scale, offset) = args
        values = unravel(start + scale * scaled, shapes)
        energy = potential_energy(model, (data, prior), {}, values) - offset
        if "region_sd" in values:
            sd = constrain_fn(model, (data, prior), {}, values)["region_sd"]
            energy = energy + 0.5 * jnp.sum(jnp.log(information + sd**-2))
        return energy

    return objective


@lru_cache(maxsize=32)
def _programs(family: Family, bursts: bool, shapes: Shapes) -> tuple[Callable, ...]:
    """Compiled programs of one kind of background: free a point, value, optimum, sites with slopes."""
    model = MODELS[family, bursts]
    objective = _objective(model, shapes)

    @jax.jit
    def free(sites: dict[str, Array], args: tuple | None) -> Array:
        values = sites if args is None else unconstrain_fn(model, args, {}, sites)
        return ravel_pytree(values)[0]

    @jax.jit
    def optimum(starts: Array, args: tuple) -> Optimum:
        return minimise(objective, starts, args, batch=1, stages=1, max_steps=300)

    def sites(vector: Array, args: tuple) -> dict[str, Array]:
        return constrain_fn(model, args, {}, unravel(vector, shapes))

    return (
        free,
        jax.jit(objective),
        optimum,
        jax.jit(sites),
        jax.jit(jax.jacfwd(sites)),
        jax.jit(jax.vmap(sites, (0, None))),
    )


def _labels(name: str, size: int, scalar: bool, regions: tuple[str, ...]) -> list[str]:
    if scalar:
        return [name]
    if name == "region_effect":
        return [f"region_effect[{region}]" for region in regions]
    return [f"{name}[{index}]" for index in range(size)]


def _scales(sites: dict[str, np.ndarray], information: np.ndarray) -> dict[str, np.ndarray]:
    """Rough standard errors in the unconstrained space, so that no direction looks flat."""
    total = float(np.sum(information)) + 1
    sizes = {
        "rate_per_device_h": total**-0.5,
        "daily": (total / 2 + 4) ** -0.5,
        "weekly": (total / 2 + 4) ** -0.5,
        "region_effect": (information + 1) ** -0.5,
    }
    return {
        name: np.broadcast_to(np.asarray(sizes.get(name, 0.05)), np.shape(value)).astype(float)
        for name, value in sites.items()
    }


def _judge(found: Optimum, values: np.ndarray, regular: bool) -> Result:
    if not np.all(np.isfinite(values)) or not np.isfinite(float(found.objective)):
        return Result.NOT_FINITE
    return Result.CONVERGED if bool(found.converged) and regular else Result.NOT_CONVERGED


def fit(
    history: History,
    *,
    family: Family = "negative_binomial",
    bursts: bool = False,
    prior: Prior | None = None,
    earthquake_share: float | int = EARTHQUAKE_SHARE,
    throw: bool = True,
) -> BackgroundFit:
    r"""Fit the background of a history: the mode of the posterior, by BFGS in float64.

    The effects of the regions are pooled: each is drawn towards the middle by as much as its
    data are few, and their spread is estimated with the effects integrated out (Laplace).

    Parameters
    ----------
    history
        From `prepare`, `combine` or `simulate`. Histories of more than 20,000 cells are merged
        (see `eqstat.counts.arrays.count_data`), so time depends little on the windows.
    family
        "poisson", "negative_binomial" or "beta_binomial".
    bursts
        Whether some windows have a burst in which many devices trigger together.
    prior
        The priors; `Prior()` by default.
    earthquake_share
        Share of triggers that unmarked earthquakes may have caused: the likelihood's guard. 0
        leaves it off.
    throw
        Raise where no usable estimate came out; with False look at `BackgroundFit.result`.

    Returns
    -------
    BackgroundFit
        Estimates with standard errors, and the `background` itself; `draws` gives a posterior.

    Raises
    ------
    eqstat.inference.InferenceError
        With `throw`, when BFGS did not converge or nothing finite came out.

    Examples
    --------
    >>> import jax
    >>> from eqstat.counts.simulate import Design, simulate
    >>> truth = Background("negative_binomial", 1.0, dispersion=0.3, dispersion_slope=0.0)
    >>> history = simulate(jax.random.key(0), truth, Design(active=400, days=3))
    >>> found = fit(history)
    >>> bool(abs(found["rate_per_device_h"] - 1.0) < 0.1)
    True
    """
    prior = Prior() if prior is None else prior
    first = start_of(history)
    names = site_names(family, bursts, len(history.regions))
    begin = starting_sites(first, family, names)
    shapes = tuple(sorted((name, np.shape(value)) for name, value in begin.items()))
    free, value_at, optimum, sites_at, slopes_at, _ = _programs(family, bursts, shapes)
    data = count_data(history, bursts=bursts, earthquake_share=earthquake_share)
    information = region_information(history, first, family)
    with jax.enable_x64(True):
        arrays, priors = jax.tree.map(jnp.asarray, (data, prior))
        start = free(jax.tree.map(jnp.asarray, begin), (arrays, priors))
        inside = jnp.asarray(information)
        scale = free(_scales(begin, information), None)
        zero = jnp.zeros_like(start)
        # The objective is some millions; the optimiser sees what is left of it.
        offset = value_at(zero, (arrays, priors, inside, (start, scale, jnp.zeros(()))))
        for _ in range(ROUNDS):
            found = optimum(zero[None], (arrays, priors, inside, (start, scale, offset)))
            start = start + scale * found.value
            if bool(found.converged):
                break
        vector = np.asarray(start)
        spread, regular = covariance(np.asarray(found.hessian), np.ones(len(vector), bool))
        spread = spread * np.outer(scale, scale)
        alone = (light(arrays), priors)
        sites = {name: np.asarray(v) for name, v in sites_at(start, alone).items()}
        slopes = {name: np.asarray(v) for name, v in slopes_at(start, alone).items()}
    sites = {name: sites[name] for name in names}
    estimate = np.concatenate([np.ravel(sites[name]) for name in names])
    rows = np.concatenate([slopes[name].reshape(-1, len(vector)) for name in names])
    labels = [
        label
        for name in names
        for label in _labels(name, sites[name].size, sites[name].ndim == 0, history.regions)
    ]
    known = {"window_s": history.window_s, "regions": history.regions}
    result = BackgroundFit(
        tuple(labels),
        estimate,
        rows @ spread @ rows.T,
        float(found.objective + offset),
        _judge(found, estimate, regular),
        diagnostics={
            "windows": history.total_windows,
            "rows": int(sum(np.sum(part.windows > 0) for part in data.rows)),
            "newton_decrement": float(found.decrement),
            "steps": int(found.steps),
        },
        background=background_of(sites, family, **known),  # pyright: ignore[reportArgumentType]
        free=vector,
        free_covariance=spread,
        shapes=dict(shapes),
        prior=prior,
    )
    if throw and not result.result.ok:
        raise InferenceError(result.result, f"{history.total_windows} windows")
    return result


def light(data: CountData) -> CountData:
    """The data without rows: enough to know the sites."""
    return CountData((), data.earthquake_weight, data.regions)


def site_draws(key: PRNGKeyArray, found: BackgroundFit, count: int) -> dict[str, np.ndarray]:
    """Draws of the model's sites about the estimate: normal in the unconstrained space."""
    shapes = tuple(sorted(found.shapes.items()))
    many = _programs(found.background.family, found.background.bursts is not None, shapes)[-1]
    with jax.enable_x64(True):
        vectors = normal_draws(key, found.free, found.free_covariance, count)
        data = CountData((), np.zeros(()), len(found.background.regions))
        data, prior = jax.tree.map(jnp.asarray, (data, found.prior))
        return {name: np.asarray(v) for name, v in many(vectors, (data, prior)).items()}


def draws(key: PRNGKeyArray, found: BackgroundFit, count: int = 256) -> Background:
    """Draw backgrounds from the normal approximation of the posterior.

    Parameters
    ----------
    key
        JAX random key.
    found
        From `fit`.
    count
        Number of draws.

    Returns
    -------
    Background
        With a leading axis of draws on every array.
    """
    sites = site_draws(key, found, count)
    known = {"window_s": found.background.window_s, "regions": found.background.regions}
    return background_of(sites, found.background.family, **known)  # pyright: ignore[reportArgumentType]


def background_from(source: BackgroundFit | xr.DataTree) -> Background:
    """The background of a fit, or the posterior of a sampling run with its draws on a leading axis.

    Parameters
    ----------
    source
        From `fit` (gives the estimate; `draws` gives the draws) or from `sample`.
    """
    if isinstance(source, BackgroundFit):
        return source.background
    posterior = source["posterior"].to_dataset()
    sites = {}
    for name, values in posterior.data_vars.items():
        array = values.to_numpy()
        sites[str(name)] = array.reshape(-1, *array.shape[2:])
    regions = tuple(str(name) for name in posterior["region"].to_numpy())
    family: Any = source.attrs["family"]
    return background_of(sites, family, window_s=float(source.attrs["window_s"]), regions=regions)
