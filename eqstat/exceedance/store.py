"""Trained networks as files: one line of JSON that tells what it is, then the arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from eqstat.exceedance.features import Feature, Scaling
from eqstat.exceedance.network import Network, new_member
from eqstat.exceedance.trend import prior_of
from eqstat.schema import InputError

__all__ = ["load", "save"]

FORMAT = "eqstat mixture density network"
VERSION = 1
LONGEST_HEADER = 1_000_000


def save(network: Network, path: str | Path) -> None:
    """Write a network with its scaling and card to a file.

    Parameters
    ----------
    network
        As trained.
    path
        File to write; it is replaced where it exists.
    """
    members = network.members
    header = {
        "format": FORMAT,
        "version": VERSION,
        "dtype": str(network.temperature.dtype),
        "members": len(members.spread),
        "components": members.components,
        "hidden": [members.perceptron.width_size, members.perceptron.depth],
        "features": [vars(feature) for feature in network.features],
        "card": network.card,
    }
    with Path(path).open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        eqx.tree_serialise_leaves(file, (members, network.temperature))


def load(path: str | Path) -> Network:
    """Read a network that `save` wrote; every bit is as it was.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Network

    Raises
    ------
    eqstat.schema.InputError
        When the file is not there, is no network, is of a later version, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    with path.open("rb") as file:
        header = _header(file.readline(LONGEST_HEADER), path)
        try:
            with jax.enable_x64(header["dtype"] == "float64"):
                like = _template(header)
                members, temperature = eqx.tree_deserialise_leaves(file, like)
            rest = file.read(1)
        except (KeyError, TypeError, ValueError, RuntimeError, EOFError) as error:
            raise InputError(f"{path}: the network in it is damaged: {error}") from error
        if rest:
            raise InputError(f"{path}: the network in it is damaged: it goes on after its end")
    return Network(members, temperature, json.dumps(header["card"]))


def _header(line: bytes, path: Path) -> dict[str, Any]:
    try:
        header = json.loads(line)
        what, version = header["format"], header["version"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: this is no network that eqstat saved") from error
    if what != FORMAT:
        raise InputError(f"{path}: this is {what!r}, not {FORMAT!r}")
    if version != VERSION:
        raise InputError(
            f"{path}: its version is {version}, and this eqstat reads {VERSION}: use the eqstat "
            "that wrote it or a later one"
        )
    return header


def _template(header: dict[str, Any]) -> tuple[Any, Any]:
    """Arrays of the shapes that the file holds."""
    dtype, count = jnp.dtype(header["dtype"]), header["members"]
    features = tuple(Feature(**feature) for feature in header["features"])
    empty = jnp.zeros(len(features), dtype)
    scaling = Scaling(empty, empty, empty, empty, features)
    one = new_member(
        jax.random.key(0),
        scaling,
        np.zeros(len(prior_of(features)[0])),
        1.0,
        components=header["components"],
        hidden=tuple(header["hidden"]),
    )
    stacked = jax.tree.map(
        lambda leaf: jnp.stack([leaf] * count) if eqx.is_array(leaf) else leaf, one
    )
    return stacked, jnp.zeros((), dtype)
