"""Estimates, draws and predictions of alert delays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_choice, check_key, check_range
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.detectability.history.delay._data import Alerts
from eqstat.detectability.history.delay._model import (
    OF_SYSTEMS,
    REFERENCE_S,
    SITES,
    WIDER,
    Prior,
    delay_of,
    model,
    pointwise_log_likelihood,
)
from eqstat.inference import InferenceError, LaplaceFit, laplace, posterior_sites, run_nuts

CLOUD = 512


@dataclass(frozen=True)
class DelayFit(LaplaceFit):
    """Fitted alert delays: a `Fit` with the alerts.

    Attributes
    ----------
    alerts
        What was fitted.

    Examples
    --------
    See `fit`.
    """

    alerts: Alerts = field(kw_only=True)


def fit(alerts: Alerts, *, prior: Prior | None = None, throw: bool = True) -> DelayFit:
    """Fit alert delays: the mode of the posterior, by BFGS in float64.

    Parameters
    ----------
    alerts
        From `prepare` or `simulate`.
    prior
        The priors; `Prior()` by default.
    throw
        Raise where no usable estimate came out; with False look at `DelayFit.result`.

    Returns
    -------
    DelayFit

    Raises
    ------
    eqstat.inference.InferenceError
        With `throw`, when the search did not converge or nothing finite came out.

    Examples
    --------
    >>> from eqstat.detectability.history.delay import AlertDelay, simulate
    >>> alerts = simulate(jax.random.key(0), AlertDelay(), travel_s=np.linspace(3.0, 9.0, 200))
    >>> bool(abs(fit(alerts)["processing_s[s0]"] - 8.0) < 1.0)
    True
    """
    prior = Prior() if prior is None else prior
    data = alerts.data
    rest = data.delay_s - data.travel_s
    middle = float(np.nanmedian(rest)) if np.isfinite(rest).any() else 8.0
    start = {
        "overall_log_s": np.log(max(middle, 0.5)),
        "system_log_sd": 0.4,
        "system_score": np.zeros(data.systems),
        "scatter_log_sd": np.full(data.systems, 0.3),
        "outlier_share": np.full(data.systems, 0.05),
        "travel_slope": 0.0,
        "alert_share": np.full(data.systems, 0.5),
    }
    begin = {name: np.asarray(value)[None] for name, value in start.items()}
    approximation = laplace(model, (data, prior), begin)
    labels = {name: [name] for name in SITES if name not in OF_SYSTEMS}
    for name in ("processing_s", *OF_SYSTEMS[1:]):
        labels[name] = [f"{name}[{system}]" for system in alerts.systems]
    result = DelayFit(
        *approximation.marginal(labels),
        objective=float(approximation.optimum.objective),
        result=approximation.result,
        diagnostics={"events": len(data.delay_s), **approximation.diagnostics},
        laplace=approximation,
        labels=labels,
        alerts=alerts,
    )
    if throw and not result.result.ok:
        raise InferenceError(result.result, f"{len(data.delay_s)} earthquakes")
    return result


def sample(
    key: PRNGKeyArray,
    alerts: Alerts,
    *,
    prior: Prior | None = None,
    chains: int = 4,
    warmup: int = 250,
    draws: int = 500,
    progress: bool | None = None,
) -> xr.DataTree:
    """Sample the posterior of alert delays by NUTS.

    Parameters
    ----------
    key
        JAX random key.
    alerts, prior
        As in `fit`.
    chains, warmup, draws
        Number of chains, of warm-up steps, and of draws of each chain.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    xarray.DataTree
        Groups `posterior`, `sample_stats`, `log_likelihood` and `observed_data`.

    Examples
    --------
    >>> from eqstat.detectability.history.delay import AlertDelay, simulate
    >>> alerts = simulate(jax.random.key(0), AlertDelay(), travel_s=np.linspace(3.0, 9.0, 60))
    >>> tree = sample(jax.random.key(1), alerts, chains=1, draws=250, progress=False)
    >>> tree["posterior"]["processing_s"].dims
    ('chain', 'draw', 'system')
    """
    check_key("sample", key)
    prior = Prior() if prior is None else prior
    cloud = fit(alerts, prior=prior).draws(jax.random.fold_in(key, 0), CLOUD)
    with jax.enable_x64(True):
        data, priors = jax.tree.map(jnp.asarray, (alerts.data, prior))

        def log_likelihood(sites: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            each = jax.vmap(jax.vmap(lambda one: pointwise_log_likelihood(delay_of(one), data)))
            chosen = {name: jnp.asarray(sites[name]) for name in SITES}
            return {"delay_s": np.asarray(each(chosen))}

        return run_nuts(
            jax.random.fold_in(key, 1),
            model,
            (data, priors),
            {name: cloud[name] for name in SITES},
            chains=chains,
            warmup=warmup,
            draws=draws,
            progress=progress,
            derived=lambda sites: {"processing_s": np.asarray(delay_of(sites).processing_s)},
            log_likelihood=log_likelihood,
            observed_data={"delay_s": alerts.data.delay_s},
            dims={
                **{name: ["system"] for name in ("processing_s", *OF_SYSTEMS)},
                "delay_s": ["event"],
            },
            coords={"system": list(alerts.systems)},
            attrs={"notes": list(alerts.notes)},
        )


def predict(
    key: PRNGKeyArray,
    posterior: xr.DataTree | Mapping[str, np.ndarray],
    alerts: Alerts,
    travel_s: ArrayLike,
    system: str,
    *,
    quantiles: ArrayLike = (0.16, 0.5, 0.84),
    draws: int = 2000,
) -> xr.Dataset:
    """Posterior predictive quantiles of the delay of an alert, given that one comes.

    Parameters
    ----------
    key
        JAX random key.
    posterior
        From `sample`, or draws of a fit (`DelayFit.draws`).
    alerts
        What was fitted.
    travel_s
        Travel times to the completing station, s, above 0.
    system
        Name of the system.
    quantiles
        Their probabilities, in [0, 1].
    draws
        Number of predictive draws for each travel time.

    Returns
    -------
    xarray.Dataset
        `delay_s` over `travel` (s) and `quantile`, and of all these travel times together, each
        once, as `pooled_delay_s`.

    Examples
    --------
    >>> from eqstat.detectability.history.delay import AlertDelay, fit, simulate
    >>> alerts = simulate(jax.random.key(0), AlertDelay(), travel_s=np.linspace(3.0, 9.0, 200))
    >>> own = fit(alerts).draws(jax.random.key(1), 500)
    >>> curve = predict(jax.random.key(2), own, alerts, [4.0, 8.0], "s0")
    >>> curve["delay_s"].dims
    ('travel', 'quantile')
    """
    check_key("predict", key)
    check_choice("predict", alerts.systems, system=system)
    check_range("predict", 0, 1, quantiles=quantiles)
    travel = np.atleast_1d(np.asarray(travel_s, np.float64))
    check_range("predict", 0, ends="()", travel_s=travel)
    sites = posterior_sites(posterior) if isinstance(posterior, xr.DataTree) else posterior
    delay = jax.tree.map(np.asarray, delay_of({name: sites[name] for name in SITES}))
    rng = generator(key)
    chosen = rng.integers(0, len(delay.travel_slope), (len(travel), draws))
    number = alerts.systems.index(system)
    centre = np.log(delay.processing_s)[:, number][chosen]
    centre = centre + delay.travel_slope[chosen] * np.log(travel / REFERENCE_S)[:, None]
    outlier = rng.random(chosen.shape) < delay.outlier_share[:, number][chosen]
    scatter = delay.scatter_log_sd[:, number][chosen] * np.where(outlier, WIDER, 1.0)
    value = travel[:, None] + np.exp(rng.normal(centre, scatter))
    levels = np.atleast_1d(np.asarray(quantiles, np.float64))
    attributes = {"units": "s", "long_name": "delay of the first alert after the origin"}
    return xr.Dataset(
        {
            "delay_s": (("travel", "quantile"), np.quantile(value, levels, axis=1).T, attributes),
            "pooled_delay_s": ("quantile", np.quantile(value, levels), attributes),
        },
        coords={
            "travel": ("travel", travel, {"units": "s", "long_name": "travel time"}),
            "quantile": ("quantile", levels, {"units": "1", "long_name": "probability"}),
        },
        attrs={"system": system},
    )
