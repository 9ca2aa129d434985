"""The actions `export`, `inspect` and `score`."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat.cli._artefact._scorers import KINDS, columns_of, scorer_of
from eqstat.cli._inputs import Inputs
from eqstat.cli._options import (
    Parser,
    add_columns,
    add_numbers,
    add_outputs,
    number,
    numbers,
    whole,
)
from eqstat.cli._outcome import Outcome

if TYPE_CHECKING:
    from eqstat.edge import Artefact

SOURCES = """\
SOURCE by kind. counts: the file of `eqstat threshold --save-background`. coincidence: a table with
a row for each sensor: rate_per_h, hours (of observation), pick_probability. exceedance: a table of
sites: latitude, longitude. classification and device need none."""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command and its actions to the parser."""
    parser = commands.add_parser(
        "artefact",
        parents=[common],
        help="write, inspect and score the files of scorers for services and small computers",
        description="A scorer as one checked file: write it, say what it is, score a table.",
    )
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=Parser
    )
    _add_export(actions, common)
    inspect = actions.add_parser(
        "inspect",
        parents=[common],
        help="check a file and say what it is",
        description="Check a file and its test vectors, and show its card.",
    )
    inspect.add_argument("artefact", metavar="FILE", help="file of a scorer")
    add_outputs(inspect, ("artefact",))
    score = actions.add_parser(
        "score",
        parents=[common],
        help="score a table",
        description="Score a table with the scorer of a file, without compiling anything.",
        epilog="Columns: triggers, active, hour (counts); pre_warned_1, pre_warned_2, ... and "
        "perhaps listening_1, ... (coincidence); time, latitude, longitude of one detection "
        "(classification); latitude, longitude, depth_km, magnitude and perhaps weight of draws of "
        "the source (exceedance); magnitude, distance_km, depth_km (device).",
    )
    score.add_argument("artefact", metavar="FILE", help="file of a scorer")
    score.add_argument("table", metavar="TABLE", help="CSV or Parquet; - reads CSV")
    add_columns(score, "hour=local_hour")
    add_outputs(score, ("artefact", "table"), answers=("FILE.csv", "write the answers, row by row"))


def _add_export(actions: Any, common: argparse.ArgumentParser) -> None:
    parser = actions.add_parser(
        "export",
        parents=[common],
        help="write the file of a scorer",
        description="Write a scorer to one file, for eqstat.realtime.load and eqstat.edge.load.",
        epilog=SOURCES,
    )
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="what the scorer is made of")
    parser.add_argument("--title", default="", help="what it is for, on its card")
    budget = ("RATE", (0.0, 1e6, "()"), 1.0, "false alarms per year (counts, coincidence)")
    add_numbers(parser, {"--false-alarm-rate-per-year": budget})
    counts = parser.add_argument_group("counts")
    for name, default, text in (
        ("--minimum", 6, "smallest threshold"),
        ("--most-active", 10_000, "end of the table, active devices"),
        ("--most-triggers", 256, "end of the table, triggers"),
    ):
        counts.add_argument(
            name, type=whole(1, 1_000_000), default=default, metavar="N",
            help=f"{text} (default {default})",
        )  # fmt: skip
    others = parser.add_argument_group("coincidence, exceedance, classification, device")
    others.add_argument(
        "--threshold-m-s2", type=numbers(number(0.0, 50.0)), default=[0.5], metavar="A,A,...",
        help="PGA, m/s2 (default 0.5)",
    )  # fmt: skip
    add_numbers(
        others,
        {
            "--frame-s": ("S", (0.0, 3600.0, "()"), 2.0, "frame of a coincidence, s"),
            "--earthquakes-per-year": (
                "RATE", (0.0, 1e6, "()"), 5.0, "earthquakes that the sensors can record",
            ),
            "--action-probability": ("P", (0.0, 1.0, "()"), 0.1, "probability from which to act"),
            "--delta-s": ("S", (0.0, 1e3, "()"), 1.29, "scatter of a true earthquake's triggers"),
            "--miss-probability": ("P", (0.0, 1.0, "()"), 0.01, "miss probability of the test"),
            "--trigger-m-s2": ("A", (1e-6, 100.0, "()"), 0.1, "reading that triggers the device"),
        },
    )  # fmt: skip
    add_outputs(parser, ("source",), out=("FILE.eqstat", "the file to write"))


