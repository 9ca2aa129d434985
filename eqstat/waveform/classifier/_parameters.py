"""Parameters of the classifiers: a logistic regression, with hidden nodes a small network."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat import edge
from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike

# Windows that are scored together: some megabytes for a hundred draws.
BLOCK = 2048


class Perceptron(Explained, eqx.Module):
    r"""Log likelihood ratio of an earthquake as a function of standardised features $z$.

    .. math:: r(z) = a + w^\top z + \sum_{j=1}^{H} v_j \tanh(u_j^\top z + b_j)

    Without hidden nodes ($H = 0$) it is the logistic regression. The direct term $w^\top z$ lets
    the network begin where that ends.

    Attributes
    ----------
    level
        $a$, natural log.
    weight
        $w$, natural log per standard deviation, (features,).
    inner_weight, inner_bias
        $u$ and $b$ of the hidden nodes, (hidden, features) and (hidden,).
    outer_weight
        $v$, natural log, (hidden,).

    Raises
    ------
    eqstat.InputError
        When shapes do not fit each other or a number is not finite.

    Examples
    --------
    >>> perceptron = Perceptron(level=0.5, weight=[1.0, -2.0])
    >>> perceptron.hidden, float(perceptron.log_ratio(jnp.array([2.0, 1.0])))
    (0, 0.5)
    """

    level: Any
    weight: Any
    inner_weight: Any
    inner_bias: Any
    outer_weight: Any

    def __init__(
        self,
        level: ArrayLike = 0.0,
        weight: ArrayLike = (),
        inner_weight: ArrayLike | None = None,
        inner_bias: ArrayLike | None = None,
        outer_weight: ArrayLike | None = None,
    ) -> None:
        self.level, self.weight = jnp.asarray(level), jnp.asarray(weight)
        features = self.weight.shape[-1] if self.weight.ndim else 0
        lead, kind = self.weight.shape[:-1], self.weight.dtype
        hidden = [inner_weight, inner_bias, outer_weight]
        if all(each is None for each in hidden):
            hidden = [jnp.zeros((*lead, 0, features), kind), *[jnp.zeros((*lead, 0), kind)] * 2]
        if any(each is None for each in hidden):
            raise InputError("Perceptron: give all of inner_weight, inner_bias, outer_weight")
        self.inner_weight, self.inner_bias, self.outer_weight = map(jnp.asarray, hidden)
        nodes = self.outer_weight.shape[-1]
        shapes = ((*lead, nodes, features), (*lead, nodes), (*lead, nodes))
        given = tuple(
            each.shape for each in (self.inner_weight, self.inner_bias, self.outer_weight)
        )
        if not features or given != shapes or self.level.shape != lead:
            raise InputError(
                f"Perceptron: weight {self.weight.shape}, inner_weight, inner_bias and "
                f"outer_weight {given} do not fit each other"
            )
        check_range("Perceptron", level=self.level, weight=self.weight)
        check_range("Perceptron", inner_weight=self.inner_weight, inner_bias=self.inner_bias)
        check_range("Perceptron", outer_weight=self.outer_weight)

    @property
    def hidden(self) -> int:
        """Number of hidden nodes."""
        return self.outer_weight.shape[-1]

    def log_ratio(self, features: Float[Array, "*rows features"]) -> Float[Array, " *rows"]:
        """Log likelihood ratio of standardised features; pure JAX."""
        inner = jnp.tanh(features @ jnp.swapaxes(self.inner_weight, -1, -2) + self.inner_bias)
        return self.level + features @ self.weight + inner @ self.outer_weight


class RatioPosterior(Explained, eqx.Module):
    r"""Draws of the log likelihood ratio: of networks, or linear about a single one.

    Attributes
    ----------
    members
        Networks with a leading axis: draws of NUTS, or the mode alone.
    tangent
        Differences from the mode of each draw's parameters $a, w, v, b, u$, in which the ratio is
        taken to be linear, (draws, parameters); no row where the members are the draws.

    References
    ----------
    Immer, A., Korzepa, M. and Bauer, M. (2021), Improving predictions of Bayesian neural nets via
    local linearization, AISTATS, PMLR 130, 703-711.

    Examples
    --------
    >>> members = Perceptron(level=[0.0], weight=[[1.0]])
    >>> posterior = RatioPosterior(members, np.array([[-0.5, 0.1], [0.5, -0.1]]))
    >>> posterior.draws(np.array([[2.0]])).round(6).tolist()
    [[1.7, 2.3]]
    """

    members: Perceptron
    tangent: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of `eqstat.edge.waveform`, in float64."""
        names = ("level", "weight", "inner_weight", "inner_bias", "outer_weight")
        values = {name: np.asarray(getattr(self.members, name), np.float64) for name in names}
        return values | {"tangent": np.asarray(self.tangent, np.float64)}

    def draws(self, features: np.ndarray) -> np.ndarray:
        """Draws of the log ratio of standardised features, (rows, draws)."""
        arrays = self.arrays()
        blocks = range(0, max(len(features), 1), BLOCK)
        return np.concatenate(
            [edge.drawn_ratios(np, arrays, features[first : first + BLOCK]) for first in blocks]
        )

    def log_ratio(self, features: np.ndarray) -> np.ndarray:
        """Log ratio of standardised features, averaged as probabilities at even odds, (rows,)."""
        return edge.log_ratio_of_draws(np, self.draws(features))
