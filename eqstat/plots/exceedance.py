"""Figures of shaking and alarms: maps, attenuation, PIT, reliability, precision and recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from eqstat._core.constants import STANDARD_GRAVITY_M_S2
from eqstat._core.errors import InputError
from eqstat.plots import _style
from eqstat.plots._map_axes import Projection, finish_map, name_sites
from eqstat.plots._series import BAND, INK, plain, series, share
from eqstat.plots._shaking_checks import pit, reliability

__all__ = [
    "attenuation",
    "exceedance_figure",
    "exceedance_map",
    "lead_times",
    "pit",
    "precision_recall",
    "reliability",
    "site_intervals",
]

EDGES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
MOST_SITES = 15
# The map shows the epicentres between these quantiles, along each axis.
MOST_EPICENTRES = np.array([0.02, 0.98])


def _name(threshold: float) -> str:
    return f"{100 * threshold / STANDARD_GRAVITY_M_S2:.3g} %g"


def exceedance_map(
    grid: xr.Dataset,
    *,
    threshold: int = 0,
    name: str = "",
    sites: xr.Dataset | None = None,
    sources: Any = None,
    truth: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Probability of shaking beyond a threshold on a map, with the time until S.

    Parameters
    ----------
    grid
        From `eqstat.exceedance.shaking_map`.
    threshold
        Index of the threshold.
    name
        Name of the threshold; its value in %g by default.
    sites
        From `eqstat.exceedance.shaking`; drawn as points.
    sources
        `eqstat.exceedance.Sources`, whose epicentres are drawn.
    truth
        Latitude and longitude of the true epicentre, where known.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    eqstat.InputError
        When the grid has no such threshold, or fewer than two places along a side.
    """
    if not -grid.sizes["threshold"] <= threshold < grid.sizes["threshold"]:
        raise InputError(f"threshold {threshold}: the grid has {grid.sizes['threshold']}")
    if min(grid.sizes["latitude"], grid.sizes["longitude"]) < 2:
        raise InputError("a map needs at least two latitudes and two longitudes")
    ax = _style.new_axes(ax, 6.6, 5.6)
    latitude, longitude = np.meshgrid(grid["latitude"], grid["longitude"], indexing="ij")
    project = Projection(latitude.ravel(), longitude.ravel())
    x, y = project(latitude, longitude)
    chance = grid["probability"].isel(threshold=threshold).transpose("latitude", "longitude")
    # The lowest class stays white.
    drawn = ax.contourf(x, y, chance.to_numpy(), levels=EDGES, cmap="YlOrRd", zorder=0.5)
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8, pad=0.02, ticks=EDGES)
    bar.ax.tick_params(labelsize=_style.SMALL - 1)
    bar.ax.set_yticklabels([f"{edge:g}" for edge in EDGES])
    label = name or _name(float(grid["threshold"][threshold]))
    bar.set_label(f"Probability of PGA > {label}", fontsize=_style.SMALL)
    lead = grid["lead_time_s"].transpose("latitude", "longitude").to_numpy()
    step = next((s for s in (1, 2, 5, 10, 20, 50) if np.ptp(lead) / s <= 8), 100)
    levels = np.arange(np.ceil(lead.min() / step), np.floor(lead.max() / step) + 1) * step
    if levels.size:
        lines = ax.contour(x, y, lead, levels=levels, colors=INK, linewidths=0.8,
                           linestyles=[(0, (4, 3))], zorder=1.5)  # fmt: skip
        ax.clabel(lines, fmt="%g s", fontsize=_style.SMALL - 1)
        start = "from now" if grid.attrs["lead_time_from"] == "now" else "after the origin"
        ax.plot([], [], color=INK, lw=0.8, ls=(0, (4, 3)), label=f"S, {start}")
    more = []
    if sources is not None:
        sx, sy = project(sources.latitude, sources.longitude)
        most = [np.quantile(each, MOST_EPICENTRES) for each in (sx, sy)]
        more.append(np.column_stack(most))
        ax.plot(sx, sy, ls="none", marker=".", ms=2.0, color="#0072B2", alpha=0.35, zorder=2,
                rasterized=True)  # fmt: skip
        ax.plot([], [], ls="none", marker=".", ms=6, color="#0072B2", label="epicentre, draws")
    if sites is not None:
        px, py = project(sites["latitude"].to_numpy(), sites["longitude"].to_numpy())
        ax.plot(px, py, ls="none", marker="v", ms=5.5, mfc="white", mec="black", mew=0.9,
                label="site", zorder=3)  # fmt: skip
        more.append(np.column_stack([px, py]))
        if len(px) <= MOST_SITES and "site" in sites.coords:
            name_sites(ax, sites["site"].to_numpy(), px, py)
    if truth is not None:
        star = project(*truth)
        more.append(np.array([star]))
        ax.plot(*star, ls="none", label="true epicentre", zorder=3.5, **_style.TRUTH)
    corners = np.column_stack([x.ravel(), y.ravel()])
    every = np.concatenate([corners, *more])
    finish_map(ax, project, every[:, 0], every[:, 1], margin=False)
    _style.legend_above(ax, columns=4)
    return ax


