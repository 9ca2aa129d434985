"""What a family of counts must provide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

REFERENCE_ACTIVE = 100.0


class Marginal(NamedTuple):
    r"""Count of a window without bursts: NumPy arrays of one shape, one case each.

    Attributes
    ----------
    family
        The family.
    mean
        Mean count $\mu$ (the parameter; see `CountFamily.expected`).
    dispersion
        As `CountFamily.sliding_dispersion` gives it.
    active
        Active devices; not used by families without an upper limit.
    """

    family: CountFamily
    mean: Any
    dispersion: Any
    active: Any


class CountFamily(ABC):
    r"""Distribution of the count of a window without bursts, given $\mu$, n and a dispersion.

    The methods are in three groups. Those in JAX make the likelihood and the tails of single
    windows: the log probability is split into a term of (k, n) and one of the mean, and tails
    and convolutions with bursts follow from the ratios of neighbouring probabilities. Those in
    NumPy make tables over the count for the sliding window, the checks and simulated histories;
    they share no code with the first group, so that each is a test of the other. The last group
    draws counts and gives starting values.

    Whatever lies beyond a sum or a table is bounded by a geometric series (`remainder`,
    `log_beyond`): right where the ratios of neighbouring probabilities, at large counts, do not
    increase. A family with a heavier tail overrides the two.

    Attributes
    ----------
    name
        What `Background.family` says.
    parameters
        Fields of `Background`, sites of the model and fields of `Prior` that this family has.
    largest_active
        Active devices up to which the tables are valid.
    is_additive
        Whether the sum of windows of one intensity is of the family.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ("dispersion", "dispersion_slope")
    largest_active: ClassVar[float] = np.inf
    is_additive: ClassVar[bool] = False

    def dispersion(self, values: Mapping[str, Any], active: Any) -> Any:
        r"""$\delta(n) = \text{dispersion} \cdot (n / 100)^{-\text{slope}}$ among n devices."""
        return values["dispersion"] * (active / REFERENCE_ACTIVE) ** (-values["dispersion_slope"])

    # JAX: one window.

    @abstractmethod
    def pair_term(self, k: Array, n: Array, dispersion: Array | None) -> Array:
        """The part of the log probability that does not depend on the mean."""

    @abstractmethod
    def mean_term(self, k: Array, n: Array, mean: Array, dispersion: Array | None) -> Array:
        """The other part of the log probability."""

    @abstractmethod
    def ratio_parameters(
        self, n: Array, mean: Array, dispersion: Array | None
    ) -> tuple[Array, Array | None]:
        """The one or two numbers on which the ratios depend."""

    @abstractmethod
    def ratio(self, k: Array, n: Array, first: Array, second: Array | None) -> Array:
        """Probability of k + 1 over that of k, given `ratio_parameters`."""

    @abstractmethod
    def scaled_ratio(
        self, k: Array, n: Array, first: Array, second: Array
    ) -> tuple[Array, Array, Array]:
        """(k + 1) times the ratio, and the slopes of its log in both parameters."""

    def remainder(self, k: Array, n: Array, first: Array, second: Array | None) -> Array:
        """Probability of k or more over that of k, or a bound on it."""
        return 1 / jnp.maximum(1 - self.ratio(k, n, first, second), 1e-6)

    # NumPy: tables over the count, last axis.

    def sliding_dispersion(self, dispersion: Any) -> Any:
        """The dispersion as the tables and the formulas of the sliding window use it."""
        return dispersion

    def check_marginal(self, active: np.ndarray, dispersion: np.ndarray) -> str | None:
        """What is wrong with these arguments, or None."""
        del active, dispersion
        return None

    def expected(self, marginal: Marginal) -> Any:
        """Expected count."""
        return marginal.mean

    @abstractmethod
    def log_first_and_steps(self, marginal: Marginal, k: np.ndarray) -> tuple[Any, Any]:
        """Log probability of 0, (..., 1), and log ratios of k + 1 to k, (..., k)."""

    def log_pmf_table(self, marginal: Marginal, top: int) -> Any:
        """Log probabilities of 0, ..., top triggers, shape (..., top + 1)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            first, steps = self.log_first_and_steps(marginal, np.arange(top, dtype=float))
            return np.concatenate([first, first + np.cumsum(steps, axis=-1)], axis=-1)

    def support(self, marginal: Marginal, left_out: float) -> int:
        """A count beyond which less than `left_out` of the probability lies, in any case."""
        mean, n = np.asarray(marginal.mean), np.max(marginal.active)
        excess = self.excess(mean, marginal.active, marginal.dispersion)
        reach = mean + 8 * np.sqrt(mean * (1 + excess)) + 30 * excess + 12
        top = int(min(n, np.max(reach)))
        while top < n:
            beyond = self.log_beyond(marginal, self.log_pmf_table(marginal, top))
            if np.all(beyond < np.log(left_out)):
                break
            top = int(min(n, 2 * top))
        return top

    def table_top(self, marginal: Marginal, least: int) -> int:
        """A length of table beyond which 1e-16 of the probability of `least` is left."""
        extra, most = 100, np.max(marginal.active)
        while least + extra < most:
            table = self.log_pmf_table(marginal, least + extra)
            beyond = self.log_beyond(marginal, table)[..., 0] - table[..., least]
            if np.all(np.isinf(table[..., least]) | (beyond < -37.0)):
                break
            extra *= 2
        return int(min(least + extra, most + 2))

    def log_beyond(self, marginal: Marginal, log_pmf: Any) -> Any:
        """Log probability beyond the end of a table, shape (..., 1), or a bound on it."""
        del marginal
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.exp(np.minimum(log_pmf[..., -1:] - log_pmf[..., -2:-1], -1e-9))
            beyond = log_pmf[..., -1:] + np.log(ratio) - np.log1p(-ratio)
        return np.where(np.isfinite(beyond), beyond, -np.inf)

    @abstractmethod
    def new_alarm_share(self, marginal: Marginal, k: np.ndarray) -> tuple[Any, Any]:
        r"""Share of up-crossings of k that begin an alarm, without and with dispersion, (..., k).

        $E[(1 - N / k)_+ \mid k]$ with N the count of another window of the same intensity, given
        that k triggers are in the window; where k is rare given the intensity, $1 - u / k$ with u
        the up rate per window.
        """

    @abstractmethod
    def intensity_nodes(
        self, marginal: Marginal, quantile: np.ndarray, weight: np.ndarray
    ) -> tuple[Any, np.ndarray]:
        """Means at quantiles of the intensity, (cases, nodes), and the weights of the nodes."""

    def part(self, marginal: Marginal, share: float) -> Marginal:
        """The count in a share of a window, with the same intensity."""
        return marginal._replace(mean=marginal.mean * share)

    def mean_given(self, marginal: Marginal, share: float, count: np.ndarray) -> Any | None:
        """Expected count of a window, given the count in a share of one, shape (..., counts).

        None where the family has no such update of its intensity: alarms of an intensity that
        is renewed are then refused.
        """
        del marginal, share, count
        return None

    # Moments and draws.

    @abstractmethod
    def excess(self, mean: Any, active: Any, dispersion: Any) -> Any:
        """Variance over mean, less one (for a small mean per device)."""

    def rate_dispersion(self, dispersion: float, probability: float) -> float:
        """Relative variance of a common rate that makes devices covary as this family does.

        `probability` is the mean probability that a device triggers.
        """
        del probability
        return dispersion

    @abstractmethod
    def starting_values(self, dispersion: float, correlation: float) -> dict[str, float]:
        """First estimates of `parameters` from two moment estimates.

        `dispersion` is that of a negative binomial and `correlation` the intra-class correlation
        of a beta-binomial with the variance of the history.
        """

    @abstractmethod
    def draw(self, rng: Any, active: Any, mean: Any, dispersion: Any) -> np.ndarray:
        """Draw one count for each entry by the generating process; none exceeds `active`.

        `rng` is a NumPy generator; `dispersion` is None for a family without one.
        """
