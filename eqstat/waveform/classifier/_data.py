"""Tables of features of windows as padded arrays, standardised so that each class counts half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int

from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.inference import bucket_size, pad_rows

LABEL = "is_earthquake"
# Smallest value of a logged feature, as a share of the smallest positive one in the training data.
FLOOR_SHARE = 0.5
SHOWN = 3


class Scaling(Explained, eqx.Module):
    """Transformation of features: logarithm where it is taken, centre and scale.

    Attributes
    ----------
    logged
        Whether the natural logarithm is taken, (features,).
    floor
        Smallest value of a logged feature; smaller ones, such as 0, are raised to it, (features,).
    centre, scale
        Mean and standard deviation of the transformed features if either class counts half,
        (features,).

    Examples
    --------
    >>> scaling = Scaling(np.array([True]), np.array([0.1]), np.array([0.0]), np.array([2.0]))
    >>> float(np.round(scaling(np.array([[np.e**4]]))[0, 0], 6))
    2.0
    """

    logged: np.ndarray
    floor: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Transform features, (rows, features), on the host."""
        logs = np.log(np.maximum(features, self.floor))
        return (np.where(self.logged, logs, features) - self.centre) / self.scale


class WindowData(Explained, eqx.Module):
    """Windows as padded arrays, the input of the likelihood; made by `prepare`.

    Attributes
    ----------
    features
        Transformed, standardised features, (windows, features).
    is_earthquake
        1 for windows of earthquakes, else 0, (windows,).
    weight
        Exponent of each window's likelihood: 1, or less where windows of a group depend on each
        other; 0 for padding, (windows,).
    log_training_odds
        Natural log of the odds at which earthquakes were put into the table.

    Examples
    --------
    See `prepare`.
    """

    features: Float[Array, "windows features"] | np.ndarray
    is_earthquake: Float[Array, " windows"] | np.ndarray
    weight: Float[Array, " windows"] | np.ndarray
    log_training_odds: Float[Array, ""] | np.ndarray | float


@dataclass(frozen=True)
class Windows(Explained):
    """A checked table of features, ready to fit; made by `prepare` or `simulate`.

    Attributes
    ----------
    data
        Padded arrays of the windows.
    scaling
        How features were transformed.
    features
        Names of the features, in the order of the arrays.
    table
        The rows that are in them.
    group
        Number of each row's group (event, trial, record or device), (rows,).
    left_out
        The rows that are not, with a column `reason`.
    notes
        Remarks on the data.

    Examples
    --------
    See `prepare`.
    """

    data: WindowData
    scaling: Scaling
    features: tuple[str, ...]
    table: pd.DataFrame
    group: Int[np.ndarray, " rows"]
    left_out: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> np.ndarray:
        """Features as given, (rows, features)."""
        return self.table[list(self.features)].to_numpy(np.float64)

    @property
    def labels(self) -> np.ndarray:
        """Which rows are of earthquakes, (rows,)."""
        return self.table[LABEL].to_numpy(bool)


def prepare(
    table: pd.DataFrame,
    features: Sequence[str],
    *,
    group: str | Sequence[str] | None = None,
    logged: Sequence[str] | None = None,
    training_odds: float | int | None = None,
    scaling: Scaling | None = None,
    name: str = "features",
) -> Windows:
    r"""Check a table of features of windows and convert it to arrays.

    Features are standardised by the mean and the standard deviation of a mixture in which either
    class counts half, so that neither they nor the priors depend on the balance of the classes.

    Parameters
    ----------
    table
        A row for each window: numeric columns of features and the boolean column `is_earthquake`.
    features
        Names of the columns that are used.
    group
        Column, or several, whose values name windows that depend on each other: the event, the
        trial, the record. Rows of equal values are one group; by default each row is its own.
    logged
        Features whose logarithm is taken; by default those that are nowhere negative.
    training_odds
        Odds of earthquakes at which the windows were collected; by default their ratio in the
        table.
    scaling
        Transformation to use, such as that of the data on which a model was fitted.
    name
        Name of the table in messages.

    Returns
    -------
    Windows

    Raises
    ------
    eqstat.InputError
        When a column is missing or of another kind, a logged feature is negative, a feature does
        not vary, or a class has no window.

    Examples
    --------
    >>> table = pd.DataFrame({"iqr": [0.1, 0.2, 2.0, np.nan], "cav": [1.0, 2.0, 3.0, 4.0],
    ...                       "is_earthquake": [False, False, True, True]})
    >>> windows = prepare(table, ["iqr", "cav"])
    >>> len(windows.table), windows.left_out["reason"].tolist()
    (3, ['iqr is missing or not finite'])
    """
    check_kind(name, pd.DataFrame, "give a table of features", table=table)
    names = (features,) if isinstance(features, str) else tuple(features)
    values, labels = _columns(table, names, name)
    wrong: np.ndarray = np.logical_not(np.isfinite(values))
    good: np.ndarray = np.logical_not(wrong.any(axis=1))
    reasons = [f"{names[column]} is missing or not finite" for column in wrong.argmax(axis=1)]
    left_out: Any = table[~good].assign(
        reason=[reason for reason, keep in zip(reasons, good, strict=True) if not keep]
    )
    notes = [f"{name}: {len(left_out)} windows without finite features left out"] * bool(
        len(left_out)
    )
    kept: Any = table[good].reset_index(drop=True)
    values, labels = values[good], labels[good]
    if labels.all() or not labels.any():
        which = "other windows" if labels.any() else "windows of earthquakes"
        raise InputError(f"{name}: there are no {which}; both classes are needed")
    codes = _groups(kept, group, name)
    if group is None:
        notes.append(f"{name}: no group is named, so that windows are taken for independent")
    if scaling is None:
        scaling = scaling_of(values, labels, names, logged, name)
    if training_odds is None:
        training_odds = float(labels.sum() / (~labels).sum())
    check_range(name, 0, ends="()", training_odds=training_odds)
    data = arrays_of(scaling(values), labels, np.ones(len(labels)), np.log(training_odds))
    return Windows(data, scaling, names, kept, codes, left_out, tuple(notes))


