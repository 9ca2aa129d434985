"""Point estimates with their uncertainty: what the `fit` of every model returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import PRNGKeyArray
from scipy.special import ndtri

from eqstat._core.checks import check_probability
from eqstat._core.random import generator
from eqstat.inference._results import InferenceError, Result

# Normal draws outside the parameters' ranges are replaced at most this often.
MAX_ROUNDS = 1000


@dataclass(frozen=True)
class Fit:
    """A point estimate by BFGS, with the covariance that its Hessian gives.

    Attributes
    ----------
    names
        Names of the parameters, with their units.
    estimate
        The estimate, shape (parameters,).
    covariance
        Inverse Hessian of the negative log-likelihood (or log posterior) in these parameters;
        NaN in rows and columns of parameters at a bound, shape (parameters, parameters).
    objective
        Negative log-likelihood (or negative log posterior density) at the estimate.
    result
        How the fit ended.
    at_bound
        Names of the parameters at the bound of their range.
    diagnostics
        Steps, Newton decrement, number of starts that agree, and the like.
    ranges
        Ranges of parameters that have one, for `draws`.

    Examples
    --------
    >>> fit = Fit(("depth_km",), np.array([10.0]), np.array([[4.0]]), 1.0, Result.CONVERGED)
    >>> fit.standard_error["depth_km"]
    2.0
    >>> low, high = fit.interval(0.9)["depth_km"]
    >>> round(low, 2), round(high, 2)
    (6.71, 13.29)
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    covariance: np.ndarray
    objective: float
    result: Result
    at_bound: tuple[str, ...] = ()
    diagnostics: Mapping[str, float | int] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        """Return the estimate of one parameter."""
        return float(self.estimate[self.names.index(name)])

    @property
    def standard_error(self) -> dict[str, float]:
        """Square roots of the covariance's diagonal; NaN at a bound."""
        with np.errstate(invalid="ignore"):
            errors = np.sqrt(np.diagonal(self.covariance))
        return {name: float(error) for name, error in zip(self.names, errors, strict=True)}

    def interval(self, probability: float) -> dict[str, tuple[float, float]]:
        """Return Wald intervals: estimate plus or minus normal quantiles times the errors.

        Parameters
        ----------
        probability
            Nominal coverage, in (0, 1). Actual coverage is near it where the likelihood is
            close to normal; on the flat ridge of a travel-time fit it is smaller (see the grid
            posterior).

        Returns
        -------
        dict
            From the name to the lower and upper end; NaN for parameters at a bound.
        """
        check_probability("interval", probability=probability)
        width = float(ndtri(0.5 + probability / 2))
        return {
            name: (self[name] - width * error, self[name] + width * error)
            for name, error in self.standard_error.items()
        }

    def draws(self, key: PRNGKeyArray, count: int) -> dict[str, np.ndarray]:
        """Draw from the normal approximation about the estimate, truncated to `ranges`.

        Parameters
        ----------
        key
            JAX random key.
        count
            Number of draws.

        Returns
        -------
        dict of numpy.ndarray
            Each parameter, shape (count,); parameters at a bound stay at their estimate.

        Raises
        ------
        eqstat.inference.InferenceError
            When the fit has no covariance.

        Examples
        --------
        >>> import jax
        >>> fit = Fit(("depth_km",), np.array([1.0]), np.array([[4.0]]), 1.0, Result.CONVERGED,
        ...           ranges={"depth_km": (0.0, 700.0)})
        >>> depth_km = fit.draws(jax.random.key(0), 100)["depth_km"]
        >>> bool(depth_km.min() >= 0)
        True
        """
        free = np.array([name not in self.at_bound for name in self.names])
        block = self.covariance[np.ix_(free, free)]
        if not np.all(np.isfinite(block)):
            raise InferenceError(self.result, "no covariance to draw from")
        unbounded = (-np.inf, np.inf)
        low, high = np.array([self.ranges.get(name, unbounded) for name in self.names])[free].T
        rng = generator(key)
        draws = np.tile(self.estimate, (count, 1)).astype(np.float64)
        missing = np.arange(count)
        for _ in range(MAX_ROUNDS):
            rows = rng.multivariate_normal(self.estimate[free], block, len(missing))
            draws[np.ix_(missing, np.flatnonzero(free))] = rows
            missing = missing[np.any((rows < low) | (rows > high), axis=1)]
            if not missing.size:
                break
        else:
            raise InferenceError(self.result, "the estimate lies outside the parameters' ranges")
        return dict(zip(self.names, draws.T, strict=True))
