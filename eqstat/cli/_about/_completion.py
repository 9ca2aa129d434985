"""`eqstat completion`: what a user's shell completes of commands and options."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from eqstat.cli._driver import require
from eqstat.cli._outcome import Outcome

SHELLS = ("bash", "zsh", "tcsh")
# Options that name files end so in their metavar, or are one of these.
FILES = ("FILE", "TRIGGERS", "COUNTS", "NETWORK", "HISTORY", "TABLE", "CONFIG", "SOURCE",
         "STATIONS", "REPORTS")  # fmt: skip


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "completion",
        parents=[common],
        help="print what completes commands and options in your shell",
        description="Print a script that lets a shell complete commands, options and files. It "
        "needs the extra completion (shtab). bash reads it from ~/.local/share/bash-completion/"
        "completions/eqstat, zsh from a file _eqstat in a folder of $fpath.",
    )
    parser.add_argument("shell", choices=SHELLS, help="your shell")
    parser.set_defaults(outputs=(), inputs=(), quiet=False)


def run(options: argparse.Namespace) -> Outcome:
    """Print the script."""
    require("shtab", "completion needs shtab: pip install 'eqstat[completion]'")
    return Outcome(
        summary=(script(options.shell),), content={}, result="DONE", result_text="script printed"
    )


def script(shell: str) -> str:
    """Script of all commands for a shell."""
    from eqstat.cli._main import parser

    shtab: Any = import_module("shtab")
    whole = parser()
    name_files(whole, shtab.FILE)
    return shtab.complete(whole, shell=shell)


def name_files(parser: argparse.ArgumentParser, complete: Any) -> None:
    """Mark the options that name files, also of the parsers below."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                name_files(below, complete)
        elif str(action.metavar or "").partition(".")[0] in FILES:
            action.complete = complete  # type: ignore[attr-defined]
