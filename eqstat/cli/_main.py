"""The parser of the shell, and the way from a command to an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from eqstat import __version__
from eqstat.cli._errors import DONE, FAILED, BadInputError, exit_code, one_line
from eqstat.cli._readers import hour, number, numbers, offset, pair, whole

DESCRIPTION = """\
Probabilistic statistics for crowdsourced and low-cost-sensor earthquake early warning.
Research software: not a certified warning system."""

TABLES = """\
Tables are CSV or Parquet. Triggers need the columns time (UTC), latitude and longitude (degrees);
phase (P or S), time_sd_s, elevation_m and device are used where they are there. Rows of a CSV are
counted in messages as in the file: the header is row 1."""

COUNTS = """\
The table is CSV or Parquet, with a row for each window: time (its start, UTC), triggers and active
(devices); region, window_s, is_earthquake and windows (how many equal windows a row stands for) are
used where they are there. Rows of a CSV are counted in messages as in the file: the header is
row 1."""


NETWORK = """\
Tables are CSV or Parquet. Triggers need the columns time (UTC), latitude and longitude (degrees);
device is used where it is there, and received (UTC), when reports arrived late. The network needs
latitude and longitude; device, active_from and active_to are used where they are there. Rows of a
CSV are counted in messages as in the file: the header is row 1."""

DETECTIONS = """\
The table is CSV or Parquet, with a row for each detection: time (UTC), latitude, longitude
(degrees), is_earthquake (true or false) and a score. Rows of a CSV are counted in messages as in
the file: the header is row 1."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message} (see {self.prog} --help)")


def _add_columns(parser: argparse.ArgumentParser, example: str) -> None:
    parser.add_argument(
        "--columns",
        nargs="+",
        type=pair,
        action="extend",
        default=[],
        metavar="NAME=COLUMN",
        help=f"columns of other names, such as {example}",
    )


def _add_tables(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("triggers", metavar="TRIGGERS", help="table of triggers, or - for CSV")
    _add_columns(parser, "time=triggerTime latitude=lat longitude=lon")
    parser.add_argument("--start", metavar="TIME", help="begin of the observed window (UTC)")
    parser.add_argument("--now", metavar="TIME", help="end of the observed window (UTC)")


def _add_velocity(group: argparse._ArgumentGroup) -> None:
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


def _add_earth(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("earth")
    _add_velocity(group)
    group.add_argument(
        "--region-km",
        type=number(0.0, 5000.0),
        metavar="KM",
        help="half-width of the box about the triggers in which the epicentre is sought",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
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


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("counts", metavar="COUNTS", help="table of counts, or - for CSV")
    _add_columns(parser, "time=start triggers=k active=phones")
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
        "--shocks", action="store_true", help="with bursts in which many devices trigger together"
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
    _add_outputs(parser)


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("history", metavar="HISTORY", help="table of detections, or - for CSV")
    _add_columns(parser, "is_earthquake=confirmed latitude=lat longitude=lon")
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
    _add_outputs(parser)


def _add_detect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("triggers", metavar="TRIGGERS", help="table of triggers, or - for CSV")
    parser.add_argument(
        "--network", metavar="FILE", help="table of all devices, the silent ones too"
    )
    parser.add_argument(
        "--silent-unknown",
        action="store_true",
        help="there is no such table: take those that triggered for the network",
    )
    _add_columns(parser, "time=triggerTime latitude=lat longitude=lon")
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
    _add_velocity(parser.add_argument_group("earth"))
    _add_outputs(parser)
    parser.add_argument(
        "--history", metavar="FILE", help="write each step as a line of JSON; - to standard output"
    )
    parser.add_argument(
        "--animation", metavar="FILE.gif", help="draw the posterior through time; takes minutes"
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="eqstat", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"eqstat {__version__}")
    common = _Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )

    locate = commands.add_parser(
        "locate",
        parents=[common],
        help="where and when did it start?",
        description="Locate a detection: hypocentre, origin time, and how sure that is.",
        epilog=TABLES,
    )
    _add_tables(locate)
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
    _add_earth(locate)
    _add_outputs(locate)
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
    _add_tables(classify)
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
    _add_earth(classify)
    _add_outputs(classify)

    counts = commands.add_parser(
        "threshold",
        parents=[common],
        help="how many triggers may be called an earthquake?",
        description="Learn the background of a table of counts, and find the smallest number of "
        "triggers in a sliding window that keeps a budget of false alarms.",
        epilog=COUNTS,
    )
    _add_threshold(counts)

    detect = commands.add_parser(
        "detect",
        parents=[common],
        help="is it an earthquake, now?",
        description="Replay a stream of triggers step by step: probability of an earthquake among "
        "all causes, where it is, and when there is an alarm.",
        epilog=NETWORK,
    )
    _add_detect(detect)

    history = commands.add_parser(
        "calibrate",
        parents=[common],
        help="how often is an earthquake missed, and are the probabilities true?",
        description="Judge the score of a table of labelled detections: miss and false-alarm "
        "probability, thresholds, and reliability where the score is a probability.",
        epilog=DETECTIONS,
    )
    _add_calibrate(history)

    demo = commands.add_parser(
        "demo",
        parents=[common],
        help="simulate a detection, classify it and locate it three ways",
        description="Simulate a detection, classify it and locate it by BFGS, grid and NUTS.",
    )
    demo.add_argument(
        "--out", default="demo", metavar="FOLDER", help="where the files go (default: demo)"
    )
    demo.add_argument(
        "--seed", type=whole(0, 2**31 - 1), default=0, metavar="N", help="another detection (0)"
    )
    return parser


def _run(options: argparse.Namespace) -> None:
    """Import a command when it is asked for: `--help` is fast."""
    if options.command == "locate":
        from eqstat.cli._locate import locate as command
    elif options.command == "classify":
        from eqstat.cli._classify import classify as command
    elif options.command == "threshold":
        from eqstat.cli._threshold import threshold as command
    elif options.command == "detect":
        from eqstat.cli._detect import detect as command
    elif options.command == "calibrate":
        from eqstat.cli._calibrate import calibrate as command
    else:
        from eqstat.cli._demo import demo as command
    command(options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command of the shell.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    int
        0 done, 2 bad input, 1 anything else.

    Examples
    --------
    >>> main(["locate", "triggers.csv", "--method", "guess"])
    2
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments or os.environ.get("EQSTAT_DEBUG", "") not in ("", "0")
    try:
        _run(_parser().parse_args(arguments))
        sys.stdout.flush()
    except SystemExit as stop:  # --help and --version
        return stop.code if isinstance(stop.code, int) else DONE
    except BrokenPipeError:  # such as `eqstat locate ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("eqstat: interrupted\n")
        return FAILED
    except Exception as error:  # noqa: BLE001 the last door: one line, never a traceback
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"eqstat: {one_line(error)}\n")
        return exit_code(error)
    return DONE
