"""`eqstat detectability`: how likely a network's rule misses an earthquake, and how late it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from eqstat._core.errors import InputError
from eqstat.cli._inputs import Inputs
from eqstat.cli._options import (
    ROWS,
    add_columns,
    add_numbers,
    add_outputs,
    add_probability,
    add_seed,
    add_velocity,
    interval,
    number,
    numbers,
    velocity_of,
    whole,
)
from eqstat.cli._outcome import Outcome
from eqstat.cli._text import aligned, facts, percent, place
from eqstat.cli._threshold import clock, hour

if TYPE_CHECKING:
    import xarray as xr

    from eqstat.detectability import DeviceResponse, Rule

NETWORK = f"""\
The table is CSV or Parquet, with a row for each device, or for each town with --devices: latitude,
longitude. {ROWS}"""
PROBABILITIES = (0.5, 0.9, 0.99)
MAX_PLACES = 40_000
# Response of the devices: option, metavar, range, default, help.
RESPONSE = {
    "--trigger-m-s2": ("A", (1e-6, 100.0, "()"), 0.1, "reading that triggers a device, m/s2"),
    "--able-share": ("SHARE", (0.0, 1.0, "()"), 0.8, "share of active devices that can notice"),
    "--dead-share": ("SHARE", (0.0, 0.99, "[]"), 0.1, "share of listed devices that never report"),
    "--background-per-hour": (
        "RATE", (0.0, 3600.0, "[]"), 0.0, "triggers by people, per active device and hour",
    ),
}  # fmt: skip


def places(text: str) -> tuple[float, float]:
    """Read LAT,LON."""
    values = numbers(number(-360.0, 540.0, closed=True))(text) if text.count(",") == 1 else [0.0]
    if len(values) != 2 or abs(values[0]) > 90:
        raise argparse.ArgumentTypeError(f"{text!r} is not LAT,LON, such as -12.1,-77.0")
    return values[0], values[1]


def box(text: str) -> tuple[float, float, float, float]:
    """Read S,N,W,E."""
    values = [number(-360.0, 540.0, closed=True)(part) for part in text.split(",")]
    if len(values) != 4 or not (-90 <= values[0] < values[1] <= 90 and values[2] < values[3]):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not SOUTH,NORTH,WEST,EAST in increasing order, such as -13,-11,-78,-76"
        )
    return values[0], values[1], values[2], values[3]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "detectability",
        parents=[common],
        help="would this network notice an earthquake, and how late?",
        description="Probability that a network's rule misses an earthquake, by place, magnitude "
        "and hour, the delay of its detection, and the smallest magnitude it detects.",
        epilog=NETWORK,
    )
    parser.add_argument("network", metavar="NETWORK", help="table of devices; - reads CSV")
    add_columns(parser, "latitude=lat longitude=lon")
    parser.add_argument(
        "--devices", metavar="COLUMN", help="column with the number of devices at each place"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--at",
        type=places,
        action="append",
        metavar="LAT,LON",
        help="epicentre; may be given several times (--at=-12,-77 where it begins with a minus)",
    )
    where.add_argument("--area", type=box, metavar="S,N,W,E", help="map of this box, degrees")
    parser.add_argument(
        "--step-deg",
        type=number(0.0, 10.0),
        default=0.1,
        metavar="DEG",
        help="spacing of the map (default 0.1)",
    )
    parser.add_argument(
        "--magnitude",
        type=numbers(number(-2.0, 10.0, closed=True)),
        default=[3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0],
        metavar="M,M,...",
        help="magnitudes (default: 3 to 7 by 0.5)",
    )
    parser.add_argument(
        "--depth-km",
        type=number(0.0, 700.0, closed=True),
        default=10.0,
        metavar="KM",
        help="depth of the earthquakes, km (default 10)",
    )
    parser.add_argument(
        "--hour",
        type=numbers(hour),
        default=[12.0],
        metavar="H,H,...",
        help="local times of day (default 12); rules and activity may depend on them",
    )
    parser.add_argument(
        "--active-share",
        default="1",
        metavar="SHARE",
        help="share of the devices that are active (default 1), or 'daily' for the cycle of phones",
    )
    _add_rule(parser.add_argument_group("rule"))
    response = parser.add_argument_group("devices")
    add_numbers(response, RESPONSE)
    response.add_argument(
        "--draws",
        type=whole(0, 500),
        default=20,
        metavar="N",
        help="draws of what is not known about the devices (default 20; 0: as given above)",
    )
    add_seed(response, "the draws")
    add_probability(response)
    add_velocity(parser)
    add_outputs(
        parser,
        inputs=("network",),
        netcdf=("FILE.nc", "write all values as NetCDF"),
    )


def _add_rule(group: Any) -> None:
    kind = group.add_mutually_exclusive_group(required=True)
    kind.add_argument(
        "--count", type=whole(1, 10**6), metavar="K", help="so many triggers are a detection"
    )
    kind.add_argument(
        "--ratio",
        type=number(0.0, 1.0),
        metavar="SHARE",
        help="this share of the active devices, and at least --minimum",
    )
    kind.add_argument(
        "--poisson",
        type=interval(0.0, 1.0),
        metavar="BETA,RATE",
        help="so many that a Poisson background of RATE triggers a device and window has them "
        "with probability BETA at most, and at least --minimum; such as 1e-7,0.016",
    )
    group.add_argument(
        "--minimum", type=whole(1, 10**6), default=6, metavar="K", help="see above (default 6)"
    )
    group.add_argument(
        "--window-s",
        type=number(0.0, 3600.0),
        default=10.0,
        metavar="S",
        help="window in which triggers are counted, s (default 10)",
    )
    group.add_argument(
        "--radius-km",
        type=number(0.0, 1000.0),
        default=30.0,
        metavar="KM",
        help="radius in which they are counted, km (default 30)",
    )


def run(options: argparse.Namespace) -> Outcome:
    """Compute miss probabilities of a network."""
    from eqstat import detectability

    inputs = Inputs(options.columns)
    table = inputs.table(options.network, "network")
    network = detectability.prepare(table, devices=options.devices)
    velocity, described = velocity_of(options)
    hours = np.array(options.hour)
    given = {
        "magnitude": np.sort(options.magnitude),
        "hour": hours,
        "depth_km": options.depth_km,
        "active_share": share_of(options.active_share, hours),
        "response": response_of(options),
        "velocity": velocity,
        "delays": True,
        "probability": options.probability,
    }
    rule = rule_of(options)
    if options.at:
        latitude, longitude = np.array(options.at).T
        result = detectability.miss_probability(network, rule, latitude, longitude, **given)
    else:
        latitude, longitude = axes_of(options)
        result = detectability.miss_map(network, rule, latitude, longitude, **given)
    smallest = None
    if result.sizes["magnitude"] > 1:
        smallest = detectability.smallest_magnitude(result, PROBABILITIES)
    return Outcome(
        summary=tuple(summary(options, network, result, smallest)),
        content=content_of(network, result, smallest),
        result="DONE",
        result_text="miss probabilities computed",
        inputs=inputs,
        velocity=described,
        notes=tuple(notes_of(network)),
        figure=lambda: draw(result, smallest, table),
        files={"netcdf": lambda name: write(result, smallest, name)},
    )


def rule_of(options: argparse.Namespace) -> Rule:
    """Rule of the options."""
    from eqstat.detectability import Rule, poisson_rule
    from eqstat.simulation import ratio_rule

    needed: Any = options.count
    if options.ratio is not None:
        needed = ratio_rule(options.ratio, minimum=options.minimum)
    if options.poisson is not None:
        probability, rate = options.poisson
        if not 0 < probability < rate:
            raise InputError("--poisson: needs 0 < BETA < RATE, such as 1e-7,0.016")
        needed = poisson_rule(rate, false_alarm_probability=probability, minimum=options.minimum)
    return Rule(needed, options.window_s, options.radius_km)


def share_of(text: str, hours: np.ndarray) -> float | np.ndarray:
    """Share of active devices of the option."""
    from eqstat.simulation import active_share

    if text == "daily":
        return active_share(hours)
    try:
        return number(0.0, 1.0, closed=True)(text)
    except argparse.ArgumentTypeError as error:
        raise InputError(f"--active-share: {error}, or be 'daily'") from None


def response_of(options: argparse.Namespace) -> DeviceResponse:
    """Response of the devices, with draws of what is not known."""
    import jax

    from eqstat.detectability import DeviceResponse, ResponsePrior

    given = {name: getattr(options, name.lstrip("-").replace("-", "_")) for name in RESPONSE}
    response = DeviceResponse(**{name[2:].replace("-", "_"): v for name, v in given.items()})
    if not options.draws:
        return response
    return ResponsePrior(response).draws(jax.random.key(options.seed), options.draws)


def axes_of(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Axes of the map."""
    south, north, west, east = options.area
    step = options.step_deg
    axes = tuple(
        low + step * np.arange(int(np.floor((high - low) / step + 1e-9)) + 1)
        for low, high in ((south, north), (west, east))
    )
    count = len(axes[0]) * len(axes[1])
    if count > MAX_PLACES:
        raise InputError(
            f"--area, --step-deg: {count} places, more than {MAX_PLACES}; use a wider spacing"
        )
    return axes[0], axes[1]


