"""The file of artefacts and snapshots: arrays and a manifest in a zip that carries its digest."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eqstat import edge
from eqstat._core.errors import InputError

EPOCH = (1980, 1, 1, 0, 0, 0)


def packed(
    kind: str,
    settings: Mapping[str, Any],
    arrays: Mapping[str, Any],
    cases: list[dict[str, dict[str, str]]],
    card: Mapping[str, Any],
) -> bytes:
    """Return the bytes of a file for `eqstat.edge.read`; of the same content the same bytes."""
    npy = {name: _npy(name, value) for name, value in arrays.items()}
    manifest = {
        "format": "eqstat artefact",
        "schema": edge.SCHEMA,
        "kind": kind,
        "settings": settings,
        "arrays": {name: about for name, (about, _) in npy.items()},
        "cases": cases,
        "card": card,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(manifest, indent=1, allow_nan=False, ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo("manifest.json", EPOCH), text)
        for name, (_, member) in npy.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), member)
        archive.comment = b"0" * 64
    return edge.signed(stream.getvalue()[:-64])


def _npy(name: str, value: Any) -> tuple[dict[str, Any], bytes]:
    array = np.asarray(value)
    # Files are the same on all machines: little-endian, rows first.
    dtype = {"f2": "<f4", "f4": "<f4", "f8": "<f8", "b1": "|b1"}.get(array.dtype.str[1:], "<i4")
    array = np.asarray(array, dtype, order="C")
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, (1, 0), allow_pickle=False)
    member = stream.getvalue()
    if array.dtype.str not in edge.DTYPES:
        raise InputError(f"export: array {name} of type {array.dtype} cannot be in an artefact")
    sha256 = hashlib.sha256(member).hexdigest()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": sha256}, member


def replace_file(path: str | Path, content: bytes) -> None:
    """Write a file so that a reader, also after a crash, sees the old or the new one, whole.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "state"
    >>> replace_file(path, b"new")
    >>> path.read_bytes()
    b'new'
    """
    partial = Path(path).with_name(Path(path).name + ".partial")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
