"""Figures of a location: travel-time section, residuals, depth against origin time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from eqstat.plots import _style
from eqstat.plots.maps import map_triggers

CONTENTS = (0.9, 0.5)
MOST_DRAWS = 1500
CELLS = 70
DASHES = (0, (4, 2))


def _scatter(ax: Axes, x: np.ndarray, y: np.ndarray, classes: np.ndarray) -> None:
    for name, (colour, marker) in _style.CLASSES.items():
        at = classes == name
        if not at.any():
            continue
        filled: dict[str, Any] = (
            {"edgecolors": "white", "linewidths": 0.5} if marker != "x" else {"linewidths": 1}
        )
        ax.scatter(
            x[at], y[at], s=30, c=colour, marker=marker, label=name, zorder=3, alpha=0.9, **filled
        )
    unclassified = classes == ""
    if unclassified.any():
        ax.scatter(x[unclassified], y[unclassified], s=30, c="#404040", label="trigger", zorder=3)


def section(
    triggers: Any,
    origin_time: Any,
    depth_km: float,
    velocity: Any,
    *,
    delay_s: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Travel-time section: time against distance, P and S curves, triggers by class.

    Parameters
    ----------
    triggers
        Rows of a report: `time`, `distance_km` (epicentral), and the class probabilities where
        there are some.
    origin_time
        Origin time (UTC).
    depth_km
        Depth of the hypocentre, km.
    velocity
        Velocity model with `travel_time(distance_km, depth_km)` giving P and S in seconds.
    delay_s
        Mean delay of a trigger after its phase, s; drawn as dashed curves where it is not 0.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> location = traveltime.report(observations, traveltime.fit(observations, throw=False))
    >>> ax = section(
    ...     location.triggers, location.origin_time, location.depth_km, observations.data.velocity)
    >>> ax.get_xlabel()
    'Epicentral distance (km)'
    """
    ax = _style.new_axes(ax)
    zero = _style.utc(origin_time)
    distance = np.asarray(triggers["distance_km"], np.float64)
    after = _style.seconds_after(triggers["time"], zero)
    classes = _style.classes_of(triggers)
    shown = _style.in_view(triggers)
    reach = 1.06 * float(distance[shown].max())
    grid = np.linspace(0.0, reach, 200)
    curves = [np.asarray(times, np.float64) for times in velocity.travel_time(grid, depth_km)]
    for name, times in zip(("P", "S"), curves, strict=True):
        colour = _style.CLASSES[name][0]
        ax.plot(grid, times, color=colour, lw=1.6, label=f"{name} arrival", zorder=2)
        if delay_s:
            ax.plot(grid, times + delay_s, color=colour, lw=1.1, ls=DASHES, zorder=2)
    if delay_s:
        label = f"with mean delay, {delay_s:.1f} s"
        ax.plot([], [], color="#404040", lw=1.1, ls=DASHES, label=label)
    _scatter(ax, distance, after, classes)
    low = min(0.0, float(after[shown].min()))
    high = max(float(curves[1][-1]) + delay_s, float(after[shown].max()))
    margin = 0.05 * (high - low)
    # Background triggers near in time are shown; the others are counted in a note.
    low = min(low, max(float(after.min()), low - 0.25 * (high - low))) - margin
    high = max(high, min(float(after.max()), high + 0.25 * (high - low))) + margin
    ax.set_xlim(0.0, reach)
    ax.set_ylim(low, high)
    outside = int(np.sum((after < low) | (after > high) | (distance > reach)))
    _style.label_axes(
        ax, "Epicentral distance (km)", f"Time (s after the origin, {zero:%H:%M:%S} UTC)"
    )
    _style.legend_above(ax, columns=3)
    _style.tell_outside(ax, outside)
    return ax


