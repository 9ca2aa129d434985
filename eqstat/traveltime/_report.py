"""The report of a location: what a seismologist asks of it, whichever method found it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array
from scipy import special

from eqstat import geodesy
from eqstat._core.json import to_plain
from eqstat.inference import Fit, InferenceError
from eqstat.traveltime import _region
from eqstat.traveltime._data import Observations, TriggerData
from eqstat.traveltime._grid_density import SPACE
from eqstat.traveltime._grid_posterior import GridPosterior
from eqstat.traveltime._likelihood import MixtureParameters, arrival_times, class_probabilities
from eqstat.traveltime._region import Region
from eqstat.traveltime._sample import parameters_of

REPORT_DRAWS = 4000
CLASS_DRAWS = 200
SITES = (*SPACE, "origin_time_s")
JSON_NAMES = ("longitude_km", "latitude_km", "depth_km", "origin_time_s")


@dataclass(frozen=True)
class Location:
    """A located detection.

    Attributes
    ----------
    method
        "bfgs", "grid" or "nuts".
    likelihood
        "gaussian" or "mixture".
    latitude, longitude, depth_km, origin_time
        The hypocentre: the optimum, or the medians of the posterior's marginals.
    standard_error
        Of `latitude_km`, `longitude_km`, `depth_km`, `origin_time_s`.
    interval
        Equal-tailed intervals of `latitude`, `longitude` (degrees), `depth_km` and
        `origin_time` at `region.probability`.
    region
        Credible region of the epicentre.
    azimuthal_gap_deg
        Largest gap between neighbouring azimuths from the epicentre to the devices, degrees.
    nearest_device_km
        Epicentral distance of the nearest triggered device.
    triggers
        The rows in use with `distance_km`, `azimuth_deg`, `residual_s` (to the most probable
        phase, mean delay taken off), `probability_p`, `probability_s`,
        `probability_background`.
    left_out
        The rows not in use, with a `reason`.
    silent
        Number of active devices that stayed silent.
    result
        The sentence of the result code.
    diagnostics
        What the method tells of itself.
    """

    method: str
    likelihood: str
    latitude: float
    longitude: float
    depth_km: float
    origin_time: pd.Timestamp
    standard_error: dict[str, float]
    interval: dict[str, Any]
    region: Region
    azimuthal_gap_deg: float
    nearest_device_km: float
    triggers: pd.DataFrame
    left_out: pd.DataFrame
    silent: int
    result: str
    diagnostics: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, texts and lists, ready for JSON; NaN becomes None."""
        counts = self.left_out["reason"].value_counts() if len(self.left_out) else pd.Series()
        used = len(self.triggers)
        return to_plain(
            {
                "method": self.method,
                "likelihood": self.likelihood,
                "hypocentre": {
                    "latitude": self.latitude,
                    "longitude": self.longitude,
                    "depth_km": self.depth_km,
                    "origin_time": self.origin_time,
                },
                "standard_error": self.standard_error,
                "interval": self.interval,
                "region": {
                    "probability": self.region.probability,
                    "area_km2": self.region.area_km2,
                    "kind": self.region.kind,
                    "polygon": [ring.tolist() for ring in self.region.polygons],
                },
                "azimuthal_gap_deg": self.azimuthal_gap_deg,
                "nearest_device_km": self.nearest_device_km,
                "triggers": {
                    "given": used + len(self.left_out),
                    "used": used,
                    "silent": self.silent,
                    "left_out": {str(reason): int(n) for reason, n in counts.items()},
                },
                "result": self.result,
                "diagnostics": self.diagnostics,
            }
        )


def _sites_of(result: Fit | GridPosterior | xr.DataTree) -> dict[str, np.ndarray]:
    """Draws (or the one estimate) of all sites, first axis the draw."""
    if isinstance(result, GridPosterior):
        return result.draws(0, REPORT_DRAWS)
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


def _region_of(
    result: Fit | GridPosterior | xr.DataTree,
    sites: Mapping[str, np.ndarray],
    frame: Any,
    probability: float,
) -> Region:
    if isinstance(result, GridPosterior):
        east, north = SPACE[:2]
        return _region.from_density(
            result.centres(east),
            result.centres(north),
            result.mass.sum(axis=2).T,
            np.outer(np.diff(result.edges(north)), np.diff(result.edges(east))),
            probability,
            frame,
        )
    if isinstance(result, Fit):
        at = [result.names.index(name) for name in SPACE[:2]]
        return _region.from_normal(
            result.estimate[at], result.covariance[np.ix_(at, at)], probability, frame
        )
    return _region.from_draws(sites["east_km"], sites["north_km"], probability, frame)


