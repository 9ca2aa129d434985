"""Options of `eqstat threshold`."""

from __future__ import annotations

import argparse
from typing import Any

from eqstat.cli._options import add_columns, add_outputs
from eqstat.cli._readers import hour, number, numbers, offset, whole

COUNTS = """\
The table is CSV or Parquet, with a row for each window: time (its start, UTC), triggers and active
(devices); region, window_s, is_earthquake and windows (how many equal windows a row stands for) are
used where they are there. Rows of a CSV are counted in messages as in the file: the header is
row 1."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("counts", metavar="COUNTS", help="table of counts, or - for CSV")
    add_columns(parser, "time=start triggers=k active=phones")
    parser.add_argument(
        "--utc-offset",
        type=offset,
        action="append",
        default=[],
        metavar="H",
        help="local time minus UTC, hours (0), or REGION=H once for each region",
    )
    parser.add_argument(
        "--window",
        type=number(0.0, 1e6),
        metavar="S",
        help="length of the windows, s; it must be that of the counts (default: theirs)",
    )
    parser.add_argument(
        "--active",
        type=numbers(number(1.0, 1e6, closed=True)),
        required=True,
        metavar="N,N,...",
        help="numbers of active devices, such as 50,500,5000",
    )
    parser.add_argument(
        "--hours",
        type=numbers(hour),
        default=[float(each) for each in range(24)],
        metavar="H,H,...",
        help="local times of day, such as 0,6,12,18 (default: every hour)",
    )
    group = parser.add_argument_group("budget")
    group.add_argument(
        "--false-alarms-per-year",
        type=number(0.0, 1e6),
        default=1.0,
        metavar="RATE",
        help="of all regions of the table together (default 1)",
    )
    group.add_argument(
        "--minimum",
        type=whole(1, 10**6),
        default=6,
        metavar="K",
        help="fewest triggers that may be called an earthquake (default 6)",
    )
    group.add_argument(
        "--caution",
        type=number(1.0, float("inf"), closed=True),
        default=2.0,
        metavar="FACTOR",
        help="by how much a short history may raise the count before it is refused (default 2)",
    )
    group = parser.add_argument_group("background")
    group.add_argument(
        "--family",
        choices=["poisson", "negative_binomial", "beta_binomial"],
        default="negative_binomial",
        help="distribution of the counts (default negative_binomial)",
    )
    group.add_argument(
        "--bursts", action="store_true", help="with bursts in which many devices trigger together"
    )
    group.add_argument(
        "--kind",
        choices=["predictive", "plug-in"],
        default="predictive",
        help="with what the history leaves open (default), or as if the estimate were the truth",
    )
    group.add_argument(
        "--draws", type=whole(20, 200), default=200, metavar="N", help="of the background (200)"
    )
    group.add_argument(
        "--seed", type=whole(0, 2**31 - 1), default=0, metavar="N", help="of the draws (0)"
    )
    group.add_argument(
        "--probability",
        type=number(0.0, 1.0),
        default=0.9,
        metavar="P",
        help="content of the intervals of the false alarm rate (default 0.9)",
    )
    add_outputs(parser)


def add_threshold(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    counts = commands.add_parser(
        "threshold",
        parents=[common],
        help="how many triggers may be called an earthquake?",
        description="Learn the background of a table of counts, and find the smallest number of "
        "triggers in a sliding window that keeps a budget of false alarms.",
        epilog=COUNTS,
    )
    _add_options(counts)
