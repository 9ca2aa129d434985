"""Backgrounds as JSON files, for other programs and for the shell."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from eqstat._core.checks import check_path
from eqstat._core.errors import InputError
from eqstat.counts._background import Background
from eqstat.counts._bursts import Bursts
from eqstat.counts._families import SHAPE_PARAMETERS
from eqstat.counts._intensity._parameters import Intensity
from eqstat.counts._intensity._tail import Tail, Tails

FORMAT, VERSION = "eqstat background of counts", 1
ARRAYS = ("rate_per_device_h", "daily", "weekly", "region_effect", "region_sd", "profile")
PARTS = {"bursts": Bursts, "intensity": Intensity}


def save(background: Background | Any, path: str | Path) -> None:
    """Write a background, or a posterior of it, to a JSON file.

    Parameters
    ----------
    background
        One background, or draws of it.
    path
        File to write; an existing one is replaced.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Background("poisson", 0.6), f"{folder}/background.json")
    ...     load(f"{folder}/background.json").rate_per_device_h.item()
    0.6
    """
    if not isinstance(background, Background):
        raise InputError(
            f"save: cannot write {type(background).__name__}; give the `background` of a fit, or "
            "draws of it"
        )
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "family": background.family,
        "window_s": background.window_s,
        "regions": list(background.regions),
        "parameters": {
            name: _plain(value)
            for name in (*ARRAYS, *SHAPE_PARAMETERS)
            if (value := getattr(background, name)) is not None
        },
    }
    for name in PARTS:
        part = getattr(background, name)
        if part is not None:
            content[name] = {
                field.name: _plain(value)
                for field in dataclasses.fields(part)
                if (value := getattr(part, field.name)) is not None
            }
    content["clock_shift_h"] = background.clock_shift_h
    if background.tails is not None:
        content["tails"] = dataclasses.asdict(background.tails)
    Path(path).write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")


def load(path: str | Path) -> Background:
    """Read a background, or a posterior of it, that `save` wrote.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Background
        With NumPy arrays in double precision, equal to those written.

    Raises
    ------
    eqstat.InputError
        When there is no such file, it is of another format or a later version, or is damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Background("poisson", 0.6, regions=("Chile",)), f"{folder}/background.json")
    ...     load(f"{folder}/background.json").regions
    ('Chile',)
    """
    check_path("load", path=path)
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kind, version = content["format"], content["version"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: this is no background that eqstat saved") from error
    if kind != FORMAT:
        raise InputError(f"{path}: this is {kind!r}, not {FORMAT!r}")
    if version != VERSION:
        raise InputError(
            f"{path}: its version is {version}, and this eqstat reads {VERSION}: use the eqstat "
            "that wrote it or a later one"
        )
    try:
        parameters: dict[str, Any] = {
            name: np.asarray(value, np.float64) for name, value in content["parameters"].items()
        }
        parts: dict[str, Any] = {
            name: kind(**{key: np.asarray(v, np.float64) for key, v in content[name].items()})
            for name, kind in PARTS.items()
            if content.get(name) is not None
        }
        return Background(
            family=content["family"],
            window_s=float(content["window_s"]),
            regions=tuple(content["regions"]),
            tails=_tails(content.get("tails")),
            clock_shift_h=float(content.get("clock_shift_h", 0.0)),
            **parts,
            **parameters,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: the background in it is damaged: {error}") from error


def _tails(content: dict[str, dict[str, float]] | None) -> Tails | None:
    if not content:
        return None
    return Tails(**{name: Tail(**values) for name, values in content.items()})


def _plain(value: Any) -> Any:
    return np.asarray(value, np.float64).tolist()
