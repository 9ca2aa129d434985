"""The state of a training as a file, so that one that was stopped goes on where it ended."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqstat._core.errors import InputError


def fingerprint(*parts: Any) -> str:
    """Hash of all arrays and texts of a training: what goes on must be the same one."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(parts):
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        if isinstance(leaf, jax.Array | np.ndarray | np.generic):
            array = np.ascontiguousarray(leaf)
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(array.tobytes())
        else:
            digest.update(str(leaf).encode())
    return digest.hexdigest()


def save(path: Path, name: str, state: Any) -> None:
    """Write a state; a file that is there is replaced only by a whole one."""
    content: dict[str, Any] = {
        f"leaf_{number}": np.asarray(leaf) for number, leaf in enumerate(jax.tree.leaves(state))
    }
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(file, **{**content, "name": np.asarray(name)})
    partial.replace(path)


def restore(path: Path, name: str, like: Any) -> Any:
    """Read a state of the structure of another; None where there is no file."""
    if not path.exists():
        return None
    leaves, structure = jax.tree.flatten(like)
    try:
        with np.load(path, allow_pickle=False) as content:
            if str(content["name"]) != name:
                raise InputError(
                    f"checkpoint {path.name}: it is of another training (other data, key, options "
                    "or network); give another path, or delete the file"
                )
            read = [content[f"leaf_{number}"] for number in range(len(leaves))]
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"checkpoint {path.name}: it is no state of a training") from None
    moved = [
        jnp.asarray(new) if isinstance(old, jax.Array) else new
        for new, old in zip(read, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, moved)
