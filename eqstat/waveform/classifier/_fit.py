"""Point estimates of the classifiers by BFGS, with their Laplace approximation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_kind, check_range, check_whole
from eqstat._core.random import generator
from eqstat.inference import InferenceError, Laplace, LaplaceFit, laplace
from eqstat.waveform.classifier._data import WindowData, Windows
from eqstat.waveform.classifier._dependence import exponent_of
from eqstat.waveform.classifier._likelihood import SITES, model, pointwise_log_likelihood
from eqstat.waveform.classifier._parameters import Perceptron, RatioPosterior
from eqstat.waveform.classifier._prior import Prior

MOST_HIDDEN = 64
# Starts of a network: hidden nodes are drawn, as their posterior has many modes.
STARTS = 2


@dataclass(frozen=True)
class ClassifierFit(LaplaceFit):
    """A fitted classifier: a `Fit` with the windows it is of.

    Attributes
    ----------
    windows
        The windows that were fitted, weighted by the exponent.
    exponent
        Power to which the likelihood was raised, as windows of a group depend on each other.

    Examples
    --------
    >>> import jax
    >>> from eqstat.waveform.classifier import Design, simulate
    >>> truth = Perceptron(level=-0.5, weight=[2.0, 0.0])
    >>> windows = simulate(jax.random.key(0), truth, Design(windows=400))
    >>> fit(windows).perceptron.hidden
    0
    """

    windows: Windows = field(kw_only=True)
    exponent: float = field(kw_only=True, default=1.0)

    @property
    def perceptron(self) -> Perceptron:
        """The parameters at the mode."""
        with jax.enable_x64(True):
            return Perceptron(**{name: jnp.asarray(v) for name, v in self.laplace.sites.items()})

    def posterior(self, key: PRNGKeyArray, count: int = 128) -> RatioPosterior:
        """Draw log ratios, linear in the parameters about the mode, from the approximation.

        Draws of the parameters themselves leave the curved ridge of a network's posterior; the
        linear ones (Immer et al., 2021) do not. Of the logistic regression both are the same.
        """
        mode = self.laplace.sites
        moved = {name: value - mode[name] for name, value in self.draws(key, count).items()}
        members = perceptrons({name: value[None] for name, value in mode.items()})
        order = ("level", "weight", "outer_weight", "inner_bias", "inner_weight")
        columns = [moved[name].reshape(count, -1) for name in order if name in moved]
        return RatioPosterior(members, np.concatenate(columns, axis=1))


def perceptrons(sites: Mapping[str, np.ndarray]) -> Perceptron:
    """Return the sites of draws as one object, in float64."""
    with jax.enable_x64(True):
        return Perceptron(**{name: jnp.asarray(sites[name]) for name in SITES if name in sites})


@cache
def model_of(hidden: int) -> Any:
    """Return the model with so many hidden nodes: one object, so that programs are reused."""
    return partial(model, hidden=hidden)


def weighted(windows: Windows, exponent: float) -> Windows:
    """Return the windows with each weight set to the exponent."""
    weight = np.where(np.asarray(windows.data.weight) > 0, exponent, 0.0)
    data = eqx.tree_at(lambda one: one.weight, windows.data, weight)
    return replace(windows, data=data)


def fit(
    windows: Windows,
    *,
    hidden: int = 0,
    prior: Prior | None = None,
    exponent: float | int | None = None,
    start: Perceptron | None = None,
    key: PRNGKeyArray | None = None,
    throw: bool = True,
) -> ClassifierFit:
    """Fit a classifier: the mode of the posterior, by BFGS in float64.

    Parameters
    ----------
    windows
        From `prepare` or `simulate`.
    hidden
        Number of hidden nodes, at most 64; 0 is the logistic regression.
    prior
        The priors; `Prior()` by default.
    exponent
        Power of the likelihood, in (0, 1]; by default that of the logistic regression of these
        windows, learned from how much their groups differ: fewer groups than weights cannot tell
        it for a network.
    start
        Where the search begins, such as the mode of nearly the same windows; by default at ratios
        of 1, with hidden nodes drawn at random twice.
    key
        JAX random key of the starts of hidden nodes; `jax.random.key(0)` by default.
    throw
        Raise where no usable estimate came out; with False look at the fit's `result`.

    Returns
    -------
    ClassifierFit

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.
    eqstat.inference.InferenceError
        With `throw`, when BFGS did not converge or nothing finite came out.

    Examples
    --------
    >>> from eqstat.waveform.classifier import Design, simulate
    >>> truth = Perceptron(level=-0.5, weight=[2.0, 0.0])
    >>> result = fit(simulate(jax.random.key(0), truth, Design(windows=2000)))
    >>> bool(abs(result["weight[x0]"] - 2.0) < 4 * result.standard_error["weight[x0]"])
    True
    """
    check_kind("fit", Windows, "give what `prepare(...)` returns", windows=windows)
    check_whole("fit", 0, MOST_HIDDEN, hidden=hidden)
    prior = Prior() if prior is None else prior
    if exponent is None:
        exponent = _exponent(windows, prior)
    check_range("fit", 0, 1, ends="(]", exponent=exponent)
    windows = weighted(windows, float(exponent))
    approximation = _laplace(windows.data, hidden, prior, key, start)
    labels = _labels(windows.features, hidden)
    result = ClassifierFit(
        *approximation.marginal(labels),
        objective=float(approximation.optimum.objective),
        result=approximation.result,
        diagnostics={
            "windows": len(windows.table),
            "groups": int(windows.group.max()) + 1,
            **approximation.diagnostics,
        },
        laplace=approximation,
        labels=labels,
        windows=windows,
        exponent=float(exponent),
    )
    if throw and not result.result.ok:
        raise InferenceError(result.result, f"{len(windows.table)} windows")
    return result


def _labels(features: tuple[str, ...], hidden: int) -> dict[str, list[str]]:
    nodes = range(hidden)
    labels = {"level": ["level"], "weight": [f"weight[{name}]" for name in features]}
    if hidden:
        labels["inner_weight"] = [f"inner_weight[{n}, {name}]" for n in nodes for name in features]
        labels["inner_bias"] = [f"inner_bias[{node}]" for node in nodes]
        labels["outer_weight"] = [f"outer_weight[{node}]" for node in nodes]
    return labels


def _laplace(
    data: WindowData,
    hidden: int,
    prior: Prior,
    key: PRNGKeyArray | None = None,
    start: Perceptron | None = None,
) -> Laplace:
    features = data.features.shape[1]
    starts = {"level": np.zeros(1), "weight": np.zeros((1, features))}
    if start is not None:
        names = SITES if hidden else SITES[:2]
        starts = {name: np.asarray(getattr(start, name), np.float64)[None] for name in names}
    elif hidden:
        rng = generator(jax.random.key(0) if key is None else key)
        starts = {name: np.repeat(value, STARTS, axis=0) for name, value in starts.items()}
        shape = (STARTS, hidden)
        starts["inner_weight"] = rng.normal(0.0, 0.7, (*shape, features))
        starts["inner_bias"] = rng.normal(0.0, 0.7, shape)
        starts["outer_weight"] = rng.normal(0.0, 0.5, shape)
    # One start after another: side by side all wait for the slowest.
    return laplace(model_of(hidden), (data, prior), starts, batch=1, max_steps=400)


@jax.jit
def _slopes(sites: dict[str, Any], data: WindowData) -> tuple[Any, Any]:
    """Scores of windows and the information of all, in the order of level, weights."""
    logit = Perceptron(**sites).log_ratio(jnp.asarray(data.features)) + data.log_training_odds
    chance = jax.nn.sigmoid(logit)
    rows = jnp.concatenate([jnp.ones_like(chance)[:, None], data.features], axis=1)
    scores = (data.is_earthquake - chance)[:, None] * rows
    weight = data.weight * chance * (1 - chance)
    return scores, (rows * weight[:, None]).T @ rows


def _exponent(windows: Windows, prior: Prior) -> float:
    """Exponent of the likelihood by the logistic regression of independent windows."""
    if len(np.unique(windows.group)) == len(windows.group):
        return 1.0
    windows = weighted(windows, 1.0)
    approximation = _laplace(windows.data, 0, prior)
    with jax.enable_x64(True):
        data, sites = jax.tree.map(jnp.asarray, (windows.data, approximation.sites))
        scores, information = jax.tree.map(np.asarray, _slopes(sites, data))
    rows = len(windows.group)
    names, _, covariance = approximation.marginal(_labels(windows.features, 0))
    return exponent_of(scores[:rows], information, covariance[: len(names)], windows.group)


def pointwise(draws: Perceptron, data: WindowData) -> np.ndarray:
    """Log likelihoods of each draw and window, (draws, windows)."""
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, data)
        return np.asarray(eqx.filter_jit(_pointwise)(draws, data))


def _pointwise(draws: Perceptron, data: WindowData) -> Any:
    return jax.lax.map(lambda one: pointwise_log_likelihood(one, data), draws)
