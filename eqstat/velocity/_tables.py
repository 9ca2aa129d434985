"""Making, writing and reading of travel-time tables (NumPy, on the host)."""

from __future__ import annotations

from os import PathLike
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat._core.errors import InputError
from eqstat.velocity._layered import Shells, first_arrival
from eqstat.velocity._spline import Axis, fit

__all__ = ["Table", "build", "check_layers", "chord_km", "layer_axes", "read", "write"]

_Floats = NDArray[np.float64]


class Table(NamedTuple):
    """Spline of the first-arrival time less the straight part at the velocity of the surface."""

    coefficients: _Floats  # (depth splines, 2, distance splines), seconds
    depth_axis: Axis
    distance_axis: Axis
    surface_km_s: tuple[float, float]
    stretch_km: float


def chord_km(stretched: _Floats, stretch_km: float) -> _Floats:
    """Chord from the stretched chord of the distance axis."""
    return np.sqrt(stretched * (stretched + 2.0 * stretch_km))


def build(
    p: Shells,
    s: Shells,
    surface_km_s: tuple[float, float],
    depth_axis: Axis,
    distance_axis: Axis,
    stretch_km: float,
) -> Table:
    """Compute first P and first S on sample points and fit the spline."""

    def excess(depth: float, stretched: _Floats) -> _Floats:
        chord = chord_km(stretched, stretch_km)
        arc = 2.0 * EARTH_RADIUS_KM * np.arcsin(0.5 * chord / EARTH_RADIUS_KM)
        straight = np.sqrt(depth**2 + (1.0 - depth / EARTH_RADIUS_KM) * chord**2)
        return np.array(
            [
                first_arrival(model, depth, arc) - straight / velocity
                for model, velocity in zip((p, s), surface_km_s, strict=True)
            ]
        )

    coefficients = fit(depth_axis, distance_axis, excess)
    return Table(coefficients, depth_axis, distance_axis, surface_km_s, stretch_km)


def write(path: str | PathLike[str], table: Table) -> None:
    """Write a table as compressed npz; coefficients in single precision (some microseconds)."""
    arrays = {
        "coefficients": table.coefficients.astype(np.float32),
        "surface_km_s": np.array(table.surface_km_s),
        "stretch_km": np.array(table.stretch_km),
    }
    for kind, axis in (("depth", table.depth_axis), ("distance", table.distance_axis)):
        for field in ("starts", "widths", "counts", "breaks"):
            arrays[f"{kind}_{field}"] = np.array(getattr(axis, field))
    np.savez_compressed(path, **arrays)


def read(stream: IO[bytes]) -> Table:
    """Read a table that `write` wrote."""
    with np.load(stream, allow_pickle=False) as file:
        axes = [
            Axis(*(tuple(file[f"{kind}_{field}"].tolist()) for field in Axis._fields))
            for kind in ("depth", "distance")
        ]
        p, s = file["surface_km_s"].tolist()
        coefficients = file["coefficients"].astype(float)
        return Table(coefficients, axes[0], axes[1], (p, s), float(file["stretch_km"]))


def check_layers(
    top_km: ArrayLike, p_velocity_km_s: ArrayLike, s_velocity_km_s: ArrayLike | None
) -> tuple[_Floats, _Floats, _Floats]:
    """Layers as arrays, or an InputError that says what is wrong with them."""
    try:
        top = np.asarray(top_km, dtype=float)
        p = np.asarray(p_velocity_km_s, dtype=float)
        s = p / 1.73 if s_velocity_km_s is None else np.asarray(s_velocity_km_s, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"layers must be numbers: {error}") from error
    if top.ndim != 1 or top.size == 0 or p.shape != top.shape or s.shape != top.shape:
        raise InputError(
            "top_km, p_velocity_km_s and s_velocity_km_s must be lists of one length, one value a "
            f"layer; their shapes are {top.shape}, {p.shape} and {s.shape}"
        )
    if not np.all(np.isfinite(top)) or top[0] != 0.0 or np.any(np.diff(top) <= 0.0):
        raise InputError(f"top_km must begin with 0 and increase, got {top.tolist()}")
    if top[-1] > 1000.0:
        raise InputError(f"top_km must not exceed 1000 km, got {top[-1]:g}")
    for name, v in (("p_velocity_km_s", p), ("s_velocity_km_s", s)):
        if not np.all(np.isfinite(v)) or np.any(v <= 0.0) or np.any(v > 20.0):
            raise InputError(f"{name} must be above 0 and at most 20 km/s, got {v.tolist()}")
    if np.any(s >= p):
        layer = int(np.argmax(s >= p))
        raise InputError(
            f"s_velocity_km_s must be below p_velocity_km_s, but in layer {layer} it is "
            f"{s[layer]:g} against {p[layer]:g}"
        )
    return top, p, s


def layer_axes(
    top_km: _Floats, max_distance_km: float, max_depth_km: float, cell_km: float
) -> tuple[Axis, Axis, float]:
    """Depth axis, distance axis and stretch for layers: fine within them, wider below and far."""
    stretch = 2.0 * cell_km
    chord = 2.0 * EARTH_RADIUS_KM * np.sin(0.5 * max_distance_km / EARTH_RADIUS_KM)
    end = float(np.hypot(chord, stretch)) - stretch
    near = min(300.0, end)
    distance = [(0.0, near, cell_km)] + ([(near, end, 4.0 * cell_km)] if end > near else [])
    # (depth from which on, widest cell): down to the half-space, then three wider kinds below.
    last = float(top_km[-1])
    starts = [(float(top), cell_km / 3.0) for top in top_km[:-1]]
    starts += [(last, cell_km), (last + 30.0, 4.0 * cell_km), (last + 130.0, 10.0 * cell_km)]
    starts = [(a, w) for a, w in starts if a < max_depth_km]
    ends = [a for a, _ in starts[1:]] + [max_depth_km]
    depth = [(a, b, w) for (a, w), b in zip(starts, ends, strict=True)]
    return Axis.of(depth, [t for t in top_km.tolist() if t > 0.0]), Axis.of(distance), stretch
