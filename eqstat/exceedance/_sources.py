"""Weighted draws of an earthquake's hypocentre and magnitude, as arrays for the kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from eqstat import hypocentre
from eqstat._core.checks import check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.geodesy import LocalFrame, wrap_longitude

COUNT = 256
ROWS = ("latitude", "longitude", "depth_km", "magnitude", "origin_time_s", "weight")
PLAUSIBLE_MAGNITUDE = (-3.0, 10.0)


@dataclass(frozen=True, init=False)
class Sources(Explained):
    """Weighted draws of hypocentre, origin time and magnitude: the n-th of each belong together.

    Attributes
    ----------
    latitude, longitude
        Epicentres, degrees, (n,).
    depth_km
        Depths, km, positive down, (n,).
    magnitude
        Magnitudes, (n,).
    origin_time_s
        Origin times, s after `reference_time`; NaN where they are unknown, (n,).
    weight
        Probabilities, which are normalised here; equal by default, (n,).
    reference_time
        Second 0, a time in ISO form, or "" where it is unknown.

    Raises
    ------
    eqstat.InputError
        When the rows do not fit each other, or a value cannot be.

    Examples
    --------
    >>> known = Sources([-12.1], [-77.1], [30.0], [6.1])
    >>> known.weight.tolist()
    [1.0]
    """

    latitude: np.ndarray
    longitude: np.ndarray
    depth_km: np.ndarray
    magnitude: np.ndarray
    origin_time_s: np.ndarray
    weight: np.ndarray
    reference_time: str

    def __init__(
        self,
        latitude: ArrayLike,
        longitude: ArrayLike,
        depth_km: ArrayLike,
        magnitude: ArrayLike,
        origin_time_s: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        reference_time: str = "",
    ) -> None:
        """Check the rows and bring them into their final form."""
        size = np.size(latitude)
        given = {
            "latitude": latitude,
            "longitude": longitude,
            "depth_km": depth_km,
            "magnitude": magnitude,
            "origin_time_s": np.full(size, np.nan) if origin_time_s is None else origin_time_s,
            "weight": np.ones(size) if weight is None else weight,
        }
        rows = {name: np.asarray(values, np.float64) for name, values in given.items()}
        for name, row in rows.items():
            if row.shape != (size,) or not size:
                raise InputError(f"sources: {name} must be a row of {size or 'some'} numbers")
            if name != "origin_time_s" and not np.all(np.isfinite(row)):
                first = int(np.flatnonzero(~np.isfinite(row))[0])
                raise InputError(f"sources: {name} is not finite (first in place {first})")
        _refuse("latitude", rows["latitude"], -90.0, 90.0, "degrees")
        _refuse("depth_km", rows["depth_km"], -10.0, 800.0, "km, positive down")
        _refuse("magnitude", rows["magnitude"], *PLAUSIBLE_MAGNITUDE, "")
        if np.any(rows["weight"] < 0) or not rows["weight"].sum() > 0:
            raise InputError("sources: weight must be at least 0, and above 0 in some place")
        rows["longitude"] = wrap_longitude(rows["longitude"])
        rows["weight"] = rows["weight"] / rows["weight"].sum()
        for name, row in rows.items():
            object.__setattr__(self, name, row)
        object.__setattr__(self, "reference_time", reference_time)

    def __len__(self) -> int:
        """Tell how many draws there are."""
        return len(self.latitude)

    @property
    def frame(self) -> LocalFrame:
        """Local frame about the epicentres."""
        return LocalFrame.around(self.latitude, self.longitude)

    def best(self) -> Sources:
        """Put the mean hypocentre and magnitude in the place of all draws."""
        frame = self.frame
        east, north = frame.to_local(self.latitude, self.longitude)
        place = frame.to_geographic(self.weight @ east, self.weight @ north)
        depth, magnitude, origin = (
            np.atleast_1d(self.weight @ row)
            for row in (self.depth_km, self.magnitude, self.origin_time_s)
        )
        at = [np.atleast_1d(each) for each in place]
        return Sources(at[0], at[1], depth, magnitude, origin, None, self.reference_time)

    def resampled(self, count: int) -> Sources:
        """Draw a number of them of equal weight, spread evenly over those there are.

        Systematic resampling: no random number is needed, and no draw comes more than once more
        or less often than it should.
        """
        edges = np.cumsum(self.weight)
        at = np.searchsorted(edges / edges[-1], (np.arange(count) + 0.5) / count)
        return Sources(
            self.latitude[at],
            self.longitude[at],
            self.depth_km[at],
            self.magnitude[at],
            self.origin_time_s[at],
            None,
            self.reference_time,
        )


def _refuse(name: str, row: np.ndarray, low: float, high: float, unit: str) -> None:
    bad = np.flatnonzero((row < low) | (row > high))
    if bad.size:
        raise InputError(
            f"sources: {name} must lie in [{low:g}, {high:g}] {unit}, not {row[bad[0]]:g} (place "
            f"{bad[0]}, {bad.size} in all)"
        )


def from_posterior(
    posterior: xr.DataTree | xr.Dataset,
    magnitude: ArrayLike | None = None,
    *,
    magnitude_sd: float | int = 0.0,
    count: int | None = COUNT,
) -> Sources:
    """Draw sources from the posterior of a hypocentre and the distribution of the magnitude.

    Parameters
    ----------
    posterior
        A hypocentre in the form of `eqstat.hypocentre` (draws, grid or normal), or the DataTree
        of `eqstat.traveltime.sample`.
    magnitude
        One number, the mean; or draws, one for each draw of the posterior, which then belong to
        it; without it the posterior must have a variable `magnitude`.
    magnitude_sd
        Standard deviation about these, at least 0, independent of the hypocentre. Draws beyond
        -3 or 10 are put there.
    count
        How many draws to keep, evenly spread; all, with their weights, where it is None.

    Returns
    -------
    Sources

    Raises
    ------
    eqstat.InputError
        When the posterior has no such variables, or the magnitudes do not fit it.

    Examples
    --------
    >>> drawn = xr.Dataset({"latitude": ("draw", [46.0, 46.1]), "longitude": ("draw", [7.0, 7.1]),
    ...                     "depth_km": ("draw", [8.0, 12.0])})
    >>> made = from_posterior(drawn, 5.6, magnitude_sd=0.3, count=100)
    >>> len(made), round(float(made.magnitude.mean()), 2), round(float(made.magnitude.std()), 2)
    (100, 5.6, 0.3)
    """
    check_range("from_posterior", 0, magnitude_sd=magnitude_sd)
    if count is not None:
        check_whole("from_posterior", 1, count=count)
    drawn = hypocentre.check(posterior)
    if magnitude is not None:
        drawn = hypocentre.with_magnitude(
            posterior, magnitude, magnitude_sd=float(magnitude_sd), count=count
        )
    elif "magnitude" not in drawn:
        raise InputError("from_posterior: the posterior has no magnitude; give magnitude")
    elif count is not None and drawn["latitude"].size > count:
        drawn = hypocentre.resample(drawn, count)
    return _of_draws(hypocentre.resample(drawn))


def _of_draws(drawn: xr.Dataset) -> Sources:
    """Arrays of a hypocentre's draws, which have a magnitude."""
    rows = {name: drawn[name].to_numpy() for name in ROWS if name in drawn}
    if drawn.attrs["form"] == "normal":
        # A normal distribution knows no surface.
        rows["depth_km"] = np.maximum(rows["depth_km"], 0.0)
    return Sources(**rows, reference_time=str(drawn.attrs.get("reference_time", "")))


def as_sources(source: Sources | xr.Dataset | xr.DataTree) -> Sources:
    """Return the draws of a hypocentre with magnitudes as arrays.

    Parameters
    ----------
    source
        A hypocentre of `eqstat.hypocentre` with `magnitude`, or sources already.

    Raises
    ------
    eqstat.InputError
        When it has no magnitude.
    """
    return source if isinstance(source, Sources) else from_posterior(source, count=None)
