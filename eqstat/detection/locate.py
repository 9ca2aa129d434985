"""Where is it? The earthquake's hypocentre on a fine grid round what the coarse one found."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from eqstat.detection import _terms
from eqstat.detection._terms import Tables
from eqstat.detection.detector import Detector
from eqstat.detection.sequential import Report, State, log_background, log_weights
from eqstat.inference.padding import bucket_size, pad_rows
from eqstat.schema import InputError

SIDE, DEPTHS, TIMES, ZOOMS = 17, 9, 15, 3
# The grid reaches so many standard deviations to both sides.
REACH = 3.5
LEAST_SPACING_KM, LEAST_SPACING_S = 0.25, 0.1


class _Box(NamedTuple):
    """Middle and half width of the grid: east, north, depth (km) and origin less now (s)."""

    middle: np.ndarray
    half: np.ndarray


@jax.jit
def _fine(
    tables: Tables,
    position: Array,
    quiet: Array,
    at: Array,
    since: Array,
    count: Array,
    log_rate: Array,
    latency_s: Array,
) -> Array:
    """Log posterior of the fine grid; `age` are seconds from the slots' starts to now."""
    places, depths, slots, nodes = tables.shape
    silent = _terms.ring_counts(tables, position, quiet)

    def add(number: Array, total: Array) -> Array:
        terms = _terms.trigger_terms(tables, since[number] + tables.age, log_rate)
        return total + _terms.at_places(tables, terms, at[number])

    nothing = jnp.zeros((places, depths * slots * nodes), jnp.float32)
    total = jax.lax.fori_loop(0, count, add, nothing)
    return _terms.log_posterior(tables, total, silent, tables.age - latency_s)


