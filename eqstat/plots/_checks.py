"""Figures of model checks of a background; public in `eqstat.plots.counts`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eqstat._core.errors import InputError
from eqstat.plots import _style
from eqstat.plots._series import BAND, INK, SERIES, plain, series, share

Named = xr.Dataset | Mapping[str, xr.Dataset]


def _named(results: Named) -> dict[str, xr.Dataset]:
    """Results by name; a single result has an empty name."""
    return {"": results} if isinstance(results, xr.Dataset) else dict(results)


def rootogram(roots: xr.Dataset, *, form: str = "hanging", ax: Axes | None = None) -> Axes:
    """Hanging rootogram of the counts, or its misfit alone.

    Parameters
    ----------
    roots
        Result of `eqstat.counts.checks.rootogram`.
    form
        "hanging", or "misfit": the distance of each bar from zero, with its predictive interval.
        With millions of windows only the second shows small misfits.
    ax
        Axes to draw into. Counts with an expectation below half a window are summed in a note.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    eqstat.InputError
        When the form is unknown.
    """
    if form not in ("hanging", "misfit"):
        raise InputError(f'form is "hanging" or "misfit", not {form!r}')
    ax = _style.new_axes(ax, 6.4, 4.2)
    expected = roots["expected"].to_numpy()
    last = int(np.flatnonzero(expected >= 0.5).max()) + 1
    shown = roots.isel(triggers=slice(0, last))
    k = shown["triggers"].to_numpy()
    root, own = (np.sqrt(shown[name].to_numpy()) for name in ("expected", "observed"))
    low, high = (root - np.sqrt(shown[name].to_numpy()) for name in ("high", "low"))
    colour, line = SERIES[0][0], SERIES[1][0]
    edges = np.arange(last + 1) - 0.5
    ax.stairs(high, edges, baseline=low, fill=True, color=BAND, label=share(roots), zorder=1)
    ax.axhline(0.0, color=INK, lw=0.8, zorder=2)
    if form == "hanging":
        ax.bar(k, own, 0.72, root - own, color=colour, alpha=0.75, label="observed", zorder=1.5)
        ax.plot(k, root, color=line, marker="o", ms=3.5, lw=1.4, label="expected", zorder=3)
        label = "Square root of windows"
    else:
        outside = (root - own < low - 1e-9) | (root - own > high + 1e-9)
        ax.vlines(k, 0.0, root - own, color=colour, lw=1.6, zorder=2)
        for at, fill, text in ((~outside, "white", "within"), (outside, colour, "outside")):
            ax.scatter(
                k[at], (root - own)[at], s=26, c=fill, edgecolors=colour, label=text, zorder=3
            )
        label = "√ expected - √ observed"
        ends = np.concatenate([low, high, root - own])
        ax.set_ylim(1.1 * float(ends.min()), 1.35 * float(ends.max()))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _style.label_axes(ax, f"Triggers in {roots.attrs['window_s']:g} s", label)
    beyond = roots.isel(triggers=slice(last, None))
    observed, predicted = (float(beyond[name].sum()) for name in ("observed", "expected"))
    if observed:
        text = f"{plain(observed)} windows of {last} triggers or more\n({predicted:.2g} expected)"
        ax.text(
            0.98, 0.95, text, transform=ax.transAxes, ha="right", va="top", fontsize=_style.SMALL
        )
    _style.legend_above(ax, columns=3)
    return ax


def tail_calibration(results: Named, *, ax: Axes | None = None) -> Axes:
    """Observed and expected numbers of windows below tail probabilities, on log axes.

    Parameters
    ----------
    results
        Result of `eqstat.counts.checks.tail_calibration`, or several of one history by name; the
        band is that of the first.
    ax
        Axes to draw into. Levels decrease to the right. Where nothing was observed, an arrow
        points down from the upper bound of the interval.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 6.4, 4.6)
    every = _named(results)
    first = next(iter(every.values()))
    level = first["tail_probability"].to_numpy()
    expected = first["expected"].to_numpy()
    floor = 0.05
    low, high = (np.maximum(first[name].to_numpy(), floor) for name in ("low", "high"))
    ax.fill_between(level, low, high, color=BAND, lw=0, label=f"expected, {share(first)}")
    ax.plot(level, np.maximum(expected, 1e-9), color=INK, lw=1.2)
    top = [float(high.max())]
    for number, (name, one) in enumerate(every.items()):
        colour, marker, _ = series(number)
        at = one["tail_probability"].to_numpy() * 10 ** (0.09 * (number - (len(every) - 1) / 2))
        seen, below, above = (
            one[key].to_numpy() for key in ("observed", "observed_low", "observed_high")
        )
        some = seen > 0
        ax.errorbar(
            at[some],
            seen[some],
            yerr=[(seen - below)[some], (above - seen)[some]],
            fmt=marker,
            color=colour,
            ms=5,
            lw=1.1,
            capsize=2.5,
            label=f"observed, {name}" if name else "observed",
            zorder=3,
        )
        if np.any(~some):
            ax.errorbar(
                at[~some],
                above[~some],
                yerr=0.6 * above[~some],
                uplims=True,
                fmt="none",
                ecolor=colour,
                lw=1.1,
                zorder=3,
            )
        top.append(float(above.max()))
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(floor, 2 * max(top))
    ax.set_xlim(3 * level.max(), level.min() / 3)
    _style.label_axes(ax, "Tail probability of a window's count", "Windows at most as likely")
    _style.legend_above(ax, columns=2)
    return ax


