"""Simulated windows of the classifiers' model, in the form that `prepare` makes."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key, check_kind, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.waveform.classifier._data import LABEL, Scaling, Windows, arrays_of
from eqstat.waveform.classifier._parameters import Perceptron


class Design(Explained, eqx.Module):
    """Windows to simulate.

    Attributes
    ----------
    windows
        Number of windows, at least 2.
    training_odds
        Odds at which windows of earthquakes are collected, above 0.
    spread
        Standard deviation of the features of windows collected at even odds.

    Raises
    ------
    eqstat.InputError
        When a number is out of range.

    Examples
    --------
    >>> Design(windows=100, training_odds=0.05).spread
    1.0
    """

    windows: int = eqx.field(static=True, default=1000)
    training_odds: float | int = 1.0
    spread: float | int = 1.0

    def __check_init__(self) -> None:
        check_whole("Design", 2, windows=self.windows)
        check_range("Design", 0, ends="()", training_odds=self.training_odds, spread=self.spread)


def simulate(key: PRNGKeyArray, params: Perceptron, design: Design | None = None) -> Windows:
    r"""Simulate windows whose log likelihood ratio is that of the parameters.

    Features of windows collected at even odds are independent standard normals $m(z)$, so that
    windows of earthquakes have the density $2 m(z)\, \sigma(r(z))$ and others
    $2 m(z)\, \sigma(-r(z))$, up to their normalisation. At other odds $\omega$ a window drawn from
    $m$ is taken with probability proportional to $\omega \sigma(r) + \sigma(-r)$; its label is that
    of an earthquake with log odds $r + \log \omega$.

    Parameters
    ----------
    key
        JAX random key.
    params
        The log likelihood ratio.
    design
        Number of windows and odds; `Design()` by default.

    Returns
    -------
    Windows
        Features `x0`, `x1`, ... that are already standardised; each window is its own group.

    Examples
    --------
    >>> truth = Perceptron(level=0.0, weight=[2.0, -1.0])
    >>> windows = simulate(jax.random.key(0), truth, Design(windows=500))
    >>> windows.features, windows.values.shape
    (('x0', 'x1'), (500, 2))
    """
    check_key("simulate", key)
    check_kind("simulate", Perceptron, "see `Perceptron`", params=params)
    design = Design() if design is None else design
    features, odds = params.weight.shape[-1], float(design.training_odds)
    # Candidates are taken with a probability of at least the lesser of odds and 1 over the greater.
    worst = max(odds, 1.0) / min(odds, 1.0)
    if worst > 1e4:
        raise InputError("simulate: training_odds must lie in [1e-4, 1e4] to be simulated")
    kept, have, turn = [], 0, 0
    while have < design.windows:
        own = jax.random.fold_in(key, turn)
        first, second, third = jax.random.split(own, 3)
        values = design.spread * jax.random.normal(first, (2 * design.windows, features))
        ratio = params.log_ratio(values)
        share = odds * jax.nn.sigmoid(ratio) + jax.nn.sigmoid(-ratio)
        taken = jax.random.uniform(second, ratio.shape) < share / max(odds, 1.0)
        label = jax.random.uniform(third, ratio.shape) < jax.nn.sigmoid(ratio + jnp.log(odds))
        rows = np.asarray(taken)
        kept.append((np.asarray(values)[rows], np.asarray(label)[rows]))
        have, turn = have + int(rows.sum()), turn + 1
    values = np.concatenate([one for one, _ in kept])[: design.windows].astype(np.float64)
    labels = np.concatenate([one for _, one in kept])[: design.windows]
    names = tuple(f"x{number}" for number in range(features))
    table = pd.DataFrame(values, columns=list(names)).assign(**{LABEL: labels})
    return Windows(
        arrays_of(values, labels, np.ones(len(labels)), np.log(odds)),
        Scaling(np.zeros(features, bool), np.ones(features), np.zeros(features), np.ones(features)),
        names,
        table,
        np.arange(len(labels)),
        table.iloc[:0].assign(reason=[]),
    )
