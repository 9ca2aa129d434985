"""Results of `eqstat detectability`: the summary and what the JSON holds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from eqstat._core.text import aligned, facts, percent, place
from eqstat.cli._threshold import clock

if TYPE_CHECKING:
    import xarray as xr

PROBABILITIES = (0.5, 0.9, 0.99)


def summary(
    options: argparse.Namespace, network: Any, result: xr.Dataset, smallest: xr.DataArray | None
) -> list[str]:
    """Lines for a person."""
    rows = [
        ("Network", f"{len(network)} devices in {len(network.devices)} cells"),
        ("Rule", rule_text(options)),
        ("Depth", f"{options.depth_km:g} km"),
    ]
    lines = [*facts(rows), ""]
    if options.at:
        for index in range(result.sizes["place"]):
            one = result.isel(place=index)
            lines += place_table(one, len(result["hour"]))
    else:
        lines += map_table(result, smallest)
    return lines


def rule_text(options: argparse.Namespace) -> str:
    """The rule in words."""
    where = f"within {options.radius_km:g} km and {options.window_s:g} s"
    if options.count is not None:
        return f"{options.count} triggers {where}"
    least = f"and at least {options.minimum}"
    if options.ratio is not None:
        return f"{percent(options.ratio)} of the active devices {least}, {where}"
    beta, rate = options.poisson
    return f"more than {rate:g} triggers a device explain (probability {beta:g}), {least}, {where}"


def short(probability: float, rest: float | None = None) -> str:
    """Per cent with one decimal; nothing that is possible is written as 0 or 100.

    `rest` is what is left to 1, where it is known better than by the difference.
    """
    rest = 1 - probability if rest is None else rest
    if 0 < probability < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0 < rest < 0.0005 else f"{100 * probability:.1f} %"


def place_table(one: xr.Dataset, hours: int) -> list[str]:
    """Detection probability and delay by magnitude at one place."""
    where = place(float(one["latitude"]), float(one["longitude"]))
    lines = []
    for index in range(hours):
        at = one.isel(hour=index)
        at_hour = f", {clock(float(at['hour']))} local time" if hours > 1 else ""
        head = ["magnitude", "detected", "interval", "delay (s)"]
        body = [head]
        for row in range(at.sizes["magnitude"]):
            value = at.isel(magnitude=row)
            ends = "-"
            if "low" in value:
                low, high = (
                    short(1 - float(value[name]), float(value[name])) for name in ("high", "low")
                )
                ends = f"{low} to {high}"
            delay = value["delay_s"].to_numpy()
            late = float(value["miss_probability"]) > 0.999 or bool(value["delay_s"].isnull().any())
            body.append([
                f"{float(value['magnitude']):g}",
                short(1 - float(value["miss_probability"]), float(value["miss_probability"])),
                ends,
                "-" if late else f"{delay[1]:.1f} ({delay[0]:.1f} to {delay[2]:.1f})",
            ])  # fmt: skip
        lines += [f"Detection at {where}{at_hour}", *aligned(body, right=True), ""]
    return lines


def area_weight(result: xr.Dataset) -> Any:
    """Weights of the places of a map: the area that each stands for."""
    import numpy as np

    return np.cos(np.deg2rad(result["latitude"]))


def map_table(result: xr.Dataset, smallest: xr.DataArray | None) -> list[str]:
    """Share of the area in which magnitudes are detected."""
    import numpy as np

    miss = result["miss_probability"].mean("hour")
    weight = area_weight(result)
    head = ["magnitude", "mean", *(f"over {percent(p)}" for p in PROBABILITIES)]
    body = [head]
    for size in result["magnitude"].to_numpy():
        detected = 1 - miss.sel(magnitude=size)
        shares = [float((detected > p).weighted(weight).mean()) for p in PROBABILITIES]
        mean = float(detected.weighted(weight).mean())
        body.append([f"{size:g}", short(mean), *(short(value) for value in shares)])
    lines = [
        "Detection probability over the area: its mean, and the share of the area in which it is",
        *aligned(body, right=True),
    ]
    if smallest is not None:
        best = smallest.sel(probability=0.9).mean("hour")
        if bool(np.isfinite(best).any()):
            least = float(result["magnitude"][0])
            at = best.where(best == best.min(), drop=True)
            where = place(float(at["latitude"][0]), float(at["longitude"][0]))
            size = f"{float(best.min()):.1f}{' or less' if float(best.min()) == least else ''}"
            lines += ["", f"Smallest magnitude detected with 90 %: {size} at {where}"]
    return lines


def content_of(network: Any, result: xr.Dataset, smallest: xr.DataArray | None) -> dict[str, Any]:
    """What the JSON holds; of a map the values are in the NetCDF."""
    content: dict[str, Any] = {
        "devices": float(network.devices.sum()),
        "cells": len(network.devices),
        "draws": int(result.attrs["draws"]),
        "depth_km": float(result.attrs["depth_km"]),
        "interval": {
            "probability": result.attrs["interval_probability"],
            "kind": result.attrs["interval_kind"],
        },
        "places": [],
        "map": None,
    }
    if "place" not in result.dims:
        weight = area_weight(result)
        content["map"] = {
            "latitude": result["latitude"].to_numpy().tolist(),
            "longitude": result["longitude"].to_numpy().tolist(),
            "magnitude": result["magnitude"].to_numpy().tolist(),
            "mean_miss_probability": [
                float(result["miss_probability"].sel(magnitude=size).weighted(weight).mean())
                for size in result["magnitude"].to_numpy()
            ],
        }
        return content
    for index in range(result.sizes["place"]):
        one = result.isel(place=index)
        content["places"].append({
            "latitude": float(one["latitude"]),
            "longitude": float(one["longitude"]),
            "smallest_magnitude": None if smallest is None else [
                {"probability": p, "hour": float(h),
                 "magnitude": float(smallest.sel(probability=p, hour=h).isel(place=index))}
                for p in PROBABILITIES for h in result["hour"].to_numpy()
            ],
            "values": [_value(one, size, h) for size in result["magnitude"].to_numpy()
                       for h in result["hour"].to_numpy()],
        })  # fmt: skip
    return content


def _value(one: xr.Dataset, size: float, at_hour: float) -> dict[str, Any]:
    value = one.sel(magnitude=size, hour=at_hour)
    ends = [float(value[name]) for name in ("low", "high")] if "low" in value else None
    return {
        "magnitude": float(size),
        "hour": float(at_hour),
        "miss_probability": float(value["miss_probability"]),
        "log_miss_probability": float(value["log_miss_probability"]),
        "interval": ends,
        "delay_s": [float(x) for x in value["delay_s"]],
    }
