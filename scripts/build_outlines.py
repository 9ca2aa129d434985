"""Build `eqstat/plots/outlines.npz.xz`, the coasts and borders under maps.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python scripts/build_outlines.py package

Natural Earth (https://www.naturalearthdata.com, public domain) in scales 1:10m and 1:110m, from the
TopoJSON of world-atlas 2.0.2 (https://github.com/topojson/world-atlas, ISC licence, copyright
2013-2019 Michael Bostock). The fine scale is simplified by Douglas and Peucker's method.
"""

from __future__ import annotations

import io
import json
import lzma
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

TARGET = Path(__file__).parents[1] / "eqstat" / "plots" / "outlines.npz.xz"
# Files, and how far a simplified line may be from the original, degrees of latitude.
LEVELS = {"fine": ("countries-10m.json", 0.005), "coarse": ("countries-110m.json", 0.0)}
# Coordinates are whole multiples of this, degrees.
STEP = 0.002
# Longest step between two points, degrees; a step is kept in two bytes.
LONGEST = 30.0


def simplified(line: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the points of a line (points, 2) that Douglas and Peucker's method keeps."""
    keep = np.zeros(len(line), bool)
    keep[[0, -1]] = True
    parts = [(0, len(line) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        start, along = line[first], line[last] - line[first]
        offset = line[first + 1 : last] - start
        share = offset @ along / max(along @ along, 1e-12)
        distance = np.linalg.norm(offset - np.clip(share, 0, 1)[:, None] * along, axis=1)
        if distance.max() > tolerance:
            middle = first + 1 + int(distance.argmax())
            keep[middle] = True
            parts += [(first, middle), (middle, last)]
    return line[keep]


def divided(line: np.ndarray, longest: float) -> np.ndarray:
    """Return a line with points between those that are farther apart than `longest`."""
    counts = np.maximum(1, np.ceil(np.abs(np.diff(line, axis=0)).max(axis=1) / longest)).astype(int)
    at = np.concatenate([index + np.arange(count) / count for index, count in enumerate(counts)])
    at = np.append(at, len(line) - 1.0)
    return np.column_stack([np.interp(at, np.arange(len(line)), values) for values in line.T])


def rings_of(shape: dict[str, Any]) -> Iterator[list[int]]:
    """Yield the rings of a polygon or of several: numbers of arcs, ~i for arc i backwards."""
    if shape["type"] == "Polygon":
        yield from shape["arcs"]
    elif shape["type"] == "MultiPolygon":
        for polygon in shape["arcs"]:
            yield from polygon
    else:
        for inner in shape.get("geometries", ()):
            yield from rings_of(inner)


def level_of(path: Path, tolerance: float) -> dict[str, np.ndarray]:
    """Return arcs, borders and rings of land of a file, ready to be packed."""
    world = json.loads(path.read_text("utf-8"))
    scale, offset = (np.array(world["transform"][name]) for name in ("scale", "translate"))
    arcs = []
    for arc in world["arcs"]:
        line = np.cumsum(np.array(arc), axis=0) * scale + offset
        line[:, 0] = np.unwrap(line[:, 0], period=360.0)  # some pass 180 degrees
        if tolerance:
            shrink = np.array([max(0.2, np.cos(np.radians(line[:, 1].mean()))), 1.0])
            line = simplified(line * shrink, tolerance) / shrink
        arcs.append(np.rint(divided(line, LONGEST) / STEP).astype(np.int32))
    # An arc of two countries is a border; one of a single country is a coast.
    used = Counter(
        number if number >= 0 else ~number
        for country in world["objects"]["countries"]["geometries"]
        for ring in rings_of(country)
        for number in ring
    )
    rings = list(rings_of(world["objects"]["land"]))
    steps = np.concatenate([np.diff(arc, axis=0) for arc in arcs])
    assert np.abs(steps).max() < 2**15
    packed = steps.astype("<i2").T.ravel()
    return {
        # High and low bytes apart are packed to less.
        "high": (packed >> 8).astype(np.int8),
        "low": (packed & 255).astype(np.uint8),
        "start": np.array([arc[0] for arc in arcs], np.int32),
        "length": np.array([len(arc) for arc in arcs], np.int32),
        "is_border": np.array([used[number] > 1 for number in range(len(arcs))]),
        "ring": np.concatenate([np.array(ring, np.int16) for ring in rings]),
        "ring_length": np.array([len(ring) for ring in rings], np.int32),
    }


def main() -> None:
    """Read the folder that is named on the command line and write the file."""
    folder = Path(sys.argv[1])
    arrays = {"step": np.array(STEP)}
    for level, (name, tolerance) in LEVELS.items():
        for key, array in level_of(folder / name, tolerance).items():
            arrays[f"{level}_{key}"] = array
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    TARGET.write_bytes(lzma.compress(stream.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
