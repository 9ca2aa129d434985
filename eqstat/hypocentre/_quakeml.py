r"""Hypocentres as QuakeML 1.2, by ObsPy.

Position, depth and time carry their median; `uncertainty` is half of the equal-tailed interval,
`lowerUncertainty` and `upperUncertainty` its two parts, and `confidenceLevel` its nominal
coverage in per cent. The epicentre has an `uncertainty ellipse` of that confidence level, from the
posterior's covariance; a comment tells the area of the highest-density region.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri

from eqstat._core.errors import InputError
from eqstat._core.obspy import obspy_module
from eqstat.geodesy import LocalFrame
from eqstat.hypocentre._form import from_normal
from eqstat.hypocentre._region import credible_region
from eqstat.hypocentre._summary import summary, uncertainty_ellipse


def _quantity(values: xr.DataArray, scale: float, event: Any, level: float) -> tuple[float, Any]:
    low, middle, high = (float(values.sel(statistic=k)) * scale for k in ("low", "median", "high"))
    return middle, event.QuantityError(
        uncertainty=0.5 * (high - low),
        lower_uncertainty=max(middle - low, 0.0),
        upper_uncertainty=max(high - middle, 0.0),
        confidence_level=100 * level,
    )


def to_event(hypocentre: xr.Dataset | xr.DataTree, *, probability: float | int = 0.9) -> Any:
    """Return a hypocentre as an event of ObsPy.

    Parameters
    ----------
    hypocentre
        Draws, grid or normal, with an origin time and a `reference_time`.
    probability
        Nominal coverage of the uncertainties, in (0, 1).

    Returns
    -------
    obspy.core.event.Event
        With one origin and, where it is known, one magnitude.

    Raises
    ------
    eqstat.InputError
        When there is no origin time or reference time.
    ImportError
        Where ObsPy is not installed.

    References
    ----------
    Schorlemmer, D. et al. (2011), QuakeML: status of the XML-based seismological data exchange
    format, Annals of Geophysics 54, 59-65, doi:10.4401/ag-4874.

    Examples
    --------
    >>> from eqstat import hypocentre
    >>> from eqstat.geodesy import LocalFrame
    >>> normal = hypocentre.from_normal(LocalFrame(46.0, 7.0), [0, 0, 10, 0], np.eye(4),
    ...                                 reference_time="2027-01-15T08:00:00Z")
    >>> to_event(normal).origins[0].origin_uncertainty.preferred_description
    'uncertainty ellipse'
    """
    obspy = obspy_module("QuakeML")
    event = obspy.core.event
    level = float(probability)
    table = summary(hypocentre, probability=level)
    if "origin_time_s" not in table or "reference_time" not in table.attrs:
        raise InputError("QuakeML: needs a hypocentre with an origin time and a reference time")
    zero = obspy.UTCDateTime(pd.Timestamp(table.attrs["reference_time"]).isoformat())
    latitude, latitude_errors = _quantity(table["latitude"], 1.0, event, level)
    # Longitudes relative to the median, so that intervals may cross the antimeridian.
    middle = float(table["longitude"].sel(statistic="median"))
    relative = table["longitude"].copy(data=(table["longitude"] - middle + 180.0) % 360.0 - 180.0)
    _, longitude_errors = _quantity(relative, 1.0, event, level)
    depth, depth_errors = _quantity(table["depth_km"], 1000.0, event, level)
    seconds, time_errors = _quantity(table["origin_time_s"], 1.0, event, level)
    ellipse = uncertainty_ellipse(hypocentre, level)
    region = credible_region(hypocentre, level)
    origin = event.Origin(
        time=zero + seconds,
        time_errors=time_errors,
        latitude=latitude,
        latitude_errors=latitude_errors,
        longitude=middle,
        longitude_errors=longitude_errors,
        depth=depth,
        depth_errors=depth_errors,
        origin_uncertainty=event.OriginUncertainty(
            min_horizontal_uncertainty=1000 * ellipse.semi_minor_km,
            max_horizontal_uncertainty=1000 * ellipse.semi_major_km,
            azimuth_max_horizontal_uncertainty=ellipse.azimuth_deg,
            preferred_description="uncertainty ellipse",
            confidence_level=100 * level,
        ),
        comments=[
            event.Comment(
                text=f"{100 * level:g} % credible region of the epicentre ({region.kind}): "
                f"{region.area_km2:.4g} km2; intervals {table.attrs['interval_kind']} with "
                f"probability {level:g}"
            )
        ],
    )
    made = event.Event(origins=[origin])
    made.preferred_origin_id = origin.resource_id
    if "magnitude" in table:
        size, size_errors = _quantity(table["magnitude"], 1.0, event, level)
        made.magnitudes = [
            event.Magnitude(mag=size, mag_errors=size_errors, origin_id=origin.resource_id)
        ]
        made.preferred_magnitude_id = made.magnitudes[0].resource_id
    return made


def write(hypocentre: xr.Dataset, path: Path, probability: float) -> None:
    """Write one event as QuakeML."""
    made = to_event(hypocentre, probability=probability)
    obspy_module("QuakeML").core.event.Catalog([made]).write(str(path), format="QUAKEML")


def _sd(errors: Any, scale: float) -> float:
    """Standard deviation of a quantity; by default its uncertainty is one standard deviation."""
    if errors is None or errors.uncertainty is None:
        return float("nan")
    level = errors.confidence_level
    width = 1.0 if level is None else float(ndtri(0.5 + level / 200.0))
    return float(errors.uncertainty) * scale / width


def read(path: Path) -> xr.Dataset:
    """Read the first event's origin as a normal distribution; depth and time are independent."""
    obspy = obspy_module("QuakeML")
    try:
        event = obspy.read_events(str(path), format="QUAKEML")[0]
        origin = event.preferred_origin() or event.origins[0]
        place = float(origin.latitude), float(origin.longitude)
        depth, time = float(origin.depth) / 1000, pd.Timestamp(str(origin.time))
    except (OSError, ValueError, TypeError, IndexError, SyntaxError) as error:
        raise InputError(f"{str(path)!r}: not a QuakeML file with an origin ({error})") from error
    spread = origin.origin_uncertainty
    if spread is None or spread.max_horizontal_uncertainty is None:
        raise InputError(f"{str(path)!r}: the origin has no uncertainty ellipse")
    level = 39.35 if spread.confidence_level is None else float(spread.confidence_level)
    radius = np.sqrt(-2 * np.log1p(-level / 100))
    angle = np.radians(float(spread.azimuth_max_horizontal_uncertainty or 0.0))
    least = spread.min_horizontal_uncertainty
    major = float(spread.max_horizontal_uncertainty) / 1000 / radius
    minor = major if least is None else float(least) / 1000 / radius
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([np.cos(angle), -np.sin(angle)])
    covariance = np.zeros((4, 4))
    covariance[:2, :2] = major**2 * np.outer(along, along) + minor**2 * np.outer(across, across)
    covariance[2, 2] = _sd(origin.depth_errors, 1e-3) ** 2
    covariance[3, 3] = _sd(origin.time_errors, 1.0) ** 2
    return from_normal(LocalFrame(*place), [0.0, 0.0, depth, 0.0], covariance, reference_time=time)
