r"""Locate with an error model of the region: errors that picks share, and their tails.

A pick of phase $c$ at distance $D_i$ and azimuth $a_i$ comes at

$$ t_i = t_0 + T_b(D_i, z) + g_i + e_i $$

on a branch $b$ (direct wave of the crust or wave under the Moho, P or S) that is not told; $g$ is a
Gaussian process over the picks of the event, $e_i$ an independent Student error. The labels may be
wrong, and a pick may have nothing to do with the event. Branches, labels and outliers are summed
out for each pick; $t_0$ and $g$ are integrated about their mode (Laplace). See the page "A regional
error model" of the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from eqstat import schema
from eqstat.geodesy import LocalFrame
from eqstat.inference.grid import Grid, grid_posterior, highest_density_level
from eqstat.inference.padding import bucket_size, pad_rows
from eqstat.inference.results import InferenceError, Result
from eqstat.traveltime._regional_core import Picks, Target, log_posterior
from eqstat.traveltime._regional_learn import Known, maximise
from eqstat.traveltime._regional_parameters import RegionalError
from eqstat.traveltime._regional_simulate import simulate

__all__ = [
    "DepthPrior",
    "Learned",
    "RegionalError",
    "RegionalLocation",
    "learn",
    "locate",
    "simulate",
]

MINIMUM_PICKS = 5
MINIMUM_STATIONS = 3
SMALLEST = 32  # size of the smallest arrays
COARSE, SHAPE = (16, 16, 3), (24, 24, 6)
FAR_KM = 1e3
SECOND = pd.Timedelta(seconds=1)


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


def _ready(picks: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Check a table of picks; return the rows in use, by time, and the others with reasons."""
    table = schema.check_triggers(picks, name=name)
    if "phase" not in table:
        raise schema.InputError(f"{name}: needs a column `phase` with P or S")
    reason = pd.Series("", index=table.index, dtype=object)
    reason[~table["phase"].isin(["P", "S"]).to_numpy()] = "no phase"
    station = _station(table)
    key = table.assign(_station=station).duplicated(["_station", "phase"])
    reason[key & (reason == "")] = "another pick of this phase and station"
    use = (reason == "").to_numpy()
    left_out = table[~use].assign(reason=np.asarray(reason[~use]))
    kept: Any = table[use]
    return kept.sort_values("time", kind="stable"), left_out


def _station(table: pd.DataFrame) -> np.ndarray:
    """Count stations: by device, or by place where there is none."""
    by = ["device"] if "device" in table else ["latitude", "longitude"]
    return table.groupby(by, sort=False, dropna=False).ngroup().to_numpy()


