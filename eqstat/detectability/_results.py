"""Results of the miss probability: labels, intervals over draws, quantiles given a detection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from eqstat.detectability._rings import REACH_KM, ring_nodes

QUANTILES = (0.16, 0.5, 0.84)
# Detections rarer than this have no delay.
RARE = 1e-6


class Draw(NamedTuple):
    """Of one draw of the parameters: log miss probability, ends of windows, detections until then.

    And detections by the ring of the device that completes them.
    """

    log_miss: np.ndarray
    ends: np.ndarray
    by_time: np.ndarray | None
    by_ring: np.ndarray | None


def _delays(draws: list[Draw]) -> np.ndarray:
    """Quantiles of the delay given a detection, over all draws.

    Draws differ in their times, to which the probabilities of detection are interpolated.
    """
    longest = max((draw.ends for draw in draws), key=len)
    step = min(draw.ends[1] - draw.ends[0] for draw in draws)
    time = np.arange(min(draw.ends[0] for draw in draws) - step, longest[-1] + step, step)
    detected = np.zeros((*draws[0].log_miss.shape, len(time)))
    for _, ends, by_time, _ in draws:
        assert by_time is not None
        known = np.concatenate([[ends[0] - (ends[1] - ends[0])], ends])
        low = np.clip(np.searchsorted(known, time, side="right") - 1, 0, len(known) - 2)
        part = np.clip((time - known[low]) / (known[low + 1] - known[low]), 0, 1)
        value = np.concatenate([np.zeros_like(by_time[..., :1]), by_time], axis=-1)
        detected += value[..., low] * (1 - part) + value[..., low + 1] * part
    return _quantiles(time, detected / len(draws))


def _distances(draws: list[Draw]) -> np.ndarray:
    """Quantiles of the distance to the device that completes the detection, over all draws."""
    rings = ring_nodes(REACH_KM)
    # The devices of a ring lie half-way to its neighbours.
    edges = np.concatenate([[0.0], 0.5 * (rings[1:] + rings[:-1]), rings[-1:]])
    mass = np.mean([draw.by_ring for draw in draws], axis=0)  # type: ignore[arg-type]
    mass = np.concatenate([np.zeros_like(mass[..., :1]), mass], axis=-1)
    return _quantiles(edges, np.cumsum(mass, axis=-1, dtype=np.float64))


def _quantiles(axis: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quantiles, given a detection, from detections up to each value of an axis."""
    final = below[..., -1]
    out = np.full((*final.shape, len(QUANTILES)), np.nan)
    for number, q in enumerate(QUANTILES):
        wanted = q * final[..., None]
        above = np.maximum(np.argmax(below >= wanted, axis=-1), 1)
        high, low = (
            np.take_along_axis(below, at[..., None], -1)[..., 0] for at in (above, above - 1)
        )
        part = (q * final - low) / np.maximum(high - low, 1e-300)
        value = axis[above - 1] + np.clip(part, 0, 1) * (axis[above] - axis[above - 1])
        out[..., number] = np.where(final > RARE, value, np.nan)
    return out


def labelled(
    results: list[Draw],
    latitude: np.ndarray,
    longitude: np.ndarray,
    magnitude: np.ndarray,
    hours: np.ndarray,
    depth_km: float,
    probability: float,
) -> xr.Dataset:
    """Dataset of the results of all draws."""
    dims = ("place", "magnitude", "hour")
    log_miss = np.stack([draw.log_miss for draw in results])
    mean = np.minimum(np.logaddexp.reduce(log_miss, axis=0) - np.log(len(results)), 0.0)
    variables: dict = {
        "miss_probability": (dims, np.exp(mean), {"long_name": "miss probability"}),
        "log_miss_probability": (dims, mean, {"long_name": "log of the miss probability"}),
    }
    if len(results) > 1:
        tail = (1 - probability) / 2
        ends = np.quantile(np.exp(log_miss), [tail, 1 - tail], axis=0)
        for name, values in zip(("low", "high"), ends, strict=True):
            variables[name] = (dims, values, {"long_name": f"miss probability, {name} end"})
    coords: dict = {
        "latitude": ("place", latitude, {"units": "degrees_north", "long_name": "latitude"}),
        "longitude": ("place", longitude, {"units": "degrees_east", "long_name": "longitude"}),
        "magnitude": ("magnitude", magnitude, {"long_name": "magnitude"}),
        "hour": ("hour", hours, {"units": "h", "long_name": "local hour of the day"}),
    }
    if results[0].by_time is not None:
        attributes = {"units": "s", "long_name": "delay of the detection after the origin"}
        variables["delay_s"] = ((*dims, "quantile"), _delays(results), attributes)
        attributes = {"units": "km", "long_name": "epicentre to the device that completes it"}
        variables["distance_km"] = ((*dims, "quantile"), _distances(results), attributes)
        coords["quantile"] = ("quantile", np.array(QUANTILES), {"long_name": "quantile"})
    attributes = {
        "depth_km": depth_km,
        "draws": len(results),
        "interval_probability": probability,
        "interval_kind": "credible, equal tails, of the parameters",
    }
    return xr.Dataset(variables, coords, attributes)
