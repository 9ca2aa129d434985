"""Means, standard deviations and intervals of a hypocentre; its uncertainty ellipse."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import ndtri

from eqstat._core.checks import check_probability
from eqstat._core.density import quantile
from eqstat._core.explain import explained
from eqstat.geodesy import LocalFrame, wrap_longitude
from eqstat.hypocentre._check import GRID, NORMAL, PLACE, UNITS, check, form_of, frame_of
from eqstat.hypocentre._draws import resample
from eqstat.hypocentre._region import local_draws

STATISTICS = ("mean", "sd", "low", "median", "high")
POINTS = 4096  # evenly spread, for origin times of a grid that are normal within the cells


@explained
class Ellipse(NamedTuple):
    """An uncertainty ellipse of the epicentre.

    Attributes
    ----------
    latitude, longitude
        Its centre, the mean, degrees.
    semi_major_km, semi_minor_km
        Half axes, km.
    azimuth_deg
        Of the major axis, degrees clockwise from north, in [0, 180).
    probability
        Content of the ellipse of a normal distribution with the posterior's covariance.

    Examples
    --------
    >>> ellipse = Ellipse(46.0, 7.0, 5.0, 2.0, 30.0, 0.9)
    >>> round(np.pi * ellipse.semi_major_km * ellipse.semi_minor_km, 1)  # its area
    31.4
    """

    latitude: float
    longitude: float
    semi_major_km: float
    semi_minor_km: float
    azimuth_deg: float
    probability: float


def weighted_quantiles(values: np.ndarray, weight: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Quantiles of weighted draws; those of NumPy where weights are equal."""
    if np.ptp(weight) <= 1e-12 * weight.max():
        return np.quantile(values, at)
    order = np.argsort(values)
    reached = np.cumsum(weight[order]) - 0.5 * weight[order]
    return np.interp(at, reached / weight.sum(), values[order])


