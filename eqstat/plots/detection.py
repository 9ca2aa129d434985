"""Figures of a replayed stream: posterior through time, and maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eqstat.plots import _style
from eqstat.plots._map_axes import Projection, density_contours, finish_map
from eqstat.plots._series import INK, SERIES

__all__ = ["animate", "causes", "detection_figure", "evidence", "place_map", "write_animation"]

Truth = Mapping[str, Any] | None
# Places of less than this share of the most probable one stay without a shade.
LEAST_SHADE = 0.02
DENSITY = "#54278F"
ALARM, NONE = "#000000", "#B8B8B8"
# An animation without an alarm shows at most so many steps; with one those around it.
MOST_FRAMES, BEFORE_S, AFTER_S = 90, 15.0, 45.0


def _zero(outcome: Any, truth: Truth) -> tuple[Any, str]:
    """Where the axes of time begin: the origin where it is known, else the first step."""
    if truth is not None and truth.get("origin_time") is not None:
        return _style.utc(truth["origin_time"]), "Time after the origin (s)"
    first = outcome.history["time"].iloc[0]
    return first, f"Time (s after {_style.clock(first)})"


def _span(outcome: Any, zero: Any, until: int | None) -> tuple[np.ndarray, slice]:
    seconds = _style.seconds_after(outcome.history["time"], zero)
    return seconds, slice(None) if until is None else slice(0, until + 1)


def _marks(ax: Axes, outcome: Any, zero: Any, seconds: np.ndarray, rows: slice) -> None:
    """Alarms, and triggers as a rug at the foot."""
    now = seconds[rows][-1]
    times = _style.seconds_after(outcome.triggers["time"], zero)
    times = times[times <= now]
    foot = ax.get_xaxis_transform()
    ax.plot(times, np.full(len(times), 0.012), "|", color=INK, ms=6, mew=0.8, transform=foot)
    label = "alarm"
    for alarm in outcome.alarms:
        at = float(_style.seconds_after([alarm["time"]], zero)[0])
        if at <= now:
            ax.axvline(at, color=ALARM, lw=1.6, ls=":", label=label, zorder=1.5)
            label = "_alarm"
    ax.set_xlim(seconds[0], seconds[-1])


def causes(
    outcome: Any, *, truth: Truth = None, until: int | None = None, ax: Axes | None = None
) -> Axes:
    """Posterior probability of each cause through time, with the triggers at the foot.

    Parameters
    ----------
    outcome
        From `eqstat.detection.replay`.
    truth
        `origin_time`, where known; the time axis starts there.
    until
        Last step to draw, its row in `outcome.history`; all by default.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 7.4, 3.6)
    zero, label = _zero(outcome, truth)
    seconds, rows = _span(outcome, zero, until)
    x = seconds[rows]
    names = ["earthquake", *outcome.alternatives]
    for number, name in enumerate(names):
        column = "probability" if number == 0 else f"probability_{name}"
        y = outcome.history[column].to_numpy()[rows]
        colour, line = (NONE, "-") if name == "none" else SERIES[number % len(SERIES)][::2]
        ax.plot(x, y, color=colour, ls=line, lw=2.4 if number == 0 else 1.5, label=name,
                zorder=3 if number == 0 else 2)  # fmt: skip
    _marks(ax, outcome, zero, seconds, rows)
    ax.set_ylim(-0.03, 1.03)
    _style.label_axes(ax, label, "Posterior probability")
    _style.legend_above(ax, columns=6)
    return ax


