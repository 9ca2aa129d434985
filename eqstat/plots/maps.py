"""Map of a detection: triggers, credible regions, epicentres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from eqstat.plots import _style

KM_PER_DEGREE = 111.195
# Beyond this latitude degrees of longitude are no coordinates to draw in.
POLAR_LATITUDE = 80.0


class _Projection:
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


def _scale_bar(ax: Axes, km_per_x: float) -> None:
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


def _limits(ax: Axes, x: np.ndarray, y: np.ndarray, aspect: float) -> None:
    """Show all of x and y with a margin, more at the foot, never a strip."""
    centre = 0.5 * (x.max() + x.min()), 0.5 * (y.max() + y.min())
    width, height = np.ptp(x), np.ptp(y) * aspect
    half = 0.5 * max(width, 0.75 * height, 0.01), 0.5 * max(height, 0.75 * width, 0.01) / aspect
    ax.set_xlim(centre[0] - 1.08 * half[0], centre[0] + 1.08 * half[0])
    ax.set_ylim(centre[1] - 1.24 * half[1], centre[1] + 1.08 * half[1])


def map_triggers(
    triggers: Any,
    locations: Sequence[Any] = (),
    *,
    truth: tuple[float, float] | None = None,
    silent: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Map triggers, coloured by time, with the credible region of each location.

    Parameters
    ----------
    triggers
        Table with `time`, `latitude`, `longitude` (degrees). Where it holds the class
        probabilities of a report, the map shows the earthquake's triggers in any case and says
        how many background triggers lie outside.
    locations
        Reports of `eqstat.traveltime.report` (or anything with `method`, `latitude`,
        `longitude` and `region.polygons` of longitude and latitude).
    truth
        Latitude and longitude of the true or catalogued epicentre, degrees.
    silent
        Table of active devices that stayed silent, with `latitude` and `longitude`.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"time": pd.to_datetime([0, 3, 5], unit="s", utc=True),
    ...                       "latitude": [1.0, 1.2, 1.1], "longitude": [179.9, -179.9, 180.0]})
    >>> map_triggers(table).get_xlabel()
    'Longitude'
    """
    ax = _style.new_axes(ax)
    latitude = np.asarray(triggers["latitude"], np.float64)
    longitude = np.asarray(triggers["longitude"], np.float64)
    project = _Projection(latitude, longitude)
    shown = _style.in_view(triggers)
    x, y = project(latitude, longitude)
    zero = _style.utc(np.min(np.asarray(triggers["time"])[shown])).floor("s")
    seconds = _style.seconds_after(triggers["time"], zero)

    corners = [np.column_stack([x[shown], y[shown]])]
    if silent is not None and len(silent):
        quiet = project(silent["latitude"], silent["longitude"])
        ax.scatter(*quiet, s=9, c="#C4C4C4", marker=".", label="silent device", zorder=1)
    low, high = float(seconds[shown].min()), float(seconds[shown].max())
    beyond = (bool(np.any(seconds < low)), bool(np.any(seconds > high)))
    points = ax.scatter(
        x,
        y,
        s=34,
        c=seconds,
        vmin=low,
        vmax=max(high, low + 1e-3),
        cmap="viridis",
        edgecolors="white",
        linewidths=0.6,
        zorder=3,
        label="trigger",
    )
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[beyond]
    bar = ax.get_figure(root=True).colorbar(  # type: ignore[union-attr]
        points, ax=ax, shrink=0.85, pad=0.02, aspect=28, extend=extend
    )
    bar.set_label(f"Trigger time (s after {_style.clock(zero)})", fontsize=_style.SMALL)
    bar.ax.tick_params(labelsize=_style.SMALL)

    halo = [patheffects.withStroke(linewidth=3.2, foreground="white")]
    for location in locations:
        name, colour, line = _style.method_style(str(location.method))
        for ring in location.region.polygons:
            across, up = project(ring[:, 1], ring[:, 0])
            corners.append(np.column_stack([across, up]))
            ax.plot(across, up, color=colour, ls=line, lw=1.9, path_effects=halo, zorder=4)
        at = project(location.latitude, location.longitude)
        corners.append(np.array([at]))
        percent = f"{100 * location.region.probability:g} % region, {name}"
        ax.plot([], [], color=colour, ls=line, lw=1.9, label=percent)
        ax.plot(*at, "+", color=colour, ms=11, mew=2.2, path_effects=halo, zorder=5)
    if truth is not None:
        place = project(*truth)
        corners.append(np.array([place]))
        ax.plot(*place, ls="none", zorder=3.5, label="true epicentre", **_style.TRUTH)

    every = np.concatenate(corners)
    _limits(ax, every[:, 0], every[:, 1], project.aspect)
    project.label(ax)
    _scale_bar(ax, project.km_per_x)
    _style.legend_above(ax, columns=3)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    outside = int(np.sum((x < left) | (x > right) | (y < bottom) | (y > top)))
    _style.tell_outside(ax, outside)
    return ax