def residuals(triggers: Any, *, ax: Axes | None = None) -> Axes:
    """Residual of each trigger to its most probable phase, against distance.

    Parameters
    ----------
    triggers
        Rows of a report: `distance_km`, `residual_s`, and the class probabilities where there
        are some. The root mean square in the legend is that of the earthquake's triggers.
    ax
        Axes to draw into. Residuals of background triggers beyond its range sit on its edge as
        triangles.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> triggers = pd.DataFrame({"distance_km": [8.0, 21.0, 40.0], "residual_s": [0.3, -0.5, 0.1]})
    >>> residuals(triggers).get_ylabel()
    'Residual (s)'
    """
    ax = _style.new_axes(ax)
    distance = np.asarray(triggers["distance_km"], np.float64)
    residual = np.asarray(triggers["residual_s"], np.float64)
    classes, shown = _style.classes_of(triggers), _style.in_view(triggers)
    spread = float(np.sqrt(np.mean(residual[shown] ** 2)))
    limit = 1.2 * max(float(np.max(np.abs(residual[shown]))), 2 * spread, 0.1)
    reach = 1.06 * float(distance[shown].max())
    ax.axhspan(-spread, spread, color="#EDEDED", zorder=0, label=f"± rms, {spread:.2f} s")
    ax.axhline(0.0, color="#404040", lw=0.9, zorder=1)
    inside = (np.abs(residual) < limit) & (distance <= reach)
    _scatter(ax, distance[inside], residual[inside], classes[inside])
    colour = _style.CLASSES["background"][0]
    for sign, marker in ((1, "^"), (-1, "v")):
        at = (sign * residual >= limit) & (distance <= reach)
        edge = np.full(int(at.sum()), 0.95 * sign * limit)
        ax.scatter(distance[at], edge, s=28, c="none", edgecolors=colour, marker=marker, zorder=3)
    if np.any((np.abs(residual) >= limit) & (distance <= reach)):
        ax.scatter([], [], s=28, c="none", edgecolors=colour, marker="^", label="beyond the range")
    ax.set_xlim(0.0, reach)
    outside = int(np.sum(distance > reach))
    # Space at the bottom for the note on triggers outside.
    ax.set_ylim(-(1.2 if outside else 1.0) * limit, limit)
    _style.label_axes(ax, "Epicentral distance (km)", "Residual (s)")
    _style.legend_above(ax, columns=3)
    _style.tell_outside(ax, outside)
    return ax


