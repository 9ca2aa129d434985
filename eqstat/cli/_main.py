"""The parser of the shell, and the way from a command to its exit code."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from eqstat import __version__
from eqstat.cli import _cache, _driver, _progress
from eqstat.cli._errors import DONE, FAILED, INTERRUPTED, exit_code, one_line
from eqstat.cli._examples import EXAMPLES
from eqstat.cli._options import Parser
from eqstat.cli._outcome import warnings_as_notes

DESCRIPTION = """\
Probabilistic statistics for crowdsourced and low-cost-sensor earthquake early warning.
Research software: not a certified warning system."""
EXIT_CODES = """\
Exit code: 0 done; 1 failed, or a result that must not be used (its files are written, and standard
error says why); 2 bad input; 130 interrupted."""
# Those that run until they are stopped, and what asks their journals: modules of `_services`.
SERVICES = ("agent", "load", "serve", "shards", "explain")
# Those that tell of the shell itself: modules of `_about`.
ABOUT = ("schema", "completion")
# Each has a module `_NAME` with `add(commands, common)` and `run(options)`.
COMMANDS = (
    "locate",
    "classify",
    "threshold",
    "detect",
    "exceed",
    "multistation",
    "detectability",
    "calibrate",
    "waveform",
    "artefact",
    "serve",
    "shards",
    "explain",
    "agent",
    "load",
    "demo",
    "schema",
    "completion",
)


def parser() -> Parser:
    """Parser of all commands. Their modules import what they compute with when they run."""
    whole = Parser(prog="eqstat", description=DESCRIPTION, epilog=EXIT_CODES)
    whole.add_argument("--version", action="version", version=f"eqstat {__version__}")
    common = Parser(add_help=False)
    group = common.add_argument_group("run")
    group.add_argument(
        "--no-cache", action="store_true", help="keep no compiled programs between calls"
    )
    group.add_argument("-v", "--verbose", action="store_true", help="say more on standard error")
    group.add_argument("--debug", action="store_true", help="show where an error came from")
    commands = whole.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for name in COMMANDS:
        folder = "_services." if name in SERVICES else "_about." if name in ABOUT else ""
        module = import_module(f"eqstat.cli.{folder}_{name}")
        module.add(commands, common)
        added = commands.choices[name]
        added.set_defaults(run=module.run)
        text = " ".join(filter(None, (added.epilog, EXIT_CODES)))
        added.epilog = "\n\n".join([text, "Examples:", *(f"  {one}" for one in EXAMPLES[name])])
    return whole


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Options of a command, with the words that gave them, which files of figures tell."""
    return parser().parse_args(arguments, argparse.Namespace(words=arguments))


def run(options: Any) -> int:
    """Run a parsed command and write its outcome."""
    _driver.check_inputs(options)
    _driver.check_outputs(options)
    missing = _cache.prepare(enabled=not options.no_cache)
    if missing and options.verbose:
        sys.stderr.write(f"eqstat: note: {missing}\n")
    hidden = options.quiet or options.command in (*SERVICES, *ABOUT)
    with warnings_as_notes() as notes, _progress.shown(options.command, hidden=hidden):
        outcome = options.run(options)
    _driver.write(options, outcome, notes)
    return outcome.exit_code


def main(argv: Sequence[str] | None) -> int:
    """Run a command of the shell and turn whatever fails into one line and an exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments or os.environ.get("EQSTAT_DEBUG", "") not in ("", "0")
    try:
        code = run(parsed(arguments))
        sys.stdout.flush()
    except SystemExit as stop:  # --help and --version
        return stop.code if isinstance(stop.code, int) else DONE
    except BrokenPipeError:  # such as `eqstat locate ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("eqstat: interrupted\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 whatever fails is told in one line
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"eqstat: {one_line(error)}\n")
        return exit_code(error)
    return code
