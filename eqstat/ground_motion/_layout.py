"""What records have in common: their events, their stations, and places near one another."""

from __future__ import annotations

from typing import Any

import numpy as np

from eqstat.geodesy import LocalFrame
from eqstat.inference import bucket_size, pad_rows


def station_distances(
    distance_km: np.ndarray, station: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariate of distance of each record's station, the mean distance, and its share.

    The share is the intraclass correlation of log10 distance: of the variance between records, the
    part between stations (one-way analysis of variance).
    """
    decades = np.log10(distance_km)
    centre = decades.mean()
    sums, counts = np.bincount(station, decades), np.bincount(station)
    means = (sums / np.maximum(counts, 1))[station]
    groups, records = np.count_nonzero(counts), len(decades)
    within = np.sum((decades - means) ** 2) / max(records - groups, 1)
    between = np.sum((means - centre) ** 2) / max(groups - 1, 1)
    size = (records - np.sum(counts**2) / records) / max(groups - 1, 1)
    spread = max((between - within) / max(size, 1.0), 0.0)
    share = spread / (spread + within) if spread > 0 else 0.0
    return means - centre, np.asarray(10**centre), np.asarray(share)


def station_places(table: Any) -> tuple[np.ndarray, np.ndarray]:
    """Cartesian positions (km) of rows with coordinates, 0 for others, and which have them."""
    if not {"latitude", "longitude"} <= set(table.columns):
        return np.zeros((len(table), 3)), np.zeros(len(table), bool)
    places = table[["latitude", "longitude"]].to_numpy(np.float64)
    known = ~np.isnan(places).any(axis=1)
    # One frame for all tables, so that reports of an event can be compared with later sites.
    place_km = LocalFrame(0.0, 0.0).position(*np.where(known[:, None], places, 0.0).T)
    return place_km, known


def event_blocks(event: np.ndarray) -> tuple[np.ndarray, ...]:
    """Numbers of each event's records, padded with -1 and grouped by size bucket."""
    order = np.argsort(event, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(event[order])) + 1)
    groups: dict[int, list[np.ndarray]] = {}
    for rows in members:
        size = bucket_size(len(rows))
        groups.setdefault(size, []).append(pad_rows(rows, size, -1))
    return tuple(
        pad_rows(np.stack(groups[size]), bucket_size(len(groups[size]), smallest=4), -1)
        for size in sorted(groups)
    )