def _log_pga(ax: Axes, axis: str = "y") -> None:
    """A logarithmic axis of PGA with plain numbers."""
    getattr(ax, f"set_{axis}scale")("log")
    which = ax.yaxis if axis == "y" else ax.xaxis
    which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def attenuation(
    curves: Sequence[xr.Dataset] | Mapping[str, xr.Dataset],
    *,
    data: Any = None,
    thresholds_m_s2: Sequence[float] = (),
    ax: Axes | None = None,
) -> Axes:
    """PGA against distance: median and interval of predictors, with records.

    Parameters
    ----------
    curves
        From `eqstat.ground_motion.attenuation`; by name, or one after the other, which
        are then named by their magnitude.
    data
        Table of records with `distance_km` and `pga_m_s2`; those of `magnitude` within 0.3 of a
        curve take its colour where the table has that column and curves are not named.
    thresholds_m_s2
        Drawn as lines across.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if not curves:
        raise InputError("attenuation: there is no curve to draw")
    ax = _style.new_axes(ax, 6.2, 4.6)
    named = isinstance(curves, Mapping)
    each = dict(curves) if named else {f"M {one.attrs['magnitude']:g}": one for one in curves}
    alone = named or data is None or "magnitude" not in data
    if data is not None and alone:
        ax.plot(data["distance_km"], data["pga_m_s2"], ls="none", marker=".", ms=4, color="#8C8C8C",
                alpha=0.5, label=f"{len(data)} records", zorder=1, rasterized=True)  # fmt: skip
    for number, (name, curve) in enumerate(each.items()):
        colour, marker, dashes = series(number)
        at = curve["distance"].to_numpy()
        ax.fill_between(at, curve["low_m_s2"], curve["high_m_s2"], color=colour, alpha=0.16, lw=0)
        ax.plot(at, curve["median_m_s2"], color=colour, ls=dashes, lw=1.8, label=name, zorder=3)
        if data is not None and not alone:
            near = (data["magnitude"] - curve.attrs["magnitude"]).abs() <= 0.3
            ax.plot(data["distance_km"][near], data["pga_m_s2"][near], ls="none", marker=marker,
                    ms=3, color=colour, mec="none", alpha=0.6, zorder=2)  # fmt: skip
    for threshold in thresholds_m_s2:
        ax.axhline(threshold, color=INK, lw=0.8, ls=":")
        ax.text(0.995, threshold, _name(threshold), transform=ax.get_yaxis_transform(), ha="right",
                va="bottom", fontsize=_style.SMALL - 1, color=INK)  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(plain))
    _log_pga(ax)
    ax.minorticks_off()
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500) if _inside(ax.get_xlim(), tick)]
    ax.set_xticks(ticks)
    one = next(iter(each.values()))
    _style.label_axes(ax, "Hypocentral distance (km)", f"PGA (m/s²; {share(one)})")
    _style.legend_above(ax, columns=4)
    return ax


def _inside(limits: Any, value: Any) -> bool:
    return bool(limits[0] <= value <= limits[1])


def precision_recall(curves: Mapping[str, xr.Dataset], *, ax: Axes | None = None) -> Axes:
    """Precision against recall of alert rules, with lines of equal F1.

    Parameters
    ----------
    curves
        From `eqstat.exceedance.alerts.metrics_by_level`, by the name of the rule; for a rule with
        one level from `eqstat.exceedance.alerts.metrics`, which is a point. The greatest F1 of each
        is marked, with the intervals of both.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if not curves:
        raise InputError("precision_recall: there is no curve to draw")
    ax = _style.new_axes(ax, 5.6, 5.0)
    at = np.linspace(0.005, 1, 300)
    for f1 in (0.2, 0.4, 0.6, 0.8):
        with np.errstate(divide="ignore", invalid="ignore"):
            other = f1 * at / (2 * at - f1)
        kept = (other > 0) & (other <= 1)
        ax.plot(at[kept], other[kept], color=BAND, lw=1.0, zorder=0.5)
        ax.text(1.0, f1 / (2 - f1), f" {f1:g}", fontsize=_style.SMALL - 1, color="#8C8C8C",
                va="center")  # fmt: skip
    ax.text(1.0, 1.0, " F1", fontsize=_style.SMALL - 1, color="#8C8C8C", va="center")
    for number, (name, curve) in enumerate(curves.items()):
        colour, marker, dashes = series(number)
        f1 = np.atleast_1d(curve["f1"].to_numpy())
        if not np.any(np.isfinite(f1)):
            continue
        rows = {
            key: np.atleast_1d(curve[key].to_numpy())
            for key in ("precision", "recall", "precision_low", "precision_high", "recall_low",
                        "recall_high")
        }  # fmt: skip
        ax.plot(rows["recall"], rows["precision"], color=colour, ls=dashes, lw=1.6)
        top = int(np.nanargmax(f1))
        x, y = rows["recall"][top], rows["precision"][top]
        ax.plot([rows["recall_low"][top], rows["recall_high"][top]], [y, y], color=colour, lw=1.1)
        ax.plot([x, x], [rows["precision_low"][top], rows["precision_high"][top]], color=colour,
                lw=1.1)  # fmt: skip
        ax.plot(x, y, ls=dashes, marker=marker, color=colour, ms=7, mec="white", zorder=4,
                label=f"{name}, F1 {f1[top]:.2f}")  # fmt: skip
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    first = next(iter(curves.values()))
    _style.label_axes(ax, f"Recall (bars: {share(first)})", "Precision")
    _style.legend_above(ax, columns=2)
    return ax


