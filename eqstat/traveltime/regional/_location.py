"""Results of locating with a regional error model, and the prior of depth."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from eqstat import schema
from eqstat.geodesy import LocalFrame
from eqstat.inference import highest_density_level


@dataclass(frozen=True)
class DepthPrior:
    """Log-normal prior of depth, cut at `deepest_km`: what a crust does, made explicit.

    Parameters
    ----------
    median_km
        Median before the cut, km, positive.
    log_sd
        Standard deviation of the natural logarithm, positive.
    shallowest_km, deepest_km
        Range of depths looked at, km.
    """

    median_km: float = 8.0
    log_sd: float = 0.8
    shallowest_km: float = 1.0
    deepest_km: float = 40.0

    def __post_init__(self) -> None:
        values = (self.median_km, self.log_sd, self.shallowest_km, self.deepest_km)
        if not (np.all(np.isfinite(values)) and min(values) > 0):
            raise schema.InputError(f"depth prior: all numbers must be positive, got {values}")
        if self.deepest_km <= self.shallowest_km:
            raise schema.InputError("depth prior: deepest_km must exceed shallowest_km")


CRUSTAL = DepthPrior()


@dataclass(frozen=True)
class RegionalLocation:
    """Posterior of a hypocentre under a regional error model.

    Attributes
    ----------
    frame
        Local frame of the axes.
    east_km, north_km, depth_km
        Cell centres; the depths are equidistant in the logarithm.
    mass
        Posterior probability of each cell, (east, north, depth), summing to 1.
    log_evidence
        Log density of the picks over the box searched (the epicentre's prior, one over the
        box's area, is not in it).
    picks_used
        Number of picks used.
    left_out
        Rows not used, with a column `reason`.
    edge_mass
        Probability in the outermost cells of the map: large where the box is too small.
    """

    frame: LocalFrame
    east_km: np.ndarray
    north_km: np.ndarray
    depth_km: np.ndarray
    mass: np.ndarray
    log_evidence: float
    picks_used: int
    left_out: pd.DataFrame = field(repr=False)
    edge_mass: float = 0.0

    @cached_property
    def epicentre_mass(self) -> np.ndarray:
        """Marginal of the epicentre, (east, north)."""
        return self.mass.sum(axis=2)

    @property
    def mean_km(self) -> tuple[float, float]:
        """Posterior mean of the epicentre in the frame: east, north."""
        mass = self.epicentre_mass
        return float(self.east_km @ mass.sum(1)), float(self.north_km @ mass.sum(0))

    @property
    def epicentre(self) -> tuple[float, float]:
        """Posterior mean of the epicentre: latitude, longitude in degrees."""
        latitude, longitude = self.frame.to_geographic(*self.mean_km)
        return float(latitude), float(longitude)

    def area_km2(self, probability: float) -> float:
        """Area of the highest-density region of the epicentre."""
        mass = self.epicentre_mass
        level = highest_density_level(mass, probability)
        return float(np.sum(mass >= level) * self._cell_km2)

    @property
    def _cell_km2(self) -> float:
        steps = (axis[1] - axis[0] for axis in (self.east_km, self.north_km))
        return float(np.prod(list(steps)))

    def content_at(self, latitude: float, longitude: float, *, sd_km: float = 0.0) -> float:
        """Probability of the smallest highest-density region that holds a point.

        Under a true posterior this is uniform on (0, 1) for the true epicentre; the point lies
        in the region of probability p where the content is at most p.

        Parameters
        ----------
        latitude, longitude
            The point, degrees.
        sd_km
            Standard deviation in each direction of an error of the point itself (a catalogue's):
            the posterior is convolved with it.
        """
        axes = [self.east_km, self.north_km]
        steps = [axis[1] - axis[0] for axis in axes]
        pads = [
            int(np.ceil(5 * sd_km / step)) + len(axis)
            for step, axis in zip(steps, axes, strict=True)
        ]
        mass = np.pad(self.epicentre_mass, [(pad, pad) for pad in pads])
        if sd_km:
            mass = gaussian_filter(mass, [sd_km / step for step in steps], truncate=5.0)
        east, north = self.frame.to_local(latitude, longitude)
        place = [
            (float(v) - axis[0]) / step + pad
            for v, axis, step, pad in zip((east, north), axes, steps, pads, strict=True)
        ]
        low = [int(np.floor(v)) for v in place]
        if any(not 0 <= i < size - 1 for i, size in zip(low, mass.shape, strict=True)):
            return 1.0
        a, b = (v - i for v, i in zip(place, low, strict=True))
        corner = mass[low[0] : low[0] + 2, low[1] : low[1] + 2]
        density = np.array([1 - a, a]) @ corner @ np.array([1 - b, b])
        return float(np.sum(mass[mass > density]) / np.sum(mass))
