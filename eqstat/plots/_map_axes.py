"""Axes of maps: degrees about a central meridian, limits, land, a bar of scale, an inset."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from eqstat._core.density import highest_density_level
from eqstat.plots import _style
from eqstat.plots._outlines import Box, draw_land, draw_towns

KM_PER_DEGREE = 111.195
# Beyond this latitude degrees of longitude are no coordinates to draw in.
POLAR_LATITUDE = 80.0
# Narrower views get a small map of their surroundings: at least so many degrees to each side, over
# this share of the axes.
INSET_DEG, INSET_AROUND_DEG, INSET_SHARE = 12.0, 14.0, 0.24
MARK = "#D55E00"
# Contents of the regions about a density.
CONTENTS = (0.5, 0.9)


class Projection:
    """Degrees about a central meridian; near a pole kilometres about the centre."""

    def __init__(self, latitude: np.ndarray, longitude: np.ndarray) -> None:
        angle = np.radians(longitude)
        middle = np.degrees(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()))
        self.meridian = float(middle)
        self.latitude = float(np.mean(latitude))
        self.polar = float(np.max(np.abs(latitude))) > POLAR_LATITUDE

    @property
    def km_per_x(self) -> float:
        """Kilometres of one unit along x at the centre."""
        return 1.0 if self.polar else KM_PER_DEGREE * float(np.cos(np.radians(self.latitude)))

    @property
    def aspect(self) -> float:
        """Length of one unit along y over one along x."""
        return 1.0 if self.polar else float(1 / np.cos(np.radians(self.latitude)))

    def __call__(self, latitude: Any, longitude: Any) -> tuple[Any, Any]:
        lat, lon = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
        # Relative to the central meridian, so that 180 degrees is a place like any other.
        relative = (lon - self.meridian + 180.0) % 360.0 - 180.0
        if not self.polar:
            return self.meridian + relative, lat
        hemisphere = np.copysign(1.0, self.latitude)
        radius = KM_PER_DEGREE * (90.0 - hemisphere * lat)
        angle = np.radians(relative)
        return radius * np.sin(angle), -hemisphere * radius * np.cos(angle)

    def label(self, ax: Axes) -> None:
        """Write degrees with their hemisphere on the ticks, or kilometres."""
        ax.set_aspect(self.aspect, adjustable="datalim" if self.polar else "box")
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        if self.polar:
            pole = "north" if self.latitude > 0 else "south"
            along = f"{abs(self.meridian):.0f}°{'E' if self.meridian >= 0 else 'W'}"
            _style.label_axes(
                ax, f"Distance across {along} (km)", f"Distance from the {pole} pole (km)"
            )
            return
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _degrees(value, "EW")))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _degrees(value, "NS")))
        _style.label_axes(ax, "Longitude", "Latitude")


def _degrees(value: float, signs: str) -> str:
    if signs == "EW":
        value = (value + 180.0) % 360.0 - 180.0
    if np.isclose(value, 0.0, atol=1e-9):
        return "0°"
    return f"{abs(round(value, 6)):g}°{signs[0] if value > 0 else signs[1]}"


def finish_map(
    ax: Axes, project: Projection, x: np.ndarray, y: np.ndarray, *, margin: bool = True
) -> None:
    """Show all of x and y on land and sea, with degrees, a bar of scale and where on Earth it is.

    Parameters
    ----------
    ax
        Axes into which everything else has been drawn.
    project
        What gave the coordinates.
    x, y
        What must be in view.
    margin
        Leave a margin around them; without, the view ends where they end.
    """
    if margin:
        set_limits(ax, x, y, project.aspect)
    else:
        ax.set_xlim(x.min(), x.max())
        ax.set_ylim(y.min(), y.max())
    project.label(ax)
    if not project.polar:
        (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
        box = west, south, east, north
        draw_land(ax, box)
        draw_towns(ax, box)
        if east - west < INSET_DEG:
            draw_inset(ax, box, emptiest_corner(ax, x, y))
    scale_bar(ax, project.km_per_x)


def emptiest_corner(ax: Axes, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Lower left end, in axes' coordinates, of the upper corner with fewer points."""
    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    across, up = (x - west) / (east - west), (y - south) / (north - south)
    high = up > 1 - 1.3 * INSET_SHARE
    left, right = np.sum(high & (across < 0.4)), np.sum(high & (across > 0.6))
    return (1 - INSET_SHARE if right <= left else 0.0), 1 - INSET_SHARE