def lead_times(leads: Mapping[str, Any], *, ax: Axes | None = None) -> Axes:
    """Share of exceedances with at least a given lead time.

    Parameters
    ----------
    leads
        By the name of the rule: time from the alarm to the exceedance, s, one for each
        exceedance; NaN, negative infinity or negative where there was no alarm in time.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 6.2, 4.2)
    last = 1.0
    for number, (name, lead) in enumerate(leads.items()):
        colour, _, dashes = series(number)
        rows = np.asarray(lead, np.float64)
        good = np.sort(rows[np.isfinite(rows) & (rows > 0)])
        left = np.arange(good.size, 0, -1) / max(rows.size, 1)
        x = np.concatenate([[0.0], good])
        y = np.concatenate([left[:1] if good.size else [0.0], left])
        middle = f", median {np.median(good):.1f} s" if good.size else ""
        ax.step(x, y, where="pre", color=colour, ls=dashes, lw=1.7, label=f"{name}{middle}")
        # A few very long lead times would compress the others.
        last = max(last, float(np.quantile(good, 0.99)) if good.size else 0.0)
    ax.set_xlim(0, last)
    ax.set_ylim(0, 1)
    _style.label_axes(ax, "Lead time (s)", "Share of exceedances warned of earlier")
    _style.legend_above(ax, columns=2)
    return ax


def site_intervals(sites: xr.Dataset, *, names: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """PGA of sites with its interval, in decreasing order, and the time until S.

    Parameters
    ----------
    sites
        From `eqstat.exceedance.shaking` with three quantiles, the middle one the median.
    names
        Names of the thresholds; their values in %g by default.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if sites.sizes.get("quantile") != 3:
        raise InputError("site_intervals: needs three quantiles, the middle one the median")
    ax = _style.new_axes(ax, 5.6, 5.2)
    order = np.argsort(-sites["pga_quantile_m_s2"].to_numpy()[:, 1], kind="stable")[:MOST_SITES]
    shown = sites.isel(site=order)
    low, middle, high = shown["pga_quantile_m_s2"].to_numpy().T
    row = np.arange(len(order))
    colour = series(0)[0]
    ax.hlines(row, low, high, color=colour, lw=2.2, alpha=0.5)
    ax.plot(middle, row, "o", color=colour, ms=5.5)
    _log_pga(ax, "x")
    for place, threshold in enumerate(shown["threshold"].to_numpy()):
        ax.axvline(threshold, color=INK, lw=0.9, ls=":")
        label = names[place] if place < len(names) else _name(float(threshold))
        ax.text(threshold, 1.01, label, transform=ax.get_xaxis_transform(), ha="center",
                va="bottom", fontsize=_style.SMALL - 1, color=INK)  # fmt: skip
    for place, lead in enumerate(shown["lead_time_s"].to_numpy()):
        ax.text(1.01, place, f"{lead:.0f} s", transform=ax.get_yaxis_transform(), va="center",
                fontsize=_style.SMALL)  # fmt: skip
    ax.text(1.01, 1.01, "until S", transform=ax.transAxes, va="bottom", fontsize=_style.SMALL - 1)
    ax.set_yticks(row, [str(each) for each in shown["site"].to_numpy()])
    ax.set_ylim(len(order) - 0.4, -0.6)
    quantile = shown["quantile"].to_numpy()
    content = f"{100 * (quantile[-1] - quantile[0]):g} % interval"
    _style.label_axes(ax, f"PGA (m/s²; {content})", "")
    return ax


def exceedance_figure(
    grid: xr.Dataset,
    *,
    sites: xr.Dataset,
    sources: Any = None,
    threshold_names: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Map of the first threshold beside the PGA of the sites.

    Parameters
    ----------
    grid, sites
        From `eqstat.exceedance.shaking_map` and `shaking`, of the same source.
    sources
        Draws of the source.
    threshold_names
        Names of the thresholds.
    title
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it by its `savefig`.
    """
    figure = _style.new_figure(12.8, 5.6)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1.0])
    name = threshold_names[0] if threshold_names else ""
    exceedance_map(grid, name=name, sites=sites, sources=sources, ax=left)
    site_intervals(sites, names=threshold_names, ax=right)
    if title:
        figure.suptitle(title, fontsize=13)
    return figure
