"""Point estimates with their uncertainty: what the `fit` of every model returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from scipy.special import expit, logit, ndtri, stdtrit

from eqstat._core.checks import check_probability
from eqstat._core.explain import WIDTH, Explained, cut, explained
from eqstat._core.random import generator
from eqstat._core.text import LABEL, percent
from eqstat.inference._laplace import Laplace
from eqstat.inference._results import InferenceError, Result

# Normal draws outside the parameters' ranges are replaced at most this often.
MAX_ROUNDS = 1000
UNBOUNDED = (-np.inf, np.inf)
# Largest exponent of an interval of a positive parameter.
MAX_EXPONENT = 600.0
# Rows of parameters in the text of a fit, and the content of their intervals.
MAX_FACTS, FACTS_PROBABILITY = 8, 0.9


@explained
class Profile(NamedTuple):
    r"""Profile likelihood of a parameter.

    Attributes
    ----------
    values
        Values of the parameter from one end of its range to the other, ascending.
    deviation
        Root of the rise of the squares over their minimum, in units of the variance,
        :math:`\sqrt{(S(\theta) - S_{\min}) / v}`.
    degrees_of_freedom
        Of the variance: the deviation follows the absolute value of a t distribution.

    Examples
    --------
    >>> depth_km = np.linspace(0.0, 40.0, 81)
    >>> low, high = Profile(depth_km, np.abs(depth_km - 3.0) / 4.0, 20).interval(0.9)
    >>> low, round(high, 2)
    (0.0, 9.9)
    """

    values: np.ndarray
    deviation: np.ndarray
    degrees_of_freedom: float

    def interval(self, probability: float) -> tuple[float, float]:
        """Return the values that the data do not reject; an end of the range where it is one."""
        limit = float(stdtrit(self.degrees_of_freedom, 0.5 + probability / 2))
        inside = np.flatnonzero(self.deviation <= limit)
        if not inside.size:
            return float("nan"), float("nan")

        def crossing(within: int, beyond: int) -> float:
            if not 0 <= beyond < len(self.values):
                return float(self.values[within])
            near, far = self.deviation[within], self.deviation[beyond]
            share = (limit - near) / (far - near)
            return float(self.values[within] + share * (self.values[beyond] - self.values[within]))

        first, last = int(inside[0]), int(inside[-1])
        return crossing(first, first - 1), crossing(last, last + 1)


@dataclass(frozen=True)
class Fit(Explained):
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
        Ranges of parameters that have one, for `draws` and `interval`.
    profiles
        Profile likelihoods of parameters whose likelihood is far from normal, for `interval`.

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
    profiles: Mapping[str, Profile] = field(default_factory=dict)

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
        r"""Return intervals that stay within the parameters' ranges.

        Of a parameter with a profile they are those of its likelihood ratio. The others are
        Wald's: the estimate plus or minus normal quantiles times the standard error; where the
        parameter has a `range`, on the scale of :math:`\log(\theta - a)` or of
        :math:`\log\frac{\theta - a}{b - \theta}`, with the error carried over by the delta
        method.

        Parameters
        ----------
        probability
            Nominal coverage, in (0, 1). Actual coverage is near it where the likelihood is
            close to normal; on the flat ridge of a travel-time fit it is smaller (see the grid
            posterior).

        Returns
        -------
        dict
            From the name to the lower and upper end; NaN for parameters at a bound that have no
            profile.
        """
        check_probability("interval", probability=probability)
        width = float(ndtri(0.5 + probability / 2))
        ends = {
            name: _wald(self[name], width * error, *self.ranges.get(name, UNBOUNDED))
            for name, error in self.standard_error.items()
        }
        profiled = {name: profile.interval(probability) for name, profile in self.profiles.items()}
        return ends | profiled

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
        low, high = np.array([self.ranges.get(name, UNBOUNDED) for name in self.names])[free].T
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

    def summary(self, *, probability: float = 0.9) -> pd.DataFrame:
        """Return the estimates as a table.

        Parameters
        ----------
        probability
            Nominal coverage of the intervals, in (0, 1).

        Returns
        -------
        pandas.DataFrame
            A row for each parameter; columns `estimate`, `standard_error`, and `low` and `high` of
            `interval`.

        Examples
        --------
        >>> fit = Fit(("depth_km",), np.array([10.0]), np.array([[4.0]]), 1.0, Result.CONVERGED)
        >>> float(fit.summary(probability=0.9).loc["depth_km", "low"])
        6.71
        """
        ends = self.interval(probability)
        errors = self.standard_error
        rows = [(self[name], errors[name], *ends[name]) for name in self.names]
        columns = ["estimate", "standard_error", "low", "high"]
        return pd.DataFrame(rows, index=pd.Index(self.names, name="parameter"), columns=columns)

    def _facts(self) -> list[tuple[str, str]]:
        table = self.summary(probability=FACTS_PROBABILITY)
        shown = table if len(table) <= MAX_FACTS else table.iloc[: MAX_FACTS - 1]
        rows = [
            (str(name), f"{row.estimate:.4g} ({row.low:.4g} to {row.high:.4g})")
            for name, row in zip(shown.index, shown.itertuples(), strict=True)
        ]
        if left := self.names[len(shown) :]:
            rows.append((f"and {len(left)} more", cut(", ".join(left), WIDTH - LABEL)))
        if self.at_bound:
            rows.append(("At bound", cut(", ".join(self.at_bound), WIDTH - LABEL)))
        objective = f"objective {self.objective:.6g}"
        return [
            *rows,
            ("Intervals", percent(FACTS_PROBABILITY)),
            ("Result", f"{self.result.value}; {objective}"),
        ]


def _wald(estimate: float, width: float, low: float, high: float) -> tuple[float, float]:
    """Wald interval of a parameter in (low, high); `width` is that without a range."""
    if not low < estimate < high:
        return float("nan"), float("nan")
    if np.isinf(low) and np.isinf(high):
        return estimate - width, estimate + width
    if np.isinf(high):
        factor = np.exp(min(width / (estimate - low), MAX_EXPONENT))
        return float(low + (estimate - low) / factor), float(low + (estimate - low) * factor)
    if np.isinf(low):
        below, above = _wald(-estimate, width, -high, np.inf)
        return -above, -below
    share = (estimate - low) / (high - low)
    middle, half = logit(share), width / ((high - low) * share * (1 - share))
    below, above = low + (high - low) * expit(middle + half * np.array([-1.0, 1.0]))
    return float(below), float(above)


@dataclass(frozen=True)
class LaplaceFit(Fit):
    """A posterior mode with its Laplace approximation.

    Attributes
    ----------
    laplace
        The approximation, from which `draws` are taken.
    labels
        The parameters' names by the site of the model, as in `Laplace.marginal`: their intervals
        are those of `Laplace.interval`.

    Examples
    --------
    The fits of `counts`, `ground_motion` and `traveltime` are of this kind:

    >>> import jax
    >>> import jax.numpy as jnp
    >>> import numpyro
    >>> import numpyro.distributions as dist
    >>> from eqstat.inference import laplace
    >>> def model(data):
    ...     sd = numpyro.sample("sd", dist.HalfNormal(10.0))
    ...     numpyro.sample("data", dist.Normal(0.0, sd), obs=data)
    >>> approximation = laplace(model, (jnp.array([1.0, 3.0]),), {"sd": jnp.ones((1,))})
    >>> labels = {"sd": ["sd"]}
    >>> fit = LaplaceFit(
    ...     *approximation.marginal(labels),
    ...     objective=float(approximation.optimum.objective),
    ...     result=approximation.result,
    ...     laplace=approximation,
    ...     labels=labels)
    >>> fit.draws(jax.random.key(0), 10)["sd"].shape
    (10,)
    >>> fit.interval(0.99)["sd"][0] > 0
    True
    """

    laplace: Laplace = field(kw_only=True)
    labels: Mapping[str, Sequence[str]] = field(kw_only=True, default_factory=dict)

    def interval(self, probability: float) -> dict[str, tuple[float, float]]:
        """Return Wald intervals in the model's unconstrained space, carried over to the sites."""
        ends = super().interval(probability)
        if not self.labels:
            return ends
        width = float(ndtri(0.5 + probability / 2))
        own = self.laplace.interval(self.labels, width)
        return ends | {name: pair for name, pair in own.items() if name in ends}

    def draws(self, key: PRNGKeyArray, count: int) -> dict[str, np.ndarray]:
        """Draw the model's sites from the Laplace approximation; see `Laplace.draws`."""
        return self.laplace.draws(key, count)
