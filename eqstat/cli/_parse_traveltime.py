"""Options of `eqstat locate` and `eqstat classify`."""

from __future__ import annotations

import argparse
from typing import Any

from eqstat.cli._options import add_earth, add_outputs, add_tables
from eqstat.cli._readers import number, whole

TABLES = """\
Tables are CSV or Parquet. Triggers need the columns time (UTC), latitude and longitude (degrees);
phase (P or S), time_sd_s, elevation_m and device are used where they are there. Rows of a CSV are
counted in messages as in the file: the header is row 1."""


def add_traveltime(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands to the parser."""
    locate = commands.add_parser(
        "locate",
        parents=[common],
        help="where and when did it start?",
        description="Locate a detection: hypocentre, origin time, and how sure that is.",
        epilog=TABLES,
    )
    add_tables(locate)
    locate.add_argument(
        "--method",
        choices=["bfgs", "grid", "nuts"],
        default="grid",
        help="optimum, exact posterior on a grid (default), or draws by NUTS",
    )
    locate.add_argument(
        "--likelihood",
        choices=["gaussian", "mixture"],
        default="gaussian",
        help="one wave (default), or P, S and background with a delay, as phones send them",
    )
    locate.add_argument(
        "--wave", choices=["P", "S"], help="wave of the Gaussian likelihood (default P)"
    )
    locate.add_argument(
        "--network", metavar="FILE", help="table of active devices; the silent ones count too"
    )
    locate.add_argument(
        "--truncated",
        action="store_true",
        help="a trigger is seen only if it came before --now",
    )
    locate.add_argument(
        "--probability",
        type=number(0.0, 1.0),
        default=0.9,
        metavar="P",
        help="content of region and intervals (default 0.9)",
    )
    locate.add_argument(
        "--seed", type=whole(0, 2**31 - 1), default=0, metavar="N", help="seed of NUTS (0)"
    )
    add_earth(locate)
    add_outputs(locate)
    locate.add_argument(
        "--posterior", metavar="FILE.nc", help="write the posterior as NetCDF (grid and nuts)"
    )

    classify = commands.add_parser(
        "classify",
        parents=[common],
        help="was it an earthquake?",
        description="Test whether the trigger times fit a P or an S wave.",
        epilog=TABLES,
    )
    add_tables(classify)
    classify.add_argument(
        "--delta",
        type=number(0.0, 1e3),
        default=1.29,
        metavar="S",
        help="largest standard deviation of an earthquake's trigger times, s (default 1.29)",
    )
    classify.add_argument(
        "--miss-probability",
        type=number(0.0, 1.0),
        default=0.01,
        metavar="P",
        help="nominal probability of calling an earthquake false (default 0.01)",
    )
    classify.add_argument(
        "--estimated-parameters",
        type=whole(0, 10),
        default=4,
        metavar="N",
        help="taken off the triggers to give the degrees of freedom (default 4)",
    )
    add_earth(classify)
    add_outputs(classify)
