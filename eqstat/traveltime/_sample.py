"""The posterior as an ArviZ-form DataTree: by NUTS, or draws of the grid."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, PRNGKeyArray
from numpyro import handlers

from eqstat import inference
from eqstat._core.checks import check_choice, check_key
from eqstat.inference import Result, run_nuts
from eqstat.traveltime._arrays import CLASSES, UNKNOWN
from eqstat.traveltime._data import Observations, TriggerData, as_observations
from eqstat.traveltime._grid import grid
from eqstat.traveltime._grids._posterior import GridPosterior
from eqstat.traveltime._likelihood import arrival_times, draw_times, pointwise_log_likelihood
from eqstat.traveltime._model import IDENTIFIED_MODELS, MODELS, LikelihoodName, as_prior
from eqstat.traveltime._parameters import KINDS, Prior, parameters_of, sites_of
from eqstat.traveltime._results import failure, judge, marginals
from eqstat.traveltime._warp import warp_for


class Proposals(NamedTuple):
    """Draws of the grid that a mixture is fitted to, its components, and jumps after each step."""

    points: int
    components: int
    tries: int


PROPOSALS = {
    "gaussian": Proposals(points=1024, components=4, tries=4),
    "mixture": Proposals(points=4096, components=16, tries=8),
}
PLACE = ("east_km", "north_km", "depth_km", "arrival_s")
Sites = dict[str, np.ndarray]
UNITS = {"latitude": "degrees_north", "longitude": "degrees_east"}


@jax.jit
def _pointwise(sites: dict[str, Array], data: TriggerData) -> Array:
    def one(values: dict[str, Array]) -> Array:
        return pointwise_log_likelihood(parameters_of(values), data)

    return jax.vmap(jax.vmap(one))(sites)


def log_likelihoods(sites: Sites, observations: Observations) -> Sites:
    """Return the pointwise log-likelihoods of draws, (chains, draws, triggers)."""
    with jax.enable_x64(True):
        values, data = jax.tree.map(jnp.asarray, (sites, observations.data))
        each = np.asarray(_pointwise(values, data))
    return {"time_s": each[..., : len(observations.triggers)]}


def data_groups(observations: Observations) -> dict[str, Any]:
    """Return the data of a tree, and the names of dimensions and units."""
    triggers = observations.triggers
    return {
        "observed_data": {"time_s": observations.data.time_s[: len(triggers)]},
        "constant_data": {
            "latitude": triggers["latitude"].to_numpy(),
            "longitude": triggers["longitude"].to_numpy(),
            "window_s": observations.data.window_s,
        },
        "dims": {
            "shares": ["component"],
            "time_s": ["trigger"],
            "latitude": ["trigger"],
            "longitude": ["trigger"],
            "window_s": ["edge"],
        },
        "coords": {"component": list(CLASSES)},
        "units": UNITS,
    }


def about(observations: Observations, likelihood: LikelihoodName) -> dict[str, Any]:
    """Return the attributes of a tree."""
    return {
        "likelihood": likelihood,
        "centre_latitude": observations.frame.latitude,
        "centre_longitude": observations.frame.longitude,
        "reference_time": observations.reference_time.isoformat(),
    }


@jax.jit
def _times(keys: Array, sites: dict[str, Array], data: TriggerData) -> Array:
    """Draw the times of the triggers given draws (draws, ...); none after now where truncated."""

    def one(key: Array, values: dict[str, Array]) -> Array:
        params = parameters_of(values)
        wave = jnp.where(data.phase == UNKNOWN, data.wave, data.phase)
        arrivals = arrival_times(params, data)

        own = {"error_s": data.time_sd_s, "phase": data.phase}

        def draw(now: Array | None) -> Array:
            return draw_times(key, params, arrivals, wave, data.window_s, now=now, **own)[0]

        return jnp.where(data.truncated, draw(data.window_s[1]), draw(None))

    return jax.lax.map(lambda each: one(*each), (keys, sites))


@partial(jax.jit, static_argnames=("likelihood", "count"))
def _from_prior(
    key: Array, data: TriggerData, prior: Prior, likelihood: LikelihoodName, count: int
) -> dict[str, Array]:
    """Draw the sites of the model from the prior, (count, ...)."""

    def one(each: Array) -> dict[str, Array]:
        run = handlers.trace(handlers.seed(MODELS[likelihood], each))
        trace = run.get_trace(data, prior)
        return {name: site["value"] for name, site in trace.items() if not site.get("is_observed")}

    sites = jax.vmap(one)(jax.random.split(key, count))
    if prior.epicentre is None:
        return sites
    # The seismicity is a factor of the model: draw again, by its weights.
    weight = prior.log_epicentre(sites["east_km"], sites["north_km"])
    chosen = jax.random.categorical(jax.random.fold_in(key, 1), weight, shape=(count,))
    return {name: values[chosen] for name, values in sites.items()}


def predictive(
    key: PRNGKeyArray,
    sites: Sites,
    observations: Observations,
    likelihood: LikelihoodName,
    prior: Prior,
) -> dict[str, Sites]:
    """Return `prior` and the times that prior and posterior (chains, draws, ...) predict.

    The times are those of the devices that triggered, of the phases that are known, and where
    triggers are truncated not after now.
    """
    shape, used = sites["depth_km"].shape, len(observations.triggers)
    count = int(np.prod(shape))
    prior_key, *keys = (jax.random.fold_in(key, number) for number in range(3))
    with jax.enable_x64(True):
        data, priors = jax.tree.map(jnp.asarray, (observations.data, prior))
        drawn = _from_prior(prior_key, data, priors, likelihood, count)
        flat = {name: jnp.asarray(sites[name]).reshape(count, *sites[name].shape[2:])
                for name in drawn}  # fmt: skip
        times = [
            np.asarray(_times(jax.random.split(each, count), values, data))[:, :used]
            for each, values in zip(keys, (flat, drawn), strict=True)
        ]
    before = {name: np.asarray(each).reshape(*shape, *each.shape[1:])
              for name, each in drawn.items()}  # fmt: skip
    after, earlier = ({"time_s": each.reshape(*shape, used)} for each in times)
    return {
        "posterior_predictive": after,
        "prior": before | _on_globe(before, observations),
        "prior_predictive": earlier,
    }


def _on_globe(sites: Sites, observations: Observations) -> Sites:
    """Geographic coordinates of the epicentres."""
    frame = observations.frame
    latitude, longitude = frame.to_geographic(sites["east_km"], sites["north_km"])
    return {"latitude": np.asarray(latitude), "longitude": np.asarray(longitude)}


def _with_delay(key: PRNGKeyArray, sites: Sites, prior: Prior) -> Sites:
    """Delays drawn from their prior, and origin times that are earlier by as much.

    The triggers determine the mean arrival: origin time, delay and travel time together.
    """
    delay = np.asarray(prior.delay_s.sample(key, sites["origin_time_s"].shape))
    earlier = delay - float(prior.delay_s.mean)
    return {"delay_s": delay, "origin_time_s": sites["origin_time_s"] - earlier}


def sample(
    key: PRNGKeyArray,
    observations: Observations | pd.DataFrame,
    *,
    likelihood: LikelihoodName = "gaussian",
    wave: Literal["P", "S"] | None = None,
    prior: Prior | None = None,
    chains: int = 4,
    warmup: int = 250,
    draws: int = 1000,
    progress: bool | None = None,
) -> xr.DataTree:
    """Sample the joint posterior of the hypocentre and all other parameters by NUTS.

    Chains start at draws of the grid posterior and work in coordinates whitened by it, so that
    they neither miss the mode nor need to learn the shape of its ridge. After each step of NUTS
    they may jump to draws of a mixture of t distributions fitted to the grid's draws, by
    Metropolis-Hastings steps: thus they cross between the modes of a mixture's posterior and
    visit each as often as its mass. The compiled program is used again for other data of the same
    bucket of sizes.

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
        A posterior that is not well mixed is returned all the same; its attributes say so.
        Groups `posterior` and `prior` (the sites of `model`, and `latitude`, `longitude`),
        `sample_stats`, `constant_data`, and of `time_s` (dim `trigger`) `observed_data`,
        `log_likelihood`, `posterior_predictive` and `prior_predictive`.
        The root's attributes hold the diagnostics of `eqstat.inference.diagnose`, the frame and
        the reference time. Silent devices are not in `log_likelihood`.

    Raises
    ------
    eqstat.inference.InferenceError
        With too few triggers or places.

    References
    ----------
    Hoffman, M. and Gelman, A. (2014), JMLR 15, 1593-1623.
    Tierney, L. (1994), doi:10.1214/aos/1176325750 (independence proposals, cycles of kernels).

    Examples
    --------
    >>> import jax
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> tree = traveltime.sample(
    ...     jax.random.key(0), observations, chains=2, warmup=20, draws=20, progress=False)
    >>> tree["posterior"]["depth_km"].shape
    (2, 20)
    """
    check_key("sample", key)
    observations = as_observations("sample", observations)
    check_choice("sample", KINDS, likelihood=likelihood)
    prior = as_prior("sample", prior)
    if wave is not None:
        observations = observations.with_wave(wave)
    if not observations.enough:
        raise failure(Result.TOO_FEW, observations.usage)
    start_key = jax.random.fold_in(key, 2)
    start = grid(observations, likelihood=likelihood, prior=prior, key=start_key)
    others = sites_of(likelihood, observations.data.has_silent)
    latent = [*PLACE, *(site.name for site in others if site.identified)]
    keys = (jax.random.fold_in(key, number) for number in (0, 1, 3, 4))
    seed_key, run_key, delay_key, group_key = keys
    proposals = PROPOSALS[likelihood]
    cloud = start.draws(seed_key, proposals.points)

    def derived(sites: Sites) -> Sites:
        more = _with_delay(delay_key, sites, prior) if likelihood == "mixture" else {}
        return more | _on_globe(sites, observations)

    with jax.enable_x64(True):
        data, priors = jax.tree.map(jnp.asarray, (observations.data, prior))
        tree = run_nuts(
            run_key,
            IDENTIFIED_MODELS[likelihood],
            (data, priors),
            {name: cloud[name] for name in latent},
            warp=warp_for(prior),
            mass_matrix="identity",
            components=proposals.components,
            jumps=proposals.tries,
            chains=chains,
            warmup=warmup,
            draws=draws,
            progress=progress,
            derived=derived,
            log_likelihood=lambda sites: log_likelihoods(sites, observations),
            predictive=lambda sites: predictive(group_key, sites, observations, likelihood, prior),
            **data_groups(observations),
            attrs={**about(observations, likelihood), "log_evidence_grid": start.log_evidence},
        )
    return _judged(tree, prior)


def tree_of_grid(
    key: PRNGKeyArray, posterior: GridPosterior, chains: int, draws: int
) -> xr.DataTree:
    """Return draws of a grid posterior in the form that `sample` returns."""
    observations, likelihood, prior = posterior.observations, posterior.likelihood, posterior.prior
    draw_key, group_key = (jax.random.fold_in(key, number) for number in (0, 4))
    drawn = posterior.draws(draw_key, chains * draws)
    sites = {
        name: np.reshape(each, (chains, draws, *each.shape[1:])) for name, each in drawn.items()
    }
    sites |= _on_globe(sites, observations)
    groups = {
        "posterior": sites,
        "log_likelihood": log_likelihoods(sites, observations),
        **predictive(group_key, sites, observations, likelihood, prior),
    }
    known = data_groups(observations)
    groups |= {name: known.pop(name) for name in ("observed_data", "constant_data")}
    text = posterior.result_text or posterior.result.value
    attrs = {
        **about(observations, likelihood),
        "log_evidence_grid": posterior.log_evidence,
        "result": posterior.result.name,
        "result_text": text,
    }
    return inference.to_tree(groups, attrs=attrs, **known)


def _judged(tree: xr.DataTree, prior: Prior) -> xr.DataTree:
    """Change the result of draws that mix well but that the prior contradicts."""
    posterior = tree["posterior"]

    def quantile(name: str, probability: np.ndarray) -> np.ndarray:
        return np.quantile(posterior[name].to_numpy(), probability)

    if tree.attrs["result"] == Result.CONVERGED.name:
        verdict = judge(*marginals(quantile, prior))
        if verdict is not None:
            tree.attrs.update(result=verdict.result.name, result_text=verdict.text)
    return tree
