"""Calibration figures of forecasts of shaking: PIT histogram and reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from scipy import stats

from eqstat.plots import _style
from eqstat.plots._series import BAND, INK, series, share


def pit(values: Any, *, bins: int = 20, probability: float = 0.9, ax: Axes | None = None) -> Axes:
    """Histogram of the probability integral transform, with the interval of each bin.

    Parameters
    ----------
    values
        Predictive distribution function at the observation of each record, in [0, 1].
    bins
        Number of bins.
    probability
        Nominal coverage of the pointwise interval for independent uniform values; it is too
        narrow for dependent records, such as those of one event.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 5.2, 3.6)
    rows = np.asarray(values, np.float64)
    number, edges = np.histogram(rows, bins, (0.0, 1.0))
    low, high = stats.binom.ppf([(1 - probability) / 2, (1 + probability) / 2], rows.size, 1 / bins)
    whole = f"{probability:.0%} interval, pointwise".replace("%", " %")
    scale = bins / rows.size
    ax.axhspan(low * scale, high * scale, color=BAND, lw=0, label=whole)
    ax.axhline(1.0, color=INK, lw=0.8)
    ax.stairs(number * scale, edges, color=series(0)[0], lw=1.7, label=f"{rows.size} records")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.15 * max(high * scale, float(number.max()) * scale))
    _style.label_axes(ax, "Probability integral transform", "Density")
    _style.legend_above(ax, columns=2)
    return ax


def reliability(curves: Mapping[str, xr.Dataset], *, ax: Axes | None = None) -> Axes:
    """Observed share against forecast probability of exceedance, for each threshold.

    Parameters
    ----------
    curves
        From `eqstat.calibration.reliability`, by the name of the threshold; if calibrated, the
        observed frequency lies in the pale band or bar of its colour.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 4.8, 4.8)
    ax.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=":")
    for number, (name, curve) in enumerate(curves.items()):
        colour, marker, dashes = series(number)
        at, low, high, own = (
            curve[each].to_numpy() for each in ("forecast", "low", "high", "observed")
        )
        if curve.attrs["form"] == "corp":
            ax.fill_between(at, low, high, color=colour, alpha=0.13, lw=0)
            ax.plot(at, own, color=colour, ls=dashes, lw=1.8, label=name)
        else:
            ax.vlines(at, low, high, color=colour, lw=5, alpha=0.25)
            ax.plot(at, own, marker, ls=dashes, color=colour, lw=1.1, ms=4.5, label=name)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_aspect("equal")
    first = next(iter(curves.values()))
    label = f"Probability forecast (pale: if calibrated, {share(first)})"
    _style.label_axes(ax, label, "Share exceeded")
    _style.legend_above(ax, columns=3)
    return ax