def evidence(
    outcome: Any, *, truth: Truth = None, until: int | None = None, ax: Axes | None = None
) -> Axes:
    """Shiryaev-Roberts statistic of the earthquake through time, and its threshold.

    Parameters
    ----------
    outcome, truth, until, ax
        As in `causes`.

    Returns
    -------
    matplotlib.axes.Axes
        The logarithm to base 10, on a scale that is linear up to the threshold and
        logarithmic beyond.
    """
    ax = _style.new_axes(ax, 7.4, 3.0)
    zero, label = _zero(outcome, truth)
    seconds, rows = _span(outcome, zero, until)
    ten = np.log(10)
    level = outcome.settings["log_threshold"] / ten
    y = outcome.history["log_shiryaev_roberts"].to_numpy()
    ax.set_yscale("symlog", linthresh=level, linscale=2.0)
    ax.plot(seconds[rows], y[rows] / ten, color=SERIES[0][0], lw=1.8, label="earthquake")
    rate = outcome.settings["false_alarm_rate_per_year"]
    ax.axhline(level, color=INK, lw=1.0, label=f"at most {rate:g} false a year")
    _marks(ax, outcome, zero, seconds, rows)
    top = max(float(y.max()) / ten, level) * 1.25
    ax.set_ylim(min(float(y.min()) / ten, 0.0) - 0.3, top)
    ticks = [tick for tick in (0, 2, 4, 6, 8, 20, 50, 100, 200, 500) if tick <= top]
    ax.set_yticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    _style.label_axes(ax, label, "log10 Shiryaev-Roberts")
    _style.legend_above(ax, columns=3)
    return ax


