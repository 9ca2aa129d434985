r"""A trainer for anything that maps features to a `Mixture`.

The loss is the negative log density of the records, weighted by the information of each: $n_e$
records of an event with correlation $\rho$ are worth $n_e / (1 + (n_e - 1)\rho)$ independent ones.
Early stopping uses held-out events, never held-out records: records of one event share its event
term, so scores on held-out records of training events are optimistic.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.checks import check_kind, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion.mixture._mixture import Mixture, log_density, log_exceedance
from eqstat.ground_motion.network._examples import Examples, joined, refuse_shared
from eqstat.inference import bucket_size
from eqstat.inference.descent import (
    TrainingError,
    TrainingOptions,
    TrainingStatus,
    descend,
    stacked,
)

__all__ = [
    "TrainingError", "TrainingOptions", "TrainingResult", "TrainingStatus", "train",
    "train_ensemble",
]  # fmt: skip

FEWEST_EVENTS = 10
# Rows whose held-out loss is computed at a time.
BLOCK = 4096


@dataclass(frozen=True)
class TrainingResult(Explained):
    """Result of a training.

    Attributes
    ----------
    module
        The module at its best held-out score; of an ensemble, with a leading axis of members.
    result
        How it ended; of an ensemble, the worst of its members.
    history
        Columns `member`, `epoch`, `training` and `held_out`: mean negative log density.
    best_epoch
        Of each member, (members,); 0 where the start was best.
    out_of_bag
        Which records each member held out, (members, records).
    seconds
        Run time, s.

    Examples
    --------
    >>> from eqstat.ground_motion.mixture import Mixture
    >>> class Line(eqx.Module):
    ...     slope: jax.Array
    ...     def __call__(self, x):
    ...         mean = self.slope * x
    ...         return Mixture(jnp.zeros_like(mean), mean, jnp.ones_like(mean))
    >>> x = np.linspace(-1.0, 1.0, 60, dtype=np.float32)[:, None]
    >>> event = np.repeat([f"e{number}" for number in range(12)], 5)
    >>> examples = Examples(x, 2.0 * x[:, 0], event)
    >>> options = TrainingOptions(epochs=5, batch=10, learning_rate=0.1)
    >>> trained = train_ensemble(
    ...     jax.random.key(0), lambda key, weight: Line(jnp.array(0.0)), examples, members=2,
    ...     options=options)
    >>> list(trained.history.columns)
    ['member', 'epoch', 'training', 'held_out']
    """

    module: Any
    result: TrainingStatus
    history: pd.DataFrame
    best_epoch: np.ndarray
    out_of_bag: np.ndarray
    seconds: float


def train(
    key: PRNGKeyArray,
    module: Any,
    training: Examples,
    held_out: Examples,
    *,
    options: TrainingOptions | None = None,
    trainable: Callable[[Any], Any] | None = None,
    augment: Callable[[PRNGKeyArray, Any], Any] | None = None,
    progress: bool | None = None,
    throw: bool = True,
) -> TrainingResult:
    """Train a module that maps a batch of features to a `Mixture`.

    Parameters
    ----------
    key
        JAX random key.
    module
        Callable on features with a leading axis of records; an equinox module.
    training, held_out
        Examples of different events; see `split_by_event`.
    options
        Options of training.
    trainable
        `module -> filter` of equinox that selects the trained arrays; by default all
        floating-point arrays.
    augment
        `(key, features) -> features`, applied to every mini-batch.
    progress
        Show a progress bar; by default where a terminal is attached.
    throw
        Whether a loss that is not finite is an error.

    Returns
    -------
    TrainingResult

    Raises
    ------
    eqstat.InputError
        When an event is in both sets.
    TrainingError
        When the loss is not finite.

    References
    ----------
    Loshchilov, I. and Hutter, F. (2019), Decoupled weight decay regularization, ICLR.

    Examples
    --------
    >>> from eqstat.ground_motion.mixture import Mixture
    >>> class Line(eqx.Module):
    ...     slope: jax.Array
    ...     def __call__(self, x):
    ...         mean = self.slope * x
    ...         return Mixture(jnp.zeros_like(mean), mean, jnp.ones_like(mean))
    >>> x = np.linspace(-1.0, 1.0, 60, dtype=np.float32)[:, None]
    >>> event = np.repeat([f"e{number}" for number in range(12)], 5)
    >>> examples = Examples(x, 2.0 * x[:, 0], event)
    >>> options = TrainingOptions(epochs=5, batch=10, learning_rate=0.1)
    >>> training, held_out = examples.rows(event < "e5"), examples.rows(event >= "e5")
    >>> start = Line(jnp.array(0.0))
    >>> trained = train(jax.random.key(0), start, training, held_out, options=options)
    >>> trained.result.ok, bool(trained.module.slope > 0.1)
    (True, True)
    """
    check_kind("train", Callable, "give a function of features", module=module)
    refuse_shared(training, held_out)
    both = joined(training, held_out)
    first = np.arange(len(both)) < len(training)
    weight = np.where([first, ~first], both.weight, 0.0)[:, None]
    result = run(
        key, stacked([module]), both, weight, options=options, trainable=trainable,
        augment=augment, progress=progress, throw=throw,
    )  # fmt: skip
    single = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, result.module)
    return TrainingResult(
        single, result.result, result.history, result.best_epoch, ~first[None], result.seconds
    )


def train_ensemble(
    key: PRNGKeyArray,
    make: Callable[[PRNGKeyArray, np.ndarray], Any],
    examples: Examples,
    *,
    members: int = 8,
    options: TrainingOptions | None = None,
    trainable: Callable[[Any], Any] | None = None,
    augment: Callable[[PRNGKeyArray, Any], Any] | None = None,
    progress: bool | None = None,
    throw: bool = True,
) -> TrainingResult:
    """Train an ensemble, each member on a bootstrap of the events.

    A bootstrap leaves out about 37 % of the events, which serve for early stopping and for the
    evaluation of that member. Members are trained in parallel and independently.

    Parameters
    ----------
    key
        JAX random key.
    make
        `(key, weight) -> module`, initialises a member for these weights of the records.
    examples
        Training examples.
    members
        Number of members.
    options, trainable, augment, progress, throw
        As in `train`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    eqstat.InputError
        When there are fewer than 10 events.
    TrainingError
        When the loss of a member is not finite.

    References
    ----------
    Breiman, L. (1996), Bagging predictors, Machine Learning 24, 123-140.

    Examples
    --------
    >>> from eqstat.ground_motion.mixture import Mixture
    >>> class Line(eqx.Module):
    ...     slope: jax.Array
    ...     def __call__(self, x):
    ...         mean = self.slope * x
    ...         return Mixture(jnp.zeros_like(mean), mean, jnp.ones_like(mean))
    >>> x = np.linspace(-1.0, 1.0, 60, dtype=np.float32)[:, None]
    >>> event = np.repeat([f"e{number}" for number in range(12)], 5)
    >>> examples = Examples(x, 2.0 * x[:, 0], event)
    >>> options = TrainingOptions(epochs=5, batch=10, learning_rate=0.1)
    >>> trained = train_ensemble(
    ...     jax.random.key(0), lambda key, weight: Line(jnp.array(0.0)), examples, members=2,
    ...     options=options)
    >>> trained.module.slope.shape, trained.out_of_bag.shape
    ((2,), (2, 60))
    """
    weight, starts = bootstraps(key, examples, members, owner="train_ensemble")
    modules = [make(start, own) for start, own in zip(starts, weight[0], strict=True)]
    return run(
        key, stacked(modules), examples, weight, options=options, trainable=trainable,
        augment=augment, progress=progress, throw=throw,
    )  # fmt: skip


def bootstraps(
    key: PRNGKeyArray, examples: Examples, members: int, *, owner: str
) -> tuple[np.ndarray, list[PRNGKeyArray]]:
    """Bootstraps of the events: weights (training or held out, members, rows), and keys."""
    names, number = np.unique(examples.event, return_inverse=True)
    if len(names) < FEWEST_EVENTS:
        raise InputError(
            f"{owner}: {len(names)} events are too few to hold some out; give at least "
            f"{FEWEST_EVENTS}"
        )
    check_whole(owner, 1, members=members)
    weights, held, starts = [], [], []
    for member in range(members):
        start, draw = jax.random.split(jax.random.fold_in(key, member))
        drawn = np.asarray(jax.random.randint(draw, (len(names),), 0, len(names)))
        times = np.bincount(drawn, minlength=len(names))[number]
        weights.append(examples.weight * times)
        held.append(examples.weight * (times == 0))
        starts.append(start)
    return np.stack([weights, held]), starts


class NegativeLogDensity(Explained, eqx.Module):
    r"""Loss of a module that returns a `Mixture`: the negative log density of each target.

    Of a target that is an upper bound b it is $-\log\{\pi + (1 - \pi) P(Y \le b)\}$, with the share
    $\pi$ of silent stations that are out of order.

    Attributes
    ----------
    out_of_order
        $\pi$, in [0, 1).

    Examples
    --------
    >>> from eqstat.ground_motion.mixture import Mixture
    >>> def normal(features):
    ...     return Mixture(jnp.zeros((2, 1)), jnp.zeros((2, 1)), jnp.ones((2, 1)))
    >>> bounds = jnp.array([False, True])
    >>> NegativeLogDensity()(normal, None, jnp.zeros(2), bounds).round(3).tolist()
    [0.9190000295639038, 0.6930000185966492]
    """

    out_of_order: float = 0.0

    def __call__(self, module: Any, features: Any, target: Array, upper: Array | None) -> Array:
        """Loss of each target, in their shape."""
        mixture = module(features)
        exact = -log_density(mixture, target)
        if upper is None:
            return exact
        mirrored = Mixture(mixture.log_weight, -mixture.mean, mixture.scale)
        below = log_exceedance(mirrored, -target)
        if self.out_of_order:
            working = np.log1p(-self.out_of_order)
            below = jnp.logaddexp(below + working, np.log(self.out_of_order))
        return jnp.where(upper, -below, exact)


class _Loss(eqx.Module):
    """Mean loss of each row over its unmasked targets."""

    augment: Callable | None
    score: Callable

    def __call__(self, module: Any, rows: tuple, key: Any) -> Array:
        features, target, mask, upper = rows
        if self.augment is not None and key is not None:
            features = self.augment(key, features)
        each = self.score(module, features, target, upper)
        axes = tuple(range(1, target.ndim))
        total = jnp.sum(jnp.where(mask, each, 0.0), axis=axes)
        return total / jnp.maximum(jnp.sum(mask, axis=axes), 1)


def run(
    key: PRNGKeyArray,
    members: Any,
    examples: Examples,
    weight: np.ndarray,
    *,
    options: TrainingOptions | None = None,
    trainable: Callable[[Any], Any] | None = None,
    augment: Callable | None = None,
    score: Callable | None = None,
    block: int = BLOCK,
    checkpoint: str | os.PathLike | None = None,
    progress: bool | None = None,
    throw: bool = True,
) -> TrainingResult:
    """Train members side by side; `weight` is (training or held out, members, rows)."""
    began = perf_counter()
    arrays = jax.tree.leaves(eqx.filter(members, eqx.is_inexact_array))
    data = examples.padded(bucket_size(len(examples)), arrays[0].dtype)
    loss = _Loss(augment, NegativeLogDensity() if score is None else score)
    done = descend(
        key, members, data, weight[0], weight[1], loss, options=options, trainable=trainable,
        block=block, checkpoint=checkpoint, progress=progress, throw=throw,
    )  # fmt: skip
    return TrainingResult(
        done.module, done.result, done.history, done.best_epoch, weight[1] > 0,
        perf_counter() - began,
    )  # fmt: skip
