"""Attenuation curves: quantiles of a predictor against distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from eqstat._core.checks import check_kind, check_probability, check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.ground_motion.mixture._mixture import quantile as quantile_of


@eqx.filter_jit
def _quantiles(predictor: Any, rows: tuple[Array, ...], level: Array) -> Array:
    return jax.vmap(quantile_of, in_axes=(None, 0))(predictor(*rows), level)


def attenuation(
    predictor: Any,
    magnitude: float | int,
    *,
    distance_km: ArrayLike | None = None,
    depth_km: float | int = 10.0,
    vs30_m_s: float | int | None = None,
    probability: float = 0.9,
) -> xr.Dataset:
    """Median and predictive interval of PGA against distance for one source.

    Parameters
    ----------
    predictor
        A ground-motion `Predictor`.
    magnitude
        Magnitude of the source.
    distance_km
        Hypocentral distances, km, above 0, (distances,); by default from the depth to 200 km, or
        to four times the depth of a deep source.
    depth_km
        Depth of the source, km, positive down.
    vs30_m_s
        Vs30 of the site, m/s; unknown by default.
    probability
        Nominal coverage of the equal-tailed interval, in (0, 1).

    Returns
    -------
    xarray.Dataset
        Over `distance` (km): `median_m_s2`, `low_m_s2`, `high_m_s2`.

    Raises
    ------
    eqstat.InputError
        When a distance is not above 0, or the probability not in (0, 1).

    Examples
    --------
    >>> from eqstat.ground_motion import PointSource
    >>> curve = attenuation(PointSource(), 6.0, distance_km=[20.0, 100.0])
    >>> bool(curve["median_m_s2"][0] > 5 * curve["median_m_s2"][1])
    True
    """
    remedy = "give a ground-motion model such as PointSource()"
    check_kind("attenuation", Callable, remedy, predictor=predictor)
    if distance_km is None:
        nearest = max(float(depth_km), 1.0)
        distance_km = np.geomspace(nearest, max(200.0, 4.0 * nearest), 80)
    distance = np.atleast_1d(np.asarray(distance_km, np.float64))
    if distance.ndim != 1:
        raise InputError("attenuation: distance_km must be one row of numbers")
    check_range("attenuation", 0, ends="()", distance_km=distance)
    check_probability("attenuation", probability=probability)
    unknown = np.nan if vs30_m_s is None else float(vs30_m_s)
    rows = (np.full_like(distance, magnitude), distance, np.full_like(distance, depth_km),
            np.full_like(distance, unknown))  # fmt: skip
    tail = (1 - probability) / 2
    level = jnp.array([tail, 0.5, 1 - tail], jnp.float32)
    log10_pga = _quantiles(predictor, tuple(jnp.asarray(row, jnp.float32) for row in rows), level)
    names = ("low_m_s2", "median_m_s2", "high_m_s2")
    attributes = {"units": "m s-2", "long_name": "PGA"}
    return xr.Dataset(
        {
            name: ("distance", row, attributes)
            for name, row in zip(names, 10.0 ** np.asarray(log10_pga, np.float64), strict=True)
        },
        coords={
            "distance": ("distance", distance, {"units": "km", "long_name": "hypocentral distance"})
        },
        attrs={
            "magnitude": float(magnitude),
            "depth_km": float(depth_km),
            "interval_probability": probability,
            "interval_kind": "predictive, equal tails",
        },
    )
