"""Colours, signs and small things that all figures share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, which the colour-blind can tell apart; signs and lines differ as well.
CLASSES = {
    "P": ("#0072B2", "o"),
    "S": ("#D55E00", "s"),
    "background": ("#7F7F7F", "x"),
}
METHODS = {
    "bfgs": ("BFGS", "#E69F00", (0, (5, 2))),
    "grid": ("grid", "#000000", "-"),
    "nuts": ("NUTS", "#CC79A7", (0, (1.5, 1.2))),
}
OTHER = ("#56B4E9", "-.")
TRUTH = {"marker": "*", "color": "#F0E442", "markeredgecolor": "black", "markersize": 16}
SMALL, NORMAL = 9, 10.5


def new_figure(width: float, height: float) -> Figure:
    """Return a new figure of pyplot, which notebooks and `plt.show()` therefore show."""
    # Imported here: the choice of a backend, and its windows, waits for the first figure.
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height), layout="constrained")


def new_axes(ax: Axes | None, width: float = 6.4, height: float = 5.2) -> Axes:
    """Return `ax`, or the axes of a new figure."""
    if ax is None:
        ax = new_figure(width, height).subplots()
    ax.tick_params(labelsize=SMALL)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def method_style(name: str) -> tuple[str, str, Any]:
    """Label, colour and line of a method; of other names the name itself."""
    return METHODS.get(name.lower(), (name, *OTHER))


def label_axes(ax: Axes, x: str, y: str) -> None:
    """Label both axes in the common size."""
    ax.set_xlabel(x, fontsize=NORMAL)
    ax.set_ylabel(y, fontsize=NORMAL)


def legend_above(ax: Axes, columns: int = 3) -> None:
    """Put the legend above the axes, where it hides no data."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.3,
            ncols=min(columns, len(handles)),
            frameon=False,
            fontsize=SMALL,
            columnspacing=1.2,
            handletextpad=0.5,
        )


def utc(moment: Any) -> Any:
    """Read a moment as a timestamp in UTC."""
    stamp: Any = pd.Timestamp(moment)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")


def seconds_after(times: Any, zero: Any) -> np.ndarray:
    """Seconds of times (of any kind) after `zero`."""
    stamps: Any = pd.to_datetime(pd.Series(np.asarray(times, dtype=object)), utc=True)
    return ((stamps - zero) / pd.Timedelta(seconds=1)).to_numpy(np.float64)


def clock(moment: Any) -> str:
    """Date and time of day for an axis label; fractions only where there are some."""
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    if moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")[:4]
    return text + " UTC"


def classes_of(table: Any) -> np.ndarray:
    """Most probable class of each trigger; "P" where the table tells no probabilities."""
    names = list(CLASSES)
    columns = [f"probability_{name.lower()}" for name in names]
    if not set(columns) <= set(table.columns):
        return np.full(len(table), "", dtype=object)
    chances = table[columns].to_numpy(np.float64)
    return np.array(names, dtype=object)[np.argmax(chances, axis=1)]


def in_view(table: Any) -> np.ndarray:
    """Triggers that a figure should show in any case: those of the earthquake, or else all."""
    of_quake = classes_of(table) != "background"
    return of_quake if of_quake.sum() >= 2 else np.ones(len(table), bool)


def tell_outside(ax: Axes, count: int) -> None:
    """Say at the lower right how many triggers lie beyond the axes."""
    if count:
        ax.text(
            0.98,
            0.02,
            f"{count} more trigger{'s' if count > 1 else ''} outside",
            transform=ax.transAxes,
            ha="right",
            va="bottom",
            fontsize=SMALL - 1,
            color="#555555",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
        )
