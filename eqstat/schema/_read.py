"""Read tables from CSV and Parquet as they are written: labels, rows and columns are checked."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eqstat._core.checks import check_path
from eqstat._core.errors import InputError
from eqstat.schema._names import Columns, plain, resolve

# Columns of labels, which stay as they are written: device 007 is not device 7, NA is a name.
LABELS = ("device", "region", "event", "station", "site")
_BLANK = ("", "NaN", "nan", "null", "NULL", "None", "<NA>")
_MISSING = (*_BLANK, "NA", "N/A", "-nan", "none", "NaT")
_DELIMITERS = ",;\t|"
# How files begin that are no text, and what they are.
_OTHER_FILES = {
    b"PK\x03\x04": "an Excel workbook or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "compressed",
    b"\x89HDF": "HDF5 or NetCDF",
    b"{": "JSON",
    b"[": "JSON",
    b"<": "XML",
}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_table(
    source: str | Path | bytes,
    *,
    columns: Columns = (),
    strict: bool = True,
    name: str = "table",
) -> pd.DataFrame:
    r"""Read a table from a CSV or Parquet file, as it is written.

    A CSV is in UTF-8, or in UTF-16 with its mark. Its columns are separated by commas, semicolons,
    tabs or vertical bars. Labels (`device`,
    `region`, `event`, `station`, `site`) stay texts: 007 is not 7, and NA is a name.

    Parameters
    ----------
    source : str, pathlib.Path or bytes
        Name of the file, or its content.
    columns : mapping or str, or several of these
        From the names of the contracts to those in the file, or a preset (see `rename_columns`).
    strict : bool
        Whether a column to be renamed that the file lacks is an error, or is passed over.
    name : str
        Name of the table in messages.

    Returns
    -------
    pandas.DataFrame
        Indexed, for a CSV, by the lines of the file, the header being line 1; `attrs["notes"]`
        lists what is noteworthy, `attrs["renamed"]` the columns that were renamed.

    Raises
    ------
    InputError
        When the file cannot be read, has no header, or a row has more or fewer fields than the
        header; extra fields at the end of every row that are all empty are left out.

    Examples
    --------
    >>> read_table(b"device;latitude;longitude\n007;-12.1;-77.0\n")["device"].tolist()
    ['007']
    """
    content = content_of(source, name)
    try:
        if content.startswith(b"PAR1"):
            table = pd.read_parquet(io.BytesIO(content))
            table.attrs["notes"] = []
        elif not isinstance(source, bytes) and Path(source).suffix.lower() in (".parquet", ".pq"):
            raise InputError(f"{name}: {str(source)!r} is not a Parquet file")
        else:
            table = _read_csv(content, columns, name)
    except ImportError:
        raise InputError(f"{name}: Parquet needs pyarrow: pip install 'eqstat[service]'") from None
    mapping = resolve(columns, list(map(str, table.columns)), name=name, strict=strict)
    table = table.rename(columns={old: new for new, old in mapping.items()})
    table.attrs["renamed"] = mapping
    return table


def content_of(source: str | Path | bytes, name: str) -> bytes:
    """Content of a file, or what already is content."""
    if isinstance(source, bytes):
        return source
    check_path(name, source=source)
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{name}: there is no file {str(source)!r}") from None
    except OSError as error:
        raise InputError(f"{name}: cannot read {str(source)!r}: {error.strerror}") from error


def _read_csv(content: bytes, columns: Columns, name: str) -> pd.DataFrame:
    text = _text(content, name)
    header, delimiter, first = _header(text, name)
    rows, lines, extra = _shape(text, delimiter, len(header), first, name)
    labels = _labels(header, columns)
    # Pandas needs names that differ; doubled ones are put back for the contract to refuse.
    own = [str(place) for place in range(len(header) + extra)]
    missing: Any = {at: list(_BLANK if at in labels else _MISSING) for at in own}
    try:
        table: Any = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            names=own,
            skiprows=first,
            index_col=False,
            dtype=dict.fromkeys(labels, "str"),
            na_values=missing,
            keep_default_na=False,
            skipinitialspace=True,
            low_memory=False,
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise InputError(f"{name}: cannot read it: {' '.join(str(error).split())}") from error
    if len(table) != rows:
        raise InputError(f"{name}: its rows cannot be told apart; is a quotation mark not closed?")
    table = table.iloc[:, : len(header)].set_axis(header, axis=1).set_axis(lines, axis=0)
    if header[-1] == "" and bool(table.iloc[:, -1].isna().all()):
        table, extra = table.iloc[:, :-1], 1
    table.attrs["notes"] = []
    empty = table.isna().all(axis=1)
    if empty.any() and not empty.all():
        notes = [f"{name}: {int(empty.sum())} empty rows were left out"]
        table = table[~empty]
        table.attrs["notes"] = notes
    if extra:
        end = {",": "comma", ";": "semicolon", "\t": "tab"}.get(delimiter, delimiter)
        table.attrs["notes"].append(f"{name}: an empty field after the last {end} was left out")
    return table


def _text(content: bytes, name: str) -> str:
    """Decode a CSV, with line feeds for the line ends of every system."""
    for start, kind in _OTHER_FILES.items():
        if content.lstrip().startswith(start):
            raise InputError(f"{name}: cannot read it: it is {kind}; save it as CSV or Parquet")
    try:
        text = content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: cannot read it: it is not UTF-8 text (byte {error.start}); save it as CSV in "
            "UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _header(text: str, name: str) -> tuple[list[str], str, int]:
    """Names of the columns, the delimiter, and the number of lines up to the first row."""
    for number, line in enumerate(io.StringIO(text), start=1):
        if not line.strip():
            continue
        # The delimiter that makes the most fields; quoted ones do not count.
        fields = {mark: next(csv.reader([line], delimiter=mark)) for mark in _DELIMITERS}
        delimiter = max(_DELIMITERS, key=lambda mark: len(fields[mark]))
        header = [label.strip() for label in fields[delimiter]]
        header[0] = header[0].lstrip("#").strip()
        if len(header) == 1 and len(header[0].split()) > 2:
            raise InputError(
                f"{name}: the columns are separated by blanks, or row {number} is no header; "
                "separate them by commas, and remove lines above the header"
            )
        return header, delimiter, number
    raise InputError(f"{name}: it is empty")


def _shape(
    text: str, delimiter: str, width: int, first: int, name: str
) -> tuple[int, pd.Index, int]:
    """Number of rows, their lines, and how many empty fields too many rows have at their end."""
    stream = io.StringIO(text)
    for _ in range(first):
        stream.readline()
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True)
    lines: list[int] = []
    wrong: list[tuple[int, int]] = []
    extra = 0
    line = first + 1
    for row in reader:
        size = len(row)
        if row and not (size == 1 and not row[0].strip()):
            lines.append(line)
            if size != width:
                if size > width and not any(field.strip() for field in row[width:]):
                    extra = max(extra, size - width)
                else:
                    wrong.append((line, size))
        line = first + 1 + reader.line_num
    if wrong:
        at, size = wrong[0]
        rest = f"; {len(wrong)} rows in all" if len(wrong) > 1 else ""
        remedy = (
            f"is row {first} the header? Remove lines above it"
            if len(wrong) == len(lines) > 1 and width <= 2
            else "put texts that hold the delimiter in quotation marks, or name every column"
            if size > width
            else "was the file cut short? End short rows with empty fields"
        )
        raise InputError(
            f"{name}: row {at} has {size} fields and the header {width}{rest}; {remedy}"
        )
    return len(lines), pd.Index(np.asarray(lines, np.int64)), extra


def _labels(header: Sequence[str], columns: Columns) -> list[str]:
    """Places of the columns that hold labels, as texts."""
    mapping = resolve(columns, header, strict=False)
    named = {mapping.get(label, label) for label in LABELS}
    return [
        str(place) for place, label in enumerate(header) if label in named or plain(label) in LABELS
    ]
