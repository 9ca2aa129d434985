"""Compiled scoring of windows of samples."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from eqstat import edge
from eqstat._core.checks import check_kind, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.inference import bucket_size, pad_rows
from eqstat.waveform._features._window import features_of, sensor_of
from eqstat.waveform.classifier import Ratio
from eqstat.waveform.classifier._scorer import answered
from eqstat.waveform.recurrent._data import Waves
from eqstat.waveform.recurrent._network import RecurrentNetwork
from eqstat.waveform.recurrent._train import (
    BLOCK,
    KNOWN,
    RecurrentClassifier,
    each_ratio,
    feature_settings,
)

DRAWN = ("low", "high", "shift", "lapse")
SCALED = ("logged", "floor", "centre", "scale")


class RecurrentScorer(Explained, eqx.Module):
    """Arrays of a classifier that `score` uses; a pytree for `jax.jit`.

    Attributes
    ----------
    members
        Networks, arrays with a leading axis of members.
    model
        Recalibration, scaling and familiarity by name.

    Examples
    --------
    See `scorer`.
    """

    members: RecurrentNetwork
    model: dict[str, Any]


def scorer(classifier: RecurrentClassifier, *, prior_odds: float | int = 1.0) -> RecurrentScorer:
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
    RecurrentScorer

    Examples
    --------
    >>> import jax
    >>> import pandas as pd
    >>> from eqstat.inference.descent import TrainingOptions
    >>> from eqstat.waveform import Record
    >>> from eqstat.waveform.recurrent import RecurrentSettings, prepare, train
    >>> rng = np.random.default_rng(0)
    >>> records = [
    ...     Record(acceleration_m_s2=rng.normal(0, 0.005 + 0.015 * (n % 2), (3, 100)), rate_hz=20.0,
    ...            start_time=None, gravity="out", name=f"r{n}") for n in range(12)]
    >>> labels = pd.DataFrame({"is_earthquake": [n % 2 == 1 for n in range(12)]})
    >>> waves = prepare(records, RecurrentSettings(rate_hz=20.0, recurrent=8), labels=labels)
    >>> options = TrainingOptions(epochs=1, batch=16)
    >>> classifier = train(jax.random.key(0), waves, group="record", folds=3, options=options)
    >>> even = score(scorer(classifier), waves.samples)
    >>> rare = score(scorer(classifier, prior_odds=0.001), waves.samples)
    >>> bool(even.log_ratio[0] == rare.log_ratio[0]), bool(rare.probability.max() < 0.5)
    (True, True)
    """
    check_kind("scorer", RecurrentClassifier, "see `train`", classifier=classifier)
    check_range("scorer", 0, ends="()", prior_odds=prior_odds)
    familiarity = classifier.familiarity
    arrays = {
        **{name: getattr(classifier.calibration, name) for name in DRAWN},
        **{name: getattr(classifier.scaling, name) for name in SCALED},
        "home": familiarity.home,
        "root": familiarity.root,
        "familiar": familiarity.level,
        "log_prior_odds": np.log(prior_odds),
    }
    dtype = classifier.members.last.dtype
    return RecurrentScorer(
        classifier.members, {name: jnp.asarray(value, dtype) for name, value in arrays.items()}
    )


def score(
    scorer: RecurrentScorer,
    samples: Float[Array, "windows 3 samples"] | np.ndarray,
    mask: Bool[Array, "windows samples"] | np.ndarray | None = None,
) -> Ratio:
    """Score windows of acceleration; pure JAX, safe in `jax.jit`.

    Parameters
    ----------
    scorer
        From `scorer`.
    samples
        Acceleration at the rate of the settings, m/s2, with gravity or without, (windows, 3,
        samples). What is no number is missing.
    mask
        Which samples there are, (windows, samples); by default all.

    Returns
    -------
    Ratio
        Never an error for data: windows that cannot be scored are NaN and have the status
        TOO_FEW (samples) or BAD_INPUT (no motion).

    Raises
    ------
    eqstat.InputError
        When the shape is not that of the settings.

    Examples
    --------
    See `scorer`.
    """
    settings, model = scorer.members.settings, scorer.model
    samples = jnp.asarray(samples, scorer.members.last.dtype)
    if samples.ndim != 3 or samples.shape[1:] != (3, settings.samples):
        raise InputError(
            f"score: samples must have the shape (windows, 3, {settings.samples}), not "
            f"{samples.shape}"
        )
    given = jnp.ones((len(samples), settings.samples), bool) if mask is None else jnp.asarray(mask)
    if given.shape != (len(samples), settings.samples):
        raise InputError(f"score: mask must have the shape {(len(samples), settings.samples)}")
    features = features_of(
        samples, given, jnp.full(len(samples), jnp.nan, samples.dtype),
        sensor_of(feature_settings(settings), samples.dtype),
    )  # fmt: skip
    known = jnp.stack([getattr(features, name) for name in KNOWN], axis=1)
    good = jnp.all(jnp.isfinite(known), axis=1)
    z = edge.standardised(jnp, model, jnp.where(good[:, None], known, 1.0))
    own = (model[name] for name in DRAWN)
    draws = edge.recalibrated(jnp, each_ratio(scorer.members, samples, given).T, *own)
    ratio = edge.log_ratio_of_draws(jnp, draws.reshape(len(samples), -1))
    ratio, _, status = edge.familiar(jnp, model, z, ratio)
    few = features.status == edge.Status.TOO_FEW
    bad = jnp.where(few, edge.Status.TOO_FEW, edge.Status.BAD_INPUT)
    return answered(model, jnp.where(good, ratio, jnp.nan), jnp.where(good, status, bad))


_compiled = eqx.filter_jit(score)


def score_waves(scorer: RecurrentScorer, waves: Waves) -> Ratio:
    """Score windows of `prepare` in blocks on the host."""
    parts = []
    for first in range(0, len(waves), BLOCK):
        x, m = waves.samples[first : first + BLOCK], waves.mask[first : first + BLOCK]
        size = bucket_size(len(x))
        answer = _compiled(scorer, pad_rows(x, size), pad_rows(m, size))
        parts.append([np.asarray(each)[: len(x)] for each in answer])
    return Ratio(*(np.concatenate(each) for each in zip(*parts, strict=True)))
