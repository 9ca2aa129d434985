"""Training: an ensemble by folds of groups, its recalibration, and what is familiar."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.checks import check_key, check_kind, check_probability, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.inference import bucket_size, pad_rows
from eqstat.inference.descent import TrainingOptions, descend, stacked
from eqstat.waveform._features._settings import FeatureSettings
from eqstat.waveform._features._window import window_features
from eqstat.waveform.classifier import _familiarity
from eqstat.waveform.classifier._data import Scaling, scaling_of
from eqstat.waveform.classifier._familiarity import Familiarity
from eqstat.waveform.classifier._folds import folds_by, folds_of
from eqstat.waveform.classifier._recalibration import RatioCalibration, recalibrate
from eqstat.waveform.recurrent._data import Waves, labels_of
from eqstat.waveform.recurrent._network import RecurrentNetwork, init_network, turned
from eqstat.waveform.recurrent._settings import RecurrentSettings

# Features that say whether a window is like those of the training: known of every sensor.
KNOWN = (
    "iqr_m_s2", "zero_crossings", "cav_m_s", "peak_m_s2", "duration_s", "dominant_period_s",
    "polarization",
)  # fmt: skip
# Rows that are evaluated at a time: activations of more would not fit the cache of a small machine.
BLOCK = 512
OPTIONS = TrainingOptions(
    epochs=40, batch=128, learning_rate=3e-3, weight_decay=0.02, patience=8, clip=1.0
)


@dataclass(frozen=True)
class RecurrentClassifier(Explained):
    """A trained ensemble: what `scorer` compiles.

    Attributes
    ----------
    members
        Networks, arrays with a leading axis of members.
    calibration
        Recalibration of a member's log ratios.
    scaling, familiarity
        Transformation of the window's features, and their centres, whitening and level in the
        training data.
    held_out
        Of each training window `log_ratio` by the member that knows nothing of its group, before
        recalibration, `distance` and `fold`.
    history
        Losses by member and epoch.
    card
        Numbers of windows and groups, epochs: what a model card says.

    Examples
    --------
    See `train`.
    """

    members: RecurrentNetwork
    calibration: RatioCalibration
    scaling: Scaling
    familiarity: Familiarity
    held_out: pd.DataFrame
    history: pd.DataFrame
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> RecurrentSettings:
        """Sizes of the networks."""
        return self.members.settings


class _Loss(eqx.Module):
    """Negative log probability of each label where either class counts half."""

    turn: bool = eqx.field(static=True)

    def __call__(self, module: RecurrentNetwork, rows: tuple, key: Any) -> Array:
        samples, mask, label = rows
        drop = None
        if key is not None:
            spin, drop = jax.random.split(key)
            samples = turned(spin, samples) if self.turn else samples
        logit = module(samples, mask, drop)
        return jax.nn.softplus(jnp.where(label > 0, -logit, logit))


def train(
    key: PRNGKeyArray,
    waves: Waves,
    *,
    group: str | Sequence[str],
    folds: int = 5,
    options: TrainingOptions | None = None,
    turn: bool = True,
    unfamiliar_share: float = 0.01,
    checkpoint: str | os.PathLike | None = None,
    progress: bool | None = None,
) -> RecurrentClassifier:
    r"""Train an ensemble whose log likelihood ratios are calibrated on held-out groups.

    Groups are shared out to K folds. Member m is trained without folds m and m + 1: the second
    stops it, the first it never sees. Rows are drawn so that each class is half of them, so that
    the output of a network is the log likelihood ratio $r_m$ whatever the balance of the table.
    Ratios of each window by the member that does not know its fold give the recalibration
    (`eqstat.waveform.classifier.RatioCalibration`) and the level of the distance beyond which a
    window is unfamiliar. Recalibrated ratios of the members are averaged as probabilities at even
    odds, which makes them, if anything, too cautious.

    Parameters
    ----------
    key
        JAX random key.
    waves
        From `prepare`, with `is_earthquake` and the columns of `group` in its table.
    group
        Column, or several, whose values name windows that depend on each other: event, trial,
        record or device.
    folds
        Number of folds and of members, at least 3; fewer are made where a class has fewer groups.
    options
        Options of training.
    turn
        Whether each window is turned at random in training, as sensors lie any way.
    unfamiliar_share
        Share of the windows of a new group that the status says are unlike the training data.
    checkpoint
        File by which a training that was stopped goes on; see `eqstat.inference.descent`.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    RecurrentClassifier

    Raises
    ------
    eqstat.InputError
        When a column is missing, a class has no window or fewer than three groups.
    eqstat.inference.descent.TrainingError
        When a loss is not finite.

    References
    ----------
    Krogh, A. and Vedelsby, J. (1995), Neural network ensembles, cross validation, and active
    learning, NeurIPS 7, 231-238.

    Examples
    --------
    >>> from eqstat.inference.descent import TrainingOptions
    >>> from eqstat.waveform import Record
    >>> from eqstat.waveform.recurrent import RecurrentSettings, prepare
    >>> rng = np.random.default_rng(0)
    >>> records = [
    ...     Record(acceleration_m_s2=rng.normal(0, 0.005 + 0.015 * (n % 2), (3, 100)), rate_hz=20.0,
    ...            start_time=None, gravity="out", name=f"r{n}") for n in range(12)]
    >>> labels = pd.DataFrame({"is_earthquake": [n % 2 == 1 for n in range(12)]})
    >>> waves = prepare(records, RecurrentSettings(rate_hz=20.0, recurrent=8), labels=labels)
    >>> options = TrainingOptions(epochs=2, batch=16, learning_rate=0.01)
    >>> classifier = train(jax.random.key(0), waves, group="record", folds=3, options=options)
    >>> classifier.card["members"], len(classifier.held_out)
    (3, 48)
    """
    check_key("train", key)
    check_kind("train", Waves, "give what `prepare(...)` returns", waves=waves)
    check_kind("train", bool, "give True or False", turn=turn)
    check_whole("train", 3, folds=folds)
    check_probability("train", unfamiliar_share=unfamiliar_share)
    labels, codes = labels_of(waves.table, group, "train")
    options = OPTIONS if options is None else options
    keys = [jax.random.fold_in(key, task) for task in range(4)]
    fold = folds_of(keys[0], codes, labels, folds, owner="train")
    members = int(fold.max()) + 1
    if members < 3:
        raise InputError("train: a class has windows of two groups only; three are needed")
    fitting, stopping = _weights(fold, labels, members)
    starts = [init_network(jax.random.fold_in(keys[1], m), waves.settings) for m in range(members)]
    size = bucket_size(len(waves))
    columns = (waves.samples, waves.mask, labels.astype(np.float32))
    done = descend(
        keys[2], stacked(starts), tuple(pad_rows(each, size) for each in columns), fitting,
        stopping, _Loss(turn), options=options, block=BLOCK, checkpoint=checkpoint,
        progress=progress,
    )  # fmt: skip
    ratio = log_ratios(done.module, waves.samples, waves.mask)[np.arange(len(fold)), fold]
    calibration = recalibrate(keys[3], ratio.astype(np.float64), labels, codes)
    values = known_features(waves)
    scaling = scaling_of(values, labels, KNOWN, None, "windows")
    z, distance = scaling(values), np.empty(len(fold))
    for number in range(members):
        out = fold == number
        distance[out] = _familiarity.learned(z[~out], labels[~out]).distance(z[out])
    level = _familiarity.level_of(distance, codes, unfamiliar_share)
    return RecurrentClassifier(
        done.module,
        calibration,
        scaling,
        _familiarity.learned(z, labels)._replace(level=level),
        pd.DataFrame({"log_ratio": ratio, "distance": distance / level, "fold": fold}),
        done.history,
        {
            "members": members,
            "windows_of_earthquakes": int(labels.sum()),
            "other_windows": int((~labels).sum()),
            "groups_of_earthquakes": len(np.unique(codes[labels])),
            "other_groups": len(np.unique(codes[~labels])),
            "rate_hz": waves.settings.rate_hz,
            "best_epoch": done.best_epoch.tolist(),
            "recalibration_exponent": calibration.exponent,
            "lapse": float(np.mean(calibration.lapse)),
            "training": done.result.value,
        },
    )


def predict_held_out(
    key: PRNGKeyArray,
    waves: Waves,
    *,
    group: str | Sequence[str],
    folds: int | str = 5,
    checkpoint: str | os.PathLike | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Log likelihood ratios of all windows by classifiers trained without their groups.

    Networks, recalibration and level of the distance are learned anew without each fold.

    Parameters
    ----------
    key
        JAX random key.
    waves, group
        As in `train`.
    folds
        Number of folds of the groups, or a column whose values are the folds, such as the device,
        to leave out one at a time.
    checkpoint
        Beginning of the names of the files by which a training that was stopped goes on.
    **options
        Of `train`; its folds are `inner_folds`.

    Returns
    -------
    pandas.DataFrame
        The table of the windows with `log_ratio`, `status`, `fold` and `group_number`.

    Raises
    ------
    eqstat.InputError
        When a fold leaves one class only, a group lies in two folds, or an argument cannot be
        used.

    Examples
    --------
    >>> from eqstat.inference.descent import TrainingOptions
    >>> from eqstat.waveform import Record
    >>> from eqstat.waveform.recurrent import RecurrentSettings, prepare
    >>> rng = np.random.default_rng(0)
    >>> records = [
    ...     Record(acceleration_m_s2=rng.normal(0, 0.005 + 0.015 * (n % 2), (3, 100)), rate_hz=20.0,
    ...            start_time=None, gravity="out", name=f"r{n}") for n in range(12)]
    >>> labels = pd.DataFrame({"is_earthquake": [n % 2 == 1 for n in range(12)]})
    >>> waves = prepare(records, RecurrentSettings(rate_hz=20.0, recurrent=8), labels=labels)
    >>> table = predict_held_out(
    ...     jax.random.key(0), waves, group="record", folds=2, inner_folds=3,
    ...     options=TrainingOptions(epochs=1, batch=16))
    >>> len(table), sorted(table["fold"].unique().tolist())
    (48, [0, 1])
    """
    from eqstat.waveform.recurrent._scorer import score_waves, scorer

    check_key("predict_held_out", key)
    check_kind("predict_held_out", Waves, "give what `prepare(...)` returns", waves=waves)
    owner = "predict_held_out"
    labels, codes = labels_of(waves.table, group, owner)
    fold = folds_by(jax.random.fold_in(key, 0), waves.table, codes, labels, folds, owner=owner)
    inner = options.pop("inner_folds", 5)
    out = pd.DataFrame(index=waves.table.index, columns=["log_ratio", "status"], dtype=float)
    for number in np.unique(fold):
        own = jax.random.fold_in(key, int(number) + 1)
        path = None if checkpoint is None else Path(f"{checkpoint}-{number}.npz")
        part = waves.rows(fold != number)
        one = train(own, part, group=group, folds=inner, checkpoint=path, **options)
        answer = score_waves(scorer(one), waves.rows(fold == number))
        out.loc[fold == number, "log_ratio"] = np.asarray(answer.log_ratio, np.float64)
        out.loc[fold == number, "status"] = np.asarray(answer.status)
    return waves.table.assign(
        log_ratio=out["log_ratio"], status=out["status"].astype(int), fold=fold, group_number=codes
    )


