"""Axes of maps: degrees about a central meridian, limits, a bar of scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from eqstat.plots import _style

KM_PER_DEGREE = 111.195
# Beyond this latitude degrees of longitude are no coordinates to draw in.
POLAR_LATITUDE = 80.0


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


def scale_bar(ax: Axes, km_per_x: float) -> None:
    """Draw a bar of a round length at the lower left, below all data."""
    low, high = ax.get_xlim()
    wanted = 0.3 * (high - low) * km_per_x
    power = 10.0 ** np.floor(np.log10(wanted))
    length = power * max(step for step in (1, 2, 5) if step * power <= wanted)
    bottom, top = ax.get_ylim()
    at = low + 0.05 * (high - low), bottom + 0.035 * (top - bottom)
    end = at[0] + length / km_per_x
    ax.plot([at[0], end], [at[1]] * 2, color="black", lw=3, solid_capstyle="butt", zorder=6)
    ax.annotate(
        f"{length:g} km",
        (0.5 * (at[0] + end), at[1]),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=_style.SMALL,
    )


def set_limits(ax: Axes, x: np.ndarray, y: np.ndarray, aspect: float) -> None:
    """Show all of x and y with a margin, more at the foot, never a strip."""
    centre = 0.5 * (x.max() + x.min()), 0.5 * (y.max() + y.min())
    width, height = np.ptp(x), np.ptp(y) * aspect
    half = 0.5 * max(width, 0.75 * height, 0.01), 0.5 * max(height, 0.75 * width, 0.01) / aspect
    ax.set_xlim(centre[0] - 1.08 * half[0], centre[0] + 1.08 * half[0])
    ax.set_ylim(centre[1] - 1.24 * half[1], centre[1] + 1.08 * half[1])
