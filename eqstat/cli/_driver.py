"""From the outcome of a command to its files: the only place where the shell writes."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eqstat import __version__
from eqstat._core.errors import InputError
from eqstat.cli._outcome import Outcome
from eqstat.hypocentre import FORMATS

FIGURE_KINDS = (".png", ".pdf", ".svg")
SUFFIXES = {
    "figure": FIGURE_KINDS,
    "animation": (".gif",),
    "table": (".csv",),
    "map": (".nc", ".tif", ".tiff"),
    **{known.option: known.endings for known in FORMATS},
}
# What an output needs beside the package: module and how to install it, by option or by ending.
RASTERIO = ("rasterio", "GeoTIFF needs rasterio: pip install 'eqstat[maps]'")
NEEDS = {
    ".tif": RASTERIO,
    ".tiff": RASTERIO,
    "figure": ("matplotlib", "figures need matplotlib: pip install 'eqstat[plots]'"),
    "animation": ("matplotlib", "figures need matplotlib: pip install 'eqstat[plots]'"),
    **{known.option: known.needs for known in FORMATS if known.needs},
}
SCHEMA_VERSION = 1
# Files to read that are not among the inputs of the JSON.
MORE_INPUTS = ("regional", "background")
# What files that eqstat writes hold: JSON, lines of a history, tables, maps, posteriors, figures.
OWN_MARKS = (
    b'"schema": "eqstat.',
    b'"format": "eqstat',
    b'"log_shiryaev_roberts"',
    b"site,latitude,longitude,distance_km",
    b"credible region of the epicentre",
    b"origin_time,latitude,longitude,depth_km",
    b"distance_km,azimuth_deg,probability_p",
    b"pga_quantile_m_s2",
)
# How files of other kinds begin, and what eqstat's hold: figures, animations, NetCDF.
OWN_BINARY = {
    b"\x89PNG": (b"Matplotlib",),
    b"%PDF": (b"Matplotlib",),
    b"<?xml": (b"Matplotlib", b"credible region of the epicentre"),
    b"GIF8": (b"",),
    b"\x89HDF": (b"depth_km", b"pga_quantile_m_s2"),
    b"II*\x00": (b"eqstat",),
}
OWN_BYTES = 1_000_000
# Options that say how to run or where to write, not what to compute.
NOT_COMPUTED = ("command", "words", "run", "outputs", "inputs", "columns", "network_columns", "dpi",
                "quiet", "verbose", "debug", "no_cache", "force")  # fmt: skip


def check_outputs(options: argparse.Namespace) -> None:
    """Refuse, before anything is computed, files that cannot be written.

    Raises
    ------
    eqstat.InputError
        For a folder that does not exist, a kind of figure that is not known, and two outputs on
        standard output.
    """
    named = {option.replace("_", "-"): getattr(options, option) for option in options.outputs}
    piped = [f"--{option}" for option, name in named.items() if name == "-"]
    if len(piped) > 1:
        raise InputError(f"{', '.join(piped)}: only one of them can go to standard output")
    files = [Path(name).resolve() for name in named.values() if name not in (None, "-", os.devnull)]
    if len(set(files)) < len(files):
        raise InputError("two outputs are to go to one file; name another for each")
    for option, name in named.items():
        kinds = SUFFIXES.get(option)
        if name is None or (name == "-" and not kinds):
            continue
        path = Path(name)
        if path.is_dir():
            raise InputError(f"--{option}: {name!r} is a folder; name a file")
        if not path.absolute().parent.is_dir():
            raise InputError(f"--{option}: there is no folder {str(path.parent)!r}")
        if kinds and path.suffix.lower() not in kinds:
            raise InputError(f"--{option}: {name!r} must end in {', '.join(kinds)}")
        refuse_overwriting(option, path, options)
        for needed in {option, path.suffix.lower()} & set(NEEDS):
            require(*NEEDS[needed])


def check_inputs(options: argparse.Namespace) -> None:
    """Refuse, before any library is imported, a file to read that does not exist.

    Raises
    ------
    eqstat.InputError
        For a file that is not there.
    """
    for option, name in input_files(options).items():
        if not Path(name).exists():
            raise InputError(f"{option}: there is no file {name!r}")


def input_files(options: argparse.Namespace) -> dict[str, str]:
    """Files that a command will read, by their option."""
    given = {option: getattr(options, option, None) for option in (*options.inputs, *MORE_INPUTS)}
    return {option: name for option, name in given.items() if isinstance(name, str) and name != "-"}


def refuse_overwriting(option: str, path: Path, options: argparse.Namespace) -> None:
    """Refuse to overwrite an input and, without `--force`, a file that eqstat did not write."""
    if not path.exists():
        return
    for read, name in input_files(options).items():
        if Path(name).exists() and path.samefile(name):
            raise InputError(f"--{option}: {str(path)!r} is the input {read}; name another file")
    if not options.force and path.is_file() and not is_own(path):
        raise InputError(
            f"--{option}: {str(path)!r} exists and was not written by eqstat; name another file, "
            "or overwrite it with --force"
        )


def is_own(path: Path) -> bool:
    """Whether a file is empty or looks as if eqstat had written it.

    >>> is_own(Path("pyproject.toml"))
    False
    """
    with path.open("rb") as stream:
        start = stream.read(OWN_BYTES)
    for head, marks in OWN_BINARY.items():
        if start.startswith(head):
            return any(mark in start for mark in marks)
    return not start or any(mark in start for mark in OWN_MARKS)


def require(module: str, message: str) -> None:
    """Say what to install where a module is missing."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise InputError(message)


