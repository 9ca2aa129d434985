"""Beta-binomial counts: n devices whose common probability varies by a beta distribution."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.special import betaincinv, betaln, gammaln, ndtr

from eqstat.counts._families._base import CountFamily, Marginal
from eqstat.counts._special import SMALLEST, beta_binomial_ratio, log_choose, log_rising


class BetaBinomial(CountFamily):
    r"""$K \mid p \sim \mathrm{Binomial}(n, p)$, $p \sim \mathrm{Beta}(a, b)$.

    The mean of p is $1 - e^{-\mu/n}$ and $a + b = 1/\delta(n)$, so that the intra-class
    correlation is $\rho = \delta / (1 + \delta)$.
    """

    name = "beta_binomial"
    largest_active = 1e6

    def pair_term(self, k: Array, n: Array, dispersion: Array | None) -> Array:
        return log_choose(n, k)

    def mean_term(self, k: Array, n: Array, mean: Array, dispersion: Array | None) -> Array:
        a, b = self.ratio_parameters(n, mean, dispersion)
        return log_rising(a, k) + log_rising(b, a) - log_rising(b + n - k, a + k)

    def ratio_parameters(
        self, n: Array, mean: Array, dispersion: Array | None
    ) -> tuple[Array, Array]:
        """Parameters a and b of the beta distribution."""
        assert dispersion is not None
        dispersion = jnp.maximum(dispersion, SMALLEST)
        return -jnp.expm1(-mean / n) / dispersion, jnp.exp(-mean / n) / dispersion

    def ratio(self, k: Array, n: Array, first: Array, second: Array | None) -> Array:
        assert second is not None
        return beta_binomial_ratio(k, n, first, second)

    def scaled_ratio(
        self, k: Array, n: Array, first: Array, second: Array
    ) -> tuple[Array, Array, Array]:
        left = jnp.maximum(n - k, 0.0)
        up, down = first + k, second + left - 1
        inverse = 1 / jnp.where(down > 0, down, 1.0)
        return left * up * inverse, 1 / up, -inverse

    def sliding_dispersion(self, dispersion: Any) -> Any:
        r"""The intra-class correlation $\rho = \delta / (1 + \delta)$."""
        return dispersion / (1.0 + dispersion)

    def check_marginal(self, active: np.ndarray, dispersion: np.ndarray) -> str | None:
        if np.all((dispersion < 1.0) & (active <= self.largest_active)):
            return None
        return "beta_binomial needs a correlation below 1 and the active devices"

    def expected(self, marginal: Marginal) -> Any:
        return -marginal.active * np.expm1(-marginal.mean / marginal.active)

    def log_first_and_steps(self, marginal: Marginal, k: np.ndarray) -> tuple[Any, Any]:
        spread, n = marginal.dispersion[..., None], marginal.active[..., None]
        q, p = np.exp(-marginal.mean[..., None] / n), -np.expm1(-marginal.mean[..., None] / n)
        left = np.maximum(n - k, 0.0)
        up = left * (p * (1.0 - spread) + spread * k)
        down = (k + 1.0) * (q * (1.0 - spread) + spread * np.maximum(left - 1.0, 0.0))
        steps = np.where(left > 0.0, np.log(up) - np.log(down), -np.inf)
        return _log_none(n, p, q, spread), steps

    def table_top(self, marginal: Marginal, least: int) -> int:
        """Double the table until what is left is below 1e-16 of `least`, or at all devices."""
        n, rho = marginal.active, np.maximum(marginal.dispersion, 1e-9)
        scale, p = (1.0 - rho) / rho, -np.expm1(-marginal.mean / n)
        a, b = p * scale, (1.0 - p) * scale

        def log_weight(k: float | int) -> Any:
            left = np.maximum(n - k, 0.0)
            value = betaln(a + k, b + left) - gammaln(k + 1.0) - gammaln(left + 1.0)
            return np.where(k <= n, value, -np.inf)

        most, extra, base = int(np.max(n)) + 2, 100, log_weight(least)
        while least + extra < most:
            end = log_weight(least + extra)
            with np.errstate(invalid="ignore"):
                ratio = np.exp(end - log_weight(least + extra - 1.0))
                beyond = end - np.log1p(-np.minimum(np.nan_to_num(ratio), 1.0 - 1e-6)) - base
            if np.all((least > n) | (beyond < -37.0)):
                break
            extra *= 2
        return min(least + extra, most)

    def new_alarm_share(self, marginal: Marginal, k: np.ndarray) -> tuple[Any, Any]:
        # Given k in the window p is Beta(a, b) by conjugacy. With a dead time of one window the
        # count falls from k by D = (k - n p) / sqrt(q) within the next, with variance k q^2
        # (simulations, 10 % for up to two devices in five). D is taken for normal.
        spread, n = marginal.dispersion[..., None], marginal.active[..., None]
        mean = -np.expm1(-marginal.mean[..., None] / n)
        scale = (1.0 - spread) / np.maximum(spread, 1e-9)
        a, b = mean * scale + k, (1.0 - mean) * scale + np.maximum(n - k, 0.0)
        given = a / (a + b)
        own = np.sqrt(given * (1.0 - given) / (a + b + 1.0))
        return _falling(k, n, mean, 0.0), _falling(k, n, given, own)

    def intensity_nodes(
        self, marginal: Marginal, quantile: np.ndarray, weight: np.ndarray
    ) -> tuple[Any, np.ndarray]:
        n, spread = marginal.active[:, None], marginal.dispersion[:, None]
        p = -np.expm1(-marginal.mean[:, None] / n)
        scale = (1.0 - spread) / np.maximum(spread, 1e-5)
        return n * betaincinv(p * scale, (1.0 - p) * scale, quantile), weight

    def excess(self, mean: Any, active: Any, dispersion: Any) -> Any:
        return dispersion * active

    def rate_dispersion(self, dispersion: float, probability: float) -> float:
        # The covariance of two devices is p (1 - p) rho, and with a common rate p^2 times its own
        # relative variance (for small probabilities).
        return self.sliding_dispersion(dispersion) * (1 - probability) / probability

    def starting_values(self, dispersion: float, correlation: float) -> dict[str, float]:
        return {"dispersion": correlation, "dispersion_slope": 0.0}

    def draw(self, rng: Any, active: Any, mean: Any, dispersion: Any) -> np.ndarray:
        spread = np.maximum(dispersion, SMALLEST)
        p = -np.expm1(-mean / active)
        return rng.binomial(active.astype(np.int64), rng.beta(p / spread, (1 - p) / spread))


def _falling(k: Any, n: Any, p: Any, sd: Any) -> Any:
    r"""$E[D_+] / k$, at most 1, of the fall D of a count from k; `sd` is that of p."""
    q = np.maximum(1.0 - p, 1e-9)
    fall = (k - n * p) / np.sqrt(q)
    slope = n / np.sqrt(q) - 0.5 * fall / q
    spread = np.sqrt(k * q**2 + (slope * sd) ** 2)
    z = fall / spread
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return np.clip((fall * ndtr(z) + spread * density) / k, 0.0, 1.0)


def _log_none(n: Any, p: Any, q: Any, rho: Any) -> Any:
    """Log probability that none of n devices triggers, stable for a vanishing correlation."""
    scale = (1.0 - rho) / np.where(rho > 0.0, rho, 1.0)
    a, b = p * scale, q * scale
    exact = betaln(a, b + n) - betaln(a, b)
    if np.all(rho > 1e-6):
        return exact
    # Where a + b is large the logs of gamma functions cancel; sum over devices instead.
    i = np.arange(int(np.max(n)), dtype=float)
    terms = np.log1p(-p * (1.0 - rho) / ((1.0 - rho) + rho * i))
    summed = np.sum(np.where(i < n, terms, 0.0), axis=-1, keepdims=True)
    return np.where(rho > 1e-6, exact, summed)
