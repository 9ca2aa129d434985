"""Readers of the shell's arguments, for `argparse`."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def number(low: float, high: float, *, closed: bool = False) -> Callable[[str], float]:
    """Reader of a number in (low, high), or [low, high]."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not (low <= value <= high if closed else low < value < high):
            raise argparse.ArgumentTypeError(f"{text} must lie between {low:g} and {high:g}")
        return value

    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    """Reader of a whole number in [low, high]."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} must lie between {low} and {high}")
        return value

    return read


def pair(text: str) -> tuple[str, str]:
    """Read NAME=COLUMN."""
    name, sign, column = text.partition("=")
    if not (name and sign and column):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=COLUMN, such as time=triggerTime (put files before --columns)"
        )
    return name, column


def numbers(read: Callable[[str], float]) -> Callable[[str], list[float]]:
    """Reader of numbers with commas between them."""

    def each(text: str) -> list[float]:
        values = [read(part) for part in text.split(",")]
        if len(set(values)) < len(values):
            raise argparse.ArgumentTypeError(f"{text} names a number twice")
        return values

    return each


def hour(text: str) -> float:
    """Read a time of day in hours."""
    value = number(0.0, 24.0, closed=True)(text)
    if value == 24:
        raise argparse.ArgumentTypeError("hours run from 0 to below 24")
    return value


def offset(text: str) -> tuple[str | None, float]:
    """Read H or REGION=H."""
    region, _, hours = text.rpartition("=")
    return region or None, number(-14.0, 14.0, closed=True)(hours)
