"""Figures of calibration: error rates, ROC and DET, thresholds, reliability, uniform ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import special

from eqstat.plots import _style
from eqstat.plots._series import BAND, INK, SERIES, series, share

__all__ = [
    "calibration_figure",
    "det",
    "rank_ecdf",
    "rank_histogram",
    "rates",
    "reliability",
    "roc",
    "scores",
]

QUAKE, NOISE = SERIES[0][0], SERIES[1][0]
# Names of the rules of a threshold.
RULES = {
    "miss_probability": "fixed misses",
    "false_alarm_probability": "fixed false alarms",
    "least_total": "least total",
}
TICKS = np.array([0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999])


def _p(value: float) -> str:
    return f"p = {value:.3f}" if value >= 0.001 else "p < 0.001"


def _mark(ax: Axes, thresholds: Sequence[Any]) -> None:
    """Draw thresholds as lines, each with its interval as a pale stripe."""
    ends = ax.get_xlim()
    for number, found in enumerate(thresholds):
        colour, _, dashes = series(number + 2)
        if np.isfinite(found.value):
            label = RULES.get(found.rule, found.rule)
            ax.axvline(found.value, color=colour, ls=dashes, lw=1.6, label=label)
        low, high = np.clip([found.low, found.high], *ends)
        ax.axvspan(low, high, color=colour, alpha=0.13, lw=0)
    ax.set_xlim(ends)


def scores(
    score: Any,
    is_earthquake: Any,
    *,
    thresholds: Sequence[Any] = (),
    label: str = "Score",
    ax: Axes | None = None,
) -> Axes:
    """Histograms of the scores of earthquakes and of noise, each of area 1.

    Parameters
    ----------
    score, is_earthquake
        One of each for each detection.
    thresholds
        `eqstat.calibration.thresholds.Threshold`, drawn with their intervals.
    label
        Name of the score.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 6.4, 4.2)
    values, labels = np.asarray(score, np.float64), np.asarray(is_earthquake, bool)
    edges: Any = np.histogram_bin_edges(values, bins=min(max(round(np.sqrt(values.size)), 8), 40))
    for own, colour, name in (
        (values[labels], QUAKE, "earthquakes"),
        (values[~labels], NOISE, "noise"),
    ):
        ax.hist(own, edges, density=True, color=colour, alpha=0.25)
        ax.hist(own, edges, density=True, color=colour, histtype="step", lw=1.5,
                label=f"{own.size} {name}")  # fmt: skip
    _mark(ax, thresholds)
    _style.label_axes(ax, label, "Density")
    _style.legend_above(ax, columns=3)
    return ax


def rates(
    curve: xr.Dataset,
    *,
    thresholds: Sequence[Any] = (),
    label: str = "Threshold of the score",
    ax: Axes | None = None,
) -> Axes:
    """Miss and false-alarm probability against the threshold, with their intervals.

    Parameters
    ----------
    curve
        From `eqstat.calibration.roc`.
    thresholds
        Drawn with their intervals.
    label
        Name of the score.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 6.4, 4.2)
    shown = curve.isel(threshold=np.isfinite(curve["threshold"].to_numpy())).sortby("threshold")
    at = shown["threshold"].to_numpy()
    # Between scores a threshold does what the stricter one does.
    where = "pre" if curve.attrs["larger"] == "earthquake" else "post"
    for name, colour, text in (("miss", QUAKE, "missed"), ("false_alarm", NOISE, "false alarms")):
        low, high = (shown[f"{name}_{end}"].to_numpy() for end in ("low", "high"))
        ax.fill_between(at, low, high, step=where, color=colour, alpha=0.2, lw=0)
        ax.step(at, shown[f"{name}_probability"].to_numpy(), where=where, color=colour, lw=1.6,
                label=text)  # fmt: skip
    ax.set_ylim(0.0, 1.0)
    _mark(ax, thresholds)
    _style.label_axes(ax, label, f"Probability ({share(curve)})")
    _style.legend_above(ax, columns=3)
    return ax


def roc(curve: xr.Dataset, *, thresholds: Sequence[Any] = (), ax: Axes | None = None) -> Axes:
    """Receiver operating characteristic with its pointwise band.

    Parameters
    ----------
    curve
        From `eqstat.calibration.roc`.
    thresholds
        Marked on the curve.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 4.8, 4.8)
    at = curve["level"].to_numpy()
    low, high = 1 - curve["band_high"].to_numpy(), 1 - curve["band_low"].to_numpy()
    ax.fill_between(at, low, high, color=BAND, lw=0, label=share(curve))
    ax.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=":")
    ax.plot(curve["false_alarm_probability"], curve["detection_probability"], color=QUAKE, lw=1.7,
            label=f"area {curve.attrs['auc']:.3f}")  # fmt: skip
    for number, found in enumerate(thresholds):
        colour, marker, _ = series(number + 2)
        x, y = found.false_alarm_probability.estimate, 1 - found.miss_probability.estimate
        ax.plot(x, y, marker, color=colour, ms=7, label=RULES.get(found.rule, found.rule), zorder=4)
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    ax.set_aspect("equal")
    _style.label_axes(ax, "False-alarm probability", "Detection probability")
    _style.legend_above(ax, columns=2)
    return ax