def write(options: argparse.Namespace, outcome: Outcome, warned: Sequence[str] = ()) -> None:
    """Write the files that were asked for, then the summary and the notes."""
    read = [] if outcome.inputs is None else outcome.inputs.notes
    notes = [*read, *outcome.notes, *warned]
    named = {option: getattr(options, option) for option in options.outputs}
    if named.get("figure") and outcome.figure is not None:
        save_figure(options, outcome)
    if named.get("posterior"):
        if outcome.posterior is None:
            notes.append(f"{outcome.result_text}, so there is no posterior to write")
        else:
            outcome.posterior.to_netcdf(named["posterior"], engine="h5netcdf")
    for option, writer in outcome.files.items():
        if named.get(option):
            writer(named[option])
    if named.get("json"):
        write_json(named["json"], document(options, outcome, notes))
    if outcome.exit_code:
        sys.stderr.write(f"eqstat: not to be used: {outcome.result_text}\n")
    if options.quiet:
        return
    if "-" not in named.values():
        for line in outcome.summary:
            say(line)
    for note in dict.fromkeys(notes):
        sys.stderr.write(f"eqstat: note: {note}\n")


def save_figure(options: argparse.Namespace, outcome: Outcome) -> None:
    """Draw the figure, without a window, and write it with what it was made from."""
    os.environ.setdefault("MPLBACKEND", "agg")
    from eqstat import plots

    assert outcome.figure is not None
    described = {} if outcome.inputs is None else outcome.inputs.described
    files = [str(one["file"]) for one in described.values() if "file" in one]
    plots.save_figure(
        outcome.figure(),
        options.figure,
        dpi=options.dpi,
        version=f"eqstat {__version__}",
        source=", ".join(files),
        command=shlex.join(["eqstat", *options.words]),
    )


def document(
    options: argparse.Namespace, outcome: Outcome, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """JSON of an outcome: the keys that all commands share, then those of the command."""
    read = {} if outcome.inputs is None else outcome.inputs.described
    skipped = {*NOT_COMPUTED, *options.outputs, *options.inputs, *read}
    used = {name: value for name, value in vars(options).items() if name not in skipped}
    return {
        "schema": f"eqstat.{options.command}/{SCHEMA_VERSION}",
        "version": __version__,
        "input": read,
        "options": used,
        "velocity": outcome.velocity,
        "result": outcome.result,
        "result_text": outcome.result_text,
        **outcome.content,
        "notes": list(dict.fromkeys(notes)),
    }


def write_json(name: str, content: Mapping[str, Any]) -> None:
    """Write JSON to a file, or to standard output for "-"."""
    from eqstat._core.json import to_plain

    text = json.dumps(to_plain(content), indent=2, allow_nan=False, ensure_ascii=False)
    write_lines(name, [text + "\n"])


def write_lines(name: str, lines: Iterable[str]) -> None:
    """Write text to a file, or to standard output for "-"."""
    if name == "-":
        sys.stdout.writelines(lines)
    else:
        with Path(name).open("w", encoding="utf-8") as stream:
            stream.writelines(lines)


def say(line: str = "") -> None:
    """Write a line to standard output."""
    sys.stdout.write(line + "\n")