def place_map(
    outcome: Any, *, step: int | None = None, truth: Truth = None, ax: Axes | None = None
) -> Axes:
    """Devices, recent triggers, and the probability of each place given an earthquake.

    Parameters
    ----------
    outcome
        From `eqstat.detection.replay`.
    step
        Row of `outcome.history`; by default that of the greatest evidence, with the credible
        region of the first alarm's location.
    truth
        `latitude` and `longitude` where they are known.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 6.4, 5.6)
    located = None
    if step is None:
        step = int(np.argmax(outcome.history["log_shiryaev_roberts"].to_numpy()))
        located = outcome.located
    row = outcome.history.iloc[step]
    devices, places = outcome.devices, outcome.place_probability
    at = places["latitude"].to_numpy(), places["longitude"].to_numpy()
    known = (devices["latitude"].to_numpy(), devices["longitude"].to_numpy())
    project = Projection(*known)
    x, y = project(*known)
    weight = places.to_numpy()[step]
    _shade(ax, *project(*at), weight)
    ax.plot(x, y, ls="none", marker=".", ms=3.5, color="#A8A8A8", label="device", zorder=1.5)
    seconds = _style.seconds_after(outcome.triggers["time"], row["time"])
    late = (seconds <= 0) & (seconds > -outcome.settings["dead_time_s"])
    some = outcome.triggers[late]
    tx, ty = project(some["latitude"], some["longitude"])
    ax.scatter(
        tx, ty, s=30, c=seconds[late], cmap="viridis", vmin=min(seconds[late], default=-1.0),
        vmax=0.0, edgecolors="white", linewidths=0.6, label="trigger (bright: latest)", zorder=3,
    )  # fmt: skip
    corners = [np.column_stack([x, y])]
    if located is not None:
        rx, ry = project(located["latitude"], located["longitude"])
        inside = located["in_region"].to_numpy().astype(float)
        ax.contour(rx, ry, inside, levels=[0.5], colors="black", linewidths=1.8, zorder=4)
        percent = f"{100 * located.attrs['interval_probability']:g} % region"
        ax.plot([], [], color="black", lw=1.8, label=percent)
        mean = project(float(located["latitude_mean"]), float(located["longitude_mean"]))
        ax.plot(*mean, "+", color="black", ms=11, mew=2.0, zorder=5)
    ax.plot([], [], color=DENSITY, lw=1.4, label="50 and 90 % of places")
    if truth is not None and truth.get("latitude") is not None:
        star = project(truth["latitude"], truth["longitude"])
        corners.append(np.array([star]))
        ax.plot(*star, ls="none", zorder=3.5, label="true epicentre", **_style.TRUTH)
    every = np.concatenate(corners)
    finish_map(ax, project, every[:, 0], every[:, 1])
    _style.legend_above(ax, columns=4)
    return ax


def _shade(ax: Axes, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
    """Shade the places of a grid, which run along the second axis first."""
    down = np.flatnonzero(np.diff(y) < 0)
    if not len(down) or len(x) % (down[0] + 1):
        return
    shape = (-1, int(down[0]) + 1)
    across, up, grid = (values.reshape(shape) for values in (x, y, weight))
    if min(grid.shape) < 2:
        return
    edges = _edges(across), _edges(up)
    shown = np.ma.masked_less(grid, LEAST_SHADE * grid.max())
    ax.pcolormesh(*edges, shown, cmap="Purples", vmin=0.0, zorder=0.5, rasterized=True)
    density_contours(ax, across, up, grid, colour=DENSITY)


def _edges(middle: np.ndarray) -> np.ndarray:
    """Corners of the cells of a possibly curvilinear grid of places."""
    for axis in (0, 1):
        rows = np.moveaxis(middle, axis, 0)
        first, last = 2 * rows[:1] - rows[1:2], 2 * rows[-1:] - rows[-2:-1]
        whole = np.concatenate([first, rows, last])
        middle = np.moveaxis(0.5 * (whole[1:] + whole[:-1]), 0, axis)
    return middle


def detection_figure(outcome: Any, *, truth: Truth = None, title: str = "") -> Figure:
    """Causes and evidence through time beside the map, in one figure.

    Parameters
    ----------
    outcome
        From `eqstat.detection.replay`.
    truth
        `latitude`, `longitude` and `origin_time` where they are known.
    title
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it by its `savefig`.
    """
    figure, axes = _panels()
    causes(outcome, truth=truth, ax=axes["causes"])
    evidence(outcome, truth=truth, ax=axes["evidence"])
    place_map(outcome, truth=truth, ax=axes["map"])
    if title:
        figure.suptitle(title, fontsize=13)
    return figure


def _panels() -> tuple[Figure, dict[str, Axes]]:
    figure = _style.new_figure(13.0, 6.2)
    axes = figure.subplot_mosaic([["causes", "map"], ["evidence", "map"]])
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # type: ignore[union-attr, call-arg]
    return figure, axes


def frames_of(outcome: Any) -> list[int]:
    """Steps that an animation shows: about the first alarm, or some of all."""
    times = outcome.history["time"]
    if outcome.alarm is not None:
        after = _style.seconds_after(times, outcome.alarm["time"])
        return np.flatnonzero((after >= -BEFORE_S) & (after <= AFTER_S)).tolist()
    stride = int(np.ceil(len(times) / MOST_FRAMES))
    return list(range(0, len(times), stride))


def animate(
    outcome: Any,
    *,
    truth: Truth = None,
    frames: Sequence[int] | None = None,
    interval_ms: float | int = 200,
) -> FuncAnimation:
    """Animate the posterior: one frame per step.

    Parameters
    ----------
    outcome, truth
        As in `detection_figure`.
    frames
        Steps to show, rows of `outcome.history`; by default those from 15 s before the first
        alarm to 45 s after it, or about ninety over the whole stream without one.
    interval_ms
        Between frames, ms.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Keep a reference until it is drawn or saved by `write_animation`.
    """
    steps = frames_of(outcome) if frames is None else [int(each) for each in frames]
    figure, axes = _panels()
    known = None if truth is None else {**truth}

    def draw(step: int) -> list[Any]:
        for ax in axes.values():
            ax.clear()
        causes(outcome, truth=known, until=step, ax=axes["causes"])
        evidence(outcome, truth=known, until=step, ax=axes["evidence"])
        place_map(outcome, step=step, truth=known, ax=axes["map"])
        row = outcome.history.iloc[step]
        figure.suptitle(
            f"{_style.clock(row['time'])}   probability of an earthquake {row['probability']:.3f}",
            fontsize=13,
        )
        return list(axes.values())

    return FuncAnimation(
        figure, draw, frames=steps, interval=interval_ms, repeat=False, init_func=lambda: []
    )


def write_animation(
    outcome: Any,
    name: str,
    *,
    truth: Truth = None,
    frames: Sequence[int] | None = None,
    frames_per_second: float | int = 5,
) -> None:
    """Write an animation as GIF.

    Parameters
    ----------
    outcome, truth, frames
        As in `animate`.
    name
        Path of the file.
    frames_per_second
        Frame rate.
    """
    film = animate(outcome, truth=truth, frames=frames, interval_ms=1000 / frames_per_second)
    film.save(name, writer=PillowWriter(fps=frames_per_second), dpi=70)  # type: ignore[arg-type]