def arrays_of(
    features: np.ndarray, labels: np.ndarray, weight: np.ndarray, log_training_odds: float
) -> WindowData:
    """Pad rows to a size bucket."""
    size = bucket_size(len(labels))
    return WindowData(
        pad_rows(features, size),
        pad_rows(labels.astype(np.float64), size),
        pad_rows(weight, size),
        np.asarray(log_training_odds, np.float64),
    )


def feature_rows(table: pd.DataFrame, names: Sequence[str], name: str) -> np.ndarray:
    """Return the columns of features as numbers, (rows, features)."""
    missing = [each for each in names if each not in table.columns]
    if missing or not names:
        have = ", ".join(map(str, table.columns)) or "none"
        lost = ", ".join(missing) or "at least one feature"
        raise InputError(f"{name}: column {lost} is missing; the columns are {have}")
    for each in names:
        if table[each].dtype.kind not in "fiub":
            raise InputError(f"{name}: column {each} must be numbers, not {table[each].dtype}")
    return table[list(names)].to_numpy(np.float64)


def _columns(
    table: pd.DataFrame, names: tuple[str, ...], name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Columns of features and labels."""
    if len(set(names)) < len(names):
        raise InputError(f"{name}: a feature is named twice: {', '.join(names)}")
    values = feature_rows(table, names, name)
    if LABEL not in table.columns:
        raise InputError(f"{name}: column {LABEL} is missing")
    if table[LABEL].dtype != bool:
        raise InputError(f"{name}: column {LABEL} must be true or false, not {table[LABEL].dtype}")
    return values, table[LABEL].to_numpy(bool)


def _groups(table: pd.DataFrame, group: str | Sequence[str] | None, name: str) -> np.ndarray:
    """Number of each row's group."""
    if group is None:
        return np.arange(len(table))
    columns = [group] if isinstance(group, str) else list(group)
    for each in columns:
        if each not in table.columns:
            raise InputError(f"{name}: the column of groups {each!r} is missing")
        if table[each].isna().any():
            row = int(np.flatnonzero(table[each].isna())[0])
            raise InputError(f"{name}: column {each} is missing in row {row}")
    return table.groupby(columns, sort=True).ngroup().to_numpy()


def scaling_of(
    values: np.ndarray,
    labels: np.ndarray,
    names: tuple[str, ...],
    logged: Sequence[str] | None,
    name: str,
) -> Scaling:
    """Learn the transformation of features from windows of both classes."""
    low = values.min(axis=0)
    if logged is None:
        logs = low >= 0
    else:
        unknown = [each for each in logged if each not in names]
        if unknown:
            raise InputError(f"{name}: logged names {unknown[0]!r}, which is no feature here")
        logs = np.isin(names, list(logged))
    for column in np.flatnonzero(logs & (low < 0)):
        row = int(np.flatnonzero(values[:, column] < 0)[0])
        raise InputError(f"{name}: column {names[column]} is logged but negative in row {row}")
    positive = np.where(values > 0, values, np.inf).min(axis=0)
    floor = np.where(logs & np.isfinite(positive), FLOOR_SHARE * positive, 1.0)
    plain = Scaling(logs, floor, np.zeros(len(names)), np.ones(len(names)))
    transformed = plain(values)
    parts: list[Any] = [transformed[labels], transformed[~labels]]
    centre = np.mean([part.mean(axis=0) for part in parts], axis=0)
    spread = np.mean([np.mean((part - centre) ** 2, axis=0) for part in parts], axis=0)
    for column in np.flatnonzero(spread <= 1e-20 * (1 + centre**2)):
        raise InputError(f"{name}: column {names[column]} does not vary; leave it out")
    return Scaling(logs, floor, centre, np.sqrt(spread))