def _spread(
    result: Fit | GridPosterior | xr.DataTree,
    sites: Mapping[str, np.ndarray],
    probability: float,
) -> tuple[dict[str, float], dict[str, float], dict[str, tuple[float, float]]]:
    """Point, standard error and interval of the four sites."""
    if isinstance(result, Fit):
        point = {name: result[name] for name in SITES}
        errors = {name: result.standard_error[name] for name in SITES}
        width = float(special.ndtri(0.5 + probability / 2))
        return (
            point,
            errors,
            {n: (point[n] - width * errors[n], point[n] + width * errors[n]) for n in SITES},
        )
    tails = np.array([0.5 - probability / 2, 0.5, 0.5 + probability / 2])
    point, errors, interval = {}, {}, {}
    for name in SITES:
        exact = isinstance(result, GridPosterior) and name in SPACE
        low, middle, high = (
            result.quantile(name, tails) if exact else np.quantile(sites[name], tails)
        )
        point[name], interval[name] = float(middle), (float(low), float(high))
        errors[name] = float(np.std(sites[name]))
    return point, errors, interval


def _diagnostics(result: Fit | GridPosterior | xr.DataTree) -> tuple[str, str, dict[str, Any]]:
    if isinstance(result, Fit):
        about = {**result.diagnostics, "objective": result.objective}
        if result.at_bound:
            about["at_bound"] = list(result.at_bound)
        return "bfgs", result.result.value, about
    if isinstance(result, GridPosterior):
        cells = int(np.prod(result.mass.shape))
        return "grid", result.result.value, {"log_evidence": result.log_evidence, "cells": cells}
    names = ("r_hat_max", "ess_bulk_min", "ess_tail_min", "divergences")
    return "nuts", result.attrs["result_text"], {name: result.attrs[name] for name in names}


def report(
    observations: Observations,
    result: Fit | GridPosterior | xr.DataTree,
    *,
    probability: float = 0.9,
) -> Location:
    """Report a location found by `fit`, `grid` or `sample`.

    Parameters
    ----------
    observations
        What was located.
    result
        From `fit`, `grid` or `sample`.
    probability
        Content of intervals and region. Those of a fit are Wald's, from the Hessian; where
        the posterior is a long ridge they cover too little, and grid and NUTS do not.

    Returns
    -------
    Location
    """
    if isinstance(result, Fit) and not np.all(np.isfinite(result.estimate[:4])):
        raise InferenceError(result.result, f"{len(observations.triggers)} triggers")
    frame = observations.frame
    sites = _sites_of(result)
    point, errors, interval = _spread(result, sites, probability)
    latitude, longitude = (
        float(v) for v in frame.to_geographic(point["east_km"], point["north_km"])
    )
    chances, residuals = _classes(observations, sites, point)
    used = observations.triggers
    places = used["latitude"].to_numpy(), used["longitude"].to_numpy()
    distance = geodesy.great_circle_distance(latitude, longitude, *places)
    azimuth = geodesy.azimuth(latitude, longitude, *places)
    wave = np.argmax(chances[:, :2], axis=1)
    rows = used.assign(
        distance_km=distance,
        azimuth_deg=azimuth,
        residual_s=np.take_along_axis(residuals, wave[:, None], axis=1)[:, 0],
        probability_p=chances[:, 0],
        probability_s=chances[:, 1],
        probability_background=chances[:, 2],
    )
    likely = chances[:, 2] < 0.5
    method, sentence, diagnostics = _diagnostics(result)
    ends = [
        frame.to_geographic(point["east_km"], np.array(interval["north_km"]))[0],
        frame.to_geographic(np.array(interval["east_km"]), point["north_km"])[1],
    ]
    times = [
        observations.time_of(second) if np.isfinite(second) else None
        for second in interval["origin_time_s"]
    ]
    return Location(
        method=method,
        likelihood="mixture" if "shares" in sites else "gaussian",
        latitude=latitude,
        longitude=longitude,
        depth_km=point["depth_km"],
        origin_time=observations.time_of(point["origin_time_s"]),
        standard_error={json: errors[site] for json, site in zip(JSON_NAMES, SITES, strict=True)},
        interval={
            "probability": probability,
            "kind": "Wald" if isinstance(result, Fit) else "equal-tailed",
            "latitude": [float(v) for v in ends[0]],
            "longitude": [float(v) for v in ends[1]],
            "depth_km": list(interval["depth_km"]),
            "origin_time": times,
        },
        region=_region_of(result, sites, frame, probability),
        azimuthal_gap_deg=float(geodesy.azimuthal_gap(azimuth[likely])) if likely.any() else 360.0,
        nearest_device_km=float(distance.min()),
        triggers=rows,
        left_out=observations.left_out,
        silent=int(np.sum(observations.data.silent_mask)),
        result=sentence,
        diagnostics=diagnostics,
    )
