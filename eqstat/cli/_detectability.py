"""`eqstat detectability`: how likely a network's rule misses an earthquake, and how late it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

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
    axes_of_box,
    box,
    interval,
    number,
    numbers,
    velocity_of,
    whole,
)
from eqstat.cli._outcome import Outcome
from eqstat.cli._results._detectability import PROBABILITIES, content_of, summary
from eqstat.cli._threshold import hour

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import xarray as xr

    from eqstat.detectability import DeviceResponse, Rule

NETWORK = f"""\
The table is CSV or Parquet, with a row for each device, or for each town with --devices: latitude,
longitude. {ROWS}"""
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
    import numpy as np

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
        # A map shows no delays; they take most of its time.
        "delays": bool(options.at or options.netcdf),
        "probability": options.probability,
    }
    rule = rule_of(options)
    if options.at:
        latitude, longitude = np.array(options.at).T
        result = detectability.miss_probability(network, rule, latitude, longitude, **given)
    else:
        latitude, longitude = axes_of_box(options.area, options.step_deg, MAX_PLACES)
        if options.figure and len(given["magnitude"]) < 2:
            raise InputError("--figure: a map needs two or more magnitudes")
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
        notes=tuple(notes_of(network, options)),
        figure=lambda: draw(result, smallest, table),
        files={
            "netcdf": lambda name: write(result, smallest, name, inputs.provenance(options.words))
        },
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


def notes_of(network: Any, options: argparse.Namespace) -> list[str]:
    """Say what was left out."""
    left, notes = len(network.left_out), []
    if left:
        notes.append(f"network: {left} {'place has' if left == 1 else 'places have'} no devices")
    if options.area and options.figure and len(options.hour) > 1:
        notes.append(f"--figure: the map is of {options.hour[0]:g} h; --netcdf holds all hours")
    return notes


def draw(result: xr.Dataset, smallest: xr.DataArray | None, table: Any) -> Any:
    """Figure of a map at 90 %, or curves of the places."""
    from eqstat.plots import detectability as plots

    if "place" in result.dims:
        return plots.detection_curves(result).figure
    assert smallest is not None
    return plots.smallest_magnitude_map(smallest.sel(probability=[0.9]), devices=table).figure


def write(
    result: xr.Dataset, smallest: xr.DataArray | None, name: str, about: Mapping[str, str]
) -> None:
    """Write all values as NetCDF; a map by the CF conventions."""
    from eqstat.schema import maps

    if smallest is not None:
        result = result.assign(smallest_magnitude=smallest)
    if "latitude" in result.dims:
        result = maps.to_cf(result, attrs={"title": "detection by a network", **about})
    result.to_netcdf(name, engine="h5netcdf")
