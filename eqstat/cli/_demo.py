"""`eqstat demo`: stub."""

from __future__ import annotations

import argparse
from typing import Any

from eqstat.cli._outcome import Outcome


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("demo", parents=[common], help="demo")
    parser.add_argument("--out", default="demo")
    parser.set_defaults(outputs=(), inputs=(), quiet=False)


def run(options: argparse.Namespace) -> Outcome:
    """Run."""
    return Outcome((), {}, "DONE", "")
