"""Point estimates of the history model, with their Laplace approximation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat.detectability.history._data import History, as_history
from eqstat.detectability.history._model import Prior, model, sensitivity_of, site_names
from eqstat.detectability.history._parameters import Sensitivity
from eqstat.detectability.history._predict import HistoryPosterior
from eqstat.detectability.history._stations import fit_stations
from eqstat.inference import InferenceError, LaplaceFit, importance_draws, laplace

DRAWS = 256
# Earthquakes up to which draws are resampled by their density, which takes its time.
FEW = 2000
GRADIENTS_AT_ONCE = 1
# Sites that are one number for the whole network, and so have a name in a table of estimates.
UNNAMED = ("station_score",)


@dataclass(frozen=True)
class HistoryFit(LaplaceFit):
    """A fitted history model: a `Fit` with what predictions need.

    Attributes
    ----------
    mode
        The parameters at the mode of the posterior; None where nothing finite came out.
    history
        What was fitted.

    Examples
    --------
    See `fit`.
    """

    mode: Sensitivity | None = field(kw_only=True)
    history: History = field(kw_only=True)

    @property
    def sensitivity(self) -> Sensitivity:
        """The parameters at the estimate.

        Raises
        ------
        eqstat.inference.InferenceError
            Where nothing finite came out.
        """
        if self.mode is None:
            raise InferenceError(self.result)
        return self.mode

    def draws(self, key: PRNGKeyArray, count: int) -> dict[str, np.ndarray]:
        """Draw the model's sites.

        By importance sampling (`eqstat.inference.importance_draws`) from at most 2,000 earthquakes,
        where shares near 1 are far from normal; else from the normal approximation, and with terms
        of stations, whose standard deviation is held.
        """
        if self.history.data.station_effects:
            fixed = {"station_sd": np.full(count, float(self.sensitivity.station_sd))}
            return super().draws(key, count) | fixed
        if len(self.history.events) > FEW:
            return super().draws(key, count)
        return importance_draws(self.laplace, key, count)[0]

    def posterior(self, key: PRNGKeyArray, count: int = DRAWS) -> HistoryPosterior:
        """Draw from the Laplace approximation.

        Parameters
        ----------
        key
            JAX random key.
        count
            Number of draws.

        Returns
        -------
        HistoryPosterior
        """
        return HistoryPosterior.of(self.draws(key, count), self.history)


def start_values(history: History) -> dict[str, np.ndarray]:
    """Starting values: the model's defaults, at the magnitude half of the earthquakes exceed."""
    data = history.data
    values = {name: np.asarray(value, np.float64) for name, value in vars(Sensitivity()).items()}
    values["group_shift"] = np.zeros(data.groups - 1)
    values["count_share"] = np.full(len(data.counts), 1 / len(data.counts))
    values["masked_share"] = np.asarray(0.5)
    values["station_sd"] = np.asarray(0.3)
    values["station_score"] = np.zeros(len(data.group))
    rows = np.asarray(data.weight) > 0
    # Of the earthquakes' k-th stations, the magnitude that splits hits and misses best.
    index = min(max(data.counts), data.distance_km.shape[1]) - 1
    distance = np.maximum(np.asarray(data.distance_km)[rows, index], 1.0)
    size = np.asarray(data.magnitude)[rows] - 2.0 * np.log10(distance / 50.0)
    hit = np.asarray(data.detected)[rows] > 0
    if hit.any() and not hit.all():
        cuts = np.quantile(size, np.linspace(0.02, 0.98, 49))
        errors = [np.sum((size > cut) != hit) for cut in cuts]
        values["magnitude_50_km"] = np.asarray(cuts[int(np.argmin(errors))])
    elif hit.any():
        values["magnitude_50_km"] = np.asarray(np.quantile(size, 0.2))
    return {name: values[name] for name in site_names(data)}


def fit(
    history: History,
    *,
    prior: Prior | None = None,
    station_sd: float | int = 0.3,
    throw: bool = True,
) -> HistoryFit:
    """Fit the history model: the mode of the posterior, in float64.

    By BFGS, with the Laplace approximation. The joint mode of terms of stations and of their
    standard deviation tells nothing of the latter: here it is given, `sample` estimates it. With
    such terms the covariance is the inverse of the expected information, not of the Hessian.

    Parameters
    ----------
    history
        From `prepare` or `simulate`.
    prior
        The priors; `Prior()` by default.
    station_sd
        Standard deviation of the stations' shifts, magnitudes, above 0; used with terms of
        stations only.
    throw
        Raise where no usable estimate came out; with False look at `HistoryFit.result`.

    Returns
    -------
    HistoryFit
        Estimates with standard errors; `posterior` gives draws for `detection_probability`.

    Raises
    ------
    eqstat.inference.InferenceError
        With `throw`, when the search did not converge or nothing finite came out.

    Examples
    --------
    >>> import jax
    >>> from eqstat.detectability.history import Design, simulate
    >>> history = simulate(jax.random.key(0), Sensitivity(), Design(events=400))
    >>> result = fit(history)
    >>> abs(result["magnitude_50_km"] - 2.0) < 4 * result.standard_error["magnitude_50_km"]
    True
    """
    history = as_history("fit", history)
    prior = Prior() if prior is None else prior
    check_kind("fit", Prior, "use `Prior(...)`", prior=prior)
    data = history.data
    start = start_values(history)
    fixed: dict[str, Any] = {}
    if data.station_effects and data.only_detected:
        raise InputError(
            "fit: terms of stations cannot be fitted to detected earthquakes only; sample them, "
            "or prepare without station_effects"
        )
    if data.station_effects:
        check_range("fit", 0, ends="()", station_sd=station_sd)
        fixed["station_sd"] = float(station_sd)
        approximation = fit_stations(
            data, prior, {**start, "station_sd": np.asarray(float(station_sd))}
        )
    else:
        begin = {name: value[None] for name, value in start.items()}
        approximation = laplace(model, (data, prior), begin, batch=GRADIENTS_AT_ONCE)
    labels = {name: [name] for name in site_names(data) if name not in (*fixed, *UNNAMED)}
    if "group_shift" in labels:
        labels["group_shift"] = [f"group_shift[{group}]" for group in history.groups[1:]]
    if "count_share" in labels:
        labels["count_share"] = [f"count_share[{count}]" for count in data.counts]
    names, estimate, spread = approximation.marginal(labels)
    sites = {**approximation.sites, **fixed}
    sensitivity: Sensitivity | None = None
    if all(np.all(np.isfinite(value)) for value in sites.values()):
        with jax.enable_x64(True):
            sensitivity = sensitivity_of({name: jnp.asarray(v) for name, v in sites.items()})
    events = int(np.sum(data.weight))
    result = HistoryFit(
        names,
        estimate,
        spread,
        objective=float(approximation.optimum.objective),
        result=approximation.result,
        diagnostics={"events": events, **approximation.diagnostics, **fixed},
        laplace=approximation,
        labels=labels,
        mode=sensitivity,
        history=history,
    )
    if throw and not result.result.ok:
        raise InferenceError(result.result, f"{events} earthquakes")
    return result
