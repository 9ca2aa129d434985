"""Summary of a location by any method: hypocentre, uncertainty, geometry, residuals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array

from eqstat import geodesy, hypocentre
from eqstat._core.checks import check_kind, check_probability
from eqstat.hypocentre import CredibleRegion
from eqstat.inference import Fit
from eqstat.traveltime._arrays import PROBABILITIES
from eqstat.traveltime._data import Observations, TriggerData
from eqstat.traveltime._fit import verdict_on
from eqstat.traveltime._grids._density import SPACE
from eqstat.traveltime._grids._posterior import GridPosterior
from eqstat.traveltime._hypocentre import (
    Statistics,
    statistics_of,
    statistics_of_fit,
    to_hypocentre,
)
from eqstat.traveltime._likelihood import arrival_times, class_probabilities
from eqstat.traveltime._location import Location
from eqstat.traveltime._parameters import MixtureParameters
from eqstat.traveltime._results import failure, sentence
from eqstat.traveltime._sample import parameters_of

CLASS_DRAWS = 200


def _sites_of(result: Fit | GridPosterior | xr.DataTree) -> dict[str, np.ndarray]:
    """Draws (or the one estimate) of all sites, first axis the draw.

    Only the mixture's class probabilities depend on all sites, and its grid keeps its particles.
    For the Gaussian grid the mode does, whose hypocentre is replaced by the medians.
    """
    if isinstance(result, GridPosterior):
        if result.particles is not None:
            return result.particles
        assert result.mode is not None
        sites = {name: np.asarray(value)[None] for name, value in result.mode.sites.items()}
        return {**sites, "origin_time_s": sites["arrival_s"]}
    if isinstance(result, Fit):
        values = {name: np.array([result[name]]) for name in result.names}
        if "p_share" in values:
            shares = [values.pop(f"{name}_share") for name in ("p", "s", "background")]
            values["shares"] = np.stack(shares, axis=-1)
        return values
    posterior = result["posterior"].to_dataset()
    return {
        str(name): values.to_numpy().reshape(-1, *values.shape[2:])
        for name, values in posterior.data_vars.items()
        if name not in ("latitude", "longitude")
    }


@jax.jit
def _mean_class_probabilities(sites: dict[str, Array], data: TriggerData) -> Array:
    def one(values: dict[str, Array]) -> Array:
        params = parameters_of(values)
        assert isinstance(params, MixtureParameters)
        return class_probabilities(params, data)

    return jnp.mean(jax.vmap(one)(sites), axis=0)


@jax.jit
def _arrivals(sites: dict[str, Array], data: TriggerData) -> tuple[Array, Array]:
    return arrival_times(parameters_of(sites), data)


def _classes(
    observations: Observations, sites: Mapping[str, np.ndarray], point: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Class probabilities averaged over draws (n, 3), and residuals by class at the point."""
    count = len(observations.triggers)
    step = max(1, len(sites["east_km"]) // CLASS_DRAWS)
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, observations.data)
        thinned = {name: jnp.asarray(values[::step]) for name, values in sites.items()}
        middle = {name: jnp.asarray(np.median(v, axis=0)) for name, v in sites.items()}
        middle.update({name: jnp.asarray(value) for name, value in point.items()})
        p, s = _arrivals(middle, data)
        delay = 0.0
        if "shares" in sites:
            chances = np.asarray(_mean_class_probabilities(thinned, data))
            delay = float(middle["delay_s"])
        else:
            wave = np.where(data.phase == 0, data.wave, data.phase)
            chances = np.stack([wave == 1, wave == 2, wave == 0], axis=1).astype(float)
    times = np.asarray(data.time_s)
    residuals = np.stack([times - np.asarray(p) - delay, times - np.asarray(s) - delay], axis=1)
    return chances[:count], residuals[:count]


def _diagnostics(result: Fit | GridPosterior | xr.DataTree) -> tuple[str, str, dict[str, Any]]:
    if isinstance(result, Fit):
        about = {**result.diagnostics, "objective": result.objective}
        if result.at_bound:
            about["at_bound"] = list(result.at_bound)
        return "bfgs", verdict_on(result).text, about
    if isinstance(result, GridPosterior):
        cells = int(np.prod(result.mass.shape))
        return (
            "grid",
            result.result_text or sentence(result.result),
            {"log_evidence": result.log_evidence, "cells": cells},
        )
    names = ("r_hat_max", "ess_bulk_min", "ess_tail_min", "divergences")
    return "nuts", result.attrs["result_text"], {name: result.attrs[name] for name in names}


