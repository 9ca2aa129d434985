r"""Recalibration of log likelihood ratios on groups of windows to which they were not fitted.

A ratio $r$ of a model that was trained on other groups is mapped to

.. math:: r' = \log \frac{\epsilon / 2 + (1 - \epsilon)\, \sigma(l)}
                         {\epsilon / 2 + (1 - \epsilon)\, \sigma(-l)}, \qquad
          l = c + h \log(1 + e^r) - g \log(1 + e^{-r}),

which is monotone: an affine map whose slope is $g$ for small and $h$ for large ratios (Kull et
al., 2017, for the log odds at even odds), and a *lapse* with probability $\epsilon$, in which a
window says nothing. The lapse bounds the ratio at what so many groups can show. Accumulated ratios
have slopes $g t^{-\gamma}$, $h t^{-\gamma}$ after $t$ seconds. Parameters have a posterior: a
Laplace approximation whose likelihood is raised to an exponent, as windows of a group depend on
each other. The calibrated ratio is averaged over it at even odds.

References
----------
Kull, M., Silva Filho, T. and Flach, P. (2017), Beta calibration: a well-founded and easily
implemented improvement on logistic calibration for binary classifiers, AISTATS, PMLR 54, 623-631.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import PRNGKeyArray

from eqstat import edge
from eqstat._core.explain import explained
from eqstat.inference import Laplace, bucket_size, laplace, pad_rows
from eqstat.waveform.classifier._dependence import exponent_of

NAMES = ("low", "high", "shift", "lapse")
# Largest probability of a lapse, and the prior's parameters on the way there.
MOST_LAPSE = 0.5
LAPSE = (1.0, 20.0)


@explained
class RatioCalibration(NamedTuple):
    """Draws of a recalibration of log likelihood ratios.

    Attributes
    ----------
    low, high
        Slopes for small and for large ratios, (draws,).
    shift
        Constant, natural log, (draws,).
    lapse
        Probability of a lapse, (draws,).
    decay
        Exponent by which slopes fall with the seconds of an accumulated ratio, (draws,); 0 for
        single windows.
    exponent
        Power of the likelihood.

    Examples
    --------
    >>> one = np.ones(1)
    >>> plain = RatioCalibration(one, one, 0 * one, 1e-6 * one, 0 * one, 1.0)
    >>> plain(np.array([-2.0, 3.0])).round(3).tolist()
    [-2.0, 3.0]
    """

    low: np.ndarray
    high: np.ndarray
    shift: np.ndarray
    lapse: np.ndarray
    decay: np.ndarray
    exponent: float

    def __call__(
        self, log_ratio: np.ndarray, elapsed_s: np.ndarray | float | int = 1.0
    ) -> np.ndarray:
        """Calibrated log ratios, of the shape of those given."""
        given = np.asarray(log_ratio, np.float64)
        slower = np.broadcast_to(elapsed_s, given.shape)[..., None] ** -self.decay
        draws = edge.recalibrated(
            np, given, self.low * slower, self.high * slower, self.shift, self.lapse
        )
        return edge.log_ratio_of_draws(np, draws)


class _Rows(NamedTuple):
    log_ratio: Any
    log_elapsed: Any
    is_earthquake: Any
    weight: Any
    log_odds: Any


def _log_chance(vector: Any, rows: _Rows) -> Any:
    """Log probabilities of the labels; the vector holds log slopes, shift, log lapse and decay."""
    slower = jnp.exp(-vector[4] * rows.log_elapsed)[..., None]
    draws = edge.recalibrated(
        jnp, rows.log_ratio, jnp.exp(vector[0]) * slower, jnp.exp(vector[1]) * slower, vector[2],
        jnp.exp(vector[3]),
    )[..., 0]  # fmt: skip
    logit = draws + rows.log_odds
    return jax.nn.log_sigmoid(jnp.where(rows.is_earthquake > 0, logit, -logit))


def _vector(sites: dict[str, Any]) -> Any:
    slopes = [jnp.log(sites["low"]), jnp.log(sites["high"])]
    return jnp.stack(
        [*slopes, sites["shift"], jnp.log(sites["lapse"]), sites.get("decay", jnp.zeros(()))]
    )


def model(rows: _Rows, *, timed: bool) -> None:
    """NumPyro model of labels given log ratios of models trained on other groups."""
    sites = {
        "low": numpyro.sample("low", dist.LogNormal(0.0, 0.7)),
        "high": numpyro.sample("high", dist.LogNormal(0.0, 0.7)),
        "shift": numpyro.sample("shift", dist.Normal(0.0, 1.0)),
    }
    share = numpyro.sample("share", dist.Beta(*LAPSE))
    sites["lapse"] = numpyro.deterministic("lapse", MOST_LAPSE * share)
    if timed:
        sites["decay"] = numpyro.sample("decay", dist.Gamma(2.0, 5.0))
    numpyro.factor("labels", jnp.sum(rows.weight * _log_chance(_vector(sites), rows)))


@cache
def _model_of(timed: bool) -> Any:
    return partial(model, timed=timed)


@jax.jit
def _slopes(vector: Any, rows: _Rows) -> tuple[Any, Any]:
    def total(vector: Any) -> Any:
        return -jnp.sum(jnp.where(rows.weight > 0, _log_chance(vector, rows), 0.0))

    return jax.jacfwd(_log_chance)(vector, rows), jax.hessian(total)(vector)


def recalibrate(
    key: PRNGKeyArray,
    log_ratio: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    *,
    elapsed_s: np.ndarray | None = None,
    draws: int = 64,
) -> RatioCalibration:
    """Learn the recalibration of log ratios that held-out windows were given.

    Parameters
    ----------
    key
        JAX random key of the draws.
    log_ratio
        Log likelihood ratio of each window by a model that was trained without its group, (rows,).
    labels
        Which windows are of earthquakes, (rows,).
    group
        Number of each row's group, from 0, (rows,).
    elapsed_s
        Seconds over which each ratio was accumulated, (rows,); None for single windows.
    draws
        Number of draws.
    """
    size, timed = bucket_size(len(labels)), elapsed_s is not None
    elapsed = np.ones(len(labels)) if elapsed_s is None else elapsed_s
    rows = _Rows(
        pad_rows(np.asarray(log_ratio, np.float64), size),
        pad_rows(np.log(elapsed), size),
        pad_rows(labels.astype(np.float64), size),
        pad_rows(np.ones(len(labels)), size),
        np.log(labels.sum() / (~labels).sum()),
    )
    first = _approximated(rows, timed)
    with jax.enable_x64(True):
        sites, given = jax.tree.map(jnp.asarray, (first.sites, rows))
        scores, information = jax.tree.map(np.asarray, _slopes(_vector(sites), given))
    free = np.arange(5 if timed else 4)
    # The prior's part of the curvature is left out of the covariance only where there is none.
    inside = information[np.ix_(free, free)]
    covariance = np.linalg.pinv(inside + np.diag([2.0, 2.0, 1.0, 1.0, 4.0])[np.ix_(free, free)])
    exponent = exponent_of(scores[: len(labels), free], inside, covariance, group)
    result = _approximated(rows._replace(weight=exponent * rows.weight), timed)
    drawn = result.draws(key, draws)
    decay = drawn["decay"] if timed else np.zeros(draws)
    low, high, shift, lapse = (drawn[name] for name in NAMES)
    return RatioCalibration(low, high, shift, lapse, decay, exponent)


def _approximated(rows: _Rows, timed: bool) -> Laplace:
    start = {"low": 0.9, "high": 0.9, "shift": 0.0, "share": 0.02}
    if timed:
        start["decay"] = 0.2
    starts = {name: np.array([value]) for name, value in start.items()}
    return laplace(_model_of(timed), (rows,), starts)