def draw_inset(ax: Axes, box: Box, corner: tuple[float, float]) -> None:
    """Draw the surroundings of a view, and the view as a frame, into a corner of the axes."""
    west, south, east, north = box
    half = max(INSET_AROUND_DEG, 3 * (east - west))
    lon, lat = 0.5 * (west + east), float(np.clip(0.5 * (south + north), half - 90, 90 - half))
    wide = half / max(float(np.cos(np.radians(lat))), 0.2)
    small = ax.inset_axes((*corner, INSET_SHARE, INSET_SHARE), zorder=5)
    small.set(xlim=(lon - wide, lon + wide), ylim=(lat - half, lat + half), xticks=[], yticks=[])
    draw_land(small, (lon - wide, lat - half, lon + wide, lat + half), width=0.4)
    frame = Rectangle((west, south), east - west, north - south, fill=False, ec=MARK, lw=1.2)
    small.add_artist(frame).set_zorder(2)
    if east - west < 0.06 * half:  # the frame is but a dot
        small.plot(lon, 0.5 * (south + north), "s", color=MARK, ms=3.0, zorder=2)


def density_contours(
    ax: Axes, x: np.ndarray, y: np.ndarray, mass: np.ndarray, *, colour: str
) -> None:
    """Draw the highest-density regions of 50 and 90 % of probabilities on a grid of equal cells.

    Parameters
    ----------
    ax
        Axes to draw into.
    x, y, mass
        Coordinates and probabilities, (rows, columns).
    colour
        Of the lines: the inner one solid, the outer one dashed.
    """
    levels = [highest_density_level(mass, content) for content in CONTENTS]
    for level, style in zip(levels, ("-", (0, (4, 2))), strict=True):
        if 0 < level < mass.max():
            ax.contour(x, y, mass, [level], colors=colour, linewidths=1.4, linestyles=[style],
                       zorder=2.2)  # fmt: skip


def scale_bar(ax: Axes, km_per_x: float) -> None:
    """Draw a bar of a round length at the lower left, below all data."""
    low, high = ax.get_xlim()
    wanted = 0.3 * (high - low) * km_per_x
    power = 10.0 ** np.floor(np.log10(wanted))
    length = power * max(step for step in (1, 2, 5) if step * power <= wanted)
    bottom, top = ax.get_ylim()
    at = low + 0.05 * (high - low), bottom + 0.035 * (top - bottom)
    end = at[0] + length / km_per_x
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    ax.plot([at[0], end], [at[1]] * 2, color="black", lw=3, solid_capstyle="butt", zorder=6)
    ax.annotate(
        f"{length:g} km",
        (0.5 * (at[0] + end), at[1]),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=_style.SMALL,
        path_effects=halo,
        zorder=6,
    )


def name_sites(ax: Axes, names: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Write names beside places."""
    halo = [patheffects.withStroke(linewidth=2.2, foreground="white")]
    for name, across, up in zip(names, x, y, strict=True):
        ax.annotate(str(name), (across, up), (5, 3), textcoords="offset points",
                    fontsize=_style.SMALL - 1, path_effects=halo, zorder=4)  # fmt: skip


def set_limits(ax: Axes, x: np.ndarray, y: np.ndarray, aspect: float) -> None:
    """Show all of x and y with a margin, more at the foot, never a strip."""
    centre = 0.5 * (x.max() + x.min()), 0.5 * (y.max() + y.min())
    width, height = np.ptp(x), np.ptp(y) * aspect
    half = 0.5 * max(width, 0.75 * height, 0.01), 0.5 * max(height, 0.75 * width, 0.01) / aspect
    ax.set_xlim(centre[0] - 1.08 * half[0], centre[0] + 1.08 * half[0])
    ax.set_ylim(centre[1] - 1.24 * half[1], centre[1] + 1.08 * half[1])
