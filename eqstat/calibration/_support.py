"""Validated input of the functions of this package, and the orientation of scores."""

from __future__ import annotations

import numpy as np

from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike

# Rounding error of products such as 0.29 * 100, which should be integers.
ROUNDING = 1e-9


def vector(name: str, values: ArrayLike, argument: str = "score") -> np.ndarray:
    """Vector of finite numbers in double precision."""
    given = np.asarray(values)
    if given.dtype.kind not in "fiu":
        try:
            given = given.astype(np.float64) if given.dtype == object else None
        except (TypeError, ValueError):
            given = None
    if given is None:
        raise InputError(f"{name}: {argument} must be numbers, not {np.asarray(values).dtype}")
    if given.ndim != 1 or not given.size:
        raise InputError(f"{name}: {argument} must be one row of numbers, not {given.shape}")
    out = given.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(out))
    if bad.size:
        raise InputError(
            f"{name}: {argument} is not finite in {bad.size} of {out.size} places (first: "
            f"{bad[0]}); leave these out, or give them the least score there is"
        )
    return out


def flags(name: str, labels: ArrayLike, argument: str = "is_earthquake") -> np.ndarray:
    """Vector of booleans."""
    given = np.asarray(labels)
    if given.dtype == object and all(isinstance(one, bool | np.bool_) for one in given.ravel()):
        given = given.astype(bool)
    if given.dtype != np.bool_:
        raise InputError(
            f"{name}: {argument} must be true or false, not {given.dtype}; compare first, such as "
            'label == "earthquake"'
        )
    if given.ndim != 1 or not given.size:
        raise InputError(f"{name}: {argument} must be one row of labels, not {given.shape}")
    return given


def same_length(name: str, **rows: np.ndarray) -> None:
    """Raise an error for vectors of different lengths."""
    if len({len(row) for row in rows.values()}) > 1:
        numbers = ", ".join(f"{len(row)} of {argument}" for argument, row in rows.items())
        raise InputError(f"{name}: as many of each are needed, not {numbers}")


def both_classes(name: str, labels: np.ndarray) -> None:
    """Raise an error if all labels are of one class."""
    if labels.all() or not labels.any():
        missing = "noise" if labels.all() else "earthquakes"
        raise InputError(f"{name}: there are no {missing} among the {labels.size} detections")


def sign_of(name: str, larger: str) -> int:
    """Orientation of a score: 1 if larger scores mean earthquake, otherwise -1."""
    if larger not in ("earthquake", "noise"):
        raise InputError(f'{name}: larger is "earthquake" or "noise", not {larger!r}')
    return 1 if larger == "earthquake" else -1


def labelled(
    name: str, score: ArrayLike, is_earthquake: ArrayLike, larger: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores oriented so that larger ones mean earthquake, labels, and the sign used."""
    sign = sign_of(name, larger)
    values, labels = vector(name, score), flags(name, is_earthquake)
    same_length(name, score=values, is_earthquake=labels)
    both_classes(name, labels)
    return sign * values, labels, sign


def forecasts(
    name: str, forecast: ArrayLike, is_earthquake: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast probabilities in [0, 1] and labels."""
    values, labels = vector(name, forecast, "forecast"), flags(name, is_earthquake)
    same_length(name, forecast=values, is_earthquake=labels)
    bad = np.flatnonzero((values < 0) | (values > 1))
    if bad.size:
        raise InputError(
            f"{name}: forecast must be probabilities in [0, 1], not {values[bad[0]]:g} (place "
            f"{bad[0]}); recalibrate turns scores into probabilities"
        )
    return values, labels


def codes(name: str, cluster: ArrayLike, size: int, argument: str = "cluster") -> np.ndarray:
    """Integer code of the cluster of each detection, from 0."""
    given = np.asarray(cluster)
    if given.ndim != 1 or len(given) != size:
        raise InputError(f"{name}: {argument} must have {size} labels, one for each detection")
    missing = given != given
    if given.dtype == object:
        missing = missing | np.array([one is None for one in given])
    if np.any(missing):
        raise InputError(f"{name}: {argument} has {int(np.sum(missing))} missing labels")
    names = np.array([str(one) for one in given.tolist()])
    return np.unique(names, return_inverse=True)[1]
