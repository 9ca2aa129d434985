r"""Hypocentres from draws, from a grid and from a normal distribution, all in one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.special import ndtri

from eqstat._core.errors import InputError
from eqstat._core.explain import explained
from eqstat.geodesy import LocalFrame
from eqstat.hypocentre._align import aligned
from eqstat.hypocentre._check import (
    DRAWS,
    GRID,
    NORMAL,
    PLACE,
    check,
    labelled,
)

# Draws that stand for a normal distribution.
NORMAL_DRAWS = 1024


@explained
class Axis(NamedTuple):
    """An axis of a grid: the centres of its cells, and their edges.

    Attributes
    ----------
    centres
        Ascending, (n,).
    edges
        Ascending, (n + 1,); None for nodes that have no width.

    Examples
    --------
    >>> Axis.of_edges([0.0, 1.0, 3.0]).centres.tolist()
    [0.5, 2.0]
    """

    centres: np.ndarray
    edges: np.ndarray | None = None

    @classmethod
    def of_edges(cls, edges: Any) -> Axis:
        """Return the axis whose cells have these edges, with centres in their middle."""
        ends = np.asarray(edges, np.float64)
        return cls(0.5 * (ends[1:] + ends[:-1]), ends)


def from_draws(
    latitude: Any,
    longitude: Any,
    depth_km: Any,
    origin_time_s: Any = None,
    *,
    magnitude: Any = None,
    weight: Any = None,
    reference_time: Any = None,
) -> xr.Dataset:
    """Make a hypocentre of draws; the n-th value of each argument belongs to the n-th draw.

    Parameters
    ----------
    latitude, longitude
        Of the epicentre, degrees, (draw,) or (chain, draw). Of `xarray.DataArray`, dims and labels
        are matched by name.
    depth_km
        Depth, km, positive down, of the same shape.
    origin_time_s
        Origin time, s after `reference_time`; left out where it is not known.
    magnitude
        Magnitude; left out where it is not known.
    weight
        Weights of the draws, at least 0; equal by default.
    reference_time
        The time of second 0, any form that pandas reads; UTC where it has no zone.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    eqstat.InputError
        When shapes differ or a value is out of range.

    Examples
    --------
    >>> made = from_draws([46.0, 46.1], [7.0, 7.1], [8.0, 12.0], magnitude=[5.4, 5.6])
    >>> dict(made.sizes), made["depth_km"].attrs["units"]
    ({'draw': 2}, 'km')
    """
    given = {
        "latitude": latitude,
        "longitude": longitude,
        "depth_km": depth_km,
        "origin_time_s": origin_time_s,
        "magnitude": magnitude,
        "weight": weight,
    }
    values = {k: aligned(k, v, latitude) for k, v in given.items() if v is not None}
    shape = values["latitude"].shape
    if len(shape) not in (1, 2) or 0 in shape:
        raise InputError("hypocentre: draws have the shape (draw,) or (chain, draw), at least one")
    for name, array in values.items():
        if array.shape != shape:
            raise InputError(f"hypocentre: {name} has the shape {array.shape}, latitude {shape}")
    dims = ("chain", "draw")[-len(shape) :]
    made = xr.Dataset({name: (dims, array) for name, array in values.items()})
    return check(labelled(made, DRAWS, reference_time))


def from_grid(
    frame: LocalFrame,
    axes: Mapping[str, Axis],
    weight: Any,
    *,
    origin_time_s: Any = None,
    origin_time_sd_s: Any = None,
    magnitude: Axis | None = None,
    magnitude_probability: Any = None,
    reference_time: Any = None,
) -> xr.Dataset:
    r"""Make a hypocentre of the posterior probabilities of a grid's cells.

    Parameters
    ----------
    frame
        Local frame of `east_km` and `north_km`.
    axes
        Axes in the order of the dimensions of `weight`: `east_km`, `north_km`, `depth_km`,
        perhaps `origin_time_s`, and others (nuisance parameters).
    weight
        Posterior probabilities of the cells.
    origin_time_s, origin_time_sd_s
        Where the origin time is no axis: its mean and standard deviation given the cell, over
        (east, north, depth); it is normal within a cell.
    magnitude, magnitude_probability
        Cells of the magnitude, where it is known, and their probabilities given place and depth,
        over (east, north, depth, magnitude); the sum over the magnitudes is 1.
    reference_time
        As in `from_draws`.

    Returns
    -------
    xarray.Dataset
        `weight` over the axes, coordinates `latitude` and `longitude` over (`north_km`,
        `east_km`), and the edges of the cells as `NAME_bounds`.

    Raises
    ------
    eqstat.InputError
        When an axis is missing, or shapes differ.

    Examples
    --------
    >>> side, depth = Axis.of_edges([-1.0, 0.0, 1.0]), Axis.of_edges([0.0, 20.0])
    >>> made = from_grid(LocalFrame(46.0, 7.0), {"east_km": side, "north_km": side,
    ...                  "depth_km": depth}, np.full((2, 2, 1), 0.25))
    >>> float(made["weight"].sum())
    1.0
    """
    missing = [name for name in (*PLACE, "depth_km") if name not in axes]
    if missing:
        raise InputError(f"hypocentre: the grid has no axis {', '.join(missing)}")
    mass = np.asarray(weight, np.float64)
    shape = tuple(len(axis.centres) for axis in axes.values())
    if mass.shape != shape:
        raise InputError(f"hypocentre: weight has the shape {mass.shape}, the axes {shape}")
    if any(axes[name].edges is None for name in (*PLACE, "depth_km")):
        raise InputError("hypocentre: the cells of east_km, north_km and depth_km need edges")
    if magnitude is not None:
        axes = {**axes, "magnitude": magnitude}
    latitude, longitude = frame.to_geographic(
        axes["east_km"].centres[None, :], axes["north_km"].centres[:, None]
    )
    made = xr.Dataset(
        {"weight": (tuple(name for name in axes if name != "magnitude"), mass)},
        coords={
            **{name: axis.centres for name, axis in axes.items()},
            "latitude": (PLACE, latitude),
            "longitude": (PLACE, longitude),
        },
    )
    for name, axis in axes.items():
        if axis.edges is not None:
            pairs = np.stack([axis.edges[:-1], axis.edges[1:]], axis=-1)
            made[f"{name}_bounds"] = ((name, "bound"), pairs)
            made[f"{name}_bounds"].attrs["long_name"] = f"edges of the cells along {name}"
            made[name].attrs["bounds"] = f"{name}_bounds"
    within = ("east_km", "north_km", "depth_km")
    for name, values in (("origin_time_s", origin_time_s), ("origin_time_sd_s", origin_time_sd_s)):
        if values is not None:
            made[name] = (within, np.asarray(values, np.float64))
    if magnitude is not None:
        values = np.asarray(magnitude_probability, np.float64)
        made["magnitude_probability"] = ((*within, "magnitude"), values)
    made.attrs.update(frame_latitude=frame.latitude, frame_longitude=frame.longitude)
    return check(labelled(made, GRID, reference_time))


def from_normal(
    frame: LocalFrame,
    mean: Any,
    covariance: Any,
    *,
    count: int = NORMAL_DRAWS,
    shallowest_km: float | int | None = None,
    reference_time: Any = None,
) -> xr.Dataset:
    r"""Make a hypocentre of a normal distribution in local coordinates, as of a Laplace fit.

    The draws are a fixed quasi-random sequence whose mean and covariance are exactly those
    given, so that no random number is needed. Regions and intervals of this form are those of
    the normal distribution itself, but for a depth with a bound: travel times are almost even in
    the depth about the surface, so depths above it stand for those as far below.

    Parameters
    ----------
    frame
        Local frame of the coordinates.
    mean, covariance
        Of `east_km`, `north_km`, `depth_km`, `origin_time_s`; (4,) and (4, 4). A coordinate
        whose variance is not finite (at a bound of its range) is held at its mean.
    count
        Number of draws.
    shallowest_km
        Depth at which draws above it are reflected; None for no bound.
    reference_time
        As in `from_draws`.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    eqstat.InputError
        When the mean, or the covariance of the epicentre, is not finite.

    Examples
    --------
    >>> made = from_normal(LocalFrame(46.0, 7.0), [0.0, 0.0, 10.0, 0.0], np.eye(4))
    >>> round(float(made["depth_km"].mean()), 6), round(float(made["depth_km"].std()), 6)
    (10.0, 1.0)
    """
    centre = np.asarray(mean, np.float64)
    spread = np.array(covariance, np.float64)
    if centre.shape != (4,) or spread.shape != (4, 4):
        raise InputError("hypocentre: a normal has a mean of 4 and a covariance of 4 x 4 numbers")
    if not (np.all(np.isfinite(centre)) and np.all(np.isfinite(spread[:2, :2]))):
        raise InputError("hypocentre: the mean or the covariance of the epicentre is not finite")
    fixed = ~np.isfinite(np.diagonal(spread))
    spread[fixed] = spread[:, fixed] = 0.0
    values, vectors = np.linalg.eigh(0.5 * (spread + spread.T))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    east, north, depth, origin = centre[:, None] + root @ _standard_normal(count, 4)
    latitude, longitude = frame.to_geographic(east, north)
    if shallowest_km is not None:
        depth = shallowest_km + np.abs(depth - shallowest_km)
    made = from_draws(latitude, longitude, depth, origin, reference_time=reference_time)
    made.attrs.update(form=NORMAL, frame_latitude=frame.latitude, frame_longitude=frame.longitude)
    if shallowest_km is not None:
        made.attrs["shallowest_km"] = float(shallowest_km)
    return made


def weyl(count: int, dims: int) -> np.ndarray:
    r"""Return an additive recurrence that fills the unit cube evenly, (dims, count).

    Point n is :math:`(n + 1/2)(\phi^{-1}, \dots, \phi^{-d})` modulo 1, where :math:`\phi` solves
    :math:`\phi^{d+1} = \phi + 1`: a generalised golden ratio.
    """
    ratio = 2.0
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (dims + 1))
    steps = ratio ** -np.arange(1.0, dims + 1)
    return ((np.arange(count) + 0.5) * steps[:, None]) % 1.0


def _standard_normal(count: int, dims: int) -> np.ndarray:
    """Quasi-random standard normals with mean 0 and covariance 1 exactly, (dims, count)."""
    score = ndtri(np.clip(weyl(count, dims), 1e-12, 1 - 1e-12))
    score -= score.mean(axis=1, keepdims=True)
    factor = np.linalg.cholesky(np.atleast_2d(np.cov(score, bias=True)))
    return np.linalg.solve(factor, score)
