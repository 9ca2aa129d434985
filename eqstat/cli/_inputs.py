"""Tables and other files that a command reads, with their fingerprints."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat.cli._errors import one_line

if TYPE_CHECKING:
    import pandas as pd

# Labels stay as they are written: device 007 is not device 7.
TEXT_COLUMNS = ("device", "phase", "region")


class Inputs:
    """Reads the files of a command and records which they were.

    Parameters
    ----------
    columns
        Pairs (name of the contract, name in the file), from `--columns`.
    """

    def __init__(self, columns: Sequence[tuple[str, str]] = ()) -> None:
        self._columns = dict(columns)
        if len(self._columns) < len(columns):
            raise InputError("--columns: a name is given more than once")
        self.described: dict[str, dict[str, Any]] = {}

    def table(self, name: str, label: str, *, lenient: bool = False) -> pd.DataFrame:
        """Read a CSV or Parquet file and give its columns the names of the contract.

        Parameters
        ----------
        name
            File, or "-" for a CSV on standard input.
        label
            What the table is called in messages and in the JSON.
        lenient
            Whether names of `--columns` that this file does not have are passed over; for a
            second table.
        """
        import pandas as pd

        content = self._content(name, label)
        try:
            table = _parse(name, content, self._columns)
        except ImportError:
            raise InputError(
                f"{label}: Parquet needs pyarrow: pip install 'eqstat[service]'"
            ) from None
        except pd.errors.EmptyDataError:
            raise InputError(f"{label}: {name!r} is empty") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{label}: cannot read {name!r}: {one_line(error)}") from error
        self.described[label]["rows"] = len(table)
        mapping = self._columns
        if lenient:
            mapping = {ours: theirs for ours, theirs in mapping.items() if theirs in table}
        if not mapping:
            return table
        from eqstat import schema

        return schema.rename_columns(table, mapping, name=label)

    def file(self, name: str, label: str) -> Path:
        """Record a file that a library reads; an error where there is none."""
        if not Path(name).is_file():
            raise InputError(f"{label}: there is no file {name!r}")
        self._content(name, label)
        return Path(name)

    def _content(self, name: str, label: str) -> bytes:
        try:
            content = sys.stdin.read().encode() if name == "-" else Path(name).read_bytes()
        except FileNotFoundError:
            raise InputError(f"{label}: there is no file {name!r}") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{label}: cannot read {name!r}: {one_line(error)}") from error
        shown = name if name == "-" else Path(name).name
        self.described[label] = {"file": shown, "sha256": hashlib.sha256(content).hexdigest()}
        return content


def _parse(name: str, content: bytes, mapping: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    if name != "-":
        if content.startswith(b"PAR1"):
            return pd.read_parquet(io.BytesIO(content))
        if Path(name).suffix.lower() in (".parquet", ".pq"):
            raise ValueError("it is not a Parquet file")
    texts: Any = {mapping.get(column, column): "str" for column in TEXT_COLUMNS}
    table = pd.read_csv(io.BytesIO(content), dtype=texts, low_memory=False, skipinitialspace=True)
    # The header is row 1, so that messages count as an editor does.
    return table.set_axis(pd.RangeIndex(2, len(table) + 2))
