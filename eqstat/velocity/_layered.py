r"""First arrivals in a spherical earth of shells, by integration over the ray parameter (NumPy).

In a shell the velocity is $v = A r^b$, so with $\eta = r / v$ and ray parameter $p$ the integrals
for angle and time are closed,

$$ \Delta = \frac{1}{1 - b} \left[ \arccos\frac{p}{\eta} \right], \qquad
   T = \frac{1}{1 - b} \left[ \sqrt{\eta^2 - p^2} \right] $$

(Bullen and Bolt 1985, An Introduction to the Theory of Seismology, ch. 7). Every family of rays
gives a curve (distance, time) with slope p; where it ends at a boundary it goes on along its
tangent, which is the head wave, or the wave guided by that boundary. The first arrival is the
least time over all curves (Fermat).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eqstat._core.constants import EARTH_RADIUS_KM

__all__ = ["Shells", "first_arrival", "shells"]

_Floats = NDArray[np.float64]

_UP_RAYS = 240  # rays that leave upwards
_TURNING_RAYS = 24  # rays that turn in one shell
_EXTRA_DEPTH_KM = 500.0  # rays that turn deeper than this below the source are never first


class Shells(NamedTuple):
    """A spherical earth from the surface down: depths of the edges, and v = A r^b in between."""

    edge_km: _Floats  # (n + 1,)
    factor: _Floats  # (n,) A
    power: _Floats  # (n,) b


def shells(
    depth_km: ArrayLike, velocity_km_s: ArrayLike, bottom_km: float, thickness_km: float = 10.0
) -> Shells:
    """Cut a velocity profile into shells thin enough for a power law.

    Parameters
    ----------
    depth_km : array (n,), km
        Depths of the profile's points from 0 down; a depth given twice is a jump.
    velocity_km_s : array (n,), km/s
        Velocity at the points, linear in between; the last one goes on below.
    bottom_km : float, km
        Depth at which the shells end.
    thickness_km : float, km
        Greatest thickness of a shell.

    Returns
    -------
    Shells
    """
    depth = np.asarray(depth_km, dtype=float)
    velocity = np.asarray(velocity_km_s, dtype=float)
    depth, velocity = np.append(depth, bottom_km), np.append(velocity, velocity[-1])
    edges, factors, powers = [0.0], [], []
    for top, bottom, v_top, v_bottom in zip(
        depth[:-1], depth[1:], velocity[:-1], velocity[1:], strict=True
    ):
        if bottom <= top or top >= bottom_km:
            continue
        cut = np.linspace(top, bottom, 1 + int(np.ceil((bottom - top) / thickness_km)))
        v = np.interp(cut, (top, bottom), (v_top, v_bottom))
        radius = EARTH_RADIUS_KM - cut
        power = np.diff(np.log(v)) / np.diff(np.log(radius))
        powers.extend(power)
        factors.extend(v[:-1] / radius[:-1] ** power)
        edges.extend(cut[1:])
    return Shells(np.array(edges), np.array(factors), np.array(powers))


def first_arrival(model: Shells, depth_km: float, distance_km: ArrayLike) -> _Floats:
    """Least travel time from a source at one depth to the surface.

    Parameters
    ----------
    model : Shells
        The earth; it must reach well below the source.
    depth_km : float, km, >= 0
        Depth of the source.
    distance_km : array (n,), km, increasing
        Great-circle distances.

    Returns
    -------
    array (n,), seconds
    """
    target = np.asarray(distance_km, dtype=float) / EARTH_RADIUS_KM
    best = np.full(target.shape, np.inf)
    if depth_km <= 0.0:
        best[target <= 0.0] = 0.0
    ends: list[tuple[float, float, float]] = []
    for p, angle, time in _families(model, depth_km):
        ends += [(angle[i], time[i], p[i]) for i in (0, -1) if p[i] > 0.0]
        _lower(best, target, p, angle, time)
    # Tangents at the ends of the families: head waves and guided waves.
    start, time, p = (np.array(column)[:, None] for column in zip(*ends, strict=True))
    along = np.where(target >= start, time + p * (target - start), np.inf)
    return np.minimum(best, along.min(axis=0))


def _families(model: Shells, depth_km: float) -> list[tuple[_Floats, _Floats, _Floats]]:
    """Ray parameter (s/rad), angle (rad) and time (s) of each family of rays."""
    edge, factor, power = _split(model, depth_km)
    radius = EARTH_RADIUS_KM - edge
    gain = 1.0 - power
    eta_top = radius[:-1] ** gain / factor
    eta_bottom = radius[1:] ** gain / factor
    above = edge[1:] <= depth_km
    families = []

    def leg(p: _Floats, shell: NDArray[np.intp]) -> tuple[_Floats, _Floats]:
        """Angle and time of rays that cross these shells once, or turn in them (half of it)."""
        top, bottom, g = eta_top[shell], eta_bottom[shell], gain[shell]
        q = p[:, None]
        angle = np.arccos(np.minimum(q / top, 1.0)) - np.arccos(np.minimum(q / bottom, 1.0))
        time = np.sqrt(np.maximum(top**2 - q**2, 0.0)) - np.sqrt(np.maximum(bottom**2 - q**2, 0.0))
        return (angle / g).sum(axis=1), (time / g).sum(axis=1)

    upper = np.flatnonzero(above)
    least = np.inf
    if upper.size:
        least = float(np.minimum(eta_top, eta_bottom)[upper].min())
        p = least * np.sin(np.linspace(0.0, np.pi / 2.0, _UP_RAYS))
        families.append((p, *leg(p, upper)))
    spread = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, _TURNING_RAYS))
    for k in range(upper.size, eta_top.size):
        least = min(least, float(eta_top[k]))
        if eta_bottom[k] < least * (1.0 - 1e-12):
            p = least - (least - eta_bottom[k]) * spread
            down, down_time = leg(p, np.arange(upper.size, k + 1))
            up, up_time = leg(p, upper) if upper.size else (0.0, 0.0)
            families.append((p, up + 2.0 * down, up_time + 2.0 * down_time))
        least = min(least, float(eta_bottom[k]))
    return families


def _split(model: Shells, depth_km: float) -> tuple[_Floats, _Floats, _Floats]:
    """Put an edge at the source, and leave out what is too deep to matter."""
    edge, factor, power = model
    if depth_km > 0.0 and not np.any(edge == depth_km):
        k = int(np.searchsorted(edge, depth_km))
        edge = np.insert(edge, k, depth_km)
        factor = np.insert(factor, k, factor[k - 1])
        power = np.insert(power, k, power[k - 1])
    keep = edge[:-1] < depth_km + _EXTRA_DEPTH_KM
    return edge[: keep.sum() + 1], factor[keep], power[keep]


def _lower(best: _Floats, target: _Floats, p: _Floats, angle: _Floats, time: _Floats) -> None:
    """Lower `best` at the targets under one curve: cubic Hermite pieces with slope p."""
    left, right = angle[:-1], angle[1:]
    first = np.searchsorted(target, np.minimum(left, right), side="left")
    count = np.searchsorted(target, np.maximum(left, right), side="right") - first
    piece = np.repeat(np.arange(left.size), count)
    if piece.size == 0:
        return
    node = np.arange(piece.size) - np.repeat(np.cumsum(count) - count, count) + first[piece]
    width = (right - left)[piece]
    safe = np.where(width == 0.0, 1.0, width)
    u = np.where(width == 0.0, 0.0, (target[node] - left[piece]) / safe)
    rise = time[1:][piece] - time[:-1][piece]
    # Deviation from the chord of the piece; free of cancellation for short pieces.
    bend_left = p[:-1][piece] * width - rise
    bend_right = rise - p[1:][piece] * width
    value = time[:-1][piece] + u * rise + u * (1.0 - u) * ((1.0 - u) * bend_left + u * bend_right)
    np.minimum.at(best, node, value)
