"""Lines for a person: places, times, numbers, facts and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

# Width of labels, unless one is longer.
LABEL = 16


def place(latitude: float, longitude: float) -> str:
    """Write a place with its hemispheres.

    >>> place(-12.06, -77.0)
    '12.060 S, 77.000 W'
    """
    north = "N" if latitude >= 0 else "S"
    east = "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.3f} {north}, {abs(longitude):.3f} {east}"


def percent(probability: float) -> str:
    """Write a probability.

    >>> percent(0.9)
    '90 %'
    """
    return f"{100 * probability:g} %"


def facts(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Write one fact on each line, after its label.

    >>> facts([("Verdict", "earthquake")])
    ['Verdict         earthquake']
    """
    wide = max([LABEL, *(len(label) + 2 for label, _ in rows)])
    return [f"{label:{wide}}{text}".rstrip() for label, text in rows]


def lines_of(value: Any, *more: tuple[str, str]) -> list[str]:
    """Write an object of `eqstat._core.explain` without its title, with more facts of one's own."""
    return facts([*value._facts(), *more])


def aligned(rows: Sequence[Sequence[str]], *, right: bool = False) -> list[str]:
    """Align the columns of a table, the first one always at the left.

    >>> aligned([["site", "km"], ["A", "5"]], right=True)
    ['site   km', 'A       5']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    gap = "   " if right else "  "
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        for cell, width in zip(row[1:], widths[1:], strict=True):
            cells.append(cell.rjust(width) if right else cell.ljust(width))
        lines.append(gap.join(cells).rstrip())
    return lines


def clock(moment: Any) -> str:
    """Write the time of day to a hundredth of a second; "unknown" for None."""
    if moment is None:
        return "unknown"
    return f"{moment:%H:%M:%S}.{moment.microsecond // 10**4:02d}"


def magnitude(found: Mapping[str, float]) -> str:
    """Mean and interval of a magnitude."""
    return (
        f"{found['mean']:.1f}, {percent(found['probability'])} interval {found['low']:.1f} to "
        f"{found['high']:.1f}"
    )


def number(value: float | None, digits: int = 1) -> str:
    """Write a number; "unknown" where there is none."""
    known = value is not None and math.isfinite(value)
    return f"{value:.{digits}f}" if known else "unknown"
