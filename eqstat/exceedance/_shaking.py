r"""Exceedance probabilities and lead times at sites, marginalised over the source.

$$ P(a > u \mid \text{site}) = \sum_d w_d \sum_k v_k(M_d, R_d)\,
\Phi\!\Big( \frac{\mu_k(M_d, R_d) - \log_{10} u}{\sigma_k(M_d, R_d)} \Big) $$

over the draws d of hypocentre and magnitude with weights $w_d$, and the components k of a
predictor's mixture. The S wave of draw d arrives at $t_d + T_S(R_d)$; the lead time is the time
from the present until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.exceedance import _kernel
from eqstat.exceedance._sites import as_sites
from eqstat.exceedance._sources import Sources, as_sources
from eqstat.geodesy import LocalFrame, great_circle_distance, wrap_longitude
from eqstat.ground_motion import Predictor

# S velocity of the constant velocity model of `eqstat.velocity`.
S_VELOCITY_KM_S = 4.5
MOST_PLAUSIBLE_M_S2 = 50.0
# Pairs of site and draw that are held in memory at a time.
PAIRS = 2**23
QUANTILE = {"units": "1", "long_name": "probability of the quantile"}
LEAST_LEAD = {"units": "s", "long_name": "least lead time"}

TravelTime = Callable[[np.ndarray, np.ndarray], Any]


def shaking(
    predictor: Predictor,
    sources: Sources | xr.Dataset | xr.DataTree,
    sites: pd.DataFrame,
    threshold_m_s2: ArrayLike,
    *,
    now_s: float | int | None = None,
    s_travel_time: TravelTime | float | int = S_VELOCITY_KM_S,
    quantile: ArrayLike = (0.05, 0.5, 0.95),
    least_lead_s: ArrayLike = (),
) -> xr.Dataset:
    """Probability of exceedance, PGA quantiles and lead time at sites.

    Marginalises over the posterior of hypocentre, magnitude and origin time, whose draws are kept
    together, so that a near source is also early. Distances are straight lines through
    the sphere, correct at the antimeridian and the poles.

    Parameters
    ----------
    predictor
        From `(magnitude, distance_km, depth_km, vs30_m_s)` to a `Mixture`; safe under `jit`.
    sources
        The source: a hypocentre of `eqstat.hypocentre` with magnitudes (`with_magnitude`).
    sites
        `latitude`, `longitude`, optionally `site` (their names) and `vs30_m_s` (missing: unknown).
    threshold_m_s2
        One or several PGA, m/s2, above 0; above 50 is refused as another unit.
    now_s
        Present time, s after the sources' reference time. Without it, lead times count from
        the origin: they are S travel times.
    s_travel_time
        S velocity along straight lines, km/s; or a function of great-circle distance (km) and
        depth (km), arrays that broadcast, that returns seconds. For a model of
        `eqstat.velocity`: `lambda km, depth: model.travel_time(km, depth)[1]`.
    quantile
        Probabilities of the quantiles, in (0, 1), increasing.
    least_lead_s
        Lead times, s, for which `probability_in_time` is computed.

    Returns
    -------
    xarray.Dataset
        Over `site`: `probability` (and `threshold`, m/s2), `pga_quantile_m_s2` and
        `lead_time_quantile_s` (and `quantile`; negative once S has arrived), `lead_time_s` (the
        median), `distance_km` (mean hypocentral), `latitude`, `longitude`. With `least_lead_s`:
        `probability_in_time`, of exceeding the threshold with a lead time longer than
        `least_lead`.

    Raises
    ------
    eqstat.InputError
        When sites, thresholds or an option are invalid.

    Examples
    --------
    >>> from eqstat.ground_motion import PointSource
    >>> source = Sources([0.0], [179.9], [10.0], [6.0])
    >>> sites = pd.DataFrame({"latitude": [0.0, 0.0], "longitude": [-179.9, 179.0]})
    >>> result = shaking(PointSource(), source, sites, 0.5)
    >>> result["distance_km"].round(1).values.tolist()
    [24.4, 100.5]
    >>> bool(result["probability"][0, 0] > result["probability"][1, 0])
    True
    """
    sources = as_sources(sources)
    table = as_sites(sites)
    threshold = _thresholds(threshold_m_s2)
    probability = _row("quantile", quantile)
    if np.any((probability <= 0) | (probability >= 1)) or np.any(np.diff(probability) <= 0):
        raise InputError("shaking: quantile must be probabilities in (0, 1), increasing")
    least = _row("least_lead_s", least_lead_s)
    if now_s is not None:
        if not isinstance(now_s, int | float | np.number) or not np.isfinite(now_s):
            raise InputError(
                f"shaking: now_s must be seconds after the sources' reference time, not {now_s!r}"
            )
        if not np.all(np.isfinite(sources.origin_time_s)):
            raise InputError("shaking: now_s needs sources with an origin time")
    frame = sources.frame
    drawn = _drawn(frame, sources)
    step = max(PAIRS // len(sources), 1)
    blocks = [
        _block(predictor, sources, frame, drawn, table.iloc[i : i + step], threshold, now_s,
               s_travel_time, probability, least)
        for i in range(0, len(table), step)
    ]  # fmt: skip
    rows = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return _dataset(rows, table, threshold, probability, least, sources, now_s)


def shaking_map(
    predictor: Predictor,
    sources: Sources | xr.Dataset | xr.DataTree,
    latitude: ArrayLike,
    longitude: ArrayLike,
    threshold_m_s2: ArrayLike,
    *,
    vs30_m_s: ArrayLike | None = None,
    **options: Any,
) -> xr.Dataset:
    """Probability of exceedance, PGA quantiles and lead time on a grid; see `shaking`.

    Parameters
    ----------
    predictor, sources, threshold_m_s2, options
        As in `shaking`.
    latitude, longitude
        Axes of the grid, degrees, each value once; longitudes may run across 180, to either side.
        The result has them in increasing order.
    vs30_m_s
        Over (latitude, longitude); unknown by default.

    Returns
    -------
    xarray.Dataset
        As of `shaking`, with dims `latitude` and `longitude` instead of `site`.

    Raises
    ------
    eqstat.InputError
        When an argument is invalid.

    Examples
    --------
    >>> from eqstat.ground_motion import PointSource
    >>> source = Sources([46.0], [7.0], [8.0], [5.5])
    >>> grid = shaking_map(PointSource(), source, [45.9, 46.0], [6.9, 7.0, 7.1], [0.2, 0.5])
    >>> dict(grid["probability"].sizes)
    {'latitude': 2, 'longitude': 3, 'threshold': 2}
    """
    axes = _row("latitude", latitude), _row("longitude", longitude)
    shape = len(axes[0]), len(axes[1])
    if 0 in shape:
        raise InputError("shaking_map: latitude and longitude need at least one number each")
    for name, axis in zip(("latitude", "longitude"), axes, strict=True):
        if len(np.unique(axis)) < len(axis):
            raise InputError(f"shaking_map: {name} holds a value twice")
    if not np.all(np.abs(axes[1]) <= 360.0):
        raise InputError("shaking_map: longitude must lie in [-360, 360] degrees")
    vs30 = np.full(shape, np.nan) if vs30_m_s is None else np.asarray(vs30_m_s, np.float64)
    if vs30.shape != shape:
        raise InputError(f"shaking_map: vs30_m_s must be of shape {shape}, not {vs30.shape}")
    across, along = np.meshgrid(axes[0], axes[1], indexing="ij")
    sites = pd.DataFrame(
        {
            "latitude": across.ravel(),
            "longitude": wrap_longitude(along.ravel()),
            "vs30_m_s": vs30.ravel(),
        }
    )
    result = shaking(predictor, sources, sites, threshold_m_s2, **options)
    index = pd.MultiIndex.from_product(axes, names=["latitude", "longitude"])
    flat = result.drop_vars(["site", "latitude", "longitude"])
    grid = flat.assign_coords(xr.Coordinates.from_pandas_multiindex(index, "site"))
    grid = grid.unstack("site").transpose("latitude", "longitude", ...)
    for name, unit in (("latitude", "degrees_north"), ("longitude", "degrees_east")):
        grid[name].attrs.update(units=unit, long_name=name)
    return grid


def _thresholds(given: ArrayLike) -> np.ndarray:
    threshold = np.atleast_1d(_row("threshold_m_s2", given))
    if not threshold.size or not np.all(threshold > 0):
        raise InputError("shaking: threshold_m_s2 must be above 0")
    if np.any(threshold > MOST_PLAUSIBLE_M_S2):
        raise InputError(
            f"shaking: threshold_m_s2 of {threshold.max():g} m/s2 is more than any shaking; is it "
            "in Gal (divide by 100) or %g (multiply by 0.0980665)?"
        )
    return threshold


def _row(name: str, values: ArrayLike) -> np.ndarray:
    try:
        row = np.atleast_1d(np.asarray(values, np.float64))
    except (TypeError, ValueError):
        raise InputError(f"shaking: {name} must be plain numbers, not {values!r}") from None
    if row.ndim != 1 or not np.all(np.isfinite(row)):
        raise InputError(f"shaking: {name} must be one or several finite numbers")
    return row


def _drawn(frame: LocalFrame, sources: Sources) -> _kernel.SourceDraws:
    """Convert the draws to the single-precision arrays of the kernels."""
    with np.errstate(divide="ignore"):
        log_weight = np.log(sources.weight)
    place = _kernel.positions(frame, sources.latitude, sources.longitude, sources.depth_km)
    rows = place, sources.depth_km, sources.magnitude, log_weight
    return _kernel.SourceDraws(*(jnp.asarray(row, jnp.float32) for row in rows))


def _block(
    predictor: Any,
    sources: Sources,
    frame: LocalFrame,
    drawn: _kernel.SourceDraws,
    table: pd.DataFrame,
    threshold: np.ndarray,
    now_s: float | int | None,
    s_travel_time: TravelTime | float | int,
    probability: np.ndarray,
    least: np.ndarray,
) -> dict[str, np.ndarray]:
    """Compute all variables for a block of sites."""
    latitude, longitude = (table[name].to_numpy() for name in ("latitude", "longitude"))
    place = _kernel.positions(frame, latitude, longitude, np.zeros(len(table)))
    site = jnp.asarray(place, jnp.float32)
    vs30 = jnp.asarray(table["vs30_m_s"].to_numpy(), jnp.float32)
    distance = np.asarray(_kernel.distances(site, drawn.place_km), np.float64)
    log10 = jnp.asarray(np.log10(threshold), jnp.float32)
    rows = {
        "probability": _kernel.exceedances(predictor, drawn, site, vs30, log10),
        "distance_km": distance @ sources.weight,
    }
    if probability.size:
        levels = jnp.asarray(probability, jnp.float32)
        level = _kernel.quantiles(predictor, drawn, site, vs30, levels)
        rows["pga_quantile_m_s2"] = 10.0 ** np.asarray(level, np.float64)
    if callable(s_travel_time):
        epicentral = great_circle_distance(
            latitude[:, None], longitude[:, None], sources.latitude, sources.longitude
        )
        travel = np.asarray(s_travel_time(epicentral, sources.depth_km[None, :]), np.float64)
        if travel.shape != distance.shape:
            raise InputError(
                f"shaking: s_travel_time gave shape {travel.shape} for distances of "
                f"{distance.shape}; of a velocity model take the second of its two waves"
            )
    elif s_travel_time > 0:
        travel = distance / s_travel_time
    else:
        raise InputError(f"shaking: an S velocity must be above 0, not {s_travel_time!r}")
    lead = travel if now_s is None else travel + sources.origin_time_s - now_s
    spread = weighted_quantiles(lead, sources.weight, np.append(probability, 0.5))
    rows["lead_time_s"], rows["lead_time_quantile_s"] = spread[:, -1], spread[:, :-1]
    if least.size:
        rows["probability_in_time"] = _kernel.exceedances_in_time(
            predictor, drawn, site, vs30, jnp.asarray(lead, jnp.float32), log10,
            jnp.asarray(least, jnp.float32),
        )  # fmt: skip
    return {name: np.asarray(row, np.float64) for name, row in rows.items()}


def weighted_quantiles(
    values: np.ndarray, weight: np.ndarray, probability: np.ndarray
) -> np.ndarray:
    """Quantiles of rows of weighted draws: the least draw that reaches the probability."""
    order = np.argsort(values, axis=1)
    reached = np.cumsum(weight[order], axis=1)
    # Rounding must not carry a probability of one half over the middle draw.
    at = np.stack([(reached < p * (1 - 1e-12)).sum(axis=1) for p in probability], axis=1)
    at = np.minimum(at, values.shape[1] - 1)
    return np.take_along_axis(np.take_along_axis(values, order, axis=1), at, axis=1)


def _dataset(
    rows: dict[str, np.ndarray],
    table: pd.DataFrame,
    threshold: np.ndarray,
    probability: np.ndarray,
    least: np.ndarray,
    sources: Sources,
    now_s: float | int | None,
) -> xr.Dataset:
    about = {
        "probability": (("site", "threshold"), "1", "probability of exceeding the threshold"),
        "pga_quantile_m_s2": (("site", "quantile"), "m s-2", "quantiles of PGA"),
        "lead_time_s": (("site",), "s", "median time until S"),
        "lead_time_quantile_s": (("site", "quantile"), "s", "quantiles of the time until S"),
        "distance_km": (("site",), "km", "mean hypocentral distance"),
        "probability_in_time": (
            ("site", "threshold", "least_lead"),
            "1",
            "probability of exceeding the threshold with at least this lead time",
        ),
    }
    dataset = xr.Dataset(
        {
            name: (about[name][0], row, {"units": about[name][1], "long_name": about[name][2]})
            for name, row in rows.items()
        },
        coords={
            "site": table["site"].to_numpy(),
            "threshold": ("threshold", threshold, {"units": "m s-2", "long_name": "PGA"}),
            "latitude": ("site", table["latitude"].to_numpy(), {"units": "degrees_north"}),
            "longitude": ("site", table["longitude"].to_numpy(), {"units": "degrees_east"}),
        },
    )
    if probability.size:
        dataset = dataset.assign_coords(quantile=("quantile", probability, QUANTILE))
    if least.size:
        dataset = dataset.assign_coords(least_lead=("least_lead", least, LEAST_LEAD))
    start = "origin" if now_s is None else "now"
    dataset.attrs = {
        "draws": len(sources),
        "lead_time_from": start,
        "reference_time": sources.reference_time,
        "quantile_kind": "posterior predictive, of hypocentre, magnitude and ground motion",
    }
    if now_s is not None:
        dataset.attrs["now_s"] = float(now_s)
    return dataset
