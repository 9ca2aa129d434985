"""Tables and other files that a command reads, with their fingerprints."""

from __future__ import annotations

import argparse
import difflib
import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError
from eqstat.cli._errors import one_line

if TYPE_CHECKING:
    import pandas as pd


class Inputs:
    """Reads the files of a command and records which they were.

    Parameters
    ----------
    columns
        What `--columns` gave: pairs (name of the contract, name in the file), and presets as
        ("", preset). They hold for every table that has such columns.
    network_columns
        What `--network-columns` gave, for the network alone.
    tables
        How many tables will be read: only the last can show that no table has a column.
    stations
        File of the stations at which the triggers are, where their table has no places.
    """

    def __init__(
        self,
        columns: Sequence[tuple[str, str]] = (),
        *,
        network_columns: Sequence[tuple[str, str]] = (),
        tables: int = 1,
        stations: str | None = None,
    ) -> None:
        self._columns = columns_of(columns, "--columns")
        self._network = columns_of(network_columns, "--network-columns")
        self._tables = self._left = tables
        self._stations = stations
        self._seen: list[str] = []
        self._renamed: dict[str, str] = {}
        self.described: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []

    def table(self, name: str, label: str) -> pd.DataFrame:
        """Read a CSV or Parquet file and give its columns the names of the contract.

        Parameters
        ----------
        name
            File, or "-" for a CSV on standard input.
        label
            What the table is called in messages and in the JSON.
        """
        from eqstat import schema

        own = self._network if label == "network" else []
        content = self._content(name, label)
        if Path(name).suffix.lower() in (".parquet", ".pq") and not content.startswith(b"PAR1"):
            raise InputError(f"{label}: cannot read {name!r}: it is not a Parquet file")
        columns = own or self._columns
        strict = bool(own) or self._tables == 1
        if label == "triggers" and schema.seismology.is_seismological(content):
            table = schema.seismology.read_picks(content, name=label)
        else:
            table = schema.read_table(content, columns=columns, strict=strict, name=label)
        if label == "triggers" and self._stations is not None:
            stations = schema.seismology.read_stations(self._content(self._stations, "stations"))
            self.described["stations"]["rows"] = len(stations)
            table = schema.seismology.join_stations(table, stations)
        self.described[label]["rows"] = len(table)
        self.notes += table.attrs["notes"]
        self._renamed |= table.attrs["renamed"]
        self._seen += [str(column) for column in table.columns]
        self._left -= 1
        if not (strict or self._left):
            self._refuse_unused()
        return table

    def provenance(self, words: Sequence[str]) -> dict[str, str]:
        """Attributes of a file for other programs: the command, and what it read."""
        read = [f"{one['file']} (sha256 {one['sha256']})" for one in self.described.values()]
        return {"history": shlex.join(["eqstat", *words]), "input": ", ".join(read)}

    def _refuse_unused(self) -> None:
        """Refuse what `--columns` names and no table has."""
        for each in self._columns:
            if isinstance(each, str):
                continue
            for new, old in each.items():
                if self._renamed.get(new) != old:
                    close = difflib.get_close_matches(old, self._seen, n=1, cutoff=0.6)
                    advice = f"; did you mean {close[0]!r}?" if close else ""
                    raise InputError(f"--columns: no table has a column {old!r}{advice}")

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


def columns_of(given: Sequence[tuple[str, str]], option: str) -> list[Mapping[str, str] | str]:
    """Presets, then the pairs as one mapping."""
    presets: list[Mapping[str, str] | str] = [preset for name, preset in given if not name]
    pairs = [(name, column) for name, column in given if name]
    if len(dict(pairs)) < len(pairs):
        raise InputError(f"{option}: a name is given more than once")
    return [*presets, dict(pairs)] if pairs else presets


# Options that name a table beside the triggers.
MORE_TABLES = ("network", "peaks", "peaks_history")


def inputs_of(options: argparse.Namespace) -> Inputs:
    """Reader of a command that takes triggers and, perhaps, a network."""
    if options.network_columns and options.network is None:
        raise InputError("--network-columns: there is no --network")
    return Inputs(
        options.columns,
        network_columns=options.network_columns,
        stations=getattr(options, "stations", None),
        tables=1 + sum(getattr(options, name, None) is not None for name in MORE_TABLES),
    )
