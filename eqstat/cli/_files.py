"""Tables in; JSON, NetCDF and figures out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from eqstat import schema
from eqstat.cli._errors import BadInputError, one_line

if TYPE_CHECKING:
    from eqstat.velocity import VelocityModel

TEXT_COLUMNS = ("device", "phase", "region")
FIGURE_KINDS = (".png", ".pdf", ".svg")
VP_VS = 1.73


def read_table(
    name: str, columns: Sequence[tuple[str, str]], label: str, *, lenient: bool = False
) -> pd.DataFrame:
    """Read a CSV or Parquet file and give its columns the names of the contract.

    Parameters
    ----------
    name
        File, or "-" for a CSV on standard input.
    columns
        Pairs of the contract's name and the file's.
    label
        What the table is called in messages.
    lenient
        Whether names that the file does not have are passed over, as of a second table.
    """
    mapping = dict(columns)
    if len(mapping) < len(columns):
        raise BadInputError("--columns: a name is given more than once")
    try:
        table = _read(name, mapping)
    except FileNotFoundError:
        raise BadInputError(f"{label}: there is no file {name!r}") from None
    except ImportError:
        raise BadInputError(
            f"{label}: Parquet needs pyarrow: pip install 'eqstat[service]'"
        ) from None
    except pd.errors.EmptyDataError:
        raise BadInputError(f"{label}: {name!r} is empty") from None
    except (OSError, ValueError) as error:
        raise BadInputError(f"{label}: cannot read {name!r}: {one_line(error)}") from error
    if lenient:
        mapping = {ours: theirs for ours, theirs in mapping.items() if theirs in table}
    return schema.rename_columns(table, mapping, name=label) if mapping else table


def _read(name: str, mapping: dict[str, str]) -> pd.DataFrame:
    path = Path(name)
    if name != "-" and path.is_file():
        with path.open("rb") as stream:
            if stream.read(4) == b"PAR1":
                return pd.read_parquet(path)
        if path.suffix.lower() in (".parquet", ".pq"):
            raise ValueError("it is not a Parquet file")
    # Labels stay as they are written: device 007 is not device 7.
    texts: Any = {mapping.get(column, column): "str" for column in TEXT_COLUMNS}
    source: Any = sys.stdin if name == "-" else path
    table = pd.read_csv(source, dtype=texts, low_memory=False, skipinitialspace=True)
    # The header is row 1, so that messages count as an editor does.
    return table.set_axis(pd.RangeIndex(2, len(table) + 2))


def velocity_of(name: str | None, p: float | None, s: float | None) -> VelocityModel:
    """Velocity model of the options."""
    from eqstat.velocity import ConstantVelocity, load_velocity

    if name in (None, "constant"):
        if p is None and s is None:
            return ConstantVelocity()
        if p is None:
            raise BadInputError("--s-velocity: needs --p-velocity beside it")
        return ConstantVelocity(p, p / VP_VS if s is None else s)
    if p is not None or s is not None:
        raise BadInputError(f"--p-velocity, --s-velocity: not with --velocity {name}")
    return load_velocity(name)


def check_outputs(**files: str | None) -> None:
    """Refuse, before anything is computed, files that cannot be written."""
    for option, name in files.items():
        if name is None or name == "-":
            continue
        path = Path(name)
        if path.is_dir():
            raise BadInputError(f"--{option}: {name!r} is a folder; name a file")
        if not path.absolute().parent.is_dir():
            raise BadInputError(f"--{option}: there is no folder {str(path.parent)!r}")
        if option == "figure":
            if path.suffix.lower() not in FIGURE_KINDS:
                raise BadInputError(f"--figure: {name!r} must end in {', '.join(FIGURE_KINDS)}")
            plots()


def plots() -> Any:
    """Import the room of figures, or say what is missing."""
    try:
        from eqstat import plots as room
    except ImportError:
        raise BadInputError("figures need matplotlib: pip install 'eqstat[plots]'") from None
    return room


def write_json(name: str, content: dict[str, Any]) -> None:
    """Write JSON to a file, or to standard output for "-"."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    if name == "-":
        sys.stdout.write(text)
    else:
        Path(name).write_text(text, encoding="utf-8")


def say(line: str = "") -> None:
    """Write a line to standard output."""
    sys.stdout.write(line + "\n")


def tell_notes(notes: Sequence[str]) -> None:
    """Write what a reader of the result should know to standard error."""
    for note in dict.fromkeys(notes):
        sys.stderr.write(f"eqstat: note: {note}\n")