def pit(results: Named, *, form: str = "expected", ax: Axes | None = None) -> Axes:
    """Histogram of the probability integral transform, flat if the background is right.

    Parameters
    ----------
    results
        Result of `eqstat.counts.checks.randomised_pit`, or several of one history by name; the
        band is that of the first.
    form
        "expected" (without randomisation) or "randomised".
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    eqstat.InputError
        When the form is unknown.
    """
    names = {
        "expected": ("density", "low", "high"),
        "randomised": ("randomised", "randomised_low", "randomised_high"),
    }
    if form not in names:
        raise InputError(f'form is "expected" or "randomised", not {form!r}')
    ax = _style.new_axes(ax, 6.4, 4.2)
    every = _named(results)
    first = next(iter(every.values()))
    edges = np.linspace(0.0, 1.0, first.sizes["pit"] + 1)
    value, low, high = names[form]
    ax.stairs(
        first[high].to_numpy(),
        edges,
        baseline=first[low].to_numpy(),
        fill=True,
        color=BAND,
        label=share(first),
    )
    ax.axhline(1.0, color=INK, lw=0.8)
    far = [0.01]
    for number, (name, one) in enumerate(every.items()):
        colour, _, dashes = series(number)
        density = one[value].to_numpy()
        ax.stairs(
            density, edges, baseline=None, color=colour, ls=dashes, lw=1.7, label=name or None
        )
        far += [np.abs(density - 1).max(), np.abs(one[high].to_numpy() - 1).max()]
    ax.set_xlim(0, 1)
    ax.set_ylim(max(1 - 1.25 * max(far), 0.0), 1 + 1.25 * max(far))
    _style.label_axes(ax, "Probability integral transform", "Density")
    _style.legend_above(ax, columns=3)
    return ax


def check_figure(
    roots: xr.Dataset, transform: xr.Dataset, tail: xr.Dataset, *, title: str = ""
) -> Figure:
    """Rootogram, its misfits, the probability integral transform and the tail in one figure.

    Parameters
    ----------
    roots, transform, tail
        From `rootogram`, `randomised_pit` and `tail_calibration` of `eqstat.counts.checks`.
    title
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it by its `savefig`.
    """
    figure = _style.new_figure(12.0, 8.4)
    axes = figure.subplots(2, 2)
    rootogram(roots, ax=axes[0, 0])
    rootogram(roots, form="misfit", ax=axes[0, 1])
    pit(transform, ax=axes[1, 0])
    tail_calibration(tail, ax=axes[1, 1])
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.12)  # type: ignore[union-attr, call-arg]
    if title:
        figure.suptitle(title, fontsize=13)
    return figure
