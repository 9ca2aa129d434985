"""Credible regions as GeoJSON (RFC 7946), cut at the antimeridian."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from eqstat._core.errors import InputError
from eqstat.hypocentre._region import CredibleRegion, credible_region
from eqstat.hypocentre._summary import summary

DIGITS = 6


def _signed_area(ring: np.ndarray) -> float:
    return 0.5 * float(
        np.sum(ring[:-1, 0] * np.diff(ring[:, 1]) - ring[:-1, 1] * np.diff(ring[:, 0]))
    )


def _parts(polygons: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Outer rings, each with its holes; a ring round a pole is closed along the pole."""
    parts: list[list[np.ndarray]] = []
    for ring in polygons:
        ring = np.asarray(ring, np.float64)
        turn = ring[-1, 0] - ring[0, 0]
        if abs(turn) > 180.0:
            pole = np.copysign(90.0, ring[:, 1].mean())
            ends = np.array([[ring[-1, 0], pole], [ring[0, 0], pole], ring[0]])
            ring = np.concatenate([ring, ends])
            ring = ring if _signed_area(ring) > 0 else ring[::-1]
        if _signed_area(ring) > 0 or not parts:
            parts.append([ring])
        else:
            parts[-1].append(ring)
    return parts


def _clip(ring: np.ndarray, meridian: float, keep_west: bool) -> np.ndarray:
    """Part of a closed ring on one side of a meridian (Sutherland and Hodgman, 1974)."""
    side = (meridian - ring[:, 0]) * (1.0 if keep_west else -1.0)
    out: list[np.ndarray] = []
    for start, end, a, b in zip(ring[:-1], ring[1:], side[:-1], side[1:], strict=True):
        if a >= 0:
            out.append(start)
        if (a > 0 > b) or (a < 0 < b):
            crossing = start + a / (a - b) * (end - start)
            out.append(np.array([meridian, crossing[1]]))
    return np.array([*out, out[0]]) if len(out) > 2 else np.empty((0, 2))


def _cut(part: list[np.ndarray]) -> list[list[np.ndarray]]:
    """A polygon in pieces within [-180, 180] degrees of longitude."""
    low = float(np.floor((part[0][:, 0].min() + 180.0) / 360.0))
    high = float(np.ceil((part[0][:, 0].max() + 180.0) / 360.0))
    pieces = []
    for turn in np.arange(low, high):
        west, east = 360.0 * turn - 180.0, 360.0 * turn + 180.0
        piece = [
            _clip(_clip(ring, east, True), west, False) if len(ring) else ring for ring in part
        ]
        piece = [ring - np.array([360.0 * turn, 0.0]) for ring in piece if len(ring)]
        if piece:
            pieces.append(piece)
    return pieces


def geometry(region: CredibleRegion) -> dict[str, Any]:
    """Return the region as a GeoJSON MultiPolygon.

    Polygons that cross the antimeridian are cut there, as RFC 7946 (section 3.1.9) asks; those
    round a pole reach it.
    """
    pieces = [piece for part in _parts(region.polygons) for piece in _cut(part)]
    return {
        "type": "MultiPolygon",
        "coordinates": [[ring.round(DIGITS).tolist() for ring in piece] for piece in pieces],
    }


def to_geojson(
    hypocentre: xr.Dataset | xr.DataTree, *, probability: float | int = 0.9
) -> dict[str, Any]:
    """Return the credible region and the median epicentre as a GeoJSON FeatureCollection.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal.
    probability
        Content of the region and nominal coverage of the intervals, in (0, 1).

    Returns
    -------
    dict
        A MultiPolygon with `probability`, `area_km2` and `kind`; a Point with the median, low
        and high ends of the other variables, `interval_probability` and `interval_kind`.

    References
    ----------
    Butler, H. et al. (2016), The GeoJSON format, RFC 7946, doi:10.17487/RFC7946.

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> from eqstat.geodesy import LocalFrame
    >>> normal = hypocentre.from_normal(LocalFrame(0.0, 180.0), [0, 0, 10, 0], np.eye(4))
    >>> made = to_geojson(normal, probability=0.5)
    >>> len(made["features"][0]["geometry"]["coordinates"])
    2
    """
    region = credible_region(hypocentre, probability)
    table = summary(hypocentre, probability=probability)
    about: dict[str, Any] = {
        str(name): {key: round(float(table[name].sel(statistic=key)), DIGITS)
               for key in ("median", "low", "high")}
        for name in table.data_vars
        if name not in ("east_km", "north_km")
    }  # fmt: skip
    about |= {k: v for k, v in table.attrs.items() if not k.startswith("frame")}
    point = [about["longitude"]["median"], about["latitude"]["median"]]
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": geometry(region),
                "properties": {
                    "name": "credible region of the epicentre",
                    "probability": region.probability,
                    "area_km2": region.area_km2,
                    "kind": region.kind,
                },
            },
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": point},
                "properties": {"name": "epicentre", **about},
            },
        ],
    }


def write(hypocentre: xr.Dataset, path: Path, probability: float) -> None:
    """Write `to_geojson`."""
    text = json.dumps(to_geojson(hypocentre, probability=probability), allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_geojson(path: str | Path) -> CredibleRegion:
    """Read the credible region of a GeoJSON file of `write`.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    CredibleRegion
        Its polygons are cut at the antimeridian.

    Raises
    ------
    eqstat.InputError
        When the file is not of that form.

    Examples
    --------
    >>> import tempfile
    >>> from eqstat import hypocentre
    >>> from eqstat.geodesy import LocalFrame
    >>> normal = hypocentre.from_normal(LocalFrame(46.0, 7.0), [0, 0, 10, 0], np.eye(4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hypocentre.write(normal, f"{folder}/region.geojson", probability=0.5)
    ...     read_geojson(f"{folder}/region.geojson").contains(46.0, 7.0)
    True
    """
    try:
        feature = json.loads(Path(path).read_text(encoding="utf-8"))["features"][0]
        rings = [ring for polygon in feature["geometry"]["coordinates"] for ring in polygon]
        about = feature["properties"]
        return CredibleRegion(
            float(about["probability"]),
            float(about["area_km2"]),
            tuple(np.asarray(ring, np.float64) for ring in rings),
            str(about["kind"]),
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"{str(path)!r}: not a region as GeoJSON ({error})") from error