def det(curve: xr.Dataset, *, thresholds: Sequence[Any] = (), ax: Axes | None = None) -> Axes:
    """Detection error trade-off: misses against false alarms, both on the normal scale.

    Probabilities of 0 and 1 have no place there: they are drawn at half a detection.

    Parameters
    ----------
    curve
        From `eqstat.calibration.roc`.
    thresholds
        Marked on the curve, with the intervals of both probabilities.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 5.2, 4.8)
    edges = tuple(0.5 / curve.attrs[name] for name in ("noise", "earthquakes"))

    def place(values: Any, axis: int) -> np.ndarray:
        inner = np.clip(np.asarray(values, np.float64), edges[axis], 1 - edges[axis])
        return np.asarray(special.ndtri(inner))

    # The last level is 1, of a threshold that accepts all.
    inner = curve.isel(level=curve["level"].to_numpy() < 1)
    ax.fill_between(special.ndtri(inner["level"].to_numpy()), place(inner["band_low"], 1),
                    place(inner["band_high"], 1), color=BAND, lw=0, label=share(curve))  # fmt: skip
    ax.plot(place(curve["false_alarm_probability"], 0), place(curve["miss_probability"], 1),
            color=QUAKE, lw=1.7)  # fmt: skip
    for number, found in enumerate(thresholds):
        colour, marker, _ = series(number + 2)
        x, y = found.false_alarm_probability, found.miss_probability
        at = place(x.estimate, 0), place(y.estimate, 1)
        ax.plot(place([x.low, x.high], 0), [at[1]] * 2, color=colour, lw=1.2)
        ax.plot([at[0]] * 2, place([y.low, y.high], 1), color=colour, lw=1.2)
        ax.plot(*at, marker, color=colour, ms=7, label=RULES.get(found.rule, found.rule), zorder=4)
    for axis, edge in ((ax.xaxis, edges[0]), (ax.yaxis, edges[1])):
        shown = TICKS[(edge <= TICKS) & (1 - edge >= TICKS)]
        axis.set_ticks(special.ndtri(shown), [f"{tick:g}" for tick in shown])
    limits = [special.ndtri(edge) for edge in edges]
    ax.set_xlim(limits[0] - 0.1, 0.1 - limits[0])
    ax.set_ylim(limits[1] - 0.1, 0.1 - limits[1])
    _style.label_axes(ax, "False-alarm probability", "Miss probability")
    _style.legend_above(ax, columns=2)
    return ax


def reliability(
    curve: xr.Dataset, *, forecast: Any = None, note: str = "", ax: Axes | None = None
) -> Axes:
    """Reliability diagram: share of earthquakes against the probability forecast.

    Parameters
    ----------
    curve
        From `eqstat.calibration.reliability`, of either form.
    forecast
        The forecasts themselves; their histogram stands at the foot.
    note
        A line within the axes, such as parts of a score.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 4.8, 4.8)
    at = curve["forecast"].to_numpy()
    low, high, own = (curve[name].to_numpy() for name in ("low", "high", "observed"))
    ax.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=":")
    if curve.attrs["form"] == "corp":
        label = f"if true, {share(curve)}"
        ax.fill_between(at, low, high, color=BAND, lw=0, label=label)
        ax.plot(at, own, color=QUAKE, lw=1.8, label="observed")
    else:
        ax.vlines(at, low, high, color=BAND, lw=7, label=f"if true, {share(curve)}")
        ax.plot(at, own, "o-", color=QUAKE, lw=1.2, ms=5, label="observed")
    if forecast is not None:
        number, edges = np.histogram(np.asarray(forecast, np.float64), 25, (0.0, 1.0))
        ax.stairs(0.15 * number / number.max(), edges, fill=True, color=INK, alpha=0.25)
    if note:
        ax.text(0.03, 0.97, note, transform=ax.transAxes, va="top", fontsize=_style.SMALL)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_aspect("equal")
    _style.label_axes(ax, "Probability forecast", "Share of earthquakes")
    _style.legend_above(ax, columns=2)
    return ax