def _weights(fold: np.ndarray, labels: np.ndarray, members: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the rows in each member's training and early stopping: each class is half."""
    out = []
    for member in range(members):
        stop = fold == (member + 1) % members
        pair = (~stop & (fold != member), stop)
        for rows in pair:
            if not (labels & rows).any() or not (~labels & rows).any():
                raise InputError("train: a fold has one class only; give more groups or less folds")
        out.append(
            [rows * np.where(labels, 1 / (rows & labels).sum(), 1 / (rows & ~labels).sum())
             for rows in pair]
        )  # fmt: skip
    fitting, stopping = np.moveaxis(np.array(out), 1, 0)
    return fitting, stopping


def known_features(waves: Waves) -> np.ndarray:
    """Features of the windows by which familiarity is judged, (windows, features)."""
    settings = feature_settings(waves.settings)
    parts = []
    for first in range(0, len(waves), BLOCK):
        part = slice(first, first + BLOCK)
        rows = len(waves.samples[part])
        size = bucket_size(rows)
        x, valid = (jnp.asarray(pad_rows(y[part], size)) for y in (waves.samples, waves.mask))
        features = window_features(x, settings, mask=valid)
        parts.append(np.stack([np.asarray(getattr(features, n))[:rows] for n in KNOWN], axis=1))
    return np.concatenate(parts).astype(np.float64)


def feature_settings(settings: RecurrentSettings) -> FeatureSettings:
    """Settings of the features of a network's windows."""
    length = settings.samples / settings.rate_hz
    return FeatureSettings(settings.rate_hz, length, length, length, settings.least_share)


@eqx.filter_jit
def each_ratio(members: Any, samples: Any, mask: Any) -> Array:
    """Log ratios of all members, (members, windows)."""
    return eqx.filter_vmap(
        lambda one, x, m: one(x, m), in_axes=(eqx.if_array(0), None, None)
    )(members, samples, mask)  # fmt: skip


def log_ratios(members: Any, samples: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Log ratios of all members in blocks, (windows, members)."""
    parts = []
    for first in range(0, len(samples), BLOCK):
        x, m = samples[first : first + BLOCK], mask[first : first + BLOCK]
        size = bucket_size(len(x))
        ratio = np.asarray(each_ratio(members, pad_rows(x, size), pad_rows(m, size)))
        parts.append(ratio.T[: len(x)])
    return np.concatenate(parts)