def run(options: argparse.Namespace) -> Outcome:
    """Run an action."""
    return {"export": _export, "inspect": _inspect, "score": _score}[options.action](options)


def _export(options: argparse.Namespace) -> Outcome:
    from eqstat import edge, realtime

    if options.out is None:
        raise InputError("artefact export: name the file to write, --out FILE.eqstat")
    inputs = Inputs(())
    content = realtime.to_bytes(scorer_of(options, inputs), title=options.title)
    artefact = edge.read(content)
    return Outcome(
        summary=(f"{options.kind}, {len(content):,} bytes, SHA-256 {artefact.sha256}",),
        content={"kind": artefact.kind, "sha256": artefact.sha256, "card": artefact.card},
        result="WRITTEN",
        result_text="the file was written",
        inputs=inputs,
        files={"out": lambda name: realtime.replace_file(name, content)},
    )


def _read(options: argparse.Namespace, inputs: Inputs) -> Any:
    from eqstat import edge

    try:
        return edge.load(inputs.file(options.artefact, "artefact"))
    except edge.ArtefactError as error:
        raise InputError(str(error)) from None


def _about(artefact: Artefact) -> tuple[str, ...]:
    from eqstat import realtime

    measured = realtime.calibration_of(artefact)
    size = sum(array.nbytes for array in artefact.arrays.values())
    versions = ", ".join(f"{name} {version}" for name, version in artefact.card["versions"].items())
    lines = (
        f"{artefact.kind}: {artefact.card.get('title') or 'no title'}",
        f"measured: {measured or 'nothing'}",
        f"{len(artefact.arrays)} arrays, {size:,} bytes; {len(artefact.cases)} test vectors agree",
        f"written by {versions}",
        f"SHA-256 {artefact.sha256}",
    )
    return lines


def _inspect(options: argparse.Namespace) -> Outcome:
    inputs = Inputs(())
    artefact = _read(options, inputs).artefact
    return Outcome(
        summary=_about(artefact),
        content={"kind": artefact.kind, "sha256": artefact.sha256, "card": artefact.card},
        result="VALID",
        result_text="the file is whole and its test vectors agree",
        inputs=inputs,
    )


def _score(options: argparse.Namespace) -> Outcome:
    import numpy as np
    import pandas as pd

    from eqstat.edge import Status

    inputs = Inputs(options.columns)
    scorer = _read(options, inputs)
    columns = columns_of(scorer, inputs.table(options.table, "table"))
    answer = scorer.score(**columns)
    status = np.ravel(answer.status)
    named = {
        name: np.asarray(value)
        for name, value in answer._asdict().items()
        if not np.all(np.isnan(np.asarray(value, float)))
    }
    shape = max((value.shape for value in named.values()), key=len)
    table = pd.DataFrame(
        {name: np.broadcast_to(value, shape).ravel() for name, value in named.items()}
    )
    counted = Counter(Status(int(value)).name for value in status)
    alarms = int(np.sum(np.asarray(answer.margin) >= 0))
    text = ", ".join(f"{number} {name}" for name, number in sorted(counted.items()))
    return Outcome(
        summary=(
            f"{alarms} of {np.size(answer.margin)} at or beyond the decision; status: {text}",
        ),
        content={
            "kind": scorer.artefact.kind,
            "answers": {name: np.asarray(value).tolist() for name, value in named.items()},
        },
        result="SCORED",
        result_text="the table was scored",
        inputs=inputs,
        files={"answers": lambda name: table.to_csv(name, index=False)},
    )
