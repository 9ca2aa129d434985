"""The posterior of the background by NUTS, as an ArviZ-form DataTree."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PRNGKeyArray
from numpyro.infer.util import potential_energy, unconstrain_fn

from eqstat.counts._arrays import EARTHQUAKE_SHARE, MERGE_ABOVE, WIDEST, count_data
from eqstat.counts._background import Family
from eqstat.counts._data import History
from eqstat.counts._fit import BackgroundFit, fit, light, site_draws
from eqstat.counts._likelihood import CountData
from eqstat.counts._model import CORRECTED, MODELS, Correction
from eqstat.counts._prior import Prior
from eqstat.inference import Shapes, run_nuts, unravel

CLOUD = 4096
# Step of the differences, in standard errors.
STEP = 0.05
DIMENSIONS = {"daily": "harmonic_day", "weekly": "harmonic_week", "region_effect": "region"}
UNITS = {"rate_per_device_h": "1/h"}


@lru_cache(maxsize=32)
def _programs(family: Family, bursts: bool, shapes: Shapes) -> tuple[Callable, Callable]:
    """Log posterior densities with gradients at vectors, and sites to vectors."""
    model = MODELS[family, bursts]

    def density(vector: Array, args: tuple) -> Array:
        return -1 * jnp.asarray(potential_energy(model, args, {}, unravel(vector, shapes)))

    @jax.jit
    def slopes(vectors: Array, args: tuple) -> tuple[Array, Array]:
        return jax.lax.map(lambda vector: jax.value_and_grad(density)(vector, args), vectors)

    @jax.jit
    def free(sites: dict[str, Array], args: tuple) -> Array:
        def one(values: dict[str, Array]) -> Array:
            return ravel_pytree(unconstrain_fn(model, args, {}, values))[0]

        return jax.vmap(one)(sites)

    return slopes, free


class _Merging(NamedTuple):
    """A history merged for a fit and merged more for NUTS, with what lies between."""

    fine: CountData
    coarse: CountData
    prior: Prior
    correction: Correction


def _shapes(found: BackgroundFit) -> Shapes:
    return tuple(sorted(found.shapes.items()))


def _merging(found: BackgroundFit, fine: CountData, coarse: CountData) -> _Merging:
    """Difference of the log densities of two mergings, to second order about the estimate."""
    slopes, _ = _programs(
        found.background.family, found.background.bursts is not None, _shapes(found)
    )
    step = STEP * jnp.sqrt(jnp.diagonal(jnp.asarray(found.free_covariance)))
    fine, coarse, prior = jax.tree.map(jnp.asarray, (fine, coarse, found.prior))
    at = jnp.asarray(found.free) + jnp.concatenate([jnp.diag(step), -jnp.diag(step)])
    rest = slopes(at, (fine, prior))[1] - slopes(at, (coarse, prior))[1]
    upper, lower = jnp.split(rest, 2)
    curvature = (upper - lower) / (2 * step[:, None])
    correction = Correction(
        jnp.asarray(found.free), jnp.mean(rest, axis=0), 0.5 * (curvature + curvature.T)
    )
    return _Merging(fine, coarse, prior, correction)


def _merging_error(found: BackgroundFit, merging: _Merging, tree: xr.DataTree) -> float:
    """What the merging costs at draws: standard deviation of the log ratio of densities.

    As many draws as the correction needs slopes, so that no other program is compiled.
    """
    slopes, free = _programs(
        found.background.family, found.background.bursts is not None, _shapes(found)
    )
    count = 2 * len(found.free)
    sites = {}
    for name, values in tree["posterior"].to_dataset().data_vars.items():
        array = values.to_numpy().reshape(-1, *values.shape[2:])
        sites[str(name)] = array[np.linspace(0, len(array) - 1, count).astype(int)]
    args = merging.prior
    vectors = free(jax.tree.map(jnp.asarray, sites), (light(merging.fine), args))
    exact, used = (slopes(vectors, (data, args))[0] for data in (merging.fine, merging.coarse))
    slope, curvature = merging.correction.slope, merging.correction.curvature
    apart = vectors - merging.correction.centre
    bend = 0.5 * jnp.sum((apart @ curvature) * apart, axis=1)
    ratio = np.asarray(exact - used - apart @ slope - bend)
    return float(np.std(ratio))


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
    bursts: bool = False,
    prior: Prior | None = None,
    earthquake_share: float | int = EARTHQUAKE_SHARE,
    chains: int = 4,
    warmup: int = 250,
    draws: int = 750,
    progress: bool | None = None,
) -> xr.DataTree:
    r"""Sample the posterior of the background by NUTS.

    Chains start at draws of the fit's normal approximation and work in coordinates whitened by
    it. A history of more than 20,000 cells is merged more widely than for `fit`; the difference
    of the two log densities, to second order about the fit, is added back, so that only its
    third order is lost. `attrs["merging_error"]` tells what that costs: the standard deviation
    of the log of the ratio of the two densities at the draws, next to nothing below 0.1.

    Parameters
    ----------
    key
        JAX random key.
    history, family, bursts, prior, earthquake_share
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
        A posterior that is not well mixed is returned all the same. `background_from` makes backgrounds.

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
        history, family=family, bursts=bursts, prior=prior, earthquake_share=earthquake_share
    )
    merge = len(history.region) > MERGE_ABOVE
    data = count_data(history, bursts=bursts, earthquake_share=earthquake_share)
    cloud = site_draws(jax.random.fold_in(key, 0), found, CLOUD)
    with jax.enable_x64(True):
        if merge:
            wide = count_data(
                history, bursts=bursts, earthquake_share=earthquake_share, widths=WIDEST
            )
            merging = _merging(found, data, wide)
            sampled = CORRECTED[family, bursts]
            args = merging.coarse, merging.prior, merging.correction
        else:
            merging = None
            sampled = MODELS[family, bursts]
            args = jax.tree.map(jnp.asarray, (data, prior))
        tree = run_nuts(
            jax.random.fold_in(key, 1),
            sampled,
            args,
            cloud,
            chains=chains,
            warmup=warmup,
            draws=draws,
            # Warm-up draws are too few for a covariance of all regions; the cloud's is good.
            dense_mass=False,
            sequential=True,
            progress=progress,
        )
        if merging is not None:
            tree.attrs["merging_error"] = _merging_error(found, merging, tree)
    _label(tree, history)
    cell = {
        name: ("cell", getattr(history, name))
        for name in ("region", "hour_of_week", "active", "windows")
    }
    cell["region_number"] = cell.pop("region")
    tree["observed_data"] = xr.DataTree(xr.Dataset({"triggers": ("cell", history.triggers)}))
    tree["constant_data"] = xr.DataTree(xr.Dataset(cell))
    tree.attrs.update(
        family=family, bursts=int(bursts), window_s=history.window_s, merged=int(merge)
    )
    return tree
