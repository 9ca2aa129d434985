"""Options of `eqstat detect`."""

from __future__ import annotations

import argparse
from typing import Any

from eqstat.cli._options import add_columns, add_outputs, add_velocity
from eqstat.cli._readers import number

NETWORK = """\
Tables are CSV or Parquet. Triggers need the columns time (UTC), latitude and longitude (degrees);
device is used where it is there, and received (UTC), when reports arrived late. The network needs
latitude and longitude; device, active_from and active_to are used where they are there. Rows of a
CSV are counted in messages as in the file: the header is row 1."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("triggers", metavar="TRIGGERS", help="table of triggers, or - for CSV")
    parser.add_argument(
        "--network", metavar="FILE", help="table of all devices, the silent ones too"
    )
    parser.add_argument(
        "--silent-unknown",
        action="store_true",
        help="there is no such table: take those that triggered for the network",
    )
    add_columns(parser, "time=triggerTime latitude=lat longitude=lon")
    parser.add_argument("--start", metavar="TIME", help="first moment (UTC)")
    parser.add_argument("--end", metavar="TIME", help="last moment (UTC)")
    parser.add_argument(
        "--step", type=number(0.0, 60.0), default=1.0, metavar="S", help="between steps, s (1)"
    )
    group = parser.add_argument_group("alarm")
    group.add_argument(
        "--false-alarms-per-year",
        type=number(0.0, 1e6),
        default=1.0,
        metavar="RATE",
        help="budget of this region (default 1)",
    )
    group.add_argument(
        "--least-probability",
        type=number(0.0, 1.0),
        default=0.9,
        metavar="P",
        help="of an earthquake among all causes, for an alarm (default 0.9)",
    )
    group.add_argument(
        "--earthquakes-per-year",
        type=number(0.0, 1e6),
        default=10.0,
        metavar="RATE",
        help="that the network feels (default 10)",
    )
    group.add_argument(
        "--probability",
        type=number(0.0, 1.0),
        default=0.9,
        metavar="P",
        help="content of the regions (default 0.9)",
    )
    group = parser.add_argument_group("devices")
    group.add_argument(
        "--background",
        type=number(0.0, 1e4),
        default=0.5,
        metavar="RATE",
        help="triggers per device and hour without a common cause (default 0.5)",
    )
    group.add_argument(
        "--background-sd",
        type=number(0.0, 10.0),
        default=0.3,
        metavar="SD",
        help="relative standard deviation of that rate, which is learnt on the way (default 0.3)",
    )
    group.add_argument(
        "--utc-offset",
        type=number(-14.0, 14.0, closed=True),
        default=0.0,
        metavar="H",
        help="local time minus UTC, hours (0)",
    )
    group.add_argument(
        "--delay",
        type=number(-10.0, 60.0),
        default=0.0,
        metavar="S",
        help="mean time from a phase's arrival to the trigger, s (default 0)",
    )
    group.add_argument(
        "--scatter",
        type=number(0.0, 60.0),
        metavar="S",
        help="standard deviation of that time, s (default 1.3)",
    )
    group.add_argument(
        "--window",
        type=number(0.0, 1e4),
        default=90.0,
        metavar="S",
        help="how long a device that triggered is not asked again, s (default 90)",
    )
    group.add_argument(
        "--latency",
        type=number(0.0, 1e4, closed=True),
        default=0.0,
        metavar="S",
        help="how late reports may be: devices count as silent only until then, s (default 0)",
    )
    add_velocity(parser.add_argument_group("earth"))
    add_outputs(parser)
    parser.add_argument(
        "--history", metavar="FILE", help="write each step as a line of JSON; - to standard output"
    )
    parser.add_argument(
        "--posterior",
        metavar="FILE.nc",
        help="write draws of the first alarm's hypocentre, for eqstat exceed",
    )
    parser.add_argument(
        "--animation", metavar="FILE.gif", help="draw the posterior through time; takes minutes"
    )


def add_detect(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    detect = commands.add_parser(
        "detect",
        parents=[common],
        help="is it an earthquake, now?",
        description="Replay a stream of triggers step by step: probability of an earthquake among "
        "all causes, where it is, and when there is an alarm.",
        epilog=NETWORK,
    )
    _add_options(detect)
