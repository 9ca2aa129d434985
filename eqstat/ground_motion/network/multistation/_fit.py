"""Training of a multistation network in stages, as an ensemble, and its recalibration."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.checks import check_key, check_kind, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion.network._examples import Examples
from eqstat.ground_motion.network._fit import TEMPERATURES
from eqstat.ground_motion.network._network import merge
from eqstat.ground_motion.network._train import (
    NegativeLogDensity,
    TrainingOptions,
    bootstraps,
    run,
)
from eqstat.ground_motion.network.multistation._ensemble import (
    BLOCK,
    MultistationEnsemble,
    each_forecast,
    factors,
)
from eqstat.ground_motion.network.multistation._network import (
    init_multistation,
    parameter_count,
    trainable,
)
from eqstat.ground_motion.network.multistation._settings import MultistationSettings
from eqstat.ground_motion.network.multistation._views import View
from eqstat.inference.descent import stacked

OPTIONS = TrainingOptions(
    epochs=60, batch=32, learning_rate=1e-3, weight_decay=0.02, patience=8, clip=1.0
)
"""Options of training by default; the epochs are those of the three stages together."""
# Parts of the epochs of the three stages, and factors on the learning rate: what the first stage
# learned should not be lost in the last.
STAGES = ((0.6, 1.0), (0.15, 1.0), (0.25, 0.3))


class NegativeLogClasses(Explained, eqx.Module):
    """Loss of a network of classes: the mean cross-entropy of the thresholds at each site.

    Of a target that is an upper bound only the thresholds from the bound on are known.

    Examples
    --------
    See `fit_multistation`.
    """

    def __call__(self, module: Any, features: Any, target: Array, upper: Array | None) -> Array:
        """Loss of each target, in their shape."""
        odds = module.log_odds(features)
        threshold = jnp.asarray(module.settings.log10_thresholds, odds.dtype)
        over = target[..., None] > threshold
        each = jax.nn.softplus(jnp.where(over, -odds, odds))
        if upper is None:
            return jnp.mean(each, axis=-1)
        known = ~upper[..., None] | (threshold >= target[..., None])
        return jnp.sum(jnp.where(known, each, 0.0), axis=-1) / jnp.maximum(
            jnp.sum(known, axis=-1), 1
        )


class Blinding(Explained, eqx.Module):
    """Augmentation: stations that tell nothing, and stations without an embedding of their own.

    In each view a share of the stations, uniform between 0 and `most`, counts as not working, and
    stations at random as never seen, so that a network learns to do without.

    Attributes
    ----------
    most
        Largest share of the stations that are blinded, in [0, 1).
    unseen
        Share of stations whose number is hidden, in [0, 1).

    Examples
    --------
    >>> view = jax.tree.map(
    ...     lambda leaf: leaf[None], View.of_places(jnp.zeros((50, 3)), samples=4))
    >>> blinded = Blinding(most=0.9)(jax.random.key(0), view)
    >>> bool(blinded.working.all())
    False
    """

    most: float = 0.3
    unseen: float = 0.1

    def __check_init__(self) -> None:
        """Check the shares."""
        check_range("Blinding", 0, 1, ends="[)", most=self.most, unseen=self.unseen)

    def __call__(self, key: PRNGKeyArray, view: View) -> View:
        """Blind stations of a batch of views."""
        share, draw, hide = jax.random.split(key, 3)
        rows = view.working.shape[:1]
        part = jax.random.uniform(share, (*rows, 1)) * self.most
        working = view.working & (jax.random.uniform(draw, view.working.shape) >= part)
        hidden = jax.random.uniform(hide, view.station.shape) < self.unseen
        station = jnp.where(hidden, -1, view.station)
        return eqx.tree_at(lambda v: (v.working, v.station), view, (working, station))


@dataclass(frozen=True)
class FittedMultistation(Explained):
    """Result of `fit_multistation`.

    Attributes
    ----------
    network
        The ensemble to use and save.
    history
        Columns `stage`, `member`, `epoch`, `training` and `held_out`: mean losses.
    held_out
        Which rows each member held out, (members, rows).
    seconds
        Run time, s.

    Examples
    --------
    See `fit_multistation`.
    """

    network: MultistationEnsemble
    history: pd.DataFrame
    held_out: np.ndarray
    seconds: float


def fit_multistation(
    key: PRNGKeyArray,
    examples: Examples,
    settings: MultistationSettings,
    *,
    stations: Sequence[str] = (),
    members: int = 3,
    held_out: np.ndarray | None = None,
    options: TrainingOptions | None = None,
    out_of_order: float | int = 0.0,
    augment: Callable | None = Blinding(),  # noqa: B008 (it is immutable)
    checkpoint: str | os.PathLike | None = None,
    about: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> FittedMultistation:
    r"""Train an ensemble of multistation networks in the three stages of SENSE.

    First all but the early embeddings and the weights of the stations ($a_n = 1/2$), then the early
    embeddings, then all, at 0.3 times the learning rate. Each stage starts from the best state of
    the one before by the loss of held-out events. Factors on the scales of the mixtures (see
    `MultistationEnsemble`) are learned on the held-out events last.

    Parameters
    ----------
    key
        JAX random key.
    examples
        Features: a `View` with a leading axis of rows; targets: log10 PGA (m/s2) of the whole
        earthquake at its sites, (rows, sites), with the mask of the known ones and of those that
        are upper bounds; all rows of an earthquake, at whatever time, have its event.
    settings
        Sizes, such as `sense(stations)`.
    stations
        Names of the stations, in the order of their numbers.
    members
        Networks of the ensemble, at least 1.
    held_out
        Rows that all members hold out, (rows,), such as those of the last years; by default each
        member holds out the events that its own bootstrap leaves out.
    options
        Options of training; the epochs are those of all stages.
    out_of_order
        Share of the silent stations that are out of order, in [0, 1).
    augment
        `(key, views) -> views`, applied to each batch; None for nothing.
    checkpoint
        Beginning of the names of files by which a training that was stopped goes on.
    about
        Further entries of the model card: JSON values.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    FittedMultistation

    Raises
    ------
    eqstat.InputError
        When the views do not fit the settings, a number of a station is out of range, an event is
        on both sides of the split, or there are too few events.
    eqstat.ground_motion.network.TrainingError
        When the loss is not finite.

    References
    ----------
    Huang, Y.-M. et al. (2024), An Attention-based Framework with Multistation Information for
    Earthquake Early Warnings (SENSE), arXiv:2412.18099, section IV-B1.

    Examples
    --------
    >>> from eqstat.ground_motion.network.multistation import sense
    >>> rng = np.random.default_rng(0)
    >>> one = View.of_places(jnp.asarray(rng.normal(size=(4, 3))), samples=30)
    >>> views = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (24, *leaf.shape)), one)
    >>> examples = Examples(views, rng.normal(size=(24, 4)), np.repeat(np.arange(12), 2))
    >>> options = TrainingOptions(epochs=4, batch=8)
    >>> small = sense(4, width=20, layers=1, convolutions=())
    >>> fitted = fit_multistation(jax.random.key(0), examples, small, members=2, options=options)
    >>> fitted.network.exceedance(one, [-1.0, 0.0]).shape
    (4, 2)
    """
    check_key("fit_multistation", key)
    check_kind("fit_multistation", Examples, "see `Examples`", examples=examples)
    check_kind("fit_multistation", MultistationSettings, "see `sense`", settings=settings)
    check_whole("fit_multistation", 1, members=members)
    check_range("fit_multistation", 0, 1, ends="[)", out_of_order=out_of_order)
    _check_views(examples, settings, stations)
    options = OPTIONS if options is None else options
    starts: Sequence[PRNGKeyArray]
    if held_out is None:
        weight, starts = bootstraps(key, examples, members, owner="fit_multistation")
    else:
        weight, starts = _split(key, examples, np.asarray(held_out), members)
    known = examples.mask & ~examples.upper
    value = examples.log10_pga[known & (weight[0].sum(axis=0) > 0)[:, None]]
    if not value.size:
        raise InputError("fit_multistation: no training row has a target that is not a bound")
    made = [
        init_multistation(start, settings, centre=float(value.mean()), spread=float(value.std()))
        for start in starts
    ]
    module: Any = stacked(made)
    density = NegativeLogDensity(float(out_of_order))
    score = density if settings.head == "mixture" else NegativeLogClasses()
    history, seconds, ended = [], 0.0, ""
    for stage, part in enumerate(STAGES, start=1):
        if stage == 2 and not settings.early:
            continue
        done = run(
            jax.random.fold_in(key, 100 + stage), module, examples, weight,
            options=_part(options, *part), augment=augment, score=score, block=BLOCK,
            trainable=lambda network, stage=stage: trainable(network, stage),
            checkpoint=None if checkpoint is None else Path(f"{checkpoint}-{stage}.npz"),
            progress=progress,
        )  # fmt: skip
        module, ended = done.module, done.result.value
        history.append(done.history.assign(stage=stage))
        seconds += done.seconds
    temperature = np.zeros(4)
    if settings.head == "mixture":
        temperature = recalibrated(module, examples, weight[1] > 0, density)
    card = {
        "what": f"multistation network of log10 PGA (m/s2), decoder: {settings.decoder}",
        "parameters": parameter_count(made[0]),
        "members": members,
        "events": len(np.unique(examples.event)),
        "views": len(examples),
        "stations": settings.stations,
        "temperature": temperature.tolist(),
        "training": ended,
        "seconds": seconds,
        "options": vars(options),
        **(about or {}),
    }
    network = MultistationEnsemble(
        module, jnp.asarray(temperature, module.spread.dtype), tuple(map(str, stations)),
        json.dumps(card),
    )  # fmt: skip
    return FittedMultistation(
        network, pd.concat(history, ignore_index=True), weight[1] > 0, seconds
    )


def _check_views(examples: Examples, settings: MultistationSettings, stations: Any) -> None:
    """Refuse views that do not fit the network."""
    view = examples.features
    check_kind("fit_multistation", View, "features must be a batch of `View`s", features=view)
    shape = view.signal.shape[-2:]
    if shape != (settings.samples, settings.channels):
        raise InputError(
            f"fit_multistation: signals have {shape[0]} samples of {shape[1]} channels; the "
            f"settings say {settings.samples} of {settings.channels}"
        )
    most = int(max(np.max(view.station, initial=-1), np.max(view.extra_station, initial=-1)))
    if most >= settings.stations:
        raise InputError(
            f"fit_multistation: a station has the number {most}; the settings have "
            f"{settings.stations} stations, numbered from 0"
        )
    if len(stations) not in (0, settings.stations):
        raise InputError(
            f"fit_multistation: {len(stations)} names of stations for {settings.stations} stations"
        )
    if settings.base and not np.any(view.base[..., 1] > 0):
        raise InputError("fit_multistation: the settings have a base, but no view has one")


def _split(
    key: PRNGKeyArray, examples: Examples, held_out: np.ndarray, members: int
) -> tuple[np.ndarray, list[PRNGKeyArray]]:
    """Weights by a given split; an event on both sides is refused."""
    if held_out.shape != (len(examples),) or held_out.dtype != bool:
        raise InputError(f"fit_multistation: held_out must be {len(examples)} of True or False")
    shared = np.intersect1d(examples.event[held_out], examples.event[~held_out])
    if len(shared):
        raise InputError(
            f"fit_multistation: {len(shared)} events are in both halves of the split (first: "
            f"{shared[0]!r}); hold out whole events"
        )
    weight = np.where([~held_out, held_out], examples.weight, 0.0)
    starts = [jax.random.fold_in(key, member) for member in range(members)]
    return np.repeat(weight[:, None], members, axis=1), starts


def _part(options: TrainingOptions, share: float, rate: float) -> TrainingOptions:
    epochs = max(1, round(share * options.epochs))
    return replace(options, epochs=epochs, learning_rate=rate * options.learning_rate)


def recalibrated(
    members: Any, examples: Examples, held_out: np.ndarray, score: NegativeLogDensity
) -> np.ndarray:
    """Coefficients of the factors on the scales with the least loss of held-out rows.

    A row is predicted by the members that held it out, (members, rows).
    """
    from scipy.optimize import minimize

    rows = np.flatnonzero(held_out.any(axis=0))
    part = examples.rows(rows)
    each = each_forecast(members, part.features)
    use = jnp.asarray(held_out[:, rows])[:, :, None]
    target = jnp.asarray(np.where(part.mask, part.log10_pga, 0.0), jnp.float32)
    weight = part.weight[:, None] * part.mask
    upper = jnp.asarray(part.upper) if part.upper.any() else None
    view = jax.tree.map(jnp.asarray, part.features)

    @jax.jit
    @jax.value_and_grad
    def loss(coefficients: Any) -> Any:
        mixture = merge(each, factors(coefficients, view), use)
        lost = score(lambda _: mixture, None, target, upper)
        return jnp.sum(weight * lost) / np.sum(weight)

    def plain(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = loss(jnp.asarray(coefficients, jnp.float32))
        return float(value), np.asarray(slope, np.float64)

    bounds = [tuple(np.log(TEMPERATURES))] * 4
    return minimize(plain, np.zeros(4), jac=True, method="L-BFGS-B", bounds=bounds).x