def located(
    posterior: xr.Dataset | None,
    *,
    statistics: Statistics,
    probability: float,
    reference_time: pd.Timestamp,
    picks: pd.DataFrame,
    chances: np.ndarray,
    **others: Any,
) -> Location:
    """Put a location together from its hypocentre and what is known of the triggers.

    Parameters
    ----------
    posterior
        The hypocentre; None where a fit has no covariance of the epicentre.
    statistics
        Point and intervals.
    probability
        Content of intervals and region.
    reference_time
        The time of second 0.
    picks
        The rows in use, with `residual_s` and the class probabilities to be added.
    chances
        Probabilities of P, S and background, (n, 3).
    others
        Fields of `Location` that are passed on.
    """

    def time_of(seconds: float) -> pd.Timestamp | None:
        known = np.isfinite(seconds)
        return reference_time + pd.Timedelta(float(seconds), unit="s") if known else None

    places = picks["latitude"].to_numpy(), picks["longitude"].to_numpy()
    place = statistics.latitude, statistics.longitude
    distance = geodesy.great_circle_distance(*place, *places)
    azimuth = geodesy.azimuth(*place, *places)
    likely = chances[:, 2] < 0.5
    interval = statistics.interval
    origin_time = time_of(statistics.origin_time_s)
    assert origin_time is not None
    return Location(
        latitude=statistics.latitude,
        longitude=statistics.longitude,
        depth_km=statistics.depth_km,
        origin_time=origin_time,
        standard_error=statistics.standard_error,
        interval={
            "probability": probability,
            "kind": statistics.kind,
            **{k: [float(v) for v in interval[k]] for k in ("latitude", "longitude", "depth_km")},
            "origin_time": [time_of(second) for second in interval["origin_time_s"]],
        },
        region=(
            hypocentre.credible_region(posterior, probability)
            if posterior is not None
            else CredibleRegion(probability, float("nan"), (), "normal ellipse")
        ),
        azimuthal_gap_deg=float(geodesy.azimuthal_gap(azimuth[likely])) if likely.any() else 360.0,
        nearest_device_km=float(distance.min()),
        triggers=picks.assign(
            distance_km=distance,
            azimuth_deg=azimuth,
            residual_s=picks["residual_s"],
            **dict(zip(PROBABILITIES, chances.T, strict=True)),
        ),
        hypocentre=posterior,
        **others,
    )


def report(
    observations: Observations,
    result: Fit | GridPosterior | xr.DataTree,
    *,
    probability: float = 0.9,
) -> Location:
    """Summarise a location of `fit`, `grid` or `sample`.

    Parameters
    ----------
    observations
        What was located.
    result
        From `fit`, `grid` or `sample`.
    probability
        Content of intervals and region, in (0, 1). Those of a fit are Wald's, from the Hessian,
        but for the depth of the plain fit, whose profile likelihood gives its interval; where the
        posterior is a long ridge their coverage is too small, and that of grid and NUTS is not.

    Returns
    -------
    Location

    Raises
    ------
    eqstat.inference.InferenceError
        When a fit has no finite estimate.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> location = report(observations, traveltime.fit(observations, throw=False))
    >>> location.method, location.interval["kind"], len(location.triggers)
    ('bfgs', 'Wald, depth by profile likelihood', 6)
    """
    check_probability("report", probability=probability)
    check_kind(
        "report", Observations, "give what `prepare(...)` returned", observations=observations
    )
    remedy = "give what `fit`, `grid` or `sample` returns"
    check_kind("report", (Fit, GridPosterior, xr.DataTree), remedy, result=result)
    if isinstance(result, Fit) and not np.all(np.isfinite(result.estimate[:4])):
        raise failure(result.result, observations.usage)
    if isinstance(result, GridPosterior):
        # It knows for which wave unlabelled triggers were taken.
        observations = result.observations
    frame = observations.frame
    sites = _sites_of(result)
    posterior = None
    if isinstance(result, Fit):
        point = statistics_of_fit(result, frame, probability)
        at = [result.names.index(name) for name in SPACE[:2]]
        if np.all(np.isfinite(result.covariance[np.ix_(at, at)])):
            posterior = to_hypocentre(observations, result)
    else:
        posterior = to_hypocentre(observations, result)
        point = statistics_of(posterior, probability)
    east, north = frame.to_local(point.latitude, point.longitude)
    chances, residuals = _classes(
        observations,
        sites,
        {
            "east_km": float(east),
            "north_km": float(north),
            "depth_km": point.depth_km,
            "origin_time_s": point.origin_time_s,
        },
    )
    wave = np.argmax(chances[:, :2], axis=1)
    method, sentence, diagnostics = _diagnostics(result)
    return located(
        posterior,
        statistics=point,
        probability=probability,
        reference_time=observations.reference_time,
        picks=observations.triggers.assign(
            residual_s=np.take_along_axis(residuals, wave[:, None], axis=1)[:, 0]
        ),
        chances=chances,
        method=method,
        likelihood="mixture" if "shares" in sites else "gaussian",
        left_out=observations.left_out,
        silent=int(np.sum(observations.data.silent_mask)),
        result=sentence,
        diagnostics=diagnostics,
    )
