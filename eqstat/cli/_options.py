"""What the parsers of several commands share."""

from __future__ import annotations

import argparse
from typing import NoReturn

from eqstat.cli._errors import BadInputError
from eqstat.cli._readers import number, pair


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message} (see {self.prog} --help)")


def add_columns(parser: argparse.ArgumentParser, example: str) -> None:
    parser.add_argument(
        "--columns",
        nargs="+",
        type=pair,
        action="extend",
        default=[],
        metavar="NAME=COLUMN",
        help=f"columns of other names, such as {example}",
    )


def add_tables(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("triggers", metavar="TRIGGERS", help="table of triggers, or - for CSV")
    add_columns(parser, "time=triggerTime latitude=lat longitude=lon")
    parser.add_argument("--start", metavar="TIME", help="begin of the observed window (UTC)")
    parser.add_argument("--now", metavar="TIME", help="end of the observed window (UTC)")


def add_velocity(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--velocity",
        choices=["constant", "ak135", "iasp91"],
        help="velocity model (default: constant, of the two options below)",
    )
    speed = number(0.1, 20.0)
    group.add_argument(
        "--p-velocity", type=speed, metavar="KM_S", help="constant velocity of P (default 7.8 km/s)"
    )
    group.add_argument(
        "--s-velocity",
        type=speed,
        metavar="KM_S",
        help="constant velocity of S (default 4.5 km/s; P/1.73 where only P is given)",
    )


def add_earth(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("earth")
    add_velocity(group)
    group.add_argument(
        "--region-km",
        type=number(0.0, 5000.0),
        metavar="KM",
        help="half-width of the box about the triggers in which the epicentre is sought",
    )


def add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write the result as JSON; - (or no name): to standard output, without the summary",
    )
    group.add_argument("--figure", metavar="FILE", help="draw it; PNG, PDF or SVG by the name")
    group.add_argument("--quiet", action="store_true", help="no summary, notes or progress bar")
