"""`eqstat schema`: the JSON Schema of a command's JSON."""

from __future__ import annotations

import argparse
import json
from importlib import resources
from typing import Any

from eqstat import counts
from eqstat.cli._outcome import Outcome

DESCRIBED = ("locate", "classify", "threshold", "detect", "exceed", "multistation",
             "detectability", "calibrate")  # fmt: skip


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "schema",
        parents=[common],
        help="print the JSON Schema of a command's JSON",
        description="Print the JSON Schema (draft 2020-12) of what --json of a command writes.",
    )
    parser.add_argument("of", choices=DESCRIBED, metavar="COMMAND", help=", ".join(DESCRIBED))
    parser.set_defaults(outputs=(), inputs=(), quiet=False)


def run(options: argparse.Namespace) -> Outcome:
    """Print a schema."""
    text = json.dumps(schema_of(options.of), indent=2, ensure_ascii=False)
    return Outcome(summary=(text,), content={}, result="DONE", result_text="schema printed")


def schema_of(command: str) -> dict[str, Any]:
    """JSON Schema of a command's JSON, with the definitions that it shares with the others.

    >>> schema_of("locate")["$id"]
    'eqstat.locate/1'
    """
    folder = resources.files("eqstat.cli").joinpath("schemas")
    own, shared = (
        json.loads(folder.joinpath(f"{name}.json").read_text(encoding="utf-8"))
        for name in (command, "shared")
    )
    definitions = shared["$defs"]
    if command == "threshold":
        definitions["family"] = {"enum": list(counts.FAMILIES)}
    return {**own, "$defs": definitions}
