"""Tables of Poisson counts whose rate is constant or varies by a gamma factor."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaincc, gammaln

from eqstat.counts._families._base import CountFamily, Marginal


class GammaMixture(CountFamily):
    """What Poisson and negative binomial counts share: the limit of no dispersion is Poisson."""

    is_additive = True

    def log_first_and_steps(self, marginal: Marginal, k: np.ndarray) -> tuple[Any, Any]:
        mean, spread = marginal.mean[..., None], marginal.dispersion[..., None]
        steps = np.log(mean * (1.0 + spread * k) / ((1.0 + spread * mean) * (k + 1.0)))
        product = spread * mean
        first = -mean * np.where(product > 1e-12, np.log1p(product) / product, 1.0)
        return first, steps

    def table_top(self, marginal: Marginal, least: int) -> int:
        """As many counts as the geometric tail needs to fall by e^-40."""
        mean, spread = np.max(marginal.mean), float(np.max(marginal.dispersion))
        share = spread * mean / (1.0 + spread * mean)
        ratio = max(share + (1.0 - share) * mean / (least + 1.0), 1e-3)
        return int(least + min(60.0 + 40.0 / -np.log(ratio), 20000.0))

    def mean_given(self, marginal: Marginal, share: float, count: np.ndarray) -> Any:
        """By conjugacy the rate is a gamma variable."""
        mean, spread = marginal.mean[..., None], marginal.dispersion[..., None]
        return mean * (1.0 + spread * count) / (1.0 + spread * mean * share)

    def plain_share(self, marginal: Marginal, k: np.ndarray) -> Any:
        r"""$E[(1 - N / k)_+]$ with N the Poisson count of another window."""
        mean = marginal.mean[..., None]
        below = gammaincc(k, mean)
        # P(N < k - 1) = P(N < k) - P(N = k - 1)
        fewer = below - np.exp((k - 1.0) * np.log(mean) - mean - gammaln(k))
        return np.maximum(below - mean / k * np.maximum(fewer, 0.0), 0.0)
