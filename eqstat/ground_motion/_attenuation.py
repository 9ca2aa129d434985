"""How shaking falls with distance: quantiles of a predictor along distance."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from eqstat._core.checks import check_probability, check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.ground_motion.mixture._mixture import quantile as quantile_of

__all__ = ["attenuation"]


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
    """Median and interval of PGA along distance, of one source.

    Parameters
    ----------
    predictor
        A ground-motion predictor.
    magnitude
        Of the source.
    distance_km
        Hypocentral distances, above 0; by default from the depth to 200 km, or to four times the
        depth of a deep source.
    depth_km
        Of the source, km.
    vs30_m_s
        Of the site; unknown by default.
    probability
        Of the interval, equal tails.

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
    >>> from eqstat.exceedance.predictor import PointSource
    >>> found = attenuation(PointSource(), 6.0, distance_km=[20.0, 100.0])
    >>> bool(found["median_m_s2"][0] > 5 * found["median_m_s2"][1])
    True
    """
    if distance_km is None:
        nearest = max(float(depth_km), 1.0)
        distance_km = np.geomspace(nearest, max(200.0, 4.0 * nearest), 80)
    away = np.atleast_1d(np.asarray(distance_km, np.float64))
    if away.ndim != 1:
        raise InputError("attenuation: distance_km must be one row of numbers")
    check_range("attenuation", 0, ends="()", distance_km=away)
    check_probability("attenuation", probability=probability)
    unknown = np.nan if vs30_m_s is None else float(vs30_m_s)
    rows = (np.full_like(away, magnitude), away, np.full_like(away, depth_km),
            np.full_like(away, unknown))  # fmt: skip
    rest = (1 - probability) / 2
    level = jnp.array([rest, 0.5, 1 - rest], jnp.float32)
    found = _quantiles(predictor, tuple(jnp.asarray(row, jnp.float32) for row in rows), level)
    names = ("low_m_s2", "median_m_s2", "high_m_s2")
    about = {"units": "m s-2", "long_name": "PGA"}
    return xr.Dataset(
        {
            name: ("distance", row, about)
            for name, row in zip(names, 10.0 ** np.asarray(found, np.float64), strict=True)
        },
        coords={
            "distance": ("distance", away, {"units": "km", "long_name": "hypocentral distance"})
        },
        attrs={
            "magnitude": float(magnitude),
            "depth_km": float(depth_km),
            "interval_probability": probability,
            "interval_kind": "predictive, equal tails",
        },
    )