def _moments(joint: np.ndarray, axes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations along the axes of a normalised grid."""
    means, sds = [], []
    for number, values in enumerate(axes):
        weight = joint.sum(axis=tuple(i for i in range(joint.ndim) if i != number))
        means.append(np.sum(weight * values))
        sds.append(np.sqrt(np.sum(weight * (values - means[-1]) ** 2)))
    return np.array(means), np.array(sds)


def _start(detector: Detector, report: Report) -> _Box:
    """Where the coarse posterior lies, with the width of its cells."""
    cause, tables = detector.causes[0], detector.core.tables[0]
    means = [report.east_km, report.north_km, report.depth_km, report.origin_s]
    sds = np.append(np.asarray(report.sd_km, np.float64), float(report.origin_sd_s))
    depth = np.asarray(cause.depth_km, np.float64)
    gaps = np.ptp(depth) / max(len(depth) - 1, 1)
    across = (detector.area_km2 / len(tables.place)) ** 0.5
    cell = np.array([across, across, gaps, cause.slot_s])
    return _Box(np.array([float(mean) for mean in means]), REACH * np.hypot(sds, 0.6 * cell))


def _support(detector: Detector, state: State, deepest: float) -> np.ndarray:
    """Ends of the prior: east, north, depth, and origin time less now, (4, 2)."""
    low, high = detector.extent_km[0]
    cause = detector.causes[0]
    newest = np.floor(state.now_s / cause.slot_s) * cause.slot_s - state.now_s
    # A slot stands for the starting times about it.
    last = newest + cause.lead_s + cause.slot_s / 2
    first = last - cause.slots * cause.slot_s
    return np.array([[low[0], high[0]], [low[1], high[1]], [0.0, deepest], [first, last]])


def _axes(box: _Box, support: np.ndarray) -> tuple[list[np.ndarray], list[float]]:
    """Middles of the cells of the box, within the support, and the cells' widths."""
    least = [*np.full(3, LEAST_SPACING_KM), LEAST_SPACING_S]
    axes, steps = [], []
    for i, count in enumerate((SIDE, SIDE, DEPTHS, TIMES)):
        half = max(box.half[i], least[i] * count / 2)
        middle = np.clip(box.middle[i], *support[i])
        low, high = max(middle - half, support[i, 0]), min(middle + half, support[i, 1])
        steps.append(float(high - low) / count)
        axes.append(low + steps[-1] * (np.arange(count) + 0.5))
    return axes, steps


def _log_depth(detector: Detector, depth_km: np.ndarray, deepest: float) -> np.ndarray:
    """Log prior of fine depths: the density of the coarse ones, straight between them."""
    cause = detector.causes[0]
    coarse = np.asarray(cause.depth_km, np.float64)
    width = np.gradient(coarse) if len(coarse) > 1 else np.ones(1)

    def density(values: np.ndarray) -> np.ndarray:
        return np.interp(values, coarse, np.asarray(cause.depth_weight) / width)

    whole = np.linspace(0.0, deepest, 400)
    step = float(depth_km[1] - depth_km[0])
    return np.log(density(depth_km) * step / np.trapezoid(density(whole), whole))


def locate(
    detector: Detector, state: State, report: Report, *, probability: float | int = 0.9
) -> xr.Dataset:
    """Posterior of hypocentre and origin time, and what it says about the cause.

    The likelihood of the detector on a grid of 17 x 17 places, 9 depths and 15 origin times,
    narrowed three times to where the posterior lies. Summed over that grid it gives the evidence
    of the earthquake better than the coarse grid can, which with hundreds of triggers fits
    none of its hypocentres well.

    Parameters
    ----------
    detector
        From `detector`.
    state, report
        From the last `step`.
    probability
        Of the region, in (0, 1).

    Returns
    -------
    xarray.Dataset
        `place_probability` over `north_km`, `east_km` (with coordinates `latitude`,
        `longitude`), `level` (probability of the places that are likelier), `in_region` (where
        that is below `probability`) and `region_area_km2`; `depth_probability` over `depth_km`;
        `latitude_mean`, `longitude_mean`, `depth_mean_km`, `origin_mean_s`
        (after the epoch) and standard deviations; `log_shiryaev_roberts` of the earthquake on
        this grid, and with it `cause_probability` over `cause`, the last of which is "none".

    Raises
    ------
    eqstat.schema.InputError
        When nothing has triggered.
    """
    if not 0 < probability < 1:
        raise InputError(f"locate: probability must lie in (0, 1), not {probability!r}")
    times = np.asarray(state.trigger_s)
    who = np.flatnonzero(np.isfinite(times))
    if not len(who):
        raise InputError("locate: no device has triggered")
    size = bucket_size(len(who), smallest=64)
    core, cause = detector.core, detector.causes[0]
    arrays = (
        core.position,
        jnp.asarray(np.asarray(state.active) & ~np.isfinite(times), jnp.float32),
        jnp.asarray(pad_rows(np.asarray(core.position)[who], size)),
        jnp.asarray(pad_rows(times[who], size)),
        jnp.asarray(len(who)),
        log_background(detector, state),
        core.latency_s,
    )
    farthest = float(core.tables[0].rings[-2])
    deepest = float(np.max(np.asarray(cause.depth_km))) * 1.3
    box, support = _start(detector, report), _support(detector, state, deepest)
    for _ in range(ZOOMS):
        axes, steps = _axes(box, support)
        east, north = np.meshgrid(axes[0], axes[1], indexing="ij")
        tables = _terms.tabulate(
            cause,
            east.ravel(),
            north.ravel(),
            cause.lead_s - axes[3],
            farthest,
            spacing_km=max(steps[:2]),
            slot_s=steps[3],
            depth_km=axes[2],
            log_depth=_log_depth(detector, axes[2], deepest),
        )
        total = np.asarray(_fine(tables, *arrays), np.float64)
        joint = np.exp(total - total.max()).sum(axis=3).reshape(SIDE, SIDE, DEPTHS, TIMES)
        joint /= joint.sum()
        means, sds = _moments(joint, axes)
        box = _Box(means, REACH * sds + 0.5 * np.array(steps))
    # Prior mass of a cell against that of the whole coarse grid; a slot counts as one.
    fine_area = steps[0] * steps[1] * SIDE**2
    log_sr = total.max() + np.log(np.exp(total - total.max()).sum())
    log_sr += np.log(fine_area / detector.area_km2 * steps[3] / cause.slot_s)
    result = _dataset(detector, state, joint, axes, (means, sds), float(probability))
    result["log_shiryaev_roberts"] = log_sr
    ratios = jnp.asarray(report.log_shiryaev_roberts).at[0].set(log_sr)
    weight = np.asarray(log_weights(core, ratios), np.float64)
    chance = np.exp(weight - weight.max())
    names = [*(cause.name for cause in detector.causes), "none"]
    result["cause_probability"] = ("cause", chance / chance.sum())
    return result.assign_coords(cause=names)


def _dataset(
    detector: Detector,
    state: State,
    joint: np.ndarray,
    axes: list[np.ndarray],
    moments: tuple[np.ndarray, np.ndarray],
    probability: float,
) -> xr.Dataset:
    east, north, depth, _ = axes
    means, sds = moments
    place = joint.sum(axis=(2, 3)).T
    order = np.argsort(place, axis=None)[::-1]
    level = np.empty(place.size)
    # The region of a probability ends with the cell that first reaches it.
    level[order] = np.cumsum(place.ravel()[order]) - place.ravel()[order]
    level = level.reshape(place.shape)
    inside = level < probability
    latitude, longitude = detector.frame.to_geographic(east[None, :], north[:, None])
    mean = detector.frame.to_geographic(means[0], means[1])
    cell = float((east[1] - east[0]) * (north[1] - north[0]))
    grid = ("north_km", "east_km")
    result = xr.Dataset(
        {
            "place_probability": (grid, place),
            "level": (grid, level),
            "in_region": (grid, inside),
            "depth_probability": ("depth_km", joint.sum(axis=(0, 1, 3))),
            "latitude_mean": float(mean[0]),
            "longitude_mean": float(mean[1]),
            "depth_mean_km": means[2],
            "origin_mean_s": float(state.now_s) + means[3],
            "east_sd_km": sds[0],
            "north_sd_km": sds[1],
            "depth_sd_km": sds[2],
            "origin_sd_s": sds[3],
            "region_area_km2": cell * float(inside.sum()),
        },
        coords={
            "east_km": east,
            "north_km": north,
            "depth_km": depth,
            "latitude": (grid, latitude),
            "longitude": (grid, longitude),
        },
        attrs={"interval_probability": probability, "interval_kind": "highest density"},
    )
    for name in result.variables:
        end = str(name).rsplit("_", 1)[-1]
        unit = {"km": "km", "s": "s", "km2": "km2"}.get(end, "1")
        unit = "degrees" if str(name).startswith(("latitude", "longitude")) else unit
        result[name].attrs.update(units=unit, long_name=str(name).replace("_", " "))
    return result


def region_contains(
    detector: Detector,
    located: xr.Dataset,
    latitude: float | int,
    longitude: float | int,
    *,
    probability: float | int | None = None,
) -> bool:
    """Whether the region of highest density holds a place; outside the grid it does not.

    Parameters
    ----------
    detector, located
        The detector, and what `locate` gave.
    latitude, longitude
        Degrees.
    probability
        Of the region; that of `located` by default.
    """
    east, north = detector.frame.to_local(latitude, longitude)
    axes = [located[name].to_numpy() for name in ("north_km", "east_km")]
    at = []
    for value, axis in zip((float(north), float(east)), axes, strict=True):
        step = axis[1] - axis[0]
        index = int(np.round((value - axis[0]) / step))
        if not 0 <= index < len(axis):
            return False
        at.append(index)
    most = located.attrs["interval_probability"] if probability is None else probability
    return bool(located["level"].to_numpy()[at[0], at[1]] < most)
