"""Descent of members side by side, until none of them gets better on what it holds out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from tqdm.auto import tqdm

from eqstat._core.checks import check_key, check_kind, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.inference._padding import bucket_size, pad_rows
from eqstat.inference.descent._checkpoint import fingerprint, restore, save
from eqstat.inference.descent._epoch import evaluate, keep, one_epoch, optimiser
from eqstat.inference.descent._options import TrainingError, TrainingOptions, TrainingStatus

COLUMNS = ["member", "epoch", "training", "held_out"]
# Rows whose held-out loss is computed at a time.
BLOCK = 4096


@dataclass(frozen=True)
class Descent(Explained):
    """Result of `descend`.

    Attributes
    ----------
    module
        Each member at its best held-out loss, arrays with a leading axis of members.
    result
        How it ended.
    history
        Columns `member`, `epoch`, `training` and `held_out`: mean losses.
    best_epoch
        Of each member, (members,); 0 where the start was best.

    Examples
    --------
    See `descend`.
    """

    module: Any
    result: TrainingStatus
    history: pd.DataFrame
    best_epoch: np.ndarray


class _State(NamedTuple):
    """All that an epoch needs of those before; what a checkpoint holds."""

    epoch: np.ndarray
    moved: Any
    optimiser: Any
    best: Any
    best_loss: np.ndarray
    best_epoch: np.ndarray
    broken: np.ndarray
    active: np.ndarray
    trained: np.ndarray
    training: np.ndarray
    held_out: np.ndarray


def stacked(modules: list[Any]) -> Any:
    """Give modules of one structure a leading axis of members.

    Parameters
    ----------
    modules
        At least one.

    Returns
    -------
    Any
        A module whose arrays are those of all.

    Examples
    --------
    >>> stacked([{"slope": jnp.ones(2)}, {"slope": jnp.zeros(2)}])["slope"].shape
    (2, 2)
    """
    return jax.tree.map(
        lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *modules
    )


def descend(
    key: PRNGKeyArray,
    module: Any,
    data: Any,
    training: np.ndarray,
    held_out: np.ndarray,
    loss: Callable[[Any, Any, Any], Any],
    *,
    options: TrainingOptions | None = None,
    trainable: Callable[[Any], Any] | None = None,
    block: int = BLOCK,
    checkpoint: str | os.PathLike | None = None,
    progress: bool | None = None,
    throw: bool = True,
) -> Descent:
    r"""Minimise a loss by AdamW on mini-batches, for all members at once and independently.

    A member draws rows i with replacement by its weights $w_i$ and descends
    $\sum_i w_i L_i(\theta)$; after each epoch the loss of its held-out rows is computed, and the
    parameters at its least are kept.

    Parameters
    ----------
    key
        JAX random key. A member's draws depend on it, the member's number and the epoch alone.
    module
        Members with a leading axis on all arrays; see `stacked`.
    data
        Pytree of arrays whose first axis is that of the rows, padded to `bucket_size(rows)`.
    training, held_out
        Weights of the rows in each member's training and early stopping, at least 0,
        (members, rows).
    loss
        `(module, rows of data, key) -> (rows,)`: loss of each row by one member. The key is for
        augmentation and dropout; in evaluation it is None.
    options
        Options of training.
    trainable
        `module -> filter` of equinox that selects the trained arrays; by default all
        floating-point arrays.
    block
        Rows whose held-out loss is computed at a time, a power of 2.
    checkpoint
        File in which the state is kept after each epoch. A training that finds its own goes on
        from there, with the result of one that was not stopped.
    progress
        Show a progress bar; by default where a terminal is attached.
    throw
        Whether a loss that is not finite is an error.

    Returns
    -------
    Descent

    Raises
    ------
    eqstat.InputError
        When a member has no rows to train on or to hold out, or the checkpoint is of another
        training.
    TrainingError
        When the loss of a member is not finite.

    References
    ----------
    Loshchilov, I. and Hutter, F. (2019), Decoupled weight decay regularization, ICLR,
    arXiv:1711.05101.

    Examples
    --------
    >>> x = np.linspace(-1.0, 1.0, 16, dtype=np.float32)
    >>> first = (np.arange(16) % 2 == 0).astype(float)[None]
    >>> def squares(module, rows, key):
    ...     return (rows[1] - module["slope"] * rows[0]) ** 2
    >>> options = TrainingOptions(epochs=20, batch=8, learning_rate=0.2, weight_decay=0.0)
    >>> start = stacked([{"slope": jnp.zeros(())}])
    >>> fitted = descend(
    ...     jax.random.key(0), start, (x, 2 * x), first, 1 - first, squares, options=options)
    >>> bool(abs(fitted.module["slope"][0] - 2.0) < 0.2)
    True
    """
    check_key("descend", key)
    check_whole("descend", 1, block=block)
    options = TrainingOptions() if options is None else options
    check_kind("descend", TrainingOptions, "see `TrainingOptions`", options=options)
    weight = np.stack([np.asarray(training, float), np.asarray(held_out, float)])
    if not (weight.sum(axis=-1) > 0).all():
        raise InputError("train: no rows to train on or none held out; give more events or groups")
    members, count = weight.shape[1:]
    rows = bucket_size(count)
    for leaf in jax.tree.leaves(data):
        if len(leaf) != rows:
            raise InputError(f"descend: data has {len(leaf)} rows; {count} are padded to {rows}")
    spec = eqx.is_inexact_array if trainable is None else trainable(module)
    moved, fixed = eqx.partition(module, spec)
    dtype = jax.tree.leaves(moved)[0].dtype
    data = jax.tree.map(jnp.asarray, data)
    parts = weight / weight.sum(axis=-1, keepdims=True)
    padded = np.stack([pad_rows(part.T, rows).T for part in parts])
    chance = jnp.asarray(np.cumsum(padded[0], axis=-1), dtype)
    held = jnp.asarray(padded[1], dtype)
    steps = max(1, count // options.batch)
    start = np.asarray(evaluate(moved, fixed, data, held, loss, block), np.float64)
    empty = np.full((options.epochs, members), np.nan)
    state = _State(
        epoch=np.asarray(0),
        moved=moved,
        optimiser=eqx.filter_vmap(optimiser(options, steps).init)(moved),
        best=moved,
        best_loss=np.where(np.isfinite(start), start, np.inf),
        best_epoch=np.zeros(members, int),
        broken=np.zeros(members, bool),
        active=np.ones(members, bool),
        trained=np.zeros(members, int),
        training=empty,
        held_out=empty,
    )
    path = None if checkpoint is None else Path(checkpoint)
    name = ""
    if path is not None:
        name = fingerprint(key, options, module, data, padded)
        state = restore(path, name, state) or state
    keys = jax.vmap(lambda m: jax.random.fold_in(jax.random.fold_in(key, 1), m))(
        jnp.arange(members)
    )
    disable = None if progress is None else not progress
    first = int(state.epoch)
    with tqdm(
        total=options.epochs, initial=first, desc="training", disable=disable, leave=False
    ) as bar:
        for epoch in range(first + 1, options.epochs + 1):
            if not state.active.any():
                break
            now = jax.vmap(jax.random.fold_in, (0, None))(keys, epoch)
            moved, inner, mean, score = one_epoch(
                state.moved, fixed, state.optimiser, now, data, chance, held, options, steps, loss,
                block,
            )  # fmt: skip
            state = _after(state, epoch, moved, inner, np.asarray(mean), np.asarray(score), options)
            if path is not None:
                save(path, name, state)
            bar.update()
            bar.set_postfix(held_out=f"{np.mean(state.best_loss):.3f}", refresh=False)
    result = TrainingStatus.ALL_EPOCHS if state.active.any() else TrainingStatus.STOPPED_EARLY
    if state.broken.any() or not np.all(np.isfinite(state.best_loss)):
        result = TrainingStatus.NOT_FINITE
        if throw:
            raise TrainingError(result, f"members {np.flatnonzero(state.broken).tolist()}")
    return Descent(eqx.combine(state.best, fixed), result, _history(state), state.best_epoch)


def _after(
    state: _State,
    epoch: int,
    moved: Any,
    inner: Any,
    mean: np.ndarray,
    score: np.ndarray,
    options: TrainingOptions,
) -> _State:
    """State after an epoch: losses of members that still train, and the best of each."""
    training, held_out = state.training.copy(), state.held_out.copy()
    tested = score.astype(np.float64)
    training[epoch - 1] = np.where(state.active, mean, np.nan)
    held_out[epoch - 1] = np.where(state.active, tested, np.nan)
    broken = state.broken | (state.active & ~np.isfinite(mean + tested))
    better = state.active & ~broken & (tested < state.best_loss)
    best_epoch = np.where(better, epoch, state.best_epoch)
    return _State(
        epoch=np.asarray(epoch),
        moved=moved,
        optimiser=inner,
        best=keep(jnp.asarray(better), moved, state.best),
        best_loss=np.where(better, tested, state.best_loss),
        best_epoch=best_epoch,
        broken=broken,
        active=state.active & ~broken & (epoch - best_epoch < options.patience),
        trained=np.where(state.active, epoch, state.trained),
        training=training,
        held_out=held_out,
    )


def _history(state: _State) -> pd.DataFrame:
    """Losses by member and epoch, while the member trained."""
    log = [
        (member, epoch + 1, state.training[epoch, member], state.held_out[epoch, member])
        for epoch in range(int(state.epoch))
        for member in np.flatnonzero(epoch < state.trained)
    ]
    return pd.DataFrame(log, columns=COLUMNS)
