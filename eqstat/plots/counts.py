"""Figures of thresholds, budgets and model checks of backgrounds of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from eqstat._core.errors import InputError
from eqstat.plots import _style
from eqstat.plots._checks import check_figure, pit, rootogram, tail_calibration
from eqstat.plots._series import INK, SERIES, plain, series, share

__all__ = [
    "budget",
    "check_figure",
    "pit",
    "rootogram",
    "tail_calibration",
    "threshold_curves",
    "threshold_figure",
    "threshold_hours",
]

MOST_LINES = 5
# Largest over smallest threshold above which their axis is logarithmic.
WIDE = 8


def _log_axis(axis: Any) -> None:
    """Whole numbers at 1, 2 and 5 of each decade."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_formatter(NullFormatter())


def _of_region(thresholds: xr.Dataset, region: str | None) -> xr.Dataset:
    if region is None:
        return thresholds
    if region not in thresholds["region"].to_numpy():
        raise InputError(f"no region {region!r} in the thresholds")
    return thresholds.sel(region=[region])


def _over_active(thresholds: xr.Dataset) -> xr.DataArray:
    """Thresholds where they can be attained, over region, hour and active devices."""
    if "active" not in thresholds["triggers"].dims:
        raise InputError("threshold curves need thresholds of several numbers of active devices")
    return thresholds["triggers"].where(thresholds["attainable"])


