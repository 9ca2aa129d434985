r"""Scores of mixtures where small values are known only to be below a floor."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfc, logsumexp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from eqstat._core.checks import check_key, refuse
from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.normal import log_ndtr
from eqstat.ground_motion.mixture._mixture import (
    Mixture,
    _standardised,
    exceedance,
    log_density,
)

# Nodes for the probability of a quadrant, whose correlation is at most 0.71.
NODE, WEIGHT = np.polynomial.legendre.leggauss(24)


def censored_log_density(
    mixture: Mixture, log10_pga: ArrayLike, log10_floor: ArrayLike
) -> Float[Array, "..."]:
    r"""Log density above a floor, log probability of not exceeding it below.

    $$ \log p(y) \quad (y > c), \qquad \log P(Y \le c) = \log \sum_k w_k\,
    \Phi\{(c - \mu_k) / \sigma_k\} \quad (y \le c) $$

    Its negative is the logarithmic score of a left-censored observation, and proper: it is that of
    the forecast of $\max(Y, c)$.

    Parameters
    ----------
    mixture
        One or a batch, (..., K).
    log10_pga
        Values, log10 of m/s2; any value up to the floor means that it was not exceeded.
    log10_floor
        The floor c, log10 of m/s2; both broadcast against the batch.

    Returns
    -------
    jax.Array
        Natural logarithms; densities are per unit of log10 PGA.

    References
    ----------
    Gneiting, T. and Raftery, A. (2007), Strictly proper scoring rules, prediction, and estimation,
    Journal of the American Statistical Association 102, 359-378, doi:10.1198/016214506000001437.

    Examples
    --------
    >>> one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.3]))
    >>> [round(float(x), 3) for x in censored_log_density(one, jnp.array([-0.9, -3.0]), -1.0)]
    [0.229, -0.693]
    """
    dtype = mixture.mean.dtype
    value, floor = jnp.asarray(log10_pga, dtype), jnp.asarray(log10_floor, dtype)
    above = value > floor
    density = log_density(mixture, jnp.where(above, value, floor))
    below = logsumexp(mixture.log_weight + log_ndtr(_standardised(mixture, floor)), axis=-1)
    return jnp.where(above, density, jnp.minimum(below, 0.0))


def censored_crps(
    mixture: Mixture, log10_pga: ArrayLike, log10_floor: ArrayLike
) -> Float[Array, "..."]:
    r"""Threshold-weighted continuous ranked probability score above a floor; smaller is better.

    $$ \int_c^\infty \{F(z) - 1(y \le z)\}^2\, dz
    = (y' - c) - 2 \sum_k w_k \{J_k(c) - J_k(y')\} + \sum_{k,l} w_k w_l I_{kl}, \qquad
    y' = \max(y, c) $$

    with $J_k(c) = \mathrm E (Y_k - c)_+$ and $I_{kl} = \mathrm E \{\min(Y_k, Y_l) - c\}_+$ of
    independent components, in closed form up to the probability of a quadrant of a bivariate
    normal distribution, by Gauss-Legendre quadrature over its angle. It is the CRPS of the forecast
    and the observation both censored at the floor, and tends to `crps` for a floor far below.

    Parameters
    ----------
    mixture
        One or a batch, (..., K); memory grows with the square of K.
    log10_pga
        Values, log10 of m/s2; any value up to the floor means that it was not exceeded.
    log10_floor
        The floor c, log10 of m/s2, finite; both broadcast against the batch.

    Returns
    -------
    jax.Array
        Scores in log10 units.

    References
    ----------
    Gneiting, T. and Ranjan, R. (2011), Comparing density forecasts using threshold- and
    quantile-weighted scoring rules, Journal of Business and Economic Statistics 29, 411-422,
    doi:10.1198/jbes.2010.08110, equation 12.

    Examples
    --------
    >>> one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.3]))
    >>> [round(float(x), 3) for x in censored_crps(one, jnp.array([-1.0, -3.0]), -9.0)]
    [0.07, 1.831]
    >>> [round(float(x), 3) for x in censored_crps(one, jnp.array([-1.0, -3.0]), -1.0)]
    [0.035, 0.035]
    """
    dtype = mixture.mean.dtype
    floor = jnp.asarray(log10_floor, dtype)
    value = jnp.maximum(jnp.asarray(log10_pga, dtype), floor)
    weight = jnp.exp(mixture.log_weight)
    excess = _excess(mixture, floor) - _excess(mixture, value)
    both = jnp.einsum("...k,...l,...kl->...", weight, weight, _least_excess(mixture, floor))
    return (value - floor) - 2.0 * jnp.sum(weight * excess, axis=-1) + both


def randomised_pit(
    key: PRNGKeyArray,
    mixture: Mixture,
    log10_pga: ArrayLike,
    log10_floor: ArrayLike = -np.inf,
) -> Float[Array, "..."]:
    r"""Probability integral transform, uniform if the forecast is calibrated.

    $F(y)$ above the floor; below it a uniform draw from 0 to $F(c)$.

    Parameters
    ----------
    key
        JAX random key of the draws.
    mixture
        One or a batch, (..., K).
    log10_pga
        Values, log10 of m/s2; any value up to the floor means that it was not exceeded.
    log10_floor
        The floor c, log10 of m/s2; none by default.

    Returns
    -------
    jax.Array
        In [0, 1].

    References
    ----------
    Czado, C., Gneiting, T. and Held, L. (2009), Predictive model assessment for count data,
    Biometrics 65, 1254-1261, doi:10.1111/j.1541-0420.2009.01191.x.

    Examples
    --------
    >>> one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.3]))
    >>> pit = randomised_pit(jax.random.key(0), one, jnp.array([-1.0, -3.0]), -2.0)
    >>> float(pit[0]), bool(pit[1] < 0.001)
    (0.5, True)
    """
    check_key("randomised_pit", key)
    dtype = mixture.mean.dtype
    floor = jnp.asarray(log10_floor, dtype)
    value = jnp.maximum(jnp.asarray(log10_pga, dtype), floor)
    reached = 1.0 - exceedance(mixture, value)
    share = jax.random.uniform(key, reached.shape, dtype)
    return jnp.where(value > floor, reached, share * reached)


def fit_normal(log10_pga: np.ndarray, upper: np.ndarray) -> tuple[float, float]:
    """Fit one normal density to values of which some are upper bounds, by maximum likelihood.

    Parameters
    ----------
    log10_pga
        Values, (n,).
    upper
        Which of them are upper bounds, (n,).

    Returns
    -------
    mean, sd : float

    Raises
    ------
    eqstat.InputError
        When fewer than two values are known, or shapes disagree.

    References
    ----------
    Tobin, J. (1958), Estimation of relationships for limited dependent variables, Econometrica 26,
    24-36, doi:10.2307/1907382.

    Examples
    --------
    >>> drawn = np.random.default_rng(0).normal(-1.0, 0.5, 4000)
    >>> mean, sd = fit_normal(np.maximum(drawn, -1.0), drawn < -1.0)
    >>> round(mean, 1), round(sd, 1)
    (-1.0, 0.5)
    """
    from scipy import optimize, stats  # slow to import

    value, bound = np.asarray(log10_pga, np.float64), np.asarray(upper)
    refuse(
        "fit_normal",
        (value.shape != bound.shape or bound.dtype != bool, "give as many True or False as values"),
        (np.sum(bound == 0) < 2, "at least two values must be known, not only their bounds"),
    )
    known, most = value[~bound], value[bound]

    def loss(point: np.ndarray) -> float:
        mean, sd = point[0], np.exp(point[1])
        exact = stats.norm.logpdf(known, mean, sd).sum()
        return -float(exact + stats.norm.logcdf(most, mean, sd).sum()) / len(value)

    start = known.mean(), np.log(known.std() + 0.05)
    options = {"xatol": 1e-4, "fatol": 1e-7}
    best = optimize.minimize(loss, start, method="Nelder-Mead", options=options).x
    return float(best[0]), float(np.exp(best[1]))


def _tail(z: Array) -> Array:
    """Probability that a standard normal is above z."""
    return 0.5 * erfc(z * np.sqrt(0.5).astype(z.dtype))


def _bell(z: Array) -> Array:
    return jnp.exp(-0.5 * z * z - HALF_LOG_2PI)


def _excess(mixture: Mixture, floor: Array) -> Float[Array, "... components"]:
    """Mean excess of each component over a floor."""
    z = _standardised(mixture, floor)
    return mixture.scale * (_bell(z) - z * _tail(z))


def _least_excess(mixture: Mixture, floor: Array) -> Float[Array, "... components components"]:
    """Mean excess over a floor of the smaller one of two independent components."""
    z = _standardised(mixture, floor)
    over, slope = _tail(z), mixture.scale * _bell(z)
    mean, scale = mixture.mean, mixture.scale
    total = scale[..., :, None] ** 2 + scale[..., None, :] ** 2
    apart = (mean[..., :, None] - mean[..., None, :]) / jnp.sqrt(total)
    # Product of both densities: normal in the difference of the means, and about a mean between.
    between = (
        mean[..., :, None] * scale[..., None, :] ** 2
        + mean[..., None, :] * scale[..., :, None] ** 2
    ) / total
    spread = scale[..., :, None] * scale[..., None, :] / jnp.sqrt(total)
    product = jnp.sqrt(total) * _bell(apart) * _tail((floor[..., None, None] - between) / spread)
    first = _ordered(z, scale, apart, total)
    left = (mean - floor[..., None])[..., :, None]
    right = (mean - floor[..., None])[..., None, :]
    one = slope[..., :, None] * over[..., None, :]
    other = over[..., :, None] * slope[..., None, :]
    second = over[..., :, None] * over[..., None, :] - first
    return one + other - product + left * first + right * second


def _ordered(z: Array, scale: Array, apart: Array, total: Array) -> Array:
    """Probability that component k is above the floor and component l above component k."""
    narrow = scale[..., :, None] <= scale[..., None, :]
    inner = jnp.where(narrow, z[..., :, None], z[..., None, :])
    least = jnp.where(narrow, scale[..., :, None], scale[..., None, :])
    gap = jnp.where(narrow, apart, -apart)
    correlation = -least / jnp.sqrt(total)
    probability = _quadrant(inner, gap, correlation)
    over = _tail(z)
    both = over[..., :, None] * over[..., None, :]
    return jnp.where(narrow, probability, both - probability)


def _quadrant(h: Array, k: Array, correlation: Array) -> Array:
    r"""Probability that two correlated standard normals are above h and k (Plackett's integral)."""
    angle = jnp.arcsin(correlation)

    def add(value: Array, node: tuple[Array, Array]) -> tuple[Array, None]:
        sine = jnp.sin(0.5 * (1.0 + node[0]) * angle)
        square = (h * h + k * k - 2.0 * h * k * sine) / (2.0 * (1.0 - sine * sine))
        return value + node[1] * jnp.exp(-square), None

    nodes = (jnp.asarray(NODE, angle.dtype), jnp.asarray(WEIGHT, angle.dtype))
    value, _ = jax.lax.scan(add, jnp.zeros_like(h * k * correlation), nodes)
    return _tail(h) * _tail(k) + value * angle / (4.0 * np.pi)
