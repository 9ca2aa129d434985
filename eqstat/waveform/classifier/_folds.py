"""Folds of groups: a window is never predicted from others of its event, record or device."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_whole
from eqstat._core.errors import InputError
from eqstat._core.random import generator


def folds_of(
    key: PRNGKeyArray, group: np.ndarray, labels: np.ndarray, count: int, *, owner: str
) -> np.ndarray:
    """Return the fold of each row, such that groups stay whole and classes are shared out evenly.

    Parameters
    ----------
    key
        JAX random key.
    group
        Number of each row's group, from 0, (rows,).
    labels
        Which rows are of earthquakes, (rows,).
    count
        Number of folds, at least 2; fewer are made where a class has fewer groups.
    owner
        Name of the function in messages.
    """
    groups = int(group.max()) + 1
    quakes = np.bincount(group, labels, groups)
    rows = np.bincount(group, minlength=groups)
    fewest = min(np.count_nonzero(quakes), np.count_nonzero(rows - quakes))
    count = min(count, int(fewest))
    if count < 2:
        raise InputError(
            f"{owner}: a class has windows of one group only; held-out windows need two of either"
        )
    order = generator(key).permutation(groups)
    # Groups that hold both classes first, then those of one, the largest in turn: even shares.
    mixed = (quakes > 0) & (quakes < rows)
    kind = np.where(mixed, 0, np.where(quakes > 0, 1, 2))[order]
    order = order[np.argsort(kind, kind="stable")]
    fold = np.empty(groups, np.int64)
    for kind_now in np.unique(kind):
        members = order[np.sort(kind) == kind_now]
        load = np.zeros(count)
        number = np.zeros(count)
        for one in members[np.argsort(-rows[members], kind="stable")]:
            # The fold with the fewest groups of the kind, and of those the one with fewest rows.
            target = int(np.lexsort((load, number))[0])
            fold[one] = target
            load[target] += rows[one]
            number[target] += 1
    return fold[group]


def folds_by(
    key: PRNGKeyArray,
    table: pd.DataFrame,
    group: np.ndarray,
    labels: np.ndarray,
    folds: int | str,
    *,
    owner: str,
) -> np.ndarray:
    """Return the fold of each row by a number of folds, or by a column whose values they are.

    Parameters
    ----------
    key, group, labels, owner
        As of `folds_of`.
    table
        Of the rows.
    folds
        Number of folds, at least 2, or a column's name.
    """
    if not isinstance(folds, str):
        check_whole(owner, 2, folds=folds)
        return folds_of(key, group, labels, folds, owner=owner)
    if folds not in table.columns:
        raise InputError(f"{owner}: the column of folds {folds!r} is missing")
    fold = np.unique(table[folds].astype(str), return_inverse=True)[1]
    if len(np.unique(np.column_stack([group, fold]), axis=0)) > len(np.unique(group)):
        raise InputError(f"{owner}: {folds} splits a group; name folds of whole groups")
    return fold