def threshold_curves(
    thresholds: xr.Dataset,
    *,
    region: str | None = None,
    others: Mapping[str, xr.Dataset] | None = None,
    detections: tuple[Any, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Thresholds by number of active devices, as a band over the hours.

    Parameters
    ----------
    thresholds
        Result of `eqstat.counts.alarm.threshold` for several numbers of active devices.
    region
        Name of a region; by default the band covers all regions as well as the hours.
    others
        Other thresholds by name (another background, plug-in), drawn as lines of the highest.
    detections
        Active devices and triggers of detections, drawn as points.
    ax
        Axes to draw into; both are logarithmic.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    eqstat.InputError
        When the region is unknown or there is only one number of active devices.
    """
    ax = _style.new_axes(ax, 6.4, 4.8)
    values = _over_active(_of_region(thresholds, region))
    active = values["active"].to_numpy().astype(np.float64)
    others = {} if others is None else others
    over = tuple(dim for dim in values.dims if dim != "active")
    low, high = (getattr(values, side)(over).to_numpy() for side in ("min", "max"))
    colour = SERIES[0][0]
    what = "hours" if region is not None or thresholds.sizes["region"] == 1 else "hours and regions"
    if np.array_equal(low, high, equal_nan=True):
        ax.plot(active, high, color=colour, lw=1.8, label="threshold")
    else:
        label = f"range over {what}"
        ax.fill_between(active, low, high, color=colour, alpha=0.2, lw=0, label=label)
        ax.plot(active, high, color=colour, lw=1.8, label="highest")
        ax.plot(active, low, color=colour, lw=1.0, label="lowest")
    ends = [low, high]
    for number, (name, other) in enumerate(others.items(), 1):
        shown = _over_active(_of_region(other, region))
        line = shown.max([dim for dim in shown.dims if dim != "active"]).to_numpy()
        tint, _, dashes = series(number)
        ax.plot(shown["active"], line, color=tint, ls=dashes, lw=1.6, label=name)
        ends.append(line)
    if detections is not None:
        devices, triggers = (np.asarray(part, np.float64) for part in detections)
        ax.scatter(
            devices, triggers, s=9, c=INK, alpha=0.5, linewidths=0, label="detections", zorder=1.5
        )
        ends.append(triggers)
    ax.set_xscale("log")
    ax.set_yscale("log")
    every = np.concatenate(ends)
    span = 0.8 * float(np.nanmin(every)), 1.25 * float(np.nanmax(every))
    ax.plot(span, span, color="#999999", lw=0.8, ls=":", label="all active devices", zorder=1)
    ax.set_xlim(0.9 * active.min(), 1.1 * active.max())
    ax.set_ylim(*span)
    _log_axis(ax.xaxis)
    _log_axis(ax.yaxis)
    window = thresholds.attrs["window_s"]
    _style.label_axes(ax, "Active devices", f"Threshold (triggers in {window:g} s)")
    _style.legend_above(ax, columns=3)
    return ax


def threshold_hours(
    thresholds: xr.Dataset,
    *,
    region: str | None = None,
    active: Sequence[float | int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Thresholds by local hour of the day, one line for each number of active devices.

    Parameters
    ----------
    thresholds
        Result of `eqstat.counts.alarm.threshold` for several numbers of active devices.
    region
        Name of a region; by default lines are medians over the regions, with bands of their range.
    active
        Numbers of active devices; by default five, evenly spaced.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    eqstat.InputError
        When the region or a number is not among the thresholds.
    """
    ax = _style.new_axes(ax, 6.4, 4.8)
    values = _over_active(_of_region(thresholds, region))
    known = values["active"].to_numpy()
    if active is None:
        kept = np.linspace(0, len(known) - 1, min(len(known), MOST_LINES)).round().astype(int)
        active = [float(n) for n in known[kept]]
    if not set(active) <= set(known):
        raise InputError("active must be among the numbers of devices of the thresholds")
    hour = values["hour"].to_numpy()
    tints = colormaps["viridis"](np.linspace(0.82, 0.0, len(active)))
    ended: dict[float, list[tuple[str, Any]]] = {}
    for n, tint in zip(active, tints, strict=True):
        each = values.sel(active=n)
        middle = each.median("region").to_numpy()
        if each.sizes["region"] > 1:
            low, high = (getattr(each, side)("region").to_numpy() for side in ("min", "max"))
            ax.fill_between(hour, low, high, color=tint, alpha=0.18, lw=0, step="mid")
        # A threshold is a whole number, and one for the whole hour.
        ax.plot(hour, middle, color=tint, lw=1.7, marker="o", ms=2.5, drawstyle="steps-mid")
        if np.isfinite(middle[-1]):
            # Lines that end at the same threshold share a label.
            ended.setdefault(float(middle[-1]), []).append((plain(float(n)), tint))
    for end, names in ended.items():
        ax.annotate(
            ", ".join(name for name, _ in names),
            (float(hour[-1]), end),
            (6, 0),
            textcoords="offset points",
            color=names[-1][1],
            va="center",
            fontsize=_style.SMALL,
        )
    ax.text(1.0, 1.01, "active devices", transform=ax.transAxes, ha="right", fontsize=_style.SMALL)
    ax.set_xlim(0, max(24.0, float(hour[-1]) + 2))
    ax.set_xticks([0, 6, 12, 18, 24])
    shown = values.sel(active=list(active)).to_numpy()
    if np.nanmax(shown) > WIDE * np.nanmin(shown):
        ax.set_yscale("log")
        _log_axis(ax.yaxis)
    else:
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    window = thresholds.attrs["window_s"]
    _style.label_axes(ax, "Local time of day (h)", f"Threshold (triggers in {window:g} s)")
    return ax


def budget(
    thresholds: xr.Dataset, *, active: float | int | None = None, ax: Axes | None = None
) -> Axes:
    """False-alarm rate of each region at its thresholds, with its share of the budget.

    Counts are whole, so that most thresholds use less than their share.

    Parameters
    ----------
    thresholds
        Result of `eqstat.counts.alarm.threshold`. The rate of a region and the bounds of its
        interval are means over the hours; this interval is wider than that of the mean rate.
    active
        Number of active devices, where the thresholds have several.
    ax
        Axes to draw into; the rate is logarithmic.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    eqstat.InputError
        When the number of active devices is not among the thresholds.
    """
    if "active" in thresholds.dims:
        known = thresholds["active"].to_numpy()
        if active is None and len(known) > 1:
            raise InputError(
                "budget: active must be given, as there are several numbers of devices"
            )
        if active is not None and active not in known:
            raise InputError("active must be among the numbers of devices of the thresholds")
        thresholds = thresholds.sel(active=known[0] if active is None else active)
    names = ("false_alarm_rate_per_year", "rate_low", "rate_high")
    rate, low, high = (thresholds[name].mean("hour").to_numpy() for name in names)
    own = thresholds["budget_per_year"].to_numpy()
    order = np.argsort(-rate, kind="stable")[::-1]
    ax = _style.new_axes(ax, 6.4, 1.5 + 0.27 * len(order))
    at = np.arange(len(order))
    colour = SERIES[0][0]
    floor = 0.3 * float(min(np.min(low[low > 0], initial=np.inf), own.min()))
    rate, low, high = (np.maximum(part, floor)[order] for part in (rate, low, high))
    ax.errorbar(
        rate,
        at,
        xerr=[np.maximum(rate - low, 0.0), np.maximum(high - rate, 0.0)],
        fmt="o",
        color=colour,
        ms=5,
        lw=1.2,
        capsize=2.5,
        label=f"expected, {share(thresholds)}",
    )
    ax.scatter(own[order], at, marker="|", s=140, c=SERIES[1][0], label="share of the budget")
    ax.set_xscale("log")
    ax.set_yticks(at, [str(name) for name in thresholds["region"].to_numpy()[order]])
    ax.set_ylim(-0.7, len(at) - 0.3)
    _style.label_axes(ax, "False alarms per year", "")
    total = float(thresholds["false_alarm_rate_per_year"].mean("hour").sum())
    asked = thresholds.attrs["false_alarm_rate_per_year"]
    ax.text(
        0.99,
        1.01,
        f"all regions: {total:.2g} of {asked:g} a year",
        transform=ax.transAxes,
        ha="right",
        va="bottom",
        fontsize=_style.SMALL,
    )
    _style.legend_above(ax, columns=2)
    return ax


def threshold_figure(
    thresholds: xr.Dataset,
    *,
    region: str | None = None,
    others: Mapping[str, xr.Dataset] | None = None,
    detections: tuple[Any, Any] | None = None,
    title: str = "",
) -> Figure:
    """Thresholds over the active devices and over the hour, side by side.

    Parameters
    ----------
    thresholds, region, others, detections
        As in `threshold_curves`.
    title
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = _style.new_figure(12.0, 4.8)
    left, right = figure.subplots(1, 2)
    threshold_curves(thresholds, region=region, others=others, detections=detections, ax=left)
    threshold_hours(thresholds, region=region, ax=right)
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.1)  # type: ignore[union-attr, call-arg]
    if title:
        figure.suptitle(title, fontsize=13)
    return figure
