"""The posterior of the history model by NUTS, as an ArviZ-form DataTree."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.checks import check_key, check_kind
from eqstat.detectability.history._data import History, HistoryData, as_history
from eqstat.detectability.history._fit import fit
from eqstat.detectability.history._likelihood import pointwise_log_likelihood
from eqstat.detectability.history._model import Prior, model, sensitivity_of, site_names
from eqstat.inference import run_nuts

CLOUD = 512
MAGNITUDE = "magnitude"
UNITS = {
    **dict.fromkeys(("magnitude_50_km", "trigger_sd", "event_sd", "station_sd"), MAGNITUDE),
    "group_shift": MAGNITUDE,
    "spreading": "magnitude per decade",
}
COLUMNS = ("magnitude", "latitude", "longitude", "depth_km")


@jax.jit
def _pointwise(sites: dict[str, Array], data: HistoryData) -> Array:
    flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in sites.items()}
    one = jax.lax.map(lambda draw: pointwise_log_likelihood(sensitivity_of(draw), data), flat)
    return one.reshape(*sites["magnitude_50_km"].shape[:2], -1)


def sample(
    key: PRNGKeyArray,
    history: History,
    *,
    prior: Prior | None = None,
    chains: int = 4,
    warmup: int = 250,
    draws: int = 500,
    progress: bool | None = None,
) -> xr.DataTree:
    """Sample the posterior of the history model by NUTS.

    Chains start at draws of the fit's normal approximation and work in coordinates whitened by it.

    Parameters
    ----------
    key
        JAX random key.
    history, prior
        As in `fit`.
    chains, warmup, draws
        Number of chains, of warm-up steps, and of draws of each chain.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    xarray.DataTree
        Groups `posterior` (the sites of `model`), `sample_stats`, `log_likelihood`,
        `observed_data` (`detected`) and `constant_data` (the earthquakes). The root's attributes
        hold the diagnostics of `eqstat.inference.diagnose` and the notes.

    Raises
    ------
    eqstat.inference.InferenceError
        When not even the fit gave a usable estimate.

    References
    ----------
    Hoffman, M. and Gelman, A. (2014), JMLR 15, 1593-1623.

    Examples
    --------
    >>> from eqstat.detectability.history import Design, Sensitivity, posterior_from, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=60, stations=8))
    >>> tree = sample(jax.random.key(1), history, chains=1, draws=250, progress=False)
    >>> posterior_from(tree, history, 50).draws
    50
    """
    check_key("sample", key)
    history = as_history("sample", history)
    prior = Prior() if prior is None else prior
    check_kind("sample", Prior, "use `Prior(...)`", prior=prior)
    cloud = fit(history, prior=prior).draws(jax.random.fold_in(key, 0), CLOUD)
    rows = np.asarray(history.data.weight) > 0
    constant = {name: history.events[name].to_numpy(np.float64) for name in COLUMNS}
    groups, counts = list(history.groups[1:]), list(history.data.counts)
    with jax.enable_x64(True):
        data, priors = jax.tree.map(jnp.asarray, (history.data, prior))
        return run_nuts(
            jax.random.fold_in(key, 1),
            model,
            (data, priors),
            {name: cloud[name] for name in site_names(history.data)},
            chains=chains,
            warmup=warmup,
            draws=draws,
            sequential=True,
            progress=progress,
            log_likelihood=lambda sites: {
                "detected": np.asarray(_pointwise(jax.tree.map(jnp.asarray, sites), data))[
                    ..., rows
                ]
            },
            observed_data={"detected": history.events["detected"].to_numpy(bool)},
            constant_data=constant,
            dims={
                "group_shift": ["group"],
                "count_share": ["count"],
                **{name: ["event"] for name in ("detected", *COLUMNS)},
            },
            coords={"group": groups, "count": counts},
            units=UNITS,
            attrs={"notes": list(history.notes)},
        )
