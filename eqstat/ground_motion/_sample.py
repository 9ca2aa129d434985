"""The posterior of the ground-motion model by NUTS, as an ArviZ-form DataTree."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.checks import check_key
from eqstat.ground_motion._data import MotionData, Motions, as_motions
from eqstat.ground_motion._fit import fit
from eqstat.ground_motion._likelihood import pointwise_log_likelihood
from eqstat.ground_motion._model import model, motion_of, site_names
from eqstat.ground_motion._predict import MotionPosterior, posterior_of
from eqstat.ground_motion._prior import Prior
from eqstat.inference import posterior_sites, run_nuts

CLOUD = 512
LOG_MOTION = "log10 m/s2"
UNITS = {
    **dict.fromkeys(("level", "region_level", "event_sd", "station_sd"), LOG_MOTION),
    **dict.fromkeys(("record_sd", "region_sd", "log10_pga"), LOG_MOTION),
    **dict.fromkeys(("vs30_log10_mean", "vs30_log10_sd"), "log10 m/s"),
}
RECORD = ("magnitude", "distance_km", "depth_km", "event", "station", "region")


@jax.jit
def _pointwise(sites: dict[str, Array], data: MotionData) -> Array:
    flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in sites.items()}
    # One draw at a time: each inverts a matrix of the events or of the stations.
    values = jax.lax.map(lambda one: pointwise_log_likelihood(motion_of(one, data), data), flat)
    return values.reshape(*sites["level"].shape[:2], -1)


def _records(motions: Motions) -> dict[str, np.ndarray]:
    """What is known of each record, without padding."""
    data = motions.data
    rows = np.asarray(data.weight) > 0
    numbered = ("event", "station", "region")
    columns = {
        f"{name}_number" if name in numbered else name: np.asarray(getattr(data, name))[rows]
        for name in RECORD
    }
    vs30 = np.where(data.unknown_site, np.nan, 10 ** np.asarray(data.log10_vs30))
    return {**columns, "vs30_m_s": vs30[rows]}


def sample(
    key: PRNGKeyArray,
    motions: Motions | pd.DataFrame,
    *,
    prior: Prior | None = None,
    chains: int = 4,
    warmup: int = 250,
    draws: int = 500,
    progress: bool | None = None,
) -> xr.DataTree:
    """Sample the posterior of the ground-motion model by NUTS.

    Event and station terms are marginalised over in closed form, so that some fifteen parameters
    are left; chains start at draws of the fit's normal approximation and work in coordinates
    whitened by it.

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
        Groups `posterior` (the sites of `model`), `sample_stats`, `log_likelihood`,
        `observed_data` and `constant_data` (the records). The root's attributes hold the
        diagnostics of `eqstat.inference.diagnose`, the records' ranges and the notes. A
        posterior that is not well mixed is returned all the same. `posterior_from` makes it
        predict.

        `log_likelihood` is of each record given all others (`pointwise_log_likelihood`), so that
        `arviz_stats.loo` leaves out one record at a time. It predicts further records of the
        same events and stations, not new events.

    Raises
    ------
    eqstat.inference.InferenceError
        When not even the fit gave a usable estimate.

    References
    ----------
    Hoffman, M. and Gelman, A. (2014), JMLR 15, 1593-1623.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=10, stations=8))
    >>> tree = sample(jax.random.key(1), motions, chains=2, draws=250, progress=False)
    >>> tree["log_likelihood"]["log10_pga"].dims
    ('chain', 'draw', 'record')
    """
    check_key("sample", key)
    motions = as_motions("sample", motions)
    prior = Prior() if prior is None else prior
    cloud = fit(motions, prior=prior).laplace.draws(jax.random.fold_in(key, 0), CLOUD)
    rows = np.asarray(motions.data.weight) > 0
    records = _records(motions)
    with jax.enable_x64(True):
        data, priors = jax.tree.map(jnp.asarray, (motions.data, prior))
        return run_nuts(
            jax.random.fold_in(key, 1),
            model,
            (data, priors),
            {name: cloud[name] for name in site_names(motions.data)},
            chains=chains,
            warmup=warmup,
            draws=draws,
            # Range and growth of the correlation are weakly told apart: a curved ridge.
            target_accept=0.95,
            sequential=True,
            progress=progress,
            log_likelihood=lambda sites: {
                "log10_pga": np.asarray(_pointwise(jax.tree.map(jnp.asarray, sites), data))[
                    ..., rows
                ]
            },
            observed_data={"log10_pga": np.asarray(motions.data.log10_pga)[rows]},
            constant_data=records,
            dims={
                "region_level": ["region"],
                **{name: ["record"] for name in ("log10_pga", *records)},
            },
            coords={"region": list(motions.regions)},
            units=UNITS,
            attrs={
                **{f"{name}_range": list(ends) for name, ends in motions.ranges.items()},
                "notes": list(motions.notes),
            },
        )


def posterior_from(tree: xr.DataTree, motions: Motions, count: int = 256) -> MotionPosterior:
    """Return a posterior that predicts, from a sampling run and the records it was given.

    Parameters
    ----------
    tree
        From `sample`.
    motions
        The records that were given to it.
    count
        How many draws are kept, evenly thinned.

    Returns
    -------
    MotionPosterior

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=10, stations=8))
    >>> tree = sample(jax.random.key(1), motions, chains=2, draws=250, progress=False)
    >>> posterior_from(tree, motions, 100).draws
    100
    """
    return posterior_of(posterior_sites(tree), motions, count)
