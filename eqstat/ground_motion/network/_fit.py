r"""From a table of ground motions to a trained network.

    table -> trend, scaling -> ensemble on bootstraps of the events -> temperature -> `Network`

The out-of-bag events of the members are used for early stopping, the temperature and the scores of
the model card. No event is in both training and validation of a member.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array, PRNGKeyArray
from scipy.optimize import minimize_scalar

import eqstat
from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion.mixture._mixture import Mixture, crps, exceedance, log_density
from eqstat.ground_motion.network._examples import Examples, event_correlation, event_weights
from eqstat.ground_motion.network._features import (
    FEATURES,
    Feature,
    FeatureNoise,
    Scaling,
    transform,
)
from eqstat.ground_motion.network._network import (
    Member,
    Network,
    NetworkPredictor,
    each_member,
    init_member,
    merge,
    trainable,
)
from eqstat.ground_motion.network._train import TrainingOptions, TrainingResult, train_ensemble
from eqstat.ground_motion.network._trend import fit_trend, trend_basis, trend_prior
from eqstat.schema import check_ground_motions

TEMPERATURES = (0.5, 2.0)


@dataclass(frozen=True)
class FittedNetwork(Explained):
    """A trained network with its training history and examples.

    Attributes
    ----------
    network
        The network to use and save.
    trained
        History and result of the training.
    examples
        Training examples, in the order of the table's rows.
    correlation
        Correlation of the records of one event about the trend.
    notes
        Remarks on the data.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> table = simulate(jax.random.key(0), GroundMotion(), Design(events=30, stations=20)).table
    >>> options = TrainingOptions(epochs=5)
    >>> fitted = fit_network(jax.random.key(1), table, members=2, options=options)
    >>> fitted.network.card["trained_on"]["events"]
    30
    """

    network: Network
    trained: TrainingResult
    examples: Examples
    correlation: float
    notes: tuple[str, ...]

    def predictor(self) -> NetworkPredictor:
        """Ground-motion predictor; see `Network.predictor`."""
        return self.network.predictor()


def fit_network(
    key: PRNGKeyArray,
    table: pd.DataFrame,
    *,
    features: tuple[Feature, ...] = FEATURES,
    members: int = 8,
    components: int = 3,
    hidden: tuple[int, int] = (16, 2),
    smoothness: float | int | None = None,
    options: TrainingOptions | None = None,
    about: Mapping[str, Any] | None = None,
    name: str = "ground motions",
    check_unit: bool = True,
    progress: bool | None = None,
) -> FittedNetwork:
    """Train an ensemble of mixture density networks on a table of ground motions.

    The trend is fitted first, for each member on its own bootstrap of the events, with the weights
    of `event_weights` and centred on its own draw from the trend's prior; then the networks learn
    the residual and its scatter. The scatter is the total one: event, station and record. Bootstrap
    and prior draw make the members' trends approximate draws of the posterior, which diverge where
    the records carry little information.

    An optional feature is hidden in one of five records of each step, so that the prediction
    without it marginalises over its values in training. A feature missing from all rows is dropped,
    with a note.

    Parameters
    ----------
    key
        JAX random key.
    table
        Table of the ground-motions contract. Limit it to distances at which weak and
        strong records alike were kept.
    features
        Input features: columns of the table.
    members, components, hidden
        Networks of the ensemble, Gaussians of each, width and number of its hidden layers.
    smoothness
        Noise on features that all records of an event share, in their standard deviations, at
        least 0, which smooths the dependence on magnitude and depth. By default Scott's bandwidth
        for the number of events, $n^{-1/(d + 4)}$ with d such features.
    options
        Options of training.
    about
        Additional entries of the model card: JSON values, such as `licence` and `what`.
    name
        Name of the table in messages and in the card.
    check_unit
        Whether to check the unit of PGA by plausibility.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    FittedNetwork

    Raises
    ------
    eqstat.InputError
        When the table is invalid, a feature is missing or infinite, or there are too few events.
    eqstat.ground_motion.network.TrainingError
        When the loss is not finite.

    References
    ----------
    Chen, Y. and Oliver, D. (2012), Ensemble randomized maximum likelihood method as an iterative
    ensemble smoother, Mathematical Geosciences 44, 1-26 (draws by perturbed data and prior).
    Scott, D. (1992), Multivariate Density Estimation, Wiley. Bishop, C. (1995), Training with
    noise is equivalent to Tikhonov regularization, Neural Computation 7(1), 108-116.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> table = simulate(jax.random.key(0), GroundMotion(), Design(events=30, stations=20)).table
    >>> options = TrainingOptions(epochs=5)
    >>> fitted = fit_network(jax.random.key(1), table, members=2, options=options)
    >>> mixture = fitted.predictor()(6.0, jnp.array([20.0, 80.0]), 8.0, jnp.nan)
    >>> near, far = exceedance(mixture, -1.0)
    >>> bool(near > far)
    True
    """
    try:
        json.dumps(dict(about or {}))
    except TypeError as error:
        raise InputError(f"fit_network: about must hold plain values only: {error}") from error
    checked: Any = check_ground_motions(table, name=name, check_unit=check_unit)
    notes = [str(note) for note in checked.attrs["notes"]]
    features, values = _features(checked, features, notes, name)
    target = np.log10(checked["pga_m_s2"].to_numpy(np.float64))
    event = checked["event"].to_numpy(str)
    optional = tuple(f.name for f in features if f.optional)
    names = tuple(f.name for f in features)
    plain = Examples(values, target, event, names=names, optional=optional)
    scaling = scaling_of(features, values)
    given = jnp.asarray(values, scaling.mean.dtype)
    columns = np.asarray(trend_basis(scaling, given, scaling(given)), np.float64)
    prior = trend_prior(features)
    residual = target - columns @ fit_trend(columns, target, event_weights(event, 0.5), prior)[0]
    correlation = event_correlation(event, residual)
    examples = Examples(
        values, target, event, event_weights(event, correlation), names=names, optional=optional
    )

    def make(key: PRNGKeyArray, weight: np.ndarray) -> Member:
        first, second = jax.random.split(key)
        drawn = prior[0] + prior[1] * np.asarray(jax.random.normal(second, prior[0].shape))
        trend, spread = fit_trend(columns, target, weight, (drawn, prior[1]))
        return init_member(first, scaling, trend, spread, components=components, hidden=hidden)

    options = TrainingOptions() if options is None else options
    smoothness, noise = _noise(features, values, event, smoothness)
    trained = train_ensemble(
        key,
        make,
        examples,
        members=members,
        options=options,
        trainable=trainable,
        augment=FeatureNoise(noise, features),
        progress=progress,
    )
    held_out, mixture = out_of_bag_predictions(trained, plain)
    weight = examples.weight[held_out]
    temperature = fit_temperature(mixture, target[held_out], weight)
    scores = _scores(_tempered(mixture, temperature), target[held_out], event[held_out])
    card = {
        "what": "mixture density network of log10 PGA (m/s2)",
        "trained_on": _described(checked, name),
        "features": [vars(feature) for feature in features],
        "event_correlation": correlation,
        "temperature": temperature,
        "out_of_bag": scores,
        "members": members,
        "components": components,
        "hidden": list(hidden),
        "smoothness": smoothness,
        "options": vars(options),
        "result": trained.result.value,
        "best_epochs": trained.best_epoch.tolist(),
        "key": np.asarray(jax.random.key_data(_typed(key))).tolist(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {m.__name__: m.__version__ for m in (eqstat, jax, eqx, optax, np)},
        "notes": notes,
        **(about or {}),
    }
    factor = jnp.asarray(temperature, scaling.mean.dtype)
    return FittedNetwork(
        Network(trained.module, factor, json.dumps(card)), trained, plain, correlation, tuple(notes)
    )


def _typed(key: PRNGKeyArray) -> PRNGKeyArray:
    return key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)


def _features(
    table: Any, features: tuple[Feature, ...], notes: list[str], name: str
) -> tuple[tuple[Feature, ...], np.ndarray]:
    """Columns of the available features; optional ones missing from all rows are dropped."""
    kept, columns = [], []
    for feature in features:
        present = feature.name in table.columns
        if feature.optional and not (present and table[feature.name].notna().any()):
            notes.append(f"{name}: no row has {feature.name}: the network does without it")
            continue
        if not present:
            raise InputError(f"{name}: no column {feature.name!r}, which is a feature")
        column = table[feature.name].to_numpy(np.float64)
        if feature.log and (bad := np.flatnonzero(column <= 0)).size:
            raise InputError(
                f"{name}: column {feature.name!r}: not above 0 in {bad.size} rows (first rows "
                f"{bad[:3].tolist()}); its logarithm is a feature"
            )
        kept.append(feature)
        columns.append(column)
    if not kept:
        raise InputError(f"{name}: there is no feature to learn from")
    return tuple(kept), np.stack(columns, axis=-1)


def _noise(
    features: tuple[Feature, ...], values: np.ndarray, event: np.ndarray, share: float | int | None
) -> tuple[float, Array]:
    """Noise of the features that are constant within an event and not logarithmic."""
    if share is not None:
        check_range("fit_network", 0, smoothness=share)
    _, first, number = np.unique(event, return_index=True, return_inverse=True)
    shared = np.all(values[first][number] == values, axis=0)
    which = shared & np.array([not feature.log for feature in features])
    if share is None:
        share = float(len(first) ** (-1.0 / (4 + which.sum())))
    # Each event once: a standard deviation of events, not of records.
    return float(share), jnp.asarray(np.where(which, share * np.nanstd(values[first], axis=0), 0.0))


def scaling_of(features: tuple[Feature, ...], values: np.ndarray) -> Scaling:
    """Scaling of features by their own mean, sd and range; NaN is ignored."""
    dtype = jnp.result_type(float)
    with jax.enable_x64(True):
        plain = np.asarray(transform(features, jnp.asarray(values, jnp.float64)))
    sd = np.nanstd(plain, axis=0)
    mean, low, high = (
        np.nanmean(plain, axis=0),
        np.nanmin(values, axis=0),
        np.nanmax(values, axis=0),
    )
    parts = (mean, np.where(sd > 0, sd, 1.0), low, high)
    mean, sd, low, high = (jnp.asarray(part, dtype) for part in parts)
    return Scaling(mean, sd, low, high, features)


def out_of_bag_predictions(
    trained: TrainingResult, examples: Examples
) -> tuple[np.ndarray, Mixture]:
    """Predict each record by the members whose bootstrap left out its event.

    Parameters
    ----------
    trained
        An ensemble of `train_ensemble` on these examples.
    examples
        The same examples.

    Returns
    -------
    held_out : numpy.ndarray
        Rows held out by at least one member.
    mixture : Mixture
        Predictions of these rows, (rows, members x components).

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, simulate
    >>> table = simulate(jax.random.key(0), GroundMotion(), Design(events=30, stations=20)).table
    >>> options = TrainingOptions(epochs=5)
    >>> fitted = fit_network(jax.random.key(1), table, members=2, options=options)
    >>> held_out, mixture = out_of_bag_predictions(fitted.trained, fitted.examples)
    >>> mixture.mean.shape[0] == len(held_out)
    True
    """
    held_out = np.flatnonzero(trained.out_of_bag.any(axis=0))
    features = jax.tree.map(lambda leaf: jnp.asarray(leaf[held_out]), examples.features)
    use = jnp.asarray(trained.out_of_bag[:, held_out])
    return held_out, _judge(trained.module, features, use)


@eqx.filter_jit
def _judge(members: Any, features: Any, use: Array) -> Mixture:
    return merge(each_member(members, features), 1.0, use)


def _tempered(mixture: Mixture, temperature: Any) -> Mixture:
    return Mixture(mixture.log_weight, mixture.mean, mixture.scale * temperature)


def fit_temperature(mixture: Mixture, log10_pga: np.ndarray, weight: np.ndarray) -> float:
    """Factor on all scales that maximises the likelihood of held-out records, in [0.5, 2].

    A single number, which a few dozen events constrain.

    Examples
    --------
    Forecasts whose scale is half of the actual scatter:

    >>> target = np.random.default_rng(0).normal(size=2000)
    >>> narrow = Mixture(jnp.zeros((2000, 1)), jnp.zeros((2000, 1)), jnp.full((2000, 1), 0.6))
    >>> bool(abs(fit_temperature(narrow, target, np.ones(2000)) - 1.0 / 0.6) < 0.1)
    True
    """

    @jax.jit
    def loss(log_factor: Any) -> Any:
        each = log_density(_tempered(mixture, jnp.exp(log_factor)), log10_pga)
        return -jnp.sum(jnp.asarray(weight) * each) / jnp.sum(jnp.asarray(weight))

    bounds = tuple(np.log(TEMPERATURES))
    optimum = minimize_scalar(
        lambda t: float(loss(t)), bounds=bounds, method="bounded", options={"xatol": 1e-3}
    )
    return float(np.exp(optimum.x))


def _scores(mixture: Mixture, log10_pga: np.ndarray, event: np.ndarray) -> dict[str, Any]:
    """Mean scores of out-of-bag predictions and the coverage of their 90 % intervals."""
    pit = np.asarray(exceedance(mixture, log10_pga))
    return {
        "records": len(log10_pga),
        "events": len(np.unique(event)),
        "crps_log10": float(np.mean(np.asarray(crps(mixture, log10_pga)))),
        "log_score_log10": float(-np.mean(np.asarray(log_density(mixture, log10_pga)))),
        "within_90_percent_interval": float(np.mean(np.abs(pit - 0.5) < 0.45)),
    }


def _described(table: Any, name: str) -> dict[str, Any]:
    """Summary of the training records as JSON values."""
    ranges = {
        column: [float(table[column].min()), float(table[column].max())]
        for column in ("magnitude", "distance_km", "depth_km", "pga_m_s2")
    }
    summary: dict[str, Any] = {"name": name, "records": len(table), **ranges}
    summary["events"] = int(table["event"].nunique())
    if "station" in table.columns:
        summary["stations"] = int(table["station"].nunique())
    known = table["vs30_m_s"].notna() if "vs30_m_s" in table.columns else pd.Series([False])
    summary["records_with_vs30"] = int(known.sum())
    return summary
