"""The posterior of the ground-motion model by NUTS, as an ArviZ-form DataTree."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat.ground_motion._data import Motions
from eqstat.ground_motion._fit import fit, site_draws
from eqstat.ground_motion._model import model, site_names
from eqstat.ground_motion._predict import MotionPosterior, posterior_of
from eqstat.ground_motion._prior import Prior
from eqstat.inference import run_nuts

CLOUD = 512
UNITS = {"saturation_km": "km", "vs30_log10_mean": "log10 m/s", "vs30_log10_sd": "log10 m/s"}


def sample(
    key: PRNGKeyArray,
    motions: Motions,
    *,
    prior: Prior | None = None,
    chains: int = 4,
    warmup: int = 250,
    draws: int = 500,
    progress: bool | None = None,
) -> xr.DataTree:
    """Sample the posterior of the ground-motion model by NUTS.

    Event and station terms are integrated out, so that some fifteen parameters are left; chains
    start at draws of the fit's normal approximation and work in coordinates whitened by it.

    Parameters
    ----------
    key
        JAX random key.
    motions, prior
        As in `fit`.
    chains, warmup, draws
        Number of chains, of warm-up steps, and of draws of each chain.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    xarray.DataTree
        Groups `posterior` (the sites of `model`), `sample_stats`, `observed_data` and
        `constant_data` (the records). The root's attrs hold the verdict (`result`, `r_hat_max`,
        `ess_bulk_min`, `ess_tail_min`, `divergences`), the records' ranges and the notes.
        A posterior that is not well mixed is returned all the same. `posterior_from` makes it
        predict.

    Raises
    ------
    eqstat.inference.InferenceError
        When not even the fit found a usable estimate.

    References
    ----------
    Hoffman, M. and Gelman, A. (2014), JMLR 15, 1593-1623.
    """
    prior = Prior() if prior is None else prior
    found = fit(motions, prior=prior)
    cloud = site_draws(jax.random.fold_in(key, 0), found, CLOUD)
    with jax.enable_x64(True):
        args = jax.tree.map(jnp.asarray, (motions.data, prior))
        tree = run_nuts(
            jax.random.fold_in(key, 1),
            model,
            args,
            {name: cloud[name] for name in site_names(motions.data)},
            chains=chains,
            warmup=warmup,
            draws=draws,
            sequential=True,
            progress=progress,
        )
    _label(tree, motions)
    return tree


def _label(tree: xr.DataTree, motions: Motions) -> None:
    """Give dimensions their names and labels, variables their units."""
    posterior = tree["posterior"].to_dataset()
    if "region_level" in posterior:
        old = str(posterior["region_level"].dims[-1])
        posterior = posterior.drop_vars(old, errors="ignore").rename({old: "region"})
        posterior = posterior.assign_coords(region=list(motions.regions))
    for name, values in posterior.data_vars.items():
        unit = UNITS.get(str(name), "log10 m/s2" if str(name).endswith(("sd", "level")) else "1")
        values.attrs.update(units=unit, long_name=str(name).replace("_", " "))
    tree["posterior"] = xr.DataTree(posterior)
    rows = np.asarray(motions.data.weight) > 0
    kept = {
        name: ("record", np.asarray(getattr(motions.data, name))[rows])
        for name in ("magnitude", "distance_km", "depth_km", "event", "station", "region")
    }
    kept = {f"{n}_number" if n in ("event", "station", "region") else n: v for n, v in kept.items()}
    kept["vs30_m_s"] = (
        "record",
        np.where(motions.data.unknown_site, np.nan, 10**motions.data.log10_vs30)[rows],
    )
    observed = {"log10_pga": ("record", np.asarray(motions.data.log10_pga)[rows])}
    tree["observed_data"] = xr.DataTree(xr.Dataset(observed))
    tree["constant_data"] = xr.DataTree(xr.Dataset(kept))
    for name, ends in motions.ranges.items():
        tree.attrs[f"{name}_range"] = list(ends)
    tree.attrs["notes"] = list(motions.notes)


def posterior_from(tree: xr.DataTree, motions: Motions, draws: int = 256) -> MotionPosterior:
    """Posterior that predicts, from a sampling run and what it was given.

    Parameters
    ----------
    tree
        From `sample`.
    motions
        What was sampled.
    draws
        How many draws are kept, evenly thinned.

    Returns
    -------
    MotionPosterior
    """
    sites = {}
    for name, values in tree["posterior"].to_dataset().data_vars.items():
        array = values.to_numpy()
        sites[str(name)] = array.reshape(-1, *array.shape[2:])
    return posterior_of(sites, motions, draws)
