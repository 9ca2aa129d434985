"""The posterior of the hypocentre on a fine grid about the mass of the coarse one."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import xarray as xr

from eqstat import hypocentre
from eqstat._core.checks import check_probability
from eqstat._core.density import content_above
from eqstat._core.errors import InputError
from eqstat.detection._detector import Detector
from eqstat.detection._fine import Fine, moments, refine
from eqstat.detection._sequential import log_weights
from eqstat.detection._state import Report, State

AXES = ("east_km", "north_km", "depth_km", "origin_time_s", "slowness")
EPOCH = "1970-01-01T00:00:00Z"
# Outermost share of a range that counts as its end, and the probability there that is said.
END, PILED = 0.025, 0.5


def locate(
    detector: Detector, state: State, report: Report, *, probability: float | int = 0.9
) -> xr.Dataset:
    """Locate: the posterior of hypocentre and origin time, and of the cause.

    The likelihood of the detector on a grid of 17 x 17 places, 9 depths, 11 to 44 arrivals of P at
    the epicentre and 5 factors of the travel times (`Cause.slowness_sd`), narrowed twice to where
    the posterior lies, with the likely nodes of the nuisance parameters. Origin times follow from
    these arrivals, the travel times and the prior of the devices' common delay
    (`Cause.delay_sd_s`). Summed over that grid it gives the evidence of the earthquake better than
    the coarse grid can, which with hundreds of triggers fits none of its hypocentres well.

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
        A hypocentre on a grid, in the form of `eqstat.hypocentre`, with `place_probability` over
        `north_km`, `east_km`, `level` (probability of the denser places), `in_region` (where that
        is below `probability`) and `region_area_km2`; `depth_probability` over `depth_km`;
        `weight` over all axes, with `origin_time_s` (after the epoch) and `slowness`, travel times
        over those of the velocity model; `latitude_mean`, `longitude_mean`, `depth_mean_km`,
        `origin_mean_s` (after the epoch), `slowness_mean` and standard deviations;
        where the earthquake has magnitudes `magnitude_mean`, `magnitude_sd`, and `magnitude_low`
        and `magnitude_high` (equal tails, of `probability`), and `magnitude_probability` given
        place and depth; `east_end_probability`, `north_end_probability` and
        `depth_end_probability`, that the hypocentre lies within the outermost 2.5 % of the region
        or of the greatest depth, beyond which it may be;
        `log_shiryaev_roberts` of the earthquake on this grid, and with it `cause_probability` over
        `cause`, the last of which is "none". Fronts of unknown speed, which were evaluated on the
        coarse grid only, get the gain of the earthquake's evidence by the fine one.

    Raises
    ------
    eqstat.InputError
        When nothing has triggered.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector, init, step
    >>> from eqstat.detection.causes import earthquake, network_burst
    >>> place = np.linspace(0.0, 0.3, 12)
    >>> network = pd.DataFrame({"latitude": place, "longitude": np.roll(place, 3)})
    >>> watch = detector(network, causes=(earthquake(cells=20, slots=8), network_burst()))
    >>> state, report = step(
    ...     watch, init(watch, now_s=0.0), 60.0, np.arange(6), np.linspace(55.0, 58.0, 6))
    >>> located = locate(watch, state, report)
    >>> hypocentre.contains(located, float(located["latitude_mean"]), 0.15, 0.9999)
    True
    """
    check_probability("locate", probability=probability)
    if not np.any(np.isfinite(np.asarray(state.trigger_s))):
        raise InputError("locate: no device has triggered")
    fine = refine(detector, state, report)
    result = _dataset(detector, state, fine, float(probability))
    result["log_shiryaev_roberts"] = fine.log_sum
    ratios = np.array(report.log_shiryaev_roberts, np.float64)
    # A front of unknown speed would gain as much by a fine grid as the earthquake does.
    gain = max(fine.log_sum - ratios[0], 0.0)
    fronts = [cause.node_speed_km_s is not None for cause in detector.causes]
    ratios = jnp.asarray(ratios + gain * np.array(fronts)).at[0].set(fine.log_sum)
    weight = np.asarray(log_weights(detector.core, ratios), np.float64)
    chance = np.exp(weight - weight.max())
    names = [*(cause.name for cause in detector.causes), "none"]
    result["cause_probability"] = ("cause", chance / chance.sum())
    return result.assign_coords(cause=names)


def beyond_ends(located: xr.Dataset) -> list[str]:
    """Say where a location is piled up at an end of its prior, so that it may lie beyond."""
    notes = []
    sides = [float(located[f"{name}_end_probability"]) for name in ("east", "north")]
    if max(sides) > PILED:
        notes.append(
            f"the epicentre is piled up at the edge of the region (probability {max(sides):.2f}): "
            "it may lie beyond; widen the region (`region`, --region)"
        )
    deep = float(located["depth_end_probability"])
    if deep > PILED:
        notes.append(
            f"the depth is piled up at its greatest (probability {deep:.2f}): it may lie beyond; "
            "allow greater depths (`deepest_km`, --deepest-km)"
        )
    return notes


def _at_ends(mass: np.ndarray, edges: np.ndarray, low: float, high: float) -> float:
    """Probability within the outermost 2.5 % of a range, at either end that is finite."""
    width = END * ((high - low) if np.isfinite(low) else high)
    below = np.interp([low + width, high - width], edges, np.append(0.0, np.cumsum(mass)))
    outside = (below[0] if np.isfinite(low) else 0.0) + 1.0 - below[1]
    return float(np.clip(outside, 0.0, 1.0))


def _dataset(detector: Detector, state: State, fine: Fine, probability: float) -> xr.Dataset:
    middles = [*fine.axes[:3], float(state.now_s) + fine.axes[3]]
    axes = {
        name: hypocentre.Axis(values, np.append(values - step / 2, values[-1] + step / 2))
        for name, values, step in zip(AXES[:4], middles, fine.steps[:4], strict=True)
    }
    axes["depth_km"] = hypocentre.Axis.of_edges(fine.depth_edges_km)
    # The few nodes of slowness have no width: spread over cells it would be too uncertain.
    axes["slowness"] = hypocentre.Axis(fine.axes[4])
    magnitude, given = None, None
    model = detector.causes[0].magnitudes
    if fine.magnitude is not None and model is not None:
        magnitude = hypocentre.Axis.of_edges(model.magnitude_edges)
        total = fine.magnitude.sum(axis=3, keepdims=True)
        mean = fine.magnitude.sum(axis=(0, 1, 2))
        given = np.where(total > 0, fine.magnitude / np.maximum(total, 1e-300), mean / mean.sum())
    result = hypocentre.from_grid(
        detector.frame,
        axes,
        fine.joint,
        magnitude=magnitude,
        magnitude_probability=given,
        reference_time=EPOCH,
    )
    means, sds = moments(fine.joint, fine.axes)
    mean = detector.frame.to_geographic(means[0], means[1])
    place = fine.joint.sum(axis=(2, 3, 4)).T
    level = content_above(place, place)
    cell = float(fine.steps[0] * fine.steps[1])
    # The region ends with the cell that first reaches the probability.
    inside = level < probability
    grid = ("north_km", "east_km")
    columns = {
        "place_probability": (grid, place),
        "level": (grid, level),
        "in_region": (grid, inside),
        "depth_probability": ("depth_km", fine.joint.sum(axis=(0, 1, 3, 4))),
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
    }
    sides, greatest = detector.extent_km[0], detector.causes[0].greatest_depth_km
    for name, axis, low, high in (
        ("east", "east_km", sides[0][0], sides[1][0]),
        ("north", "north_km", sides[0][1], sides[1][1]),
        ("depth", "depth_km", -np.inf, greatest),
    ):
        others = tuple(each for each in range(5) if each != AXES.index(axis))
        columns[f"{name}_end_probability"] = _at_ends(
            fine.joint.sum(axis=others), np.asarray(axes[axis].edges), float(low), float(high)
        )
    if magnitude is not None:
        size = hypocentre.summary(result, probability=probability)["magnitude"]
        for name in ("mean", "sd", "low", "high"):
            columns[f"magnitude_{name}"] = float(size.sel(statistic=name))
    result = result.assign(columns)
    for name in columns:
        end = name.rsplit("_", 1)[-1]
        unit = {"km": "km", "s": "s", "km2": "km2"}.get(end, "1")
        unit = "degrees" if name.startswith(("latitude", "longitude")) else unit
        result[name].attrs.update(units=unit, long_name=name.replace("_", " "))
    result["slowness"].attrs.update(units="1", long_name="travel times over those of the model")
    return result.assign_attrs(interval_probability=probability, interval_kind="highest density")
