"""Parameters of devices and shaking, one draw after the other."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from eqstat._core.arrays import Number
from eqstat._core.checks import check_kind
from eqstat._core.errors import InputError
from eqstat.detectability._response import DeviceResponse
from eqstat.ground_motion import GroundMotion

# Fields of the ground motion with an axis of their own, the last one.
OWN_AXIS = ("region_level",)


def parameters_or_defaults(
    owner: str, response: DeviceResponse | None, motion: GroundMotion | None
) -> tuple[DeviceResponse, GroundMotion]:
    """Parameters, or their defaults; anything else is an error."""
    response = DeviceResponse() if response is None else response
    motion = GroundMotion() if motion is None else motion
    check_kind(owner, DeviceResponse, "use `DeviceResponse(...)` or draws of it", response=response)
    check_kind(owner, GroundMotion, "use `eqstat.ground_motion.GroundMotion`", motion=motion)
    return response, motion


def count_of(owner: str, name: str, parameters: Any) -> int:
    """Number of draws of parameters whose fields have one leading axis, or none."""
    sizes = {}
    for field, leaf in vars(parameters).items():
        shape = np.shape(leaf)[: -1 if field in OWN_AXIS else None]
        if len(shape) > 1:
            raise InputError(f"{owner}: {name}.{field} has {len(shape)} axes; one is for draws")
        sizes[field] = shape[0] if shape else 1
    several = {field: size for field, size in sizes.items() if size != 1}
    if len(set(several.values())) > 1:
        raise InputError(f"{owner}: fields of {name} have different numbers of draws: {several}")
    return next(iter(several.values()), 1)


def single(owner: str, name: str, parameters: Any) -> Any:
    """Parameters as NumPy numbers; an axis of draws is an error."""
    if count_of(owner, name, parameters) > 1:
        raise InputError(f"{owner}: {name} must be one set of parameters, without an axis of draws")
    return drawn(parameters, 0)


def drawn(parameters: Any, index: int) -> Any:
    """One draw, as NumPy numbers."""

    def one(path: Any, leaf: Any) -> Number:
        value = np.asarray(leaf, np.float64)
        axes = value.ndim - (path[-1].name in OWN_AXIS)
        return value[min(index, len(value) - 1)] if axes else value

    return jax.tree_util.tree_map_with_path(one, parameters)


def pairs(
    owner: str, response: DeviceResponse, motion: GroundMotion
) -> list[tuple[DeviceResponse, GroundMotion]]:
    """Pairs of parameters without axes of draws."""
    counts = [count_of(owner, "response", response), count_of(owner, "motion", motion)]
    if min(counts) > 1 and counts[0] != counts[1]:
        raise InputError(
            f"{owner}: response and motion have different numbers of draws: {counts[0]}, "
            f"{counts[1]}"
        )
    return [(drawn(response, i), drawn(motion, i)) for i in range(max(counts))]
