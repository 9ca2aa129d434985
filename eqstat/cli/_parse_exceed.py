"""Options of `eqstat exceed`."""

from __future__ import annotations

import argparse
import re
from typing import Any

from eqstat._core.constants import ACCELERATION_UNITS_M_S2
from eqstat.cli._options import add_columns, add_outputs, add_velocity
from eqstat.cli._readers import number, whole

SITES = """\
The posterior is what `eqstat locate --posterior` or `eqstat detect --posterior` writes. The table
of sites is CSV or Parquet, with latitude and longitude (degrees) and perhaps site (a name) and
vs30_m_s (m/s). A threshold is a number with its unit: 0.05g, 5%g, 49Gal or 0.49m/s2."""


def acceleration(text: str) -> float:
    """Read a PGA with its unit, m/s2."""
    found = re.fullmatch(r"\s*([0-9.eE+-]+)\s*([a-zA-Z%/]+2?)\s*", text)
    unit = ACCELERATION_UNITS_M_S2.get(found[2].lower()) if found else None
    if not found or unit is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no acceleration with a unit, such as 0.05g, 5%g, 49Gal or 0.49m/s2"
        )
    size = number(0.0, 1e6)(found[1]) * unit
    if size > 50.0:
        raise argparse.ArgumentTypeError(f"{text} is {size:.3g} m/s2, more than any shaking")
    return size


def accelerations(text: str) -> list[tuple[str, float]]:
    """Read accelerations with commas between them, each with its text."""
    values = [(part.strip(), acceleration(part)) for part in text.split(",")]
    if len({value for _, value in values}) < len(values):
        raise argparse.ArgumentTypeError(f"{text} names an acceleration twice")
    return values


def add_exceed(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    exceed = commands.add_parser(
        "exceed",
        parents=[common],
        help="how strong will it shake at these sites?",
        description="Probability of shaking beyond thresholds at sites, and the time until S, "
        "integrated over the posterior of the hypocentre and over the magnitude.",
        epilog=SITES,
    )
    exceed.add_argument(
        "--posterior", required=True, metavar="FILE.nc", help="posterior of the hypocentre"
    )
    exceed.add_argument(
        "--sites", required=True, metavar="FILE", help="table of sites, or - for CSV"
    )
    add_columns(exceed, "latitude=lat longitude=lon site=name")
    exceed.add_argument(
        "--threshold",
        required=True,
        type=accelerations,
        metavar="PGA",
        help="with its unit, several with commas between: 0.05g or 5%%g,10%%g",
    )
    exceed.add_argument(
        "--magnitude",
        type=number(-3.0, 10.0, closed=True),
        metavar="M",
        help="magnitude; needed where the posterior holds none",
    )
    exceed.add_argument(
        "--magnitude-sd",
        type=number(0.0, 3.0, closed=True),
        default=0.3,
        metavar="SD",
        help="standard deviation of the magnitude (default 0.3)",
    )
    exceed.add_argument(
        "--model",
        metavar="FILE.eqx",
        help="network or fitted ground-motion model that eqstat.ground_motion.save wrote "
        "(default: a generic point source)",
    )
    exceed.add_argument(
        "--region", metavar="NAME", help="region of the fitted model (default: a new one)"
    )
    exceed.add_argument(
        "--now", metavar="TIME", help="count lead times from here (UTC; default: from the origin)"
    )
    exceed.add_argument(
        "--draws",
        type=whole(1, 100_000),
        default=512,
        metavar="N",
        help="draws of the source (default 512)",
    )
    exceed.add_argument(
        "--probability",
        type=number(0.0, 1.0),
        default=0.9,
        metavar="P",
        help="content of intervals (default 0.9)",
    )
    add_velocity(exceed.add_argument_group("earth"))
    add_outputs(exceed)
    exceed.add_argument("--table", metavar="FILE.csv", help="write the table of sites as CSV")
    exceed.add_argument("--map", metavar="FILE.nc", help="write a map about the sites as NetCDF")
