"""Velocity models: travel times of the first P and the first S wave."""

from __future__ import annotations

from importlib import resources
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from eqstat._core.checks import check_range, near
from eqstat._core.errors import InputError
from eqstat.velocity import _tables
from eqstat.velocity._base import ConstantVelocity, VelocityModel
from eqstat.velocity._layered import shells
from eqstat.velocity._tabulated import TableVelocity, from_table

_NAMES = ("ak135", "iasp91")
# Velocity of P over that of S, where only one is given.
VP_VS = 1.73

VelocityLike: TypeAlias = VelocityModel | str | float | int | None
"""A velocity model, its name, the velocity of P in km/s, or None for the default."""


def as_velocity(velocity: VelocityLike) -> VelocityModel:
    """Return a velocity model from what may stand for one.

    Parameters
    ----------
    velocity : VelocityModel, str, float or None
        A model is returned as it is; "ak135" and "iasp91" are loaded, "constant" and None are
        `ConstantVelocity()`; a number is the constant velocity of P, km/s, with S slower by 1.73.

    Returns
    -------
    VelocityModel

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> round(float(as_velocity(6.0).s_velocity_km_s), 2)
    3.47
    """
    if isinstance(velocity, VelocityModel):
        return velocity
    if velocity is None or (isinstance(velocity, str) and velocity == "constant"):
        return ConstantVelocity()
    if isinstance(velocity, str):
        return load_velocity(velocity)
    if isinstance(velocity, float | int | np.floating | np.integer) and velocity is not True:
        check_range("velocity", 0.1, 20, velocity_km_s=velocity)
        return ConstantVelocity(float(velocity), float(velocity) / VP_VS)
    raise InputError(
        "velocity must be a velocity model, a name (constant, ak135, iasp91) or the velocity of P "
        f"in km/s, not {type(velocity).__name__}"
    )


def load_velocity(name: str) -> TableVelocity:
    """Load a global earth model: first P and first S from 0 to 10 degrees and 0 to 700 km.

    The tables were computed offline by `scripts/build_tables.py` from the velocities that ObsPy
    ships; against ObsPy's TauP they err by less than 0.02 s.

    Parameters
    ----------
    name : {"ak135", "iasp91"}
        Kennett, Engdahl and Buland (1995), or Kennett and Engdahl (1991).

    Returns
    -------
    TableVelocity

    Raises
    ------
    InputError
        A ValueError: if there is no such model.

    References
    ----------
    Kennett, Engdahl and Buland (1995), doi:10.1111/j.1365-246X.1995.tb03540.x.
    Kennett and Engdahl (1991), doi:10.1111/j.1365-246X.1991.tb06724.x.

    Examples
    --------
    >>> p_s, s_s = load_velocity("ak135").travel_time(111.19, 15.0)
    >>> round(float(p_s), 1), round(float(s_s), 1)
    (19.0, 32.0)
    """
    if not isinstance(name, str) or name not in _NAMES:
        raise InputError(
            f"velocity model must be one of {', '.join(_NAMES)}, got {name!r}{near(name, _NAMES)}"
        )
    source = resources.files("eqstat.velocity").joinpath("tables", f"{name}.npz")
    with source.open("rb") as stream:
        return from_table(_tables.read(stream), name)


def layered(
    top_km: ArrayLike,
    p_velocity_km_s: ArrayLike,
    s_velocity_km_s: ArrayLike | None = None,
    *,
    max_distance_km: float = 1000.0,
    max_depth_km: float = 700.0,
    cell_km: float = 1.0,
) -> TableVelocity:
    """Table of first arrivals for layers of constant velocity over a half-space.

    Direct, refracted and head waves of every layer are computed in the sphere, without flattening.
    A slower layer below a faster one gives no head wave and no shadow: where no ray arrives, the
    wave guided along the layer's edge does.

    Parameters
    ----------
    top_km : array (n,), km, increasing, first 0
        Depth of the top of each layer; the last one is the half-space.
    p_velocity_km_s : array (n,), km/s, > 0
        Velocity of P in each layer.
    s_velocity_km_s : array (n,), km/s, > 0 and below P, optional
        Velocity of S; by default that of P divided by 1.73.
    max_distance_km : float, km, from 10 to 3000
        Great-circle distance to which the table reaches.
    max_depth_km : float, km, from 1 to 1000
        Depth to which the table reaches.
    cell_km : float, km, from 0.1 to 20
        Width of the cells out to 300 km (a third of it in depth, within the layers); the
        error is about an eighth of it times the change of slowness where branches cross.

    Returns
    -------
    TableVelocity

    Raises
    ------
    InputError
        A ValueError: if an argument is not as said above.

    Examples
    --------
    >>> model = layered([0.0, 30.0], [6.0, 8.0], cell_km=5.0, max_depth_km=60.0)
    >>> p_s, s_s = model.travel_time(30.0, 10.0)
    >>> round(float(p_s), 2)
    5.27
    """
    top, p, s = _tables.check_layers(top_km, p_velocity_km_s, s_velocity_km_s)
    check_range("layered", 10, 3000, max_distance_km=max_distance_km)
    check_range("layered", 1, 1000, max_depth_km=max_depth_km)
    check_range("layered", 0.1, 20, cell_km=cell_km)
    depth_axis, distance_axis, stretch = _tables.layer_axes(
        top, max_distance_km, max_depth_km, cell_km
    )
    bottom = max(max_depth_km, float(top[-1])) + 600.0
    # Each layer as two points of the profile, so that the velocity jumps between layers.
    point = np.repeat(top, 2)[1:]
    earth = [shells(point, np.repeat(v, 2)[:-1], bottom, 60.0) for v in (p, s)]
    surface = (float(p[0]), float(s[0]))
    table = _tables.build(earth[0], earth[1], surface, depth_axis, distance_axis, stretch)
    return from_table(table, "layered")
