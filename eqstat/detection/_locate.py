"""Where is it? The earthquake's hypocentre on a fine grid round what the coarse one found."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import xarray as xr

from eqstat._core.checks import check_probability
from eqstat._core.errors import InputError
from eqstat.detection._detector import Detector
from eqstat.detection._fine import Fine, moments, refine
from eqstat.detection._sequential import Report, State, log_weights

AXES = ("east_km", "north_km", "depth_km", "origin_s", "slowness")


def locate(
    detector: Detector, state: State, report: Report, *, probability: float | int = 0.9
) -> xr.Dataset:
    """Posterior of hypocentre and origin time, and what it says about the cause.

    The likelihood of the detector on a grid of 17 x 17 places, 7 depths, 11 to 44 origin times
    and 5 factors of the travel times (`Cause.slowness_sd`), narrowed twice to where the posterior
    lies, with the nodes of the unknowns that the coarse grid believes in. Summed over that grid it
    gives the evidence of the earthquake better than the coarse grid can, which with hundreds of
    triggers fits none of its hypocentres well.

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
        `probability` over all axes, with `origin_s` less `now_s` and `slowness`, travel times over
        those of the velocity model; `latitude_mean`, `longitude_mean`, `depth_mean_km`,
        `origin_mean_s` (after the epoch), `slowness_mean` and standard deviations;
        `log_shiryaev_roberts` of the earthquake on this grid, and with it `cause_probability` over
        `cause`, the last of which is "none".

    Raises
    ------
    eqstat.InputError
        When nothing has triggered.
    """
    check_probability("locate", probability=probability)
    if not np.any(np.isfinite(np.asarray(state.trigger_s))):
        raise InputError("locate: no device has triggered")
    fine = refine(detector, state, report)
    result = _dataset(detector, state, fine, float(probability))
    result["log_shiryaev_roberts"] = fine.log_sum
    ratios = jnp.asarray(report.log_shiryaev_roberts).at[0].set(fine.log_sum)
    weight = np.asarray(log_weights(detector.core, ratios), np.float64)
    chance = np.exp(weight - weight.max())
    names = [*(cause.name for cause in detector.causes), "none"]
    result["cause_probability"] = ("cause", chance / chance.sum())
    return result.assign_coords(cause=names)


def _dataset(detector: Detector, state: State, fine: Fine, probability: float) -> xr.Dataset:
    east, north, depth, origin, slow = fine.axes
    means, sds = moments(fine.joint, fine.axes)
    place = fine.joint.sum(axis=(2, 3, 4)).T
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
            "depth_probability": ("depth_km", fine.joint.sum(axis=(0, 1, 3, 4))),
            "probability": (AXES, fine.joint.astype(np.float32)),
            "now_s": float(state.now_s),
            "latitude_mean": float(mean[0]),
            "longitude_mean": float(mean[1]),
            "depth_mean_km": means[2],
            "origin_mean_s": float(state.now_s) + means[3],
            "east_sd_km": sds[0],
            "north_sd_km": sds[1],
            "depth_sd_km": sds[2],
            "origin_sd_s": sds[3],
            "slowness_mean": means[4],
            "slowness_sd": sds[4],
            "region_area_km2": cell * float(inside.sum()),
        },
        coords={
            "east_km": east,
            "north_km": north,
            "depth_km": depth,
            "origin_s": origin,
            "slowness": slow,
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
