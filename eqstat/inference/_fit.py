"""Point estimates with their uncertainty: what every room's `fit` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from eqstat._core.checks import check_probability
from eqstat.inference._results import Result


@dataclass(frozen=True)
class Fit:
    """A point estimate by BFGS with its Hessian's covariance.

    Attributes
    ----------
    names
        Names of the parameters, units in them.
    estimate
        The estimate, shape (parameters,).
    covariance
        Inverse Hessian of the negative log-likelihood (or log posterior) in these parameters;
        NaN in rows and columns of parameters at a bound, shape (parameters, parameters).
    objective
        Negative log-likelihood (or negative log posterior density) at the estimate.
    result
        How the fit ended; its value is a sentence.
    at_bound
        Names of the parameters at the bound of their range.
    diagnostics
        Steps, Newton decrement, number of starts that agree, and the like.

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
            Nominal coverage, in (0, 1). It holds where the likelihood is close to normal; on
            the flat ridge of a travel-time fit it is too small (see the grid posterior).
        """
        check_probability("interval", probability=probability)
        width = float(special.ndtri(0.5 + probability / 2))
        return {
            name: (self[name] - width * error, self[name] + width * error)
            for name, error in self.standard_error.items()
        }
