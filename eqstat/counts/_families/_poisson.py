"""Poisson counts: many devices that trigger independently at a known rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqstat.counts._families._base import Marginal
from eqstat.counts._families._gamma_mixture import GammaMixture
from eqstat.counts._special import log_rising


class Poisson(GammaMixture):
    r"""$K \sim \mathrm{Poisson}(\mu)$; variance $\mu$."""

    name = "poisson"
    parameters = ()

    def dispersion(self, values: Mapping[str, Any], active: Any) -> None:
        return None

    def pair_term(self, k: Array, n: Array, dispersion: Array | None) -> Array:
        return -log_rising(jnp.ones_like(k), k)

    def mean_term(self, k: Array, n: Array, mean: Array, dispersion: Array | None) -> Array:
        return k * jnp.log(mean) - mean

    def ratio_parameters(
        self, n: Array, mean: Array, dispersion: Array | None
    ) -> tuple[Array, Array | None]:
        return mean, None

    def ratio(self, k: Array, n: Array, first: Array, second: Array | None) -> Array:
        return first / (k + 1)

    def scaled_ratio(
        self, k: Array, n: Array, first: Array, second: Array
    ) -> tuple[Array, Array, Array]:
        return first, 1 / first, jnp.zeros_like(n + k)

    def check_marginal(self, active: np.ndarray, dispersion: np.ndarray) -> str | None:
        return "the Poisson family has no dispersion" if np.any(dispersion > 0.0) else None

    def new_alarm_share(self, marginal: Marginal, k: np.ndarray) -> tuple[Any, Any]:
        plain = self.plain_share(marginal, k)
        return plain, plain

    def intensity_nodes(
        self, marginal: Marginal, quantile: np.ndarray, weight: np.ndarray
    ) -> tuple[Any, np.ndarray]:
        return marginal.mean[:, None], np.ones(1)

    def excess(self, mean: Any, active: Any, dispersion: Any) -> Any:
        return 0.0 * mean

    def starting_values(self, dispersion: float, correlation: float) -> dict[str, float]:
        return {}

    def draw(self, rng: Any, active: Any, mean: Any, dispersion: Any) -> np.ndarray:
        return np.minimum(rng.poisson(mean), active).astype(np.int64)
