"""`--each COLUMN`: a command once for each event of a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat._core.text import aligned
from eqstat.cli import _progress
from eqstat.cli._errors import DONE, FAILED, one_line
from eqstat.cli._inputs import Inputs
from eqstat.cli._outcome import Outcome, warnings_as_notes

if TYPE_CHECKING:
    import pandas as pd

# Options that describe one window, which several events do not share.
OF_ONE_EVENT = ("start", "now", "network", "truncated", "peaks")
SHOWN = 5


def add_each(parser: argparse.ArgumentParser) -> None:
    """Add `--each`."""
    parser.add_argument(
        "--each",
        metavar="COLUMN",
        help="one result for each value of this column, such as event; the JSON holds a record "
        "for each",
    )


def refuse_what_is_of_one_event(options: argparse.Namespace) -> None:
    """Refuse, beside `--each`, files and windows of one event."""
    files = [name for name in options.outputs if name != "json" and getattr(options, name)]
    windows = [name for name in OF_ONE_EVENT if getattr(options, name, None)]
    if files or windows:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in (*files, *windows))
        raise InputError(f"{named}: not with --each, which gives many events")


def each(
    column: str,
    table: pd.DataFrame,
    one: Callable[[pd.DataFrame], Outcome],
    *,
    header: Sequence[str],
    row: Callable[[Mapping[str, Any]], Sequence[str]],
    inputs: Inputs,
    velocity: Mapping[str, Any] | None,
) -> Outcome:
    """Run a command for each event.

    Parameters
    ----------
    column
        Column that names the event of a row; rows without a name are left out.
    table
        Rows of all events.
    one
        The command for the rows of one event.
    header, row
        Columns of the summary, and what they show of the content of an outcome.
    inputs, velocity
        As in `Outcome`.
    """
    if column not in table:
        shown = ", ".join(map(str, table.columns))
        raise InputError(f"--each: the table has no column {column!r} (it has: {shown})")
    nameless = int(table[column].isna().sum())
    groups = table.groupby(column, sort=False)
    records = []
    for name, rows in groups:
        _progress.event(len(records) + 1, len(groups))
        records.append(_record(str(name), rows, one))
    if not records:
        raise InputError(f"--each: column {column!r} names no event")
    bad = [record for record in records if not record.pop("usable")]
    lines = [["event", *header, "result"]]
    for record in records:
        cells = row(record) if len(record) > 4 else [""] * len(header)
        lines.append([record["event"], *cells, record["result"]])
    text = f"{len(records)} events"
    if bad:
        named = "; ".join(f"{record['event']}: {record['result_text']}" for record in bad[:SHOWN])
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        text = f"{len(bad)} of {len(records)} events have no usable result ({named}{more})"
    notes = [f"{nameless} rows without a value in {column!r} were left out"] if nameless else []
    said = sum(bool(record["notes"]) for record in records)
    notes += [f"{said} events have notes, which the JSON holds"] if said else []
    return Outcome(
        summary=tuple(aligned(lines, right=True)),
        content={"each": column, "events": records},
        result="NOT_USABLE" if bad else "DONE",
        result_text=text,
        inputs=inputs,
        velocity=velocity,
        notes=tuple(notes),
        exit_code=FAILED if bad else DONE,
    )


def _record(
    name: str, rows: pd.DataFrame, one: Callable[[pd.DataFrame], Outcome]
) -> dict[str, Any]:
    """JSON of one event, and whether it can be used; an error is a result of its own."""
    from eqstat.inference import InferenceError

    with warnings_as_notes() as warned:
        try:
            outcome = one(rows)
        except (InputError, InferenceError) as error:
            code = error.result.name if isinstance(error, InferenceError) else "BAD_INPUT"
            return {
                "event": name,
                "result": code,
                "result_text": one_line(error),
                "notes": list(warned),
                "usable": False,
            }
    return {
        "event": name,
        "result": outcome.result,
        "result_text": outcome.result_text,
        **outcome.content,
        "notes": list(dict.fromkeys([*outcome.notes, *warned])),
        "usable": outcome.exit_code == DONE,
    }
