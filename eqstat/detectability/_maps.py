"""Maps of the miss probability, smallest detected magnitudes and blind zones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import brentq

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.detectability._miss import miss_probability
from eqstat.detectability._network import DeviceNetwork, Rule
from eqstat.velocity import VelocityLike, as_velocity

# S waves of earthquakes are followed to this epicentral distance.
FARTHEST_KM = 2000.0
PROBABILITY = {"units": "1", "long_name": "probability of detection"}


def miss_map(
    network: DeviceNetwork,
    rule: Rule,
    latitude: ArrayLike,
    longitude: ArrayLike,
    magnitude: ArrayLike,
    **options: Any,
) -> xr.Dataset:
    """Map of the miss probability: `miss_probability` on a grid of epicentres.

    Parameters
    ----------
    network, rule, magnitude
        As of `miss_probability`.
    latitude, longitude
        Axes of the grid, degrees, increasing, (latitudes,) and (longitudes,); longitudes may exceed
        180.
    **options
        As of `miss_probability`.

    Returns
    -------
    xarray.Dataset
        As of `miss_probability`, over `latitude` and `longitude` instead of `place`.

    Raises
    ------
    eqstat.InputError
        When an axis is not increasing, or as of `miss_probability`.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detectability import prepare
    >>> town = pd.DataFrame({"latitude": [-12.0], "longitude": [-77.0], "phones": [400]})
    >>> network = prepare(town, devices="phones")
    >>> area = miss_map(network, Rule(12), [-12.5, -12.0], [-77.5, -77.0, -76.5], [5.0])
    >>> dict(area.sizes)
    {'latitude': 2, 'longitude': 3, 'magnitude': 1, 'hour': 1}
    """
    check_range("miss_map", latitude=latitude, longitude=longitude)
    axes = [np.atleast_1d(np.asarray(axis, np.float64)) for axis in (latitude, longitude)]
    for name, axis in zip(("latitude", "longitude"), axes, strict=True):
        if axis.ndim != 1 or np.any(np.diff(axis) <= 0):
            raise InputError(f"miss_map: {name} must be a row of increasing degrees")
    north, east = np.meshgrid(*axes, indexing="ij")
    result = miss_probability(network, rule, north, east, magnitude, **options)
    attributes = {name: result[name].attrs for name in ("latitude", "longitude")}
    result = result.drop_vars(["latitude", "longitude"])
    product = pd.MultiIndex.from_product(axes, names=["latitude", "longitude"])
    index = xr.Coordinates.from_pandas_multiindex(product, "place")
    result = result.assign_coords(index).unstack("place")
    for name, its in attributes.items():
        result[name].attrs.update(its)
    return result.transpose("latitude", "longitude", ...)


def _check_result(owner: str, result: xr.Dataset) -> None:
    if not isinstance(result, xr.Dataset) or not {"miss_probability", "magnitude"} <= {
        *result.variables
    }:
        raise InputError(f"{owner}: result must be what miss_probability or miss_map returns")


def smallest_magnitude(
    result: xr.Dataset, probability: ArrayLike = (0.5, 0.9, 0.99)
) -> xr.DataArray:
    r"""Smallest magnitude that is detected with a probability, from then on always.

    Between the magnitudes of the result the log odds are interpolated linearly. Where the smallest
    of these is detected already it is returned (so choose them wide enough); where none is, NaN.

    Parameters
    ----------
    result
        From `miss_probability` or `miss_map`, with at least two magnitudes.
    probability
        Probabilities of detection, in (0, 1), (probabilities,).

    Returns
    -------
    xarray.DataArray
        Over `probability` and the dimensions of the result without `magnitude`.

    Raises
    ------
    eqstat.InputError
        When a probability is not in (0, 1), or there is only one magnitude.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detectability import miss_probability, prepare
    >>> town = pd.DataFrame({"latitude": [-12.0], "longitude": [-77.0], "phones": [400]})
    >>> network = prepare(town, devices="phones")
    >>> result = miss_probability(network, Rule(12), -12.1, -77.1, np.arange(2, 7.1, 0.5))
    >>> smallest = smallest_magnitude(result).squeeze()
    >>> bool(2.5 < smallest[0] < smallest[1] < smallest[2] < 6)
    True
    """
    _check_result("smallest_magnitude", result)
    share = np.atleast_1d(np.asarray(probability, np.float64))
    check_range("smallest_magnitude", 0, 1, ends="()", probability=share)
    sizes = result["magnitude"].to_numpy()
    if len(sizes) < 2 or np.any(np.diff(sizes) <= 0):
        raise InputError("smallest_magnitude: the result needs two or more increasing magnitudes")
    log_miss = result["log_miss_probability"].transpose(..., "magnitude")
    value = np.minimum(log_miss.to_numpy(), -1e-300)
    # Log odds of a detection, which do not decrease from some magnitude on.
    odds = np.log(-np.expm1(value)) - value
    odds = np.minimum.accumulate(odds[..., ::-1], axis=-1)[..., ::-1]
    layers = []
    for wanted in np.log(share / (1 - share)):
        above = odds >= wanted
        at = np.argmax(above, axis=-1)
        low, high = (
            np.take_along_axis(odds, index[..., None], -1)[..., 0]
            for index in (np.maximum(at - 1, 0), at)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.where((at > 0) & np.isfinite(low), (wanted - low) / (high - low), 1.0)
        size = sizes[np.maximum(at - 1, 0)] * (1 - part) + sizes[at] * part
        layers.append(np.where(above.any(axis=-1), size, np.nan))
    dims = ("probability", *log_miss.dims[:-1])
    coords = {name: c for name, c in log_miss.coords.items() if "magnitude" not in c.dims}
    return xr.DataArray(
        np.stack(layers),
        coords={**coords, "probability": ("probability", share, PROBABILITY)},
        dims=dims,
        name="smallest_magnitude",
        attrs={"long_name": "smallest magnitude detected"},
    )


def blind_zone_km(
    result: xr.Dataset, *, processing_s: float | int = 0.0, velocity: VelocityLike = None
) -> xr.DataArray:
    """Epicentral distance within which S comes before the warning.

    Parameters
    ----------
    result
        From `miss_probability` or `miss_map` with `delays`.
    processing_s
        From the detection to the warning on a phone, s, at least 0.
    velocity
        Velocity model, see `eqstat.velocity`; that of the result.

    Returns
    -------
    xarray.DataArray
        As `delay_s`; 0 where S of no place comes before, NaN without a detection.

    Raises
    ------
    eqstat.InputError
        When the result has no delays.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detectability import miss_probability, prepare
    >>> town = pd.DataFrame({"latitude": [-12.0], "longitude": [-77.0], "phones": [400]})
    >>> network = prepare(town, devices="phones")
    >>> result = miss_probability(network, Rule(12), -12.1, -77.1, [5.0], delays=True)
    >>> zone = blind_zone_km(result, processing_s=3.0).sel(quantile=0.5).item()
    >>> 15 < zone < 60
    True
    """
    _check_result("blind_zone_km", result)
    if "delay_s" not in result:
        raise InputError("blind_zone_km: the result has no delays; use delays=True")
    check_range("blind_zone_km", 0, 3600, processing_s=processing_s)
    model, depth = as_velocity(velocity), float(result.attrs["depth_km"])

    def arrival(distance: float) -> float:
        return float(model.travel_time(distance, depth)[1])

    first, last = arrival(0.0), arrival(FARTHEST_KM)

    def distance(seconds: float) -> float:
        if not np.isfinite(seconds):
            return np.nan
        if seconds <= first:
            return 0.0
        if seconds >= last:
            return FARTHEST_KM
        return float(brentq(lambda x: arrival(x) - seconds, 0.0, FARTHEST_KM, xtol=1e-3))  # type: ignore[arg-type]

    # Travel times on a fine axis: one evaluation for each would take long on a map.
    axis = np.linspace(first, last, 400)
    table = np.array([distance(float(t)) for t in axis])
    delay = result["delay_s"] + float(processing_s)
    zone = xr.apply_ufunc(lambda t: np.interp(t, axis, table), delay).where(np.isfinite(delay))
    return zone.rename("blind_zone_km").assign_attrs(
        units="km", long_name="epicentral distance that S reaches before the warning"
    )
