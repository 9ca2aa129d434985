"""Figures of what a network detects: smallest magnitudes on a map, curves against magnitude."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from eqstat._core.errors import InputError
from eqstat.plots import _style
from eqstat.plots._map_axes import Projection, finish_map, name_sites
from eqstat.plots._series import INK, series, share

__all__ = ["detection_curves", "smallest_magnitude_map"]

# Drawn devices are thinned to so many.
MOST_DEVICES = 3000


def smallest_magnitude_map(
    smallest: xr.DataArray,
    *,
    devices: Any = None,
    towns: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Map of the smallest magnitude that a network detects.

    Parameters
    ----------
    smallest
        From `eqstat.detectability.smallest_magnitude` of a map, of one hour and probability; of
        several the first is drawn.
    devices
        Table with `latitude` and `longitude` of the devices, at most 3,000 of which are drawn.
    towns
        Table with `latitude`, `longitude` and `name` of places to label.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    eqstat.InputError
        When there are fewer than two places along a side.
    """
    for dim in set(smallest.dims) - {"latitude", "longitude"}:
        smallest = smallest.isel({dim: 0})
    if min(smallest.sizes["latitude"], smallest.sizes["longitude"]) < 2:
        raise InputError("a map needs at least two latitudes and two longitudes")
    ax = _style.new_axes(ax, 6.6, 5.8)
    latitude, longitude = np.meshgrid(smallest["latitude"], smallest["longitude"], indexing="ij")
    project = Projection(latitude.ravel(), longitude.ravel())
    x, y = project(latitude, longitude)
    value = smallest.transpose("latitude", "longitude").to_numpy()
    if np.isfinite(value).any():
        low, high = np.nanmin(value), np.nanmax(value)
        step = next((s for s in (0.1, 0.2, 0.25, 0.5) if (high - low) / s <= 10), 1.0)
        levels = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
        levels = levels if len(levels) > 1 else np.array([levels[0], levels[0] + step])
        drawn = ax.contourf(
            x, y, np.ma.masked_invalid(value), levels=levels, cmap="viridis_r", zorder=0.5
        )
        bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8, pad=0.02)
        bar.ax.tick_params(labelsize=_style.SMALL - 1)
        percent = f"{100 * float(smallest['probability']):g} %"
        bar.set_label(f"Smallest magnitude detected with {percent}", fontsize=_style.SMALL)
    if not np.isfinite(value).all():
        ax.plot([], [], ls="none", marker="s", mfc="white", mec=INK, label="none of those shown")
    if devices is not None:
        step = -(-len(devices) // MOST_DEVICES)
        north, east = (
            np.asarray(devices[name], np.float64)[::step] for name in ("latitude", "longitude")
        )
        ax.plot(*project(north, east), ls="none", marker=".", ms=2.2, color="black", alpha=0.35,
                zorder=2, rasterized=True)  # fmt: skip
        label = "device" if step == 1 else f"device (one in {step})"
        ax.plot([], [], ls="none", marker=".", ms=6, color="black", alpha=0.5, label=label)
    if towns is not None:
        across, up = project(towns["latitude"], towns["longitude"])
        ax.plot(across, up, ls="none", marker="o", ms=3.5, mfc="black", mec="white", zorder=3)
        name_sites(ax, towns["name"], across, up)
    finish_map(ax, project, x.ravel(), y.ravel(), margin=False)
    _style.legend_above(ax, columns=3)
    return ax


def detection_curves(result: xr.Dataset, *, names: Any = None, ax: Axes | None = None) -> Axes:
    """Detection probability against magnitude, by place or by hour.

    Parameters
    ----------
    result
        From `eqstat.detectability.miss_probability`, with at least two magnitudes; with one place
        the hours are drawn, with several the places at the first hour.
    names
        Names of the places; their coordinates by default.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax)
    if result.sizes["place"] == 1:
        curves = [result.isel(place=0, hour=i) for i in range(result.sizes["hour"])]
        labels = [f"{float(one['hour']):g} h" for one in curves]
        labels = labels if len(labels) > 1 else ["detection probability"]
    else:
        curves = [result.isel(place=i, hour=0) for i in range(result.sizes["place"])]
        labels = [_place(float(one["latitude"]), float(one["longitude"])) for one in curves]
    if names is not None:
        labels = [str(name) for name in names]
    for number, (one, label) in enumerate(zip(curves, labels, strict=True)):
        colour, marker, line = series(number)
        size = one["magnitude"].to_numpy()
        ax.plot(size, 1 - one["miss_probability"], color=colour, ls=line, marker=marker, ms=4,
                label=label, zorder=3)  # fmt: skip
        if "low" in one:
            ax.fill_between(size, 1 - one["high"], 1 - one["low"], color=colour, alpha=0.15, lw=0)
    if "low" in result:
        ax.fill_between([], [], [], color=INK, alpha=0.15, lw=0, label=share(result))
    ax.set_ylim(-0.02, 1.02)
    ax.grid(alpha=0.25, lw=0.6)
    _style.label_axes(ax, "Magnitude", "Detection probability")
    _style.legend_above(ax, columns=3)
    return ax


def _place(latitude: float, longitude: float) -> str:
    east = (longitude + 180) % 360 - 180
    north_south, east_west = "N" if latitude >= 0 else "S", "E" if east >= 0 else "W"
    return f"{abs(latitude):.2f}° {north_south}, {abs(east):.2f}° {east_west}"