def notes_of(network: Any) -> list[str]:
    """Say what was left out."""
    left = len(network.left_out)
    return [f"network: {left} places have no devices"] if left else []


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


def short(probability: float) -> str:
    """Per cent with one decimal; nothing that is possible is written as 0 or 100."""
    value = 100 * probability
    if 0 < value < 0.05:
        return "< 0.1 %"
    return "> 99.9 %" if 99.95 <= value < 100 else f"{value:.1f} %"


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
                low, high = (short(1 - float(value[name])) for name in ("high", "low"))
                ends = f"{low} to {high}"
            delay = value["delay_s"].to_numpy()
            late = float(value["miss_probability"]) > 0.999 or not np.isfinite(delay).all()
            body.append([
                f"{float(value['magnitude']):g}",
                short(1 - float(value["miss_probability"])),
                ends,
                "-" if late else f"{delay[1]:.1f} ({delay[0]:.1f} to {delay[2]:.1f})",
            ])  # fmt: skip
        lines += [f"Detection at {where}{at_hour}", *aligned(body, right=True), ""]
    return lines


def map_table(result: xr.Dataset, smallest: xr.DataArray | None) -> list[str]:
    """Share of the area in which magnitudes are detected."""
    miss = result["miss_probability"].mean("hour")
    # Places weigh as much as the area they stand for.
    weight = np.cos(np.deg2rad(result["latitude"]))
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
            at = best.where(best == best.min(), drop=True)
            where = place(float(at["latitude"][0]), float(at["longitude"][0]))
            lines += [
                "",
                f"Smallest magnitude detected with 90 %: {float(best.min()):.1f} at {where}",
            ]
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
        content["map"] = {
            "latitude": result["latitude"].to_numpy().tolist(),
            "longitude": result["longitude"].to_numpy().tolist(),
            "magnitude": result["magnitude"].to_numpy().tolist(),
            "mean_miss_probability": [
                float(result["miss_probability"].sel(magnitude=size).mean())
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


def draw(result: xr.Dataset, smallest: xr.DataArray | None, table: Any) -> Any:
    """Figure of a map at 90 %, or curves of the places."""
    from eqstat.plots import detectability as plots

    if "place" in result.dims:
        return plots.detection_curves(result).figure
    if smallest is None:
        raise InputError("--figure: a map needs two or more magnitudes")
    return plots.smallest_magnitude_map(smallest.sel(probability=[0.9]), devices=table).figure


def write(result: xr.Dataset, smallest: xr.DataArray | None, name: str) -> None:
    """Write all values as NetCDF."""
    if smallest is not None:
        result = result.assign(smallest_magnitude=smallest)
    result.to_netcdf(name, engine="h5netcdf")
