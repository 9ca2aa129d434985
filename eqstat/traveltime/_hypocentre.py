"""The hypocentre of a travel-time location, in the form of `eqstat.hypocentre`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from eqstat import hypocentre
from eqstat._core.checks import check_kind
from eqstat.geodesy import LocalFrame
from eqstat.inference import Fit
from eqstat.traveltime._data import Observations, as_observations
from eqstat.traveltime._grids._density import SPACE
from eqstat.traveltime._grids._posterior import GridPosterior

SITES = (*SPACE, "origin_time_s")
JSON_NAMES = ("longitude_km", "latitude_km", "depth_km", "origin_time_s")


def to_hypocentre(
    observations: Observations, result: Fit | GridPosterior | xr.DataTree
) -> xr.Dataset:
    """Return the hypocentre of a location in the one form that `eqstat.hypocentre` works with.

    Parameters
    ----------
    observations
        What was located.
    result
        From `fit`: the normal distribution of its estimate and covariance (Wald's); from `grid`:
        the grid; from `sample`: the draws.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    eqstat.InputError
        When a fit has no covariance of the epicentre.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import hypocentre, traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> posterior = to_hypocentre(observations, traveltime.fit(observations, throw=False))
    >>> hypocentre.credible_region(posterior, 0.9).kind
    'normal ellipse'
    """
    observations = as_observations("to_hypocentre", observations)
    check_kind(
        "to_hypocentre",
        (Fit, GridPosterior, xr.DataTree),
        "give what `fit`, `grid` or `sample` returns",
        result=result,
    )
    if isinstance(result, GridPosterior):
        return result.hypocentre
    frame = observations.frame
    if isinstance(result, Fit):
        at = [result.names.index(name) for name in SITES]
        return hypocentre.from_normal(
            frame,
            result.estimate[at],
            result.covariance[np.ix_(at, at)],
            shallowest_km=0.0,
            reference_time=observations.reference_time,
        )
    drawn = hypocentre.check(result)
    drawn.attrs.update(
        frame_latitude=frame.latitude,
        frame_longitude=frame.longitude,
        reference_time=observations.reference_time.isoformat(),
    )
    return drawn


class Statistics(NamedTuple):
    """Point, standard errors and intervals of a location."""

    latitude: float
    longitude: float
    depth_km: float
    origin_time_s: float
    standard_error: dict[str, float]
    interval: dict[str, Any]
    kind: str


def statistics_of_fit(fit: Fit, frame: LocalFrame, probability: float) -> Statistics:
    """Estimate and its intervals; NaN for what is at a bound and has no profile."""
    bounds = fit.interval(probability)
    errors = fit.standard_error
    latitude, longitude = frame.to_geographic(fit["east_km"], fit["north_km"])
    return Statistics(
        latitude=float(latitude),
        longitude=float(longitude),
        depth_km=fit["depth_km"],
        origin_time_s=fit["origin_time_s"],
        standard_error={json: errors[site] for json, site in zip(JSON_NAMES, SITES, strict=True)},
        interval={
            "latitude": frame.to_geographic(fit["east_km"], np.array(bounds["north_km"]))[0],
            "longitude": frame.to_geographic(np.array(bounds["east_km"]), fit["north_km"])[1],
            "depth_km": bounds["depth_km"],
            "origin_time_s": bounds["origin_time_s"],
        },
        kind="Wald, depth by profile likelihood" if "depth_km" in fit.profiles else "Wald",
    )


def statistics_of(posterior: xr.Dataset, probability: float) -> Statistics:
    """Medians, standard deviations and equal-tailed intervals of a hypocentre."""
    table = hypocentre.summary(posterior, probability=probability)
    median = table.sel(statistic="median")
    sd = table.sel(statistic="sd")
    bounds = table.sel(statistic=["low", "high"])
    return Statistics(
        latitude=float(median["latitude"]),
        longitude=float(median["longitude"]),
        depth_km=float(median["depth_km"]),
        origin_time_s=float(median["origin_time_s"]),
        standard_error={
            json: float(sd[site]) for json, site in zip(JSON_NAMES, SITES, strict=True)
        },
        interval={
            name: bounds[name].to_numpy()
            for name in ("latitude", "longitude", "depth_km", "origin_time_s")
        },
        kind=str(table.attrs["interval_kind"]),
    )