def _density(
    time: np.ndarray, depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[float]] | None:
    """Kernel density of draws on a grid, and its levels; the surface mirrors it."""
    step = max(1, len(time) // MOST_DRAWS)
    time, depth = time[::step], depth[::step]
    if np.std(time) == 0 or np.std(depth) == 0:
        return None
    kernel = stats.gaussian_kde(np.stack([time, depth]))

    def at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return kernel(np.stack([x, y])) + kernel(np.stack([x, -y]))

    spans = [np.quantile(values, [0.003, 0.997]) for values in (time, depth)]
    beyond = 0.5 * float(np.std(time))
    x = np.linspace(spans[0][0] - beyond, spans[0][1] + beyond, CELLS)
    deepest = spans[1][1] + 0.5 * np.std(depth)
    y = np.linspace(max(0.0, spans[1][0] - 0.5 * np.std(depth)), deepest, CELLS)
    across, down = np.meshgrid(x, y)
    density = at(across.ravel(), down.ravel()).reshape(across.shape)
    ordered = at(time, depth)
    return x, y, density, [float(np.quantile(ordered, 1 - content)) for content in CONTENTS]


def depth_time(
    draws: Mapping[str, Mapping[str, Any]],
    reference_time: Any,
    locations: Sequence[Any] = (),
    *,
    truth: tuple[Any, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Posterior of depth and origin time: 50 % and 90 % regions of each method's draws.

    Parameters
    ----------
    draws
        From a method's name ("grid", "nuts") to its draws of `depth_km` and `origin_time_s`
        (seconds after the reference time), any shape.
    reference_time
        The zero of `origin_time_s` (UTC).
    locations
        Reports; each is drawn as a point, with its standard errors where the method has no draws.
    truth
        True or catalogued origin time (UTC) and depth (km).
    ax
        Axes to draw into; depth points down.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> draws = {"depth_km": rng.gamma(4.0, 3.0, 200), "origin_time_s": rng.normal(0.0, 1.0, 200)}
    >>> depth_time({"nuts": draws}, "2027-01-15T08:00:00Z").get_ylabel()
    'Depth (km)'
    """
    ax = _style.new_axes(ax)
    reference = _style.utc(reference_time)
    anchor = _style.utc(locations[0].origin_time) if locations else reference
    zero = anchor.floor("s")
    shift = (reference - zero) / pd.Timedelta(seconds=1)
    corners: list[Any] = []
    for position, (method, sites) in enumerate(draws.items()):
        name, colour, line = _style.method_style(method)
        contours = _density(
            np.ravel(np.asarray(sites["origin_time_s"], np.float64)) + shift,
            np.ravel(np.asarray(sites["depth_km"], np.float64)),
        )
        if contours is None:
            continue
        x, y, density, levels = contours
        if position == 0:
            shades = ["#EDEDED", "#D2D2D2"]
            ax.contourf(x, y, density, [*levels, float(density.max())], colors=shades, zorder=1)
        ax.contour(x, y, density, levels, colors=[colour], linestyles=[line], linewidths=1.5)
        ax.plot([], [], color=colour, ls=line, lw=1.5, label=f"{name}, 50 and 90 %")
        down, across = np.nonzero(density >= min(levels))
        corners += [[x[across.min()], y[down.min()]], [x[across.max()], y[down.max()]]]
    for location in locations:
        name, colour, _ = _style.method_style(location.method)
        time = float(_style.seconds_after([location.origin_time], zero)[0])
        corners.append([time, location.depth_km])
        if location.method in draws:
            ax.plot(time, location.depth_km, "+", color=colour, ms=11, mew=2.2, zorder=4)
            continue
        errors = [location.standard_error[n] for n in ("origin_time_s", "depth_km")]
        wide, deep = (error if np.isfinite(error) else 0.0 for error in errors)
        corners += [
            [time - wide, max(location.depth_km - deep, 0.0)],
            [time + wide, location.depth_km + deep],
        ]
        ax.errorbar(
            time,
            location.depth_km,
            xerr=wide,
            yerr=[[min(deep, location.depth_km)], [deep]],
            color=colour,
            fmt="+",
            ms=11,
            mew=2.2,
            capsize=3,
            label=f"{name} ± standard error",
            zorder=4,
        )
    if truth is not None:
        time = float(_style.seconds_after([truth[0]], zero)[0])
        ax.plot(time, truth[1], ls="none", zorder=3, label="truth", **_style.TRUTH)
        corners.append([time, truth[1]])
    seen = np.array(corners, np.float64).reshape(-1, 2)
    if len(seen):
        (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
        side, foot = 0.08 * max(right - left, 0.1), 0.08 * max(bottom - top, 1.0)
        ax.set_xlim(left - side, right + side)
        ax.set_ylim(bottom + foot, max(top - foot, -0.02 * bottom))
    _style.label_axes(ax, f"Origin time (s after {_style.clock(zero)})", "Depth (km)")
    _style.legend_above(ax, columns=2)
    return ax


def location_figure(
    locations: Sequence[Any],
    velocity: Any,
    *,
    draws: Mapping[str, Mapping[str, Any]] | None = None,
    reference_time: Any = None,
    delay_s: float = 0.0,
    truth: Mapping[str, Any] | None = None,
    silent: Any = None,
    title: str = "",
) -> Figure:
    """Map, section, residuals, and depth against origin time in one figure.

    Parameters
    ----------
    locations
        Reports of one detection; section and residuals are those of the first.
    velocity
        Velocity model of the first.
    draws, reference_time
        As in `depth_time`.
    delay_s
        As in `section`.
    truth
        `latitude`, `longitude`, `depth_km` and `origin_time` where they are known.
    silent
        As in `map_triggers`.
    title
        Headline of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it by its `savefig`.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> location = traveltime.report(observations, traveltime.fit(observations, throw=False))
    >>> figure = location_figure(
    ...     [location], observations.data.velocity, reference_time=observations.reference_time)
    >>> len(figure.axes)
    5
    """
    figure = _style.new_figure(13.0, 10.6)
    axes = figure.subplots(2, 2)
    first = locations[0]
    epicentre = None if truth is None else (truth["latitude"], truth["longitude"])
    source = None if truth is None else (truth["origin_time"], truth["depth_km"])
    map_triggers(first.triggers, locations, truth=epicentre, silent=silent, ax=axes[0, 0])
    section(
        first.triggers,
        first.origin_time,
        first.depth_km,
        velocity,
        delay_s=delay_s,
        ax=axes[0, 1],
    )
    residuals(first.triggers, ax=axes[1, 0])
    depth_time(draws or {}, reference_time, locations, truth=source, ax=axes[1, 1])
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.15)  # type: ignore[union-attr, call-arg]
    if title:
        figure.suptitle(title, fontsize=13)
    return figure


def verdict_figure(tests: Mapping[str, tuple[Any, str]], velocity: Any) -> Figure:
    """Travel-time sections of a detection under each wave, side by side.

    Parameters
    ----------
    tests
        From the wave ("P", "S") to the report of its fit and the headline of its panel.
    velocity
        Velocity model of the fits.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> location = traveltime.report(observations, traveltime.fit(observations, throw=False))
    >>> panels = {"P": (location, "P accepted")}
    >>> len(verdict_figure(panels, observations.data.velocity).axes)
    1
    """
    figure = _style.new_figure(6.6 * len(tests), 5.6)
    axes = figure.subplots(1, len(tests), squeeze=False)[0]
    for ax, (location, headline) in zip(axes, tests.values(), strict=True):
        section(location.triggers, location.origin_time, location.depth_km, velocity, ax=ax)
        ax.set_title(headline, fontsize=_style.NORMAL + 1, loc="left", pad=30)
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.1)  # type: ignore[union-attr, call-arg]
    return figure
