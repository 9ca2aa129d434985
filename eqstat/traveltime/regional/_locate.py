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

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array

from eqstat import schema
from eqstat._core.errors import InputError
from eqstat.geodesy import LocalFrame
from eqstat.hypocentre import Axis, from_grid
from eqstat.inference import (
    Grid,
    InferenceError,
    Result,
    bucket_size,
    cell_edges,
    grid_posterior,
    pad_rows,
)
from eqstat.traveltime._results import sentence
from eqstat.traveltime.regional._core import Picks, Target, log_posterior, origin_time
from eqstat.traveltime.regional._location import CRUSTAL, DepthPrior, RegionalLocation, judge_cells
from eqstat.traveltime.regional._parameters import RegionalError
from eqstat.traveltime.regional._tails import learn_tails, spread

MINIMUM_PICKS = 5
MINIMUM_STATIONS = 3
SMALLEST = 32  # size of the smallest arrays
COARSE, SHAPE = (16, 16, 3), (24, 24, 6)
# Cells whose origin time is computed, and how many of them at a time.
ORIGIN_CELLS, BLOCK = 1024, 64
SECOND = pd.Timedelta(seconds=1)


def usable_picks(picks: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Check a table of picks; return the rows in use, by time, and the others with reasons."""
    table = schema.check_triggers(picks, name=name)
    if "phase" not in table:
        raise InputError(f"{name}: needs a column `phase` with P or S")
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


def _reference(table: pd.DataFrame) -> pd.Timestamp:
    """Second 0 of an event's picks."""
    return table["time"].iloc[len(table) // 2]


def pad_picks(table: pd.DataFrame, frame: LocalFrame) -> Picks:
    """Arrays of one event, of the next size, in float64."""
    count = len(table)
    size = bucket_size(count, smallest=SMALLEST)
    reference = _reference(table)
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

    Examples
    --------
    >>> import jax
    >>> from eqstat.traveltime import regional
    >>> sites = pd.DataFrame({"latitude": [35.0, 36.0, 36.5, 35.6, 36.2],
    ...                       "longitude": [-98.0, -97.0, -98.5, -97.2, -97.8]})
    >>> truth = regional.RegionalError()
    >>> picks = regional.simulate(jax.random.key(1), truth, sites, latitude=35.5,
    ...                           longitude=-97.5, depth_km=8.0)
    >>> location = locate(picks, truth)
    >>> location.picks_used == len(picks), bool(location.edge_mass < 0.01)
    (True, True)
    """
    used, left_out = usable_picks(picks, "picks")
    schema.refuse_several_events(used)
    if len(used) < max(min_picks, 1) or len(np.unique(_station(used))) < MINIMUM_STATIONS:
        raise InferenceError(Result.TOO_FEW, message=sentence(Result.TOO_FEW))
    if centre is None:
        early = used.iloc[: max(3, len(used) // 6)]
        frame = LocalFrame.around(early["latitude"].to_numpy(), early["longitude"].to_numpy())
    else:
        frame = LocalFrame(*centre)
    with jax.enable_x64(True):
        target = target_of(pad_picks(used, frame), error, depth)
        grid = _grid(target, depth, half_width_km)
        axes = [np.asarray(axis) for axis in grid.axes]
        mass = np.exp(np.asarray(grid.log_mass))
        evidence = float(grid.log_evidence)
        flat = mass.sum(axis=2)
        if error.tail_content:
            tails = learn_tails(np.array(error.tail_content), np.array(error.tail_picks))
            wider = spread(flat, tails, len(used))
            mass = mass * (wider / np.maximum(flat, np.finfo(float).tiny))[:, :, None]
        origin = _origin_in_cells(axes, mass, target)
    edge = float(mass[[0, -1]].sum() + mass[1:-1, [0, -1]].sum())
    verdict = judge_cells(axes, mass, edge, depth, half_width_km)
    # Depths are equidistant in their logarithm.
    depths = Axis(np.exp(axes[2]), np.exp(cell_edges(axes[2])))
    sides = [Axis(axis, cell_edges(axis)) for axis in axes[:2]]
    return RegionalLocation(
        hypocentre=from_grid(
            frame,
            dict(zip(("east_km", "north_km", "depth_km"), [*sides, depths], strict=True)),
            mass,
            origin_time_s=origin[..., 0],
            origin_time_sd_s=origin[..., 1],
            reference_time=_reference(used),
        ),
        error=error,
        picks=used,
        left_out=left_out,
        log_evidence=evidence,
        edge_mass=edge,
        result=verdict.result,
        result_text=verdict.text,
    )


@jax.jit
def _origin_times(cells: Array, target: Target) -> Array:
    """Mean and standard deviation of the origin time in cells (n, 3), (n, 2)."""
    blocks = cells.reshape(-1, BLOCK, cells.shape[-1])
    each = jax.vmap(lambda cell: origin_time(cell[0], cell[1], cell[2], target))
    return jax.lax.map(each, blocks).reshape(len(cells), -1)


def _origin_in_cells(axes: list[np.ndarray], mass: np.ndarray, target: Target) -> np.ndarray:
    """Origin times of the likeliest cells; the others, of hardly any mass, get the average."""
    chosen = np.argsort(mass, axis=None)[: -ORIGIN_CELLS - 1 : -1]
    cells = np.stack([part.ravel()[chosen] for part in np.meshgrid(*axes, indexing="ij")], -1)
    moments = np.asarray(_origin_times(jnp.asarray(cells), target))
    weight = mass.ravel()[chosen] / mass.ravel()[chosen].sum()
    mean = weight @ moments[:, 0]
    sd = np.sqrt(weight @ (moments[:, 1] ** 2 + (moments[:, 0] - mean) ** 2))
    origin = np.tile([mean, sd], (mass.size, 1))
    origin[chosen] = moments
    return origin.reshape(*mass.shape, 2)


def target_of(picks: Picks, error: RegionalError, depth: DepthPrior) -> Target:
    """Arguments of the densities; numbers go in as arrays, so that no model compiles anew."""
    return Target(
        jax.tree.map(lambda v: jnp.asarray(v, jnp.float64), error.without_tails()),
        Picks(*(jnp.asarray(part) for part in picks)),
        jnp.log(jnp.asarray(depth.median_km)),
        jnp.asarray(depth.log_sd),
    )


def _grid(target: Target, depth: DepthPrior, half_width_km: float) -> Grid:
    """Posterior on the grid that the coarse passes close in on."""
    low = [-half_width_km, -half_width_km, np.log(depth.shallowest_km)]
    high = [half_width_km, half_width_km, np.log(depth.deepest_km)]
    return grid_posterior(
        log_posterior, target, jnp.asarray(low), jnp.asarray(high), SHAPE, passes=4, coarse=COARSE
    )
