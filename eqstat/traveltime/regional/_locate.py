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
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from eqstat import schema
from eqstat.geodesy import LocalFrame
from eqstat.inference import Grid, InferenceError, Result, bucket_size, grid_posterior, pad_rows
from eqstat.traveltime.regional._core import Picks, Target, log_posterior
from eqstat.traveltime.regional._evidence import Known, maximise
from eqstat.traveltime.regional._location import CRUSTAL, DepthPrior, RegionalLocation
from eqstat.traveltime.regional._parameters import RegionalError
from eqstat.traveltime.regional._simulate import simulate
from eqstat.traveltime.regional._tails import fit_tails, spread

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
    calibrate_tails: bool = True,
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
    calibrate_tails
        Whether all events are then located with what was learned, and the tails of the epicentre
        learned from where the catalogued ones fall (takes a second or more for each event).

    Returns
    -------
    Learned

    Raises
    ------
    eqstat.InputError
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
    if calibrate_tails:
        error = _with_tails(error, by_event, events, few, catalogue_sd_km, depth)
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


def _with_tails(
    error: RegionalError,
    by_event: Mapping,
    events: pd.DataFrame,
    few: list[str],
    catalogue_sd_km: float,
    depth: DepthPrior,
) -> RegionalError:
    """Locate the events, and learn the tails from the contents of the catalogued epicentres."""
    contents = []
    for name, latitude, longitude in events[["event", "latitude", "longitude"]].itertuples(
        index=False
    ):
        if str(name) in few:
            continue
        try:
            result = locate(by_event[name], error, depth=depth)
        except InferenceError:
            continue
        contents.append(result.content_at(latitude, longitude, sd_km=catalogue_sd_km))
    width, freedom = fit_tails(np.array(contents))
    return replace(error, tail_width=width, tail_degrees_of_freedom=freedom)


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
    eqstat.InputError
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
    flat = mass.sum(axis=2)
    wider = spread(flat, float(error.tail_width), float(error.tail_degrees_of_freedom))
    mass = mass * (wider / np.maximum(flat, np.finfo(float).tiny))[:, :, None]
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
