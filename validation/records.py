"""Records of what a check measured, and the files that let a check resume where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

Record = dict[str, Any]


def record(
    name: str,
    value: float,
    *,
    interval: Iterable[float] | None = None,
    level: float = 0.95,
    bounds: tuple[float | None, float | None] | None = None,
    target: float | None = None,
    unit: str = "",
    data_sets: int | None = None,
) -> Record:
    """One measured figure.

    Parameters
    ----------
    name : what was measured, in words; unique within a check.
    value : the figure.
    interval : its lower and upper end, of nominal coverage `level`.
    bounds : what was required, lower and upper; None where there is no limit on that side.
    target : the value that a calibrated method would have; it should lie in `interval`.
    unit : "%" for a share that is stated between 0 and 1.
    data_sets : number of data sets (detections, streams, events, ...) behind the figure.
    """
    out: Record = {"name": name, "value": _number(value)}
    if interval is not None:
        out |= {"interval": [_number(end) for end in interval], "level": level}
    if bounds is not None:
        out["bounds"] = list(bounds)
    if target is not None:
        out["target"] = target
    if unit:
        out["unit"] = unit
    if data_sets is not None:
        out["data_sets"] = int(data_sets)
    return out


def _number(value: Any) -> float | int | None:
    """Plain number for JSON, six significant digits; None where it is not finite."""
    if isinstance(value, bool | int | np.integer | np.bool_):
        return int(value)
    return float(f"{float(value):.6g}") if np.isfinite(value) else None


def passed(item: Record) -> bool | None:
    """Whether a figure is within its bounds, or its interval holds its target; None if unasked."""
    value = item["value"]
    if value is None:
        return None
    if "bounds" in item:
        low, high = item["bounds"]
        return (low is None or value >= low) and (high is None or value <= high)
    if "target" in item and "interval" in item:
        low, high = item["interval"]
        return low <= item["target"] <= high
    return None


def each(
    numbers: Iterable[int], one: Callable[[int], dict[str, Any]], path: Path | None = None
) -> list[dict[str, Any]]:
    """Results of the data sets of these numbers; those in the file are taken from there.

    Each result is appended to the file as one line of JSON as soon as it is there, so that a check
    that was stopped goes on where it ended. Without a path the file is that of the runner, which
    sets EQSTAT_PARTIAL; run by hand, a check keeps nothing.
    """
    if path is None and "EQSTAT_PARTIAL" in os.environ:
        path = Path(os.environ["EQSTAT_PARTIAL"])
    lines: dict[int, dict[str, Any]] = {}
    if path is not None and path.exists():
        kept = (json.loads(text) for text in path.read_text(encoding="utf-8").splitlines())
        lines = {line["number"]: line for line in kept}
    results = []
    for number in numbers:
        line = lines.get(number)
        if line is None:
            line = {"number": number} | one(number)
            if path is not None:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
        results.append(line)
    return results


def show(records: list[Record]) -> list[Record]:
    """Print records one by one, and hand them on."""
    for item in records:
        print("  " + sentence(item))
    return records


def number_text(value: float | None, unit: str = "") -> str:
    """A number with three significant digits; a share in per cent if that is its unit."""
    if value is None:
        return "-"
    if unit == "%":
        return f"{100 * value:.3g}"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e7):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def value_text(item: Record) -> str:
    """A figure with its interval and unit."""
    unit = item.get("unit", "")
    text = number_text(item["value"], unit)
    if "interval" in item:
        low, high = (number_text(end, unit) for end in item["interval"])
        text += f" ({low} to {high})"
    return f"{text} {unit}".strip()


def asked_text(item: Record) -> str:
    """What was required of a figure."""
    unit = item.get("unit", "")
    if "bounds" in item:
        low, high = item["bounds"]
        if low is not None and high is not None:
            return f"{number_text(low, unit)} to {number_text(high, unit)}"
        sign, end = ("≥", low) if high is None else ("≤", high)
        return f"{sign} {number_text(end, unit)}"
    return number_text(item["target"], unit) if "target" in item else ""


def sentence(item: Record) -> str:
    """A record on one line."""
    text = f"{item['name']}: {value_text(item)}"
    asked = asked_text(item)
    if asked:
        text += f"; required {asked}"
    if "data_sets" in item:
        text += f"; n = {item['data_sets']}"
    state = passed(item)
    return text + ("" if state is None else "; met" if state else "; NOT MET")