def _of_cells(hypocentre: xr.Dataset, name: str, at: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and quantiles along an axis of a grid."""
    weight = hypocentre["weight"]
    mass = weight.sum([dim for dim in weight.dims if dim != name]).to_numpy()
    return _of_mass(hypocentre, name, mass, at)


def _magnitude_mass(hypocentre: xr.Dataset) -> np.ndarray:
    """Probabilities of the cells of magnitude."""
    given, weight = hypocentre["magnitude_probability"], hypocentre["weight"]
    of_cells = weight.sum([dim for dim in weight.dims if dim not in given.dims])
    return (of_cells * given).sum(of_cells.dims).to_numpy()


def _of_mass(hypocentre: xr.Dataset, name: str, mass: np.ndarray, at: np.ndarray) -> np.ndarray:
    bounds = hypocentre[f"{name}_bounds"].to_numpy()
    # Mass lies evenly within a cell, a twelfth of the square of its width about the middle.
    centres = bounds.mean(axis=1)
    mean = mass @ centres
    variance = mass @ ((centres - mean) ** 2 + np.diff(bounds, axis=1)[:, 0] ** 2 / 12)
    edges = np.append(bounds[:, 0], bounds[-1, 1])
    return np.array([mean, np.sqrt(variance), *quantile(edges, mass, at)])


def _of_draws(values: np.ndarray, weight: np.ndarray, at: np.ndarray, normal: bool) -> np.ndarray:
    mean = weight @ values
    sd = np.sqrt(weight @ (values - mean) ** 2)
    spread = mean + sd * ndtri(at) if normal else weighted_quantiles(values, weight, at)
    return np.array([mean, sd, *spread])


def _rows(hypocentre: xr.Dataset, at: np.ndarray) -> tuple[LocalFrame, dict[str, np.ndarray]]:
    """Statistics of east, north and all other variables."""
    if form_of(hypocentre) == GRID:
        rows = {name: _of_cells(hypocentre, name, at) for name in ("east_km", "north_km")}
        rows["depth_km"] = _of_cells(hypocentre, "depth_km", at)
        if "origin_time_s_bounds" in hypocentre:
            rows["origin_time_s"] = _of_cells(hypocentre, "origin_time_s", at)
        elif "origin_time_s" in hypocentre:
            values = resample(hypocentre, POINTS)["origin_time_s"].to_numpy()
            rows["origin_time_s"] = _of_draws(values, np.full(POINTS, 1 / POINTS), at, False)
        if "magnitude_probability" in hypocentre:
            rows["magnitude"] = _of_mass(hypocentre, "magnitude", _magnitude_mass(hypocentre), at)
        return frame_of(hypocentre), rows
    frame, places, weight = local_draws(hypocentre)
    normal = form_of(hypocentre) == NORMAL
    columns: dict[str, np.ndarray] = {"east_km": places[0], "north_km": places[1]}
    for name in ("depth_km", "origin_time_s", "magnitude"):
        if name in hypocentre:
            columns[name] = hypocentre[name].to_numpy().ravel()
    bounded = ("depth_km",) if "shallowest_km" in hypocentre.attrs else ()
    return frame, {
        name: _of_draws(row, weight, at, normal and name not in bounded)
        for name, row in columns.items()
    }


def summary(hypocentre: xr.Dataset | xr.DataTree, *, probability: float | int = 0.9) -> xr.Dataset:
    """Return means, standard deviations, medians and intervals.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    probability
        Nominal coverage of the intervals, in (0, 1).

    Returns
    -------
    xarray.Dataset
        Over `statistic` ("mean", "sd", "low", "median", "high"): `latitude`, `longitude`,
        `depth_km`, and `origin_time_s` and `magnitude` where they are known; `east_km` and
        `north_km`, in the frame of the attrs, hold the standard deviations in km. Intervals are
        equal-tailed; those of a normal are Wald's. The attrs `interval_probability` and
        `interval_kind` say so.

    Raises
    ------
    eqstat.InputError
        When the hypocentre or the probability cannot be used.

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> drawn = hypocentre.from_draws([46.0] * 5, [7.0] * 5, [6.0, 7.0, 8.0, 9.0, 10.0])
    >>> float(summary(drawn)["depth_km"].sel(statistic="median"))
    8.0
    """
    check_probability("summary", probability=probability)
    checked = check(hypocentre)
    tail = (1 - probability) / 2
    frame, rows = _rows(checked, np.array([tail, 0.5, 1 - tail]))
    east, north = rows["east_km"], rows["north_km"]
    # Every statistic of one coordinate at the median of the other; degrees of one sd there.
    latitude = frame.to_geographic(east[3], np.delete(north, 1))[0]
    longitude = frame.to_geographic(np.delete(east, 1), north[3])[1]
    centre = frame.to_geographic(east[0], north[0])
    latitude[0], longitude[0] = float(centre[0]), float(centre[1])
    step = np.stack([frame.to_geographic(east[3] + east[1], north[3])[1],
                     frame.to_geographic(east[3] - east[1], north[3])[1]])  # fmt: skip
    longitude_sd = 0.5 * float(wrap_longitude(step[0] - step[1]))
    ends = frame.to_geographic(east[3], north[3] + north[1] * np.array([1.0, -1.0]))[0]
    rows["latitude"] = np.insert(latitude, 1, 0.5 * (ends[0] - ends[1]))
    rows["longitude"] = np.insert(longitude, 1, abs(longitude_sd))
    order = ("latitude", "longitude", "depth_km", "origin_time_s", "magnitude", *PLACE)
    made = xr.Dataset(
        {
            name: ("statistic", rows[name], {"units": UNITS[name][0], "long_name": UNITS[name][1]})
            for name in order
            if name in rows
        },
        coords={"statistic": list(STATISTICS)},
        attrs={
            "interval_probability": float(probability),
            "interval_kind": "Wald" if form_of(checked) == NORMAL else "equal-tailed",
            "frame_latitude": frame.latitude,
            "frame_longitude": frame.longitude,
        },
    )
    if "reference_time" in checked.attrs:
        made.attrs["reference_time"] = checked.attrs["reference_time"]
    return made


def uncertainty_ellipse(
    hypocentre: xr.Dataset | xr.DataTree, probability: float | int = 0.9
) -> Ellipse:
    r"""Return the ellipse of a normal distribution with the posterior's mean and covariance.

    .. math:: \{x : (x - \mu)^\top \Sigma^{-1} (x - \mu) \le \chi^2_2(q)\}

    This is the form in which bulletins and QuakeML tell the uncertainty of an epicentre. Where
    the posterior is skew or has several modes, `credible_region` is the better description.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    probability
        Content :math:`q` of the ellipse, in (0, 1).

    Returns
    -------
    Ellipse

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> from eqstat.geodesy import LocalFrame
    >>> normal = hypocentre.from_normal(LocalFrame(46.0, 7.0), [0, 0, 10, 0], np.diag([9, 1, 1, 1]))
    >>> ellipse = uncertainty_ellipse(normal, 0.9)
    >>> round(ellipse.semi_major_km, 2), round(ellipse.semi_minor_km, 2)
    (6.44, 2.15)
    >>> round(ellipse.azimuth_deg, 3)
    90.0
    """
    check_probability("uncertainty_ellipse", probability=probability)
    checked = check(hypocentre)
    if form_of(checked) == GRID:
        weight = checked["weight"]
        mass = weight.sum([dim for dim in weight.dims if dim not in PLACE]).transpose(*PLACE)
        east, north = np.meshgrid(checked["east_km"], checked["north_km"])
        frame, places = frame_of(checked), np.stack([east.ravel(), north.ravel()])
        share = mass.to_numpy().ravel()
        widths = [np.diff(checked[f"{k}_bounds"].to_numpy(), axis=1)[:, 0] for k in PLACE]
        within = np.stack(np.meshgrid(widths[1], widths[0])).reshape(2, -1) ** 2 / 12 @ share
    else:
        frame, places, share = local_draws(checked)
        within = np.zeros(2)
    mean = places @ share
    spread = (places - mean[:, None]) * share @ (places - mean[:, None]).T + np.diag(within)
    values, vectors = np.linalg.eigh(spread)
    minor, major = np.sqrt(-2 * np.log1p(-probability) * np.maximum(values, 0.0))
    latitude, longitude = frame.to_geographic(*mean)
    azimuth = float(np.degrees(np.arctan2(vectors[0, 1], vectors[1, 1])) % 180.0)
    return Ellipse(
        float(latitude), float(longitude), float(major), float(minor), azimuth, float(probability)
    )