def _label_ranks(ax: Axes, y: str) -> Axes:
    """Label a figure of ranks, whose horizontal axis is always the same."""
    ax.set_xlim(0, 1)
    _style.label_axes(ax, "Rank of the truth, as a share of the draws", y)
    _style.legend_above(ax, columns=2)
    return ax


def rank_histogram(found: Any, *, ax: Axes | None = None) -> Axes:
    """Histogram of ranks of simulation-based calibration, with the interval of each bin.

    Parameters
    ----------
    found
        From `eqstat.calibration.rank_uniformity`.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 5.2, 3.6)
    table = found.histogram
    edges = np.arange(table.sizes["bin"] + 1) / table.sizes["bin"]
    low, high, own = (table[name].to_numpy() for name in ("low", "high", "observed"))
    ax.stairs(high, edges, baseline=low, fill=True, color=BAND, label=share(table))
    ax.stairs(own, edges, color=QUAKE, lw=1.7, label=f"ranks, {_p(found.p_value)}")
    ax.set_ylim(0, 1.15 * max(float(high.max()), float(own.max())))
    return _label_ranks(ax, "Simulations")


def rank_ecdf(found: Any, *, ax: Axes | None = None) -> Axes:
    """Distribution function of ranks less that of the uniform, with its simultaneous band.

    Parameters
    ----------
    found
        From `eqstat.calibration.rank_uniformity`.
    ax
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _style.new_axes(ax, 5.2, 3.6)
    table = found.ecdf
    at, low, high, own = (
        np.concatenate([[end], table[name].to_numpy(), [last]])
        for name, end, last in (
            ("fraction", 0.0, 1.0), ("low", 0.0, 0.0), ("high", 0.0, 0.0), ("difference", 0.0, 0.0)
        )
    )  # fmt: skip
    label = f"{table.attrs['interval_probability']:.0%} band, all at once".replace("%", " %")
    ax.fill_between(at, low, high, color=BAND, lw=0, label=label)
    ax.plot(at, own, color=QUAKE, lw=1.7, label=f"ranks, {_p(found.ecdf_p_value)}")
    ax.axhline(0.0, color=INK, lw=0.8)
    return _label_ranks(ax, "Share below, less uniform")


def calibration_figure(
    score: Any,
    is_earthquake: Any,
    curve: xr.Dataset,
    thresholds: Sequence[Any],
    *,
    reliable: xr.Dataset | None = None,
    forecast: Any = None,
    note: str = "",
    label: str = "Score",
    title: str = "",
) -> Figure:
    """Scores, rates, DET and, where scores are probabilities, reliability in one figure.

    Parameters
    ----------
    score, is_earthquake
        One of each for each detection.
    curve
        From `eqstat.calibration.roc`.
    thresholds
        Drawn in all panels.
    reliable, forecast, note
        From `eqstat.calibration.reliability`, with its forecasts and a line of text; left out
        without them.
    label, title
        Name of the score; headline.

    Returns
    -------
    matplotlib.figure.Figure
        Save it by its `savefig`.
    """
    four = reliable is not None
    figure = _style.new_figure(*((11.0, 8.8) if four else (15.0, 4.6)))
    axes = np.ravel(figure.subplots(2, 2) if four else figure.subplots(1, 3))
    scores(score, is_earthquake, thresholds=thresholds, label=label, ax=axes[0])
    rates(curve, thresholds=thresholds, label=label, ax=axes[1])
    det(curve, thresholds=thresholds, ax=axes[2])
    if reliable is not None:
        reliability(reliable, forecast=forecast, note=note, ax=axes[3])
    if title:
        figure.suptitle(title, fontsize=13)
    return figure
