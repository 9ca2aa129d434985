"""Point estimates of the ground-motion model by BFGS, with their Laplace approximation."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat.ground_motion._data import Motions, as_motions
from eqstat.ground_motion._likelihood import residuals
from eqstat.ground_motion._model import model, motion_of, site_names
from eqstat.ground_motion._parameters import GroundMotion
from eqstat.ground_motion._predict import MotionPosterior, MotionPredictor, posterior_of
from eqstat.ground_motion._prior import Prior
from eqstat.inference import InferenceError, LaplaceFit, Result, importance_draws, laplace

DRAWS = 256


@dataclass(frozen=True)
class MotionFit(LaplaceFit):
    """A fitted ground-motion model: a `Fit` with what predictions need.

    Attributes
    ----------
    motions
        The records that were fitted.

    Examples
    --------
    >>> import jax
    >>> from eqstat.ground_motion import Design, GroundMotion, fit, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> fit(motions).posterior(jax.random.key(1), 32).draws
    32
    """

    motions: Motions = field(kw_only=True)

    @property
    def motion(self) -> GroundMotion:
        """The parameters at the estimate.

        Raises
        ------
        eqstat.inference.InferenceError
            When the estimate is not finite.
        """
        if self.result is Result.NOT_FINITE:
            raise InferenceError(self.result)
        with jax.enable_x64(True):
            return motion_of(self.laplace.sites, jax.tree.map(jnp.asarray, self.motions.data))

    def draws(self, key: PRNGKeyArray, count: int) -> dict[str, np.ndarray]:
        """Draw the model's sites; see `eqstat.inference.importance_draws`.

        Standard deviations of few events are too skewed for a normal approximation.
        """
        return importance_draws(self.laplace, key, count)[0]

    def posterior(self, key: PRNGKeyArray, count: int = DRAWS) -> MotionPosterior:
        """Draw from the posterior by importance sampling, with the station terms of each draw.

        Parameters
        ----------
        key
            JAX random key.
        count
            Number of draws.

        Returns
        -------
        MotionPosterior
        """
        return posterior_of(self.draws(key, count), self.motions)

    def predictor(
        self, key: PRNGKeyArray, *, components: int | None = 5, region: str | None = None
    ) -> MotionPredictor:
        """Return the predictor of 256 draws about the estimate.

        Parameters
        ----------
        key
            JAX random key.
        components, region
            As in `MotionPosterior.predictor`.

        Returns
        -------
        MotionPredictor
        """
        return self.posterior(key).predictor(components=components, region=region)


def _start(motions: Motions) -> dict[str, np.ndarray]:
    """Starting values: the model's defaults, with the level at the records' median residual."""
    data = motions.data
    default = GroundMotion(region_level=np.zeros(data.regions))
    with jax.enable_x64(True):
        residual = np.asarray(residuals(default, data))[np.asarray(data.weight) > 0]
    values = {name: np.asarray(getattr(default, name), float) for name in site_names(data)}
    values["level"] = np.asarray(values["level"] + np.median(residual))
    if "region_sd" in values:
        values["region_sd"] = np.asarray(0.2)
    return values


def fit(
    motions: Motions | pd.DataFrame, *, prior: Prior | None = None, throw: bool = True
) -> MotionFit:
    r"""Fit the ground-motion model: the mode of the posterior, by BFGS in float64.

    Event and station terms are marginalised over in closed form; the mode is that of the density
    in the model's unconstrained space.

    Parameters
    ----------
    motions
        From `prepare` or `simulate`.
    prior
        The priors; `Prior()` by default.
    throw
        Raise where no usable estimate came out; with False look at `MotionFit.result`.

    Returns
    -------
    MotionFit
        Estimates with standard errors; `posterior` gives draws, `predictor` predicts.

    Raises
    ------
    eqstat.inference.InferenceError
        With `throw`, when BFGS did not converge or nothing finite came out.

    Examples
    --------
    >>> import jax
    >>> from eqstat.ground_motion import Design, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=30, stations=20))
    >>> result = fit(motions)
    >>> bool(abs(result["record_sd"] - 0.25) < 0.05)
    True
    >>> mixture = result.predictor(jax.random.key(1))(6.0, np.array([20.0, 80.0]), 8.0, 400.0)
    >>> mixture.mean.shape
    (2, 5)
    """
    motions = as_motions("fit", motions)
    prior = Prior() if prior is None else prior
    start = {name: value[None] for name, value in _start(motions).items()}
    approximation = laplace(model, (motions.data, prior), start, batch=1)
    labels = {name: [name] for name in site_names(motions.data)}
    if "region_level" in labels:
        labels["region_level"] = [f"region_level[{region}]" for region in motions.regions]
    names, estimate, spread = approximation.marginal(labels)
    records = int(np.sum(motions.data.weight))
    result = MotionFit(
        names,
        estimate,
        spread,
        objective=float(approximation.optimum.objective),
        result=approximation.result,
        diagnostics={"records": records, **approximation.diagnostics},
        laplace=approximation,
        labels=labels,
        motions=motions,
    )
    if throw and not result.result.ok:
        raise InferenceError(result.result, f"{records} records")
    return result
