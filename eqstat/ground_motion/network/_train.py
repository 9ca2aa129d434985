r"""A trainer for anything that maps features to a `Mixture`.

The loss is the negative log density of the records, weighted by the information of each: $n_e$
records of an event with correlation $\rho$ are worth $n_e / (1 + (n_e - 1)\rho)$ independent ones.
Early stopping uses held-out events, never held-out records: records of one event share its event
term, so scores on held-out records of training events are optimistic.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from tqdm.auto import tqdm

from eqstat._core.checks import check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion.network._descent import evaluate, keep, one_epoch, optimiser
from eqstat.ground_motion.network._examples import Examples, joined, refuse_shared
from eqstat.inference import bucket_size, pad_rows

FEWEST_EVENTS = 10


class TrainingStatus(enum.Enum):
    """How a training ended; the value is a message for the user.

    Examples
    --------
    >>> TrainingStatus.STOPPED_EARLY.ok, TrainingStatus.NOT_FINITE.ok
    (True, False)
    """

    STOPPED_EARLY = "stopped early: the held-out events were predicted no better any more"
    ALL_EPOCHS = "all epochs were run; the state with the best held-out score is kept"
    NOT_FINITE = "not finite: the loss has no finite value; lower the learning rate"

    @property
    def ok(self) -> bool:
        """Whether the trained module can be used."""
        return self is not TrainingStatus.NOT_FINITE


class TrainingError(RuntimeError):
    """A training without a usable module; `result` holds the status.

    Examples
    --------
    >>> TrainingError(TrainingStatus.NOT_FINITE).result.name
    'NOT_FINITE'
    """

    def __init__(self, result: TrainingStatus, detail: str = "") -> None:
        self.result = result
        super().__init__(result.value + (f" ({detail})" if detail else ""))


@dataclass(frozen=True)
class TrainingOptions(Explained):
    """Options of training: AdamW on mini-batches with a cosine schedule.

    Attributes
    ----------
    epochs
        Maximum number of epochs, the length of the schedule.
    batch
        Records per step.
    learning_rate
        Initial learning rate; it decays to 0.
    weight_decay
        Decay of the weights (not the biases), per step and unit of learning rate.
    patience
        Epochs without a better held-out score after which a member stops.
    clip
        Largest norm of a gradient.

    Examples
    --------
    >>> TrainingOptions(epochs=20).batch
    256
    """

    epochs: int = 100
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    patience: int = 20
    clip: float = 1.0

    def __post_init__(self) -> None:
        """Check the options."""
        check_whole(
            "TrainingOptions", 1, epochs=self.epochs, batch=self.batch, patience=self.patience
        )
        check_range(
            "TrainingOptions", 0, ends="()", learning_rate=self.learning_rate, clip=self.clip
        )
        check_range("TrainingOptions", 0, weight_decay=self.weight_decay)


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
    refuse_shared(training, held_out)
    both = joined(training, held_out)
    first = np.arange(len(both)) < len(training)
    weight = np.where([first, ~first], both.weight, 0.0)[:, None]
    stacked = _stack([module])
    result = _run(key, stacked, both, weight, options, trainable, augment, progress, throw)
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
    names, number = np.unique(examples.event, return_inverse=True)
    if len(names) < FEWEST_EVENTS:
        raise InputError(
            f"train_ensemble: {len(names)} events are too few to hold some out; give at least "
            f"{FEWEST_EVENTS}"
        )
    if members < 1:
        raise InputError(f"train_ensemble: members must be at least 1, not {members}")
    modules, weights, held = [], [], []
    for member in range(members):
        start, draw = jax.random.split(jax.random.fold_in(key, member))
        drawn = np.asarray(jax.random.randint(draw, (len(names),), 0, len(names)))
        times = np.bincount(drawn, minlength=len(names))[number]
        weights.append(examples.weight * times)
        held.append(examples.weight * (times == 0))
        modules.append(make(start, weights[-1]))
    weight = np.stack([weights, held])
    return _run(
        key, _stack(modules), examples, weight, options, trainable, augment, progress, throw
    )


def _stack(modules: list[Any]) -> Any:
    """Give a list of modules a leading axis of members."""
    return jax.tree.map(
        lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *modules
    )


def _run(
    key: PRNGKeyArray,
    stacked: Any,
    examples: Examples,
    weight: np.ndarray,
    options: TrainingOptions | None,
    trainable: Callable[[Any], Any] | None,
    augment: Callable | None,
    progress: bool | None,
    throw: bool,
) -> TrainingResult:
    """Train members side by side; `weight` is (training or held out, members, rows)."""
    began = perf_counter()
    options = TrainingOptions() if options is None else options
    empty = np.flatnonzero(~(weight.sum(axis=-1) > 0).all(axis=0))
    if len(empty):
        raise InputError("train: no records to train on or none held out; give more events")
    spec = eqx.is_inexact_array if trainable is None else trainable(stacked)
    moved, fixed = eqx.partition(stacked, spec)
    dtype = jax.tree.leaves(moved)[0].dtype
    rows = bucket_size(len(examples))
    data = examples.padded(rows, dtype)
    parts = weight / weight.sum(axis=-1, keepdims=True)
    padded = np.stack([pad_rows(part.T, rows).T for part in parts])
    chance = jnp.asarray(np.cumsum(padded[0], axis=-1), dtype)
    held = jnp.asarray(padded[1], dtype)
    steps = max(1, len(examples) // options.batch)
    state = eqx.filter_vmap(optimiser(options, steps).init)(moved)
    members = weight.shape[1]
    best, best_loss = moved, np.asarray(evaluate(moved, fixed, data, held), np.float64)
    best_loss = np.where(np.isfinite(best_loss), best_loss, np.inf)
    best_epoch, broken = np.zeros(members, int), np.zeros(members, bool)
    active, log = np.ones(members, bool), []
    keys = jax.vmap(lambda m: jax.random.fold_in(jax.random.fold_in(key, 1), m))(
        jnp.arange(members)
    )
    disable = None if progress is None else not progress
    with tqdm(total=options.epochs, desc="training", disable=disable, leave=False) as bar:
        for epoch in range(1, options.epochs + 1):
            now = jax.vmap(jax.random.fold_in, (0, None))(keys, epoch)
            moved, state, loss, score = one_epoch(
                moved, fixed, state, now, data, chance, held, options, steps, augment
            )
            training, tested = np.asarray(loss, np.float64), np.asarray(score, np.float64)
            log += [
                (member, epoch, training[member], tested[member])
                for member in np.flatnonzero(active)
            ]
            broken |= active & ~np.isfinite(training + tested)
            better = active & ~broken & (tested < best_loss)
            best = keep(jnp.asarray(better), moved, best)
            best_loss = np.where(better, tested, best_loss)
            best_epoch = np.where(better, epoch, best_epoch)
            active &= ~broken & (epoch - best_epoch < options.patience)
            bar.update()
            bar.set_postfix(held_out=f"{np.mean(best_loss):.3f}", refresh=False)
            if not active.any():
                break
    result = TrainingStatus.ALL_EPOCHS if active.any() else TrainingStatus.STOPPED_EARLY
    if broken.any() or not np.all(np.isfinite(best_loss)):
        result = TrainingStatus.NOT_FINITE
        if throw:
            raise TrainingError(result, f"members {np.flatnonzero(broken).tolist()}")
    history = pd.DataFrame(log, columns=["member", "epoch", "training", "held_out"])
    return TrainingResult(
        eqx.combine(best, fixed), result, history, best_epoch, weight[1] > 0,
        perf_counter() - began,
    )  # fmt: skip
