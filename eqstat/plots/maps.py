"""Map of a detection: triggers, credible regions, epicentres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

from eqstat.plots import _style
from eqstat.plots._map_axes import Projection, finish_map

# Content of the thin region within that of a location.
INNER = 0.5


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
        `longitude` and `region.polygons` of longitude and latitude); those with a posterior are
        drawn with their region of 50 %, too.
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
    project = Projection(latitude, longitude)
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
        inner = location.region_of(INNER) if hasattr(location, "region_of") else None
        for ring in () if inner is None else inner.polygons:
            ax.plot(*project(ring[:, 1], ring[:, 0]), color=colour, ls=line, lw=0.9, zorder=4)
        at = project(location.latitude, location.longitude)
        corners.append(np.array([at]))
        contents = [] if inner is None else [INNER]
        contents.append(location.region.probability)
        percent = f"{' and '.join(f'{100 * one:g}' for one in contents)} % region, {name}"
        ax.plot([], [], color=colour, ls=line, lw=1.9, label=percent)
        ax.plot(*at, "+", color=colour, ms=11, mew=2.2, path_effects=halo, zorder=5)
    if truth is not None:
        place = project(*truth)
        corners.append(np.array([place]))
        ax.plot(*place, ls="none", zorder=3.5, label="true epicentre", **_style.TRUTH)

    every = np.concatenate(corners)
    finish_map(ax, project, every[:, 0], every[:, 1])
    _style.legend_above(ax, columns=3)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    outside = int(np.sum((x < left) | (x > right) | (y < bottom) | (y > top)))
    _style.tell_outside(ax, outside)
    return ax
