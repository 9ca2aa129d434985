r"""Likelihood of labels given features, in which the log likelihood ratio is the parameter.

Windows are collected by class, at odds that the collector chose. So for ratio $r$ the label of a
window is that of an earthquake with

.. math:: \operatorname{logit} P(y = 1 \mid z) = r(z) + \log \frac{n_1}{n_0},

and the offset, not the parameters, takes up the balance of the classes (Prentice and Pyke, 1979).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro
from jaxtyping import Array, Float

from eqstat._core.checks import check_whole
from eqstat.waveform.classifier._data import WindowData
from eqstat.waveform.classifier._parameters import Perceptron
from eqstat.waveform.classifier._prior import Prior

SITES = ("level", "weight", "inner_weight", "inner_bias", "outer_weight")


def pointwise_log_likelihood(params: Perceptron, data: WindowData) -> Float[Array, " windows"]:
    """Log likelihood of each window's label, not weighted.

    Parameters
    ----------
    params
        The log likelihood ratio.
    data
        From `prepare(table, ...).data`.

    Returns
    -------
    Array
        Natural logs, (windows,); arbitrary for padding.

    Examples
    --------
    >>> import numpy as np
    >>> data = WindowData(np.array([[1.0], [-1.0]]), np.array([1.0, 0.0]), np.ones(2), 0.0)
    >>> values = pointwise_log_likelihood(Perceptron(level=0.0, weight=[2.0]), data)
    >>> values.round(4).tolist()
    [-0.1269, -0.1269]
    """
    logit = params.log_ratio(jnp.asarray(data.features)) + data.log_training_odds
    return jax.nn.log_sigmoid(jnp.where(jnp.asarray(data.is_earthquake) > 0, logit, -logit))


def log_likelihood(params: Perceptron, data: WindowData) -> Float[Array, ""]:
    """Log likelihood of all labels, each to the power of its weight.

    Parameters
    ----------
    params, data
        As of `pointwise_log_likelihood`.

    Returns
    -------
    Array
        Natural log, a scalar.

    Examples
    --------
    >>> import numpy as np
    >>> label, weight = np.array([1.0, 0.0]), np.array([1.0, 0.5])
    >>> data = WindowData(np.array([[1.0], [-1.0]]), label, weight, 0.0)
    >>> round(float(log_likelihood(Perceptron(level=0.0, weight=[2.0]), data)), 4)
    -0.1904
    """
    return jnp.sum(jnp.asarray(data.weight) * pointwise_log_likelihood(params, data))


def model(data: WindowData, prior: Prior | None = None, *, hidden: int = 0) -> None:
    """NumPyro model of labels given features, to condition, reparametrise and extend.

    Sites are the fields of `Perceptron`; those of hidden nodes exist where there are any. Hidden
    nodes may be exchanged and change sign together with their outer weight: look at predictions,
    not at single nodes.

    Parameters
    ----------
    data
        From `prepare(table, ...).data`.
    prior
        The priors; `Prior()` by default.
    hidden
        Number of hidden nodes; 0 is the logistic regression.

    Examples
    --------
    >>> import numpy as np
    >>> from numpyro import handlers
    >>> data = WindowData(np.array([[1.0], [-1.0]]), np.array([1.0, 0.0]), np.ones(2), 0.0)
    >>> trace = handlers.trace(handlers.seed(model, 0)).get_trace(data, hidden=3)
    >>> trace["inner_weight"]["value"].shape
    (3, 1)
    """
    check_whole("model", 0, hidden=hidden)
    prior = Prior() if prior is None else prior
    features = data.features.shape[-1]
    shapes: dict[str, tuple[int, ...]] = {"level": (), "weight": (features,)}
    if hidden:
        shapes |= {"inner_weight": (hidden, features), "inner_bias": (hidden,)}
        shapes["outer_weight"] = (hidden,)
    sites: dict[str, Any] = {}
    for name, shape in shapes.items():
        own = getattr(prior, name)
        sites[name] = numpyro.sample(name, own.expand(shape).to_event(len(shape)))
    numpyro.factor("labels", log_likelihood(Perceptron(**sites), data))
