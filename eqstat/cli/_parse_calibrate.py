"""Options of `eqstat calibrate`."""

from __future__ import annotations

import argparse
from typing import Any

from eqstat.cli._options import add_columns, add_outputs
from eqstat.cli._readers import number, whole

DETECTIONS = """\
The table is CSV or Parquet, with a row for each detection: time (UTC), latitude, longitude
(degrees), is_earthquake (true or false) and a score. Rows of a CSV are counted in messages as in
the file: the header is row 1."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("history", metavar="HISTORY", help="table of detections, or - for CSV")
    add_columns(parser, "is_earthquake=confirmed latitude=lat longitude=lon")
    parser.add_argument("--score", metavar="COLUMN", help="column of the score (default: score)")
    parser.add_argument(
        "--larger",
        choices=["earthquake", "noise"],
        help="what larger scores mean; needed unless the score is the probability",
    )
    parser.add_argument(
        "--probability-column",
        metavar="COLUMN",
        help="probabilities of an earthquake, to be judged; they are the score where none is named",
    )
    parser.add_argument(
        "--cluster",
        metavar="COLUMN",
        action="append",
        default=[],
        help="detections with the same label depend on each other, such as event; may be repeated",
    )
    unit = number(0.0, 1.0)
    group = parser.add_argument_group("thresholds")
    for name, what in (("miss", "earthquakes missed"), ("false-alarm", "noise accepted")):
        group.add_argument(
            f"--{name}-probability",
            type=unit,
            default=0.01,
            metavar="P",
            help=f"share of {what} that is allowed (default 0.01)",
        )
    for name in ("miss", "false-alarm"):
        group.add_argument(
            f"--{name}-cost",
            type=number(0.0, 1e9),
            default=1.0,
            metavar="C",
            help="weight in the least total (default 1)",
        )
    group.add_argument(
        "--prevalence",
        type=unit,
        metavar="P",
        help="share of earthquakes among detections to come, in the least total (default: the sum "
        "of both probabilities)",
    )
    group.add_argument(
        "--confidence",
        type=unit,
        default=0.95,
        metavar="P",
        help="with which the misses are kept (default 0.95)",
    )
    group.add_argument(
        "--probability",
        type=unit,
        default=0.9,
        metavar="P",
        help="content of intervals and bands (default 0.9)",
    )
    group.add_argument(
        "--seed", type=whole(0, 2**31 - 1), default=0, metavar="N", help="of the bootstrap (0)"
    )
    add_outputs(parser)


def add_calibrate(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    history = commands.add_parser(
        "calibrate",
        parents=[common],
        help="how often is an earthquake missed, and are the probabilities true?",
        description="Judge the score of a table of labelled detections: miss and false-alarm "
        "probability, thresholds, and reliability where the score is a probability.",
        epilog=DETECTIONS,
    )
    _add_options(history)
