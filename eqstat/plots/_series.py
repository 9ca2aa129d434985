"""Colours and words that figures of several backgrounds share."""

from __future__ import annotations

from typing import Any

import xarray as xr

# Okabe and Ito's palette again, and a wine red of Tol's; markers and lines differ as well. As many
# as the default causes of a detector.
SERIES = (
    ("#0072B2", "o", "-"),
    ("#D55E00", "s", (0, (5, 2))),
    ("#009E73", "D", (0, (1.5, 1.2))),
    ("#CC79A7", "v", "-."),
    ("#E69F00", "^", (0, (3, 1, 1, 1, 1, 1))),
    ("#56B4E9", "P", (0, (8, 2))),
    ("#882255", "X", (0, (4, 1, 1, 1))),
)
BAND, INK = "#D9D9D9", "#404040"


def series(number: int) -> tuple[str, str, Any]:
    """Colour, marker and line of one of several."""
    return SERIES[number % len(SERIES)]


def share(dataset: xr.Dataset) -> str:
    """Name of a dataset's interval."""
    return f"{dataset.attrs['interval_probability']:.0%} interval".replace("%", " %")


def plain(value: float, _: Any = None) -> str:
    """A number without an exponent, thousands apart."""
    return f"{value:,.10g}".replace(",", "\u202f")
