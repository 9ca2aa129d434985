"""Places that are asked beside the stations of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd

from eqstat._core.errors import InputError
from eqstat.geodesy import LocalFrame, great_circle_distance
from eqstat.ground_motion.network.multistation._views import View
from eqstat.schema import Column, Contract, check, rows_text

SITES = Contract(
    "sites",
    (
        Column("latitude", "latitude", True, "degrees", -90.0, 90.0),
        Column("longitude", "longitude", True, "degrees", -180.0, 360.0),
        Column("site", "text"),
        Column("elevation_m", "number", False, "m", -11000.0, 9000.0),
    ),
)
# Farther from every station sites are hardly meant, km.
FAR_KM = 1000.0
# Farther from the station of its name a site is another place, km.
SAME_KM = 5.0


def site_table(sites: pd.DataFrame, places: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Checked sites with the number of the station of their name, as `Recordings.site_table`.

    `places` are the stations of the recordings, `names` those of the training in their order.
    """
    checked: Any = check(sites, SITES).reset_index(drop=True)
    if not len(checked):
        raise InputError("sites: the table has no rows")
    given = checked["site"].tolist() if "site" in checked else [None] * len(checked)
    labels = [str(row) if pd.isna(name) else str(name) for row, name in enumerate(given)]
    where = checked[["latitude", "longitude"]].to_numpy(float)
    listed = places[["latitude", "longitude"]].to_numpy(float)
    apart = np.asarray(great_circle_distance(*where.T[:, :, None], *listed.T[:, None, :]))
    nearest = apart.min(axis=1)
    far = nearest > FAR_KM
    if far.any():
        raise InputError(
            f"sites: no station lies within {FAR_KM:g} km; are latitude and longitude exchanged? "
            f"{rows_text(pd.Series(labels), far)}"
        )
    row_of = {str(name): row for row, name in enumerate(places["station"])}
    same = np.array([row_of.get(label, -1) for label in labels])
    away = np.where(same >= 0, apart[np.arange(len(same)), same], 0.0)
    if (away > SAME_KM).any():
        at = int(np.argmax(away))
        raise InputError(
            f"sites: {labels[at]!r} lies {away[at]:.0f} km from the station of that name; give it "
            "another name, or the coordinates of the station"
        )
    number = {str(name): k for k, name in enumerate(names)}
    station = np.array([number.get(label, -1) for label in labels])
    return pd.DataFrame(
        {
            "site": labels,
            "latitude": where[:, 0],
            "longitude": where[:, 1],
            "elevation_m": _elevation(checked, places, same),
            "station": station,
            "known_station": station >= 0,
            "nearest_km": nearest,
        }
    )


def _elevation(sites: Any, places: Any, same: np.ndarray) -> np.ndarray:
    """Elevation of each site, by default that of the station of its name, then 0."""
    out = np.zeros(len(sites))
    if "elevation_m" in places:
        out = np.where(same >= 0, places["elevation_m"].fillna(0.0).to_numpy(float)[same], 0.0)
    if "elevation_m" in sites:
        own = sites["elevation_m"].to_numpy(float)
        out = np.where(np.isnan(own), out, own)
    return out


def with_sites(view: View, table: pd.DataFrame, centre: np.ndarray) -> View:
    """Views with places of `site_table`, about the centre of each earthquake's frame.

    The rows of the views are events x times, the centres (events, 2).
    """
    where = table[["latitude", "longitude"]].to_numpy(float)
    height = table["elevation_m"].to_numpy(float) / 1000.0
    each = [np.stack([*LocalFrame(*own).to_local(*where.T), height], axis=1) for own in centre]
    rows, dtype = len(view.elapsed_s), view.place_km.dtype
    extra = jnp.asarray(np.repeat(np.stack(each), rows // len(centre), axis=0), dtype)
    station = jnp.broadcast_to(jnp.asarray(table["station"].to_numpy()), (rows, len(table)))
    base = jnp.concatenate([view.base, jnp.zeros((rows, len(table), 2), dtype)], axis=1)
    return eqx.tree_at(
        lambda v: (v.extra_km, v.extra_station, v.base), view, (extra, station, base)
    )