def _pad(table: pd.DataFrame, frame: LocalFrame) -> Picks:
    """Arrays of one event, of the next size, in float64."""
    count = len(table)
    size = bucket_size(count, smallest=SMALLEST)
    reference = table["time"].iloc[count // 2]
    elevation = (
        table["elevation_m"].to_numpy(np.float64, na_value=0.0) / 1000
        if "elevation_m" in table
        else np.zeros(count)
    )
    places = frame.position(table["latitude"].to_numpy(), table["longitude"].to_numpy())
    return Picks(
        pad_rows(places, size, 100.0),
        pad_rows(elevation, size),
        pad_rows(((table["time"] - reference) / SECOND).to_numpy(np.float64), size),
        pad_rows((table["phase"] == "P").to_numpy(bool), size, True),
        pad_rows(np.ones(count, bool), size, False),
    )


@dataclass(frozen=True)
class Learned:
    """Result of `learn`: the model, the log evidence of the events, how the search ended."""

    error: RegionalError
    log_posterior: float
    log_evidence: float
    events_used: int
    events_left_out: tuple[str, ...]
    iterations: int
    converged: bool
    message: str


def learn(
    picks: pd.DataFrame,
    events: pd.DataFrame,
    *,
    catalogue_sd_km: float = 2.0,
    depth: DepthPrior = CRUSTAL,
    min_picks: int = 8,
    start: RegionalError | None = None,
    max_iterations: int = 100,
) -> Learned:
    """Learn the regional error model from events with catalogued epicentres.

    The log evidence of all events plus weak log priors is maximised; the origin time, the shared
    errors, the catalogue's error of the epicentre and the depth are integrated for each event.
    Catalogued depths and origin times are not used.

    Parameters
    ----------
    picks
        Table of the triggers contract with `phase` and a column `event`; `device` and
        `elevation_m` are used where they are given. Picks that shall not count (such as those of
        far stations) are left out before.
    events
        `event`, `latitude`, `longitude` (degrees).
    catalogue_sd_km
        Standard deviation of the catalogue's epicentres in each direction, km.
    depth
        Prior of the depth.
    min_picks
        Events with fewer picks are left out, and named in the result.
    start
        Where the search starts; by default at the centres of the weak priors.
    max_iterations
        Of L-BFGS.

    Returns
    -------
    Learned

    Raises
    ------
    eqstat.schema.InputError
        When a table cannot be used, or no event is left.
    """
    if "event" not in picks:
        raise schema.InputError("picks: needs a column `event`")
    if not (np.isfinite(catalogue_sd_km) and catalogue_sd_km > 0):
        raise schema.InputError(f"catalogue_sd_km must be positive, got {catalogue_sd_km}")
    missing = [name for name in ("event", "latitude", "longitude") if name not in events]
    if missing:
        raise schema.InputError(f"events: needs {', '.join(missing)}")
    by_event: Mapping = dict(tuple(picks.groupby("event", sort=True)))
    sets: dict[int, list[Picks]] = {}
    few: list[str] = []
    for name, latitude, longitude in events[["event", "latitude", "longitude"]].itertuples(
        index=False
    ):
        table = by_event.get(name)
        used = None if table is None else _ready(table, f"picks of {name}")[0]
        if used is None or len(used) < min_picks:
            few.append(str(name))
            continue
        padded = _pad(used, LocalFrame(float(latitude), float(longitude)))
        sets.setdefault(len(padded.mask), []).append(padded)
    if not sets:
        raise schema.InputError(f"picks: no event has {min_picks} picks")
    groups = []
    for members in sets.values():
        rows = len(members)
        stacked = Picks(*(np.stack(parts) for parts in zip(*members, strict=True)))
        constant = (catalogue_sd_km, np.log(depth.median_km), depth.log_sd)
        groups.append(Known(stacked, *(np.full(rows, value) for value in constant)))
    first = (start or RegionalError()).to_free()
    with jax.enable_x64(True):
        optimum = maximise(groups, first, max_iterations)
        numbers = RegionalError.from_free(jnp.asarray(optimum.free))
    error = jax.tree.map(float, numbers)
    return Learned(
        error,
        optimum.log_posterior,
        optimum.log_evidence,
        sum(len(members) for members in sets.values()),
        tuple(few),
        optimum.iterations,
        optimum.converged,
        optimum.message,
    )


def locate(
    picks: pd.DataFrame,
    error: RegionalError,
    *,
    depth: DepthPrior = CRUSTAL,
    half_width_km: float = 300.0,
    centre: tuple[float, float] | None = None,
    min_picks: int = MINIMUM_PICKS,
) -> RegionalLocation:
    """Posterior of the hypocentre of one event's picks on a grid that closes in on the mass.

    Parameters
    ----------
    picks
        Table of the triggers contract with `phase`; `device` and `elevation_m` are used where
        they are given.
    error
        The error model of the region (see `learn`).
    depth
        Prior of the depth.
    half_width_km
        The epicentre is looked for this far to each side of the centre, with a uniform prior.
    centre
        Latitude and longitude of the centre; by default the place of the earliest picks.
    min_picks
        Fewer picks (or picks at fewer than three stations) give no hypocentre.

    Returns
    -------
    RegionalLocation

    Raises
    ------
    eqstat.schema.InputError
        When the table breaks its contract.
    eqstat.inference.results.InferenceError
        When there are too few picks.
    """
    used, left_out = _ready(picks, "picks")
    if len(used) < max(min_picks, 1) or len(np.unique(_station(used))) < MINIMUM_STATIONS:
        raise InferenceError(Result.TOO_FEW)
    if centre is None:
        early = used.iloc[: max(3, len(used) // 6)]
        frame = LocalFrame.around(early["latitude"].to_numpy(), early["longitude"].to_numpy())
    else:
        frame = LocalFrame(*centre)
    with jax.enable_x64(True):
        grid = _grid(_pad(used, frame), error, depth, half_width_km)
        axes = [np.asarray(axis) for axis in grid.axes]
        mass = np.exp(np.asarray(grid.log_mass))
        evidence = float(grid.log_evidence)
    edge = mass[[0, -1]].sum() + mass[1:-1, [0, -1]].sum()
    return RegionalLocation(
        frame, axes[0], axes[1], np.exp(axes[2]), mass, evidence, len(used), left_out, float(edge)
    )


def _grid(picks: Picks, error: RegionalError, depth: DepthPrior, half_width_km: float) -> Grid:
    """Call the compiled grid; numbers go in as arrays, so that no model compiles anew."""
    target = Target(
        jax.tree.map(lambda v: jnp.asarray(v, jnp.float64), error),
        Picks(*(jnp.asarray(part) for part in picks)),
        jnp.log(jnp.asarray(depth.median_km)),
        jnp.asarray(depth.log_sd),
    )
    low = [-half_width_km, -half_width_km, np.log(depth.shallowest_km)]
    high = [half_width_km, half_width_km, np.log(depth.deepest_km)]
    return grid_posterior(
        log_posterior, target, jnp.asarray(low), jnp.asarray(high), SHAPE, passes=4, coarse=COARSE
    )
