"""The posterior by NUTS, as an ArviZ-form DataTree."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, PRNGKeyArray

from eqstat.inference import Result, run_nuts
from eqstat.traveltime._data import Observations, TriggerData
from eqstat.traveltime._fit import with_wave
from eqstat.traveltime._grid import grid
from eqstat.traveltime._likelihood import pointwise_log_likelihood
from eqstat.traveltime._model import MODELS, LikelihoodName
from eqstat.traveltime._parameters import Prior, parameters_of, sites_of
from eqstat.traveltime._results import failure
from eqstat.traveltime._warp import warp_for

CLOUD = 256
PLACE = ("east_km", "north_km", "depth_km", "arrival_s")
UNITS = {"_km": "km", "_s": "s"}
COMPONENTS = ["P", "S", "background"]


@jax.jit
def _pointwise(sites: dict[str, Array], data: TriggerData) -> Array:
    def one(values: dict[str, Array]) -> Array:
        return pointwise_log_likelihood(parameters_of(values), data)

    return jax.vmap(jax.vmap(one))(sites)


def _label(tree: xr.DataTree, observations: Observations) -> None:
    """Give variables their units and the posterior its place on the globe."""
    posterior = tree["posterior"].to_dataset()
    latitude, longitude = observations.frame.to_geographic(
        posterior["east_km"].to_numpy(), posterior["north_km"].to_numpy()
    )
    dims = ("chain", "draw")
    posterior = posterior.assign(latitude=(dims, latitude), longitude=(dims, longitude))
    for name, values in posterior.data_vars.items():
        unit = next((unit for end, unit in UNITS.items() if str(name).endswith(end)), "1")
        if name in ("latitude", "longitude"):
            unit = "degrees_north" if name == "latitude" else "degrees_east"
        values.attrs.update(units=unit, long_name=str(name).rsplit("_", 1)[0].replace("_", " "))
    tree["posterior"] = xr.DataTree(posterior)


def sample(
    key: PRNGKeyArray,
    observations: Observations,
    *,
    likelihood: LikelihoodName = "gaussian",
    wave: Literal["P", "S"] | None = None,
    prior: Prior | None = None,
    chains: int = 4,
    warmup: int = 500,
    draws: int = 1000,
    progress: bool | None = None,
) -> xr.DataTree:
    """Sample the posterior of the hypocentre, and of all else, by NUTS.

    Chains start at draws of the grid posterior and work in coordinates whitened by it, so
    they neither miss the mode nor need to find the shape of its ridge. The compiled program
    is used again for other data of the same bucket of sizes.

    Parameters
    ----------
    key
        JAX random key.
    observations, likelihood, wave, prior
        As in `grid`.
    chains, warmup, draws
        Number of chains, of warm-up steps, and of draws of each chain.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    xarray.DataTree
        A posterior that is not well mixed is returned all the same; its attrs say so.
        Groups `posterior` (the sites of `model`, and `latitude`, `longitude`),
        `sample_stats`, `log_likelihood` (dim `trigger`), `observed_data`, `constant_data`.
        The root's attrs hold the verdict (`result`, `r_hat_max`, `ess_bulk_min`,
        `ess_tail_min`, `divergences`), the frame and the reference time.

    Raises
    ------
    eqstat.inference.InferenceError
        With too few triggers or places.

    References
    ----------
    Hoffman, M. and Gelman, A. (2014), JMLR 15, 1593-1623.
    """
    prior = Prior() if prior is None else prior
    if wave is not None:
        observations = with_wave(observations, wave)
    count = len(observations.triggers)
    if not observations.enough:
        raise failure(Result.TOO_FEW, count)
    start_key = jax.random.fold_in(key, 2)
    start = grid(observations, likelihood=likelihood, prior=prior, key=start_key)
    beside = sites_of(likelihood, observations.data.has_silent)
    latent = [*PLACE, *(site.name for site in beside)]
    seed_key, run_key = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    cloud = start.draws(seed_key, CLOUD)
    with jax.enable_x64(True):
        data, priors = jax.tree.map(jnp.asarray, (observations.data, prior))
        tree = run_nuts(
            run_key,
            MODELS[likelihood],
            (data, priors),
            {name: cloud[name] for name in latent},
            warp=warp_for(prior),
            chains=chains,
            warmup=warmup,
            draws=draws,
            progress=progress,
        )
        posterior = tree["posterior"].to_dataset()
        sites = {str(k): jnp.asarray(v.to_numpy()) for k, v in posterior.data_vars.items()}
        pointwise = np.asarray(_pointwise(sites, data))[..., :count]
    if "shares" in posterior:
        shares = posterior["shares"].rename({posterior["shares"].dims[-1]: "component"})
        tree["posterior"] = xr.DataTree(
            posterior.drop_dims(str(posterior["shares"].dims[-1])).assign(
                shares=shares.assign_coords(component=COMPONENTS)
            )
        )
    _label(tree, observations)
    triggers = observations.triggers
    tree["log_likelihood"] = xr.DataTree(
        xr.Dataset({"time": (("chain", "draw", "trigger"), pointwise)})
    )
    tree["observed_data"] = xr.DataTree(
        xr.Dataset({"time_s": ("trigger", observations.data.time_s[:count], {"units": "s"})})
    )
    tree["constant_data"] = xr.DataTree(
        xr.Dataset(
            {
                "latitude": (
                    "trigger",
                    triggers["latitude"].to_numpy(),
                    {"units": "degrees_north"},
                ),
                "longitude": (
                    "trigger",
                    triggers["longitude"].to_numpy(),
                    {"units": "degrees_east"},
                ),
                "window_s": ("edge", observations.data.window_s, {"units": "s"}),
            }
        )
    )
    tree.attrs.update(
        likelihood=likelihood,
        centre_latitude=observations.frame.latitude,
        centre_longitude=observations.frame.longitude,
        reference_time=observations.reference_time.isoformat(),
        log_evidence_grid=start.log_evidence,
    )
    return tree
