"""Compiled scoring of windows, and of their evidence over time."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from eqstat import edge
from eqstat._core.checks import check_kind, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained, explained
from eqstat.waveform.classifier._sequence import started
from eqstat.waveform.classifier._train import Classifier


@explained
class Ratio(NamedTuple):
    """Answer of a classifier of whatever kind.

    Attributes
    ----------
    log_ratio
        Natural log of the likelihood ratio of an earthquake to other motion, (rows,).
    probability
        Posterior probability of an earthquake at the scorer's prior odds, (rows,).
    status
        Code of `eqstat.edge.Status`: OK; UNFAMILIAR, where the ratio was drawn towards 1;
        BAD_INPUT, where it is NaN, (rows,).

    Examples
    --------
    >>> Ratio(0.0, 0.5, 0).probability
    0.5
    """

    log_ratio: Any
    probability: Any
    status: Any


class RatioScorer(Explained, eqx.Module):
    """Arrays of a classifier that `score` and `step` use; a pytree for `jax.jit`.

    Attributes
    ----------
    model
        Arrays by name, as `eqstat.edge.waveform` takes them.

    Examples
    --------
    See `scorer`.
    """

    model: dict[str, Any]


def scorer(classifier: Classifier, *, prior_odds: float | int = 1.0) -> RatioScorer:
    """Make the scorer of a trained classifier.

    Parameters
    ----------
    classifier
        From `train`.
    prior_odds
        Odds of an earthquake before the window is seen, above 0; they have nothing to do with the
        balance of the training data.

    Returns
    -------
    RatioScorer

    Examples
    --------
    >>> import jax
    >>> from eqstat.waveform.classifier import Design, Perceptron, simulate, train
    >>> windows = simulate(jax.random.key(0), Perceptron(0.0, [2.0]), Design(windows=300))
    >>> classifier = train(jax.random.key(1), windows)
    >>> compiled = jax.jit(score)
    >>> even = compiled(scorer(classifier), jnp.array([[1.5]]))
    >>> rare = compiled(scorer(classifier, prior_odds=0.001), jnp.array([[1.5]]))
    >>> bool(even.log_ratio[0] == rare.log_ratio[0]), bool(rare.probability[0] < 0.1)
    (True, True)
    """
    check_kind("scorer", Classifier, "see `train`", classifier=classifier)
    arrays = classifier.arrays(prior_odds=prior_odds)
    return RatioScorer({name: jnp.asarray(value) for name, value in arrays.items()})


def score(scorer: RatioScorer, features: Float[Array, "rows features"]) -> Ratio:
    """Score rows of features as they are given in tables; pure JAX, safe in `jax.jit`.

    Parameters
    ----------
    scorer
        From `scorer`.
    features
        In the order of `Classifier.features`, (rows, features).

    Returns
    -------
    Ratio
        Never an error for data: rows that cannot be scored have a status.

    Examples
    --------
    See `scorer`.
    """
    ratio, _, status = edge.waveform(jnp, scorer.model, jnp.asarray(features))
    return answered(scorer.model, ratio, status)


def init(devices: int) -> Float[Array, "devices 3"]:
    """Return the states of devices before the first second of evidence.

    Parameters
    ----------
    devices
        Number of devices, at least 1.

    Returns
    -------
    Array
        (devices, 3), for `step`.

    Examples
    --------
    >>> init(2).tolist()
    [[-1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
    """
    check_whole("init", 1, devices=devices)
    return jnp.asarray(started(devices))


def step(
    scorer: RatioScorer,
    state: Float[Array, "devices 3"],
    features: Float[Array, "devices features"],
) -> tuple[Float[Array, "devices 3"], Ratio]:
    """Add a second of each device to its evidence since `init`; pure JAX, safe in `jax.jit`.

    Begin at a device's trigger (or the onset of a P wave): the ratio says whether what began there
    is an earthquake. A second that cannot be scored or is unfamiliar adds nothing.

    Parameters
    ----------
    scorer
        From `scorer`, of a classifier that was trained with `sequence`.
    state
        From `init` or the last `step`.
    features
        Features of this second's window of each device, (devices, features).

    Returns
    -------
    state : Array
        For the next second.
    ratio : Ratio
        Calibrated ratio of all seconds so far, with the status of this one.

    Raises
    ------
    eqstat.InputError
        When the classifier was trained without `sequence`.

    Examples
    --------
    >>> import jax
    >>> from eqstat.waveform.classifier import Design, Perceptron, prepare, simulate, train
    >>> table = simulate(jax.random.key(0), Perceptron(0.0, [2.0]), Design(windows=400)).table
    >>> table = table.sort_values("is_earthquake", ignore_index=True)
    >>> table = table.assign(record=table.index // 4, second=table.index % 4 + 1)
    >>> windows = prepare(table, ["x0"], group="record")
    >>> classifier = train(jax.random.key(1), windows, sequence=("record", "second"))
    >>> state, first = step(scorer(classifier), init(1), jnp.array([[1.0]]))
    >>> state, second = step(scorer(classifier), state, jnp.array([[1.0]]))
    >>> bool(second.log_ratio[0] > first.log_ratio[0])
    True
    """
    if "time_step" not in scorer.model:
        raise InputError("step: the classifier was trained without `sequence`")
    ratio, _, status = edge.waveform(jnp, scorer.model, jnp.asarray(features))
    state, total = edge.accumulate(jnp, scorer.model, state, ratio, status)
    return state, answered(scorer.model, total, status)


def answered(model: dict[str, Any], ratio: Any, status: Any) -> Ratio:
    """Return the answer of log ratios at the model's prior odds."""
    odds = jnp.clip(ratio + model["log_prior_odds"], -80.0, 80.0)
    return Ratio(ratio, 1 / (1 + jnp.exp(-odds)), status)
