"""The parser of the shell, and the way from a command to an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from eqstat import __version__
from eqstat.cli._errors import DONE, FAILED, exit_code, one_line
from eqstat.cli._options import Parser
from eqstat.cli._parse_calibrate import add_calibrate
from eqstat.cli._parse_detect import add_detect
from eqstat.cli._parse_exceed import add_exceed
from eqstat.cli._parse_threshold import add_threshold
from eqstat.cli._parse_traveltime import add_traveltime
from eqstat.cli._readers import whole

DESCRIPTION = """\
Probabilistic statistics for crowdsourced and low-cost-sensor earthquake early warning.
Research software: not a certified warning system."""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="eqstat", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"eqstat {__version__}")
    common = Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )

    for add in (add_traveltime, add_threshold, add_detect, add_exceed, add_calibrate):
        add(commands, common)
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
    elif options.command == "exceed":
        from eqstat.cli._exceed import exceed as command
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
