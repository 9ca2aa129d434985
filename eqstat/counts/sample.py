"""The posterior of the background by NUTS, as an ArviZ-form DataTree."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import xarray as xr
from jaxtyping import Array, PRNGKeyArray
from numpyro.infer.util import potential_energy

from eqstat.counts.arrays import EARTHQUAKE_SHARE, MERGE_ABOVE, WIDEST, count_data
from eqstat.counts.data import History
from eqstat.counts.fit import NullFit, Shapes, fit, site_draws, unravel
from eqstat.counts.likelihood import CountData
from eqstat.counts.model import CORRECTED, MODELS, Correction
from eqstat.counts.null import Family
from eqstat.counts.prior import Prior
from eqstat.inference.sampling import run_nuts

CLOUD = 1024
# Step of the differences, in standard errors.
STEP = 0.05
DIMENSIONS = {"daily": "harmonic_day", "weekly": "harmonic_week", "region_effect": "region"}
UNITS = {"rate_per_device_h": "1/h"}


@lru_cache(maxsize=32)
def _slopes(family: Family, shocks: bool, shapes: Shapes) -> Callable:
    """Gradients of the log posterior density at many points of the unconstrained space."""

    def density(vector: Array, args: tuple) -> Array:
        return -1 * jnp.asarray(
            potential_energy(MODELS[family, shocks], args, {}, unravel(vector, shapes))
        )

    @jax.jit
    def gradients(vectors: Array, args: tuple) -> Array:
        return jax.lax.map(lambda vector: jax.grad(density)(vector, args), vectors)

    return gradients


def _correction(found: NullFit, fine: CountData, coarse: CountData) -> Correction:
    """Difference of the log densities of two mergings, to second order about the estimate."""
    shapes: Shapes = tuple(sorted(found.shapes.items()))
    gradients = _slopes(found.null.family, found.null.shocks is not None, shapes)
    step = STEP * jnp.sqrt(jnp.diagonal(jnp.asarray(found.free_covariance)))
    ends = jnp.concatenate([jnp.diag(step), -jnp.diag(step)])
    prior = jax.tree.map(jnp.asarray, found.prior)
    at = jnp.asarray(found.free) + ends
    rest = gradients(at, (fine, prior)) - gradients(at, (coarse, prior))
    upper, lower = jnp.split(rest, 2)
    curvature = (upper - lower) / (2 * step[:, None])
    return Correction(
        jnp.asarray(found.free), jnp.mean(rest, axis=0), 0.5 * (curvature + curvature.T)
    )


def _label(tree: xr.DataTree, history: History) -> None:
    """Give dimensions their names and labels, variables their units."""
    posterior = tree["posterior"].to_dataset()
    for name, dimension in DIMENSIONS.items():
        if name in posterior:
            old = str(posterior[name].dims[-1])
            renamed = posterior[name].rename({old: dimension})
            posterior = posterior.drop_dims(old).assign({name: renamed})
    waves = [f"{wave} {cycles}" for cycles in (1, 2) for wave in ("cosine", "sine")]
    labels = {
        "harmonic_day": waves,
        "harmonic_week": waves[:2],
        "region": list(history.regions),
    }
    posterior = posterior.drop_vars([name for name in labels if name in posterior.coords])
    posterior = posterior.assign_coords(labels)
    for name, values in posterior.data_vars.items():
        unit = UNITS.get(str(name), "1")
        values.attrs.update(units=unit, long_name=str(name).replace("_", " "))
    tree["posterior"] = xr.DataTree(posterior)


def sample(
    key: PRNGKeyArray,
    history: History,
    *,
    family: Family = "negative_binomial",
    shocks: bool = False,
    prior: Prior | None = None,
    earthquake_share: float | int = EARTHQUAKE_SHARE,
    chains: int = 4,
    warmup: int = 250,
    draws: int = 500,
    progress: bool | None = None,
) -> xr.DataTree:
    r"""Sample the posterior of the background by NUTS.

    Chains start at draws of the fit's normal approximation and work in coordinates whitened by
    it. A history of more than 20,000 cells is merged more widely than for `fit`; the difference
    of the two log densities, to second order about the fit, is added back, so that only its
    third order is lost (`attrs["merged"]` tells).

    Parameters
    ----------
    key
        JAX random key.
    history, family, shocks, prior, earthquake_share
        As in `fit`.
    chains, warmup, draws
        Number of chains, of warm-up steps, and of draws of each chain.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    xarray.DataTree
        Groups `posterior` (the sites of `model`), `sample_stats`, `observed_data` and
        `constant_data` (the history's cells). The root's attrs hold the verdict (`result`,
        `r_hat_max`, `ess_bulk_min`, `ess_tail_min`, `divergences`), `family` and `window_s`.
        A posterior that is not well mixed is returned all the same. `null_from` makes nulls.

    Raises
    ------
    eqstat.inference.InferenceError
        When not even the fit found a usable estimate.

    References
    ----------
    Hoffman, M. and Gelman, A. (2014), JMLR 15, 1593-1623.
    """
    prior = Prior() if prior is None else prior
    found = fit(
        history, family=family, shocks=shocks, prior=prior, earthquake_share=earthquake_share
    )
    merge = len(history.region) > MERGE_ABOVE
    data = count_data(history, shocks=shocks, earthquake_share=earthquake_share)
    cloud = site_draws(jax.random.fold_in(key, 0), found, CLOUD)
    with jax.enable_x64(True):
        arrays, priors = jax.tree.map(jnp.asarray, (data, prior))
        size = len(found.free)
        correction = Correction(jnp.asarray(found.free), jnp.zeros(size), jnp.zeros((size, size)))
        if merge:
            wide = count_data(
                history, shocks=shocks, earthquake_share=earthquake_share, widths=WIDEST
            )
            wide = jax.tree.map(jnp.asarray, wide)
            correction = _correction(found, arrays, wide)
            arrays = wide
        tree = run_nuts(
            jax.random.fold_in(key, 1),
            CORRECTED[family, shocks],
            (arrays, priors, correction),
            cloud,
            chains=chains,
            warmup=warmup,
            draws=draws,
            progress=progress,
        )
    _label(tree, history)
    cell = {
        name: ("cell", getattr(history, name))
        for name in ("region", "hour_of_week", "active", "windows")
    }
    cell["region_number"] = cell.pop("region")
    tree["observed_data"] = xr.DataTree(xr.Dataset({"triggers": ("cell", history.triggers)}))
    tree["constant_data"] = xr.DataTree(xr.Dataset(cell))
    tree.attrs.update(
        family=family, shocks=int(shocks), window_s=history.window_s, merged=int(merge)
    )
    return tree
