"""Negative binomial counts: the rate varies from window to window by a gamma factor."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.special import betainc, betaln, gammaincinv

from eqstat.counts._families._base import Marginal
from eqstat.counts._families._gamma_mixture import GammaMixture
from eqstat.counts._special import SMALLEST, log_rising


class NegativeBinomial(GammaMixture):
    r"""$K \mid g \sim \mathrm{Poisson}(g \mu)$, $g \sim \mathrm{Gamma}(1/\delta, 1/\delta)$.

    The variance is $\mu + \mu^2 \delta(n)$.
    """

    name = "negative_binomial"

    def pair_term(self, k: Array, n: Array, dispersion: Array | None) -> Array:
        assert dispersion is not None
        constant = -log_rising(jnp.ones_like(k), k)
        return constant + log_rising(1 / jnp.maximum(dispersion, SMALLEST), k)

    def mean_term(self, k: Array, n: Array, mean: Array, dispersion: Array | None) -> Array:
        assert dispersion is not None
        size = 1 / jnp.maximum(dispersion, SMALLEST)
        return k * (jnp.log(mean) - jnp.log(size + mean)) - size * jnp.log1p(mean / size)

    def ratio_parameters(
        self, n: Array, mean: Array, dispersion: Array | None
    ) -> tuple[Array, Array | None]:
        """Size and odds."""
        assert dispersion is not None
        size = 1 / jnp.maximum(dispersion, SMALLEST)
        return size, mean / (size + mean)

    def ratio(self, k: Array, n: Array, first: Array, second: Array | None) -> Array:
        assert second is not None
        return (first + k) * second / (k + 1)

    def scaled_ratio(
        self, k: Array, n: Array, first: Array, second: Array
    ) -> tuple[Array, Array, Array]:
        up = first + k
        return up * second, 1 / up, 1 / second

    def new_alarm_share(self, marginal: Marginal, k: np.ndarray) -> tuple[Any, Any]:
        # Given k in the window the rate is gamma by conjugacy, shape a and scale theta (per
        # window), and the count N of another window negative binomial; the expectation of
        # (1 - N / k)_+ is a difference of incomplete betas.
        mean, spread = marginal.mean[..., None], marginal.dispersion[..., None]
        shape = 1.0 / np.where(spread > 0.0, spread, 1.0)
        a, theta = shape + k, mean / (mean + shape)
        none = 1.0 / (1.0 + theta)
        below = betainc(a, k, none)
        # I_x(a + 1, k - 1) = I_x(a, k) - x^a (1 - x)^(k - 1) / (a B(a, k))
        log_one = np.log1p(theta)
        log_step = (k - 1.0) * (np.log(theta) - log_one) - a * log_one - np.log(a) - betaln(a, k)
        mixed = below - a * theta / k * np.maximum(below - np.exp(log_step), 0.0)
        is_mixed = marginal.dispersion[..., None] > SMALLEST
        plain = mixed if np.all(is_mixed) else self.plain_share(marginal, k)
        return plain, np.maximum(mixed, 0.0)

    def intensity_nodes(
        self, marginal: Marginal, quantile: np.ndarray, weight: np.ndarray
    ) -> tuple[Any, np.ndarray]:
        shape = 1.0 / np.maximum(marginal.dispersion[:, None], 1e-5)
        return gammaincinv(shape, quantile) * marginal.mean[:, None] / shape, weight

    def excess(self, mean: Any, active: Any, dispersion: Any) -> Any:
        return dispersion * mean

    def starting_values(self, dispersion: float, correlation: float) -> dict[str, float]:
        return {"dispersion": dispersion, "dispersion_slope": 0.0}

    def draw(self, rng: Any, active: Any, mean: Any, dispersion: Any) -> np.ndarray:
        spread = np.maximum(dispersion, SMALLEST)
        count = rng.poisson(mean * rng.gamma(1 / spread) * spread)
        return np.minimum(count, active).astype(np.int64)
