r"""Mixtures of Gaussians on log10 of the peak ground acceleration.

$$ p(y) = \sum_{k=1}^{K} w_k\, \mathcal N(y;\ \mu_k, \sigma_k^2), \qquad y = \log_{10} a,
\quad a \text{ in m/s}^2 $$

All functions are pure JAX, batched (leading axes broadcast), safe under `jit` and `grad`, and
follow the dtype of the mixture. Quantities that may underflow are computed as logarithms.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfc, logsumexp, ndtri
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.normal import log_ndtr


class Mixture(Explained, eqx.Module):
    """Mixture of K Gaussians on log10 PGA (m/s2), or a batch of mixtures.

    Attributes
    ----------
    log_weight
        Natural logarithms of the normalised weights; a weight may be 0, (..., K).
    mean
        Means, log10 of m/s2, (..., K).
    scale
        Standard deviations, log10 units, above 0, (..., K).

    Examples
    --------
    >>> one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.3]))
    >>> round(float(exceedance(one, -1.0)), 3)
    0.5
    """

    log_weight: Float[Array, "... components"]
    mean: Float[Array, "... components"]
    scale: Float[Array, "... components"]


def from_logits(
    logits: Float[Array, "... components"],
    mean: Float[Array, "... components"],
    raw_scale: Float[Array, "... components"],
    floor: float | int = 0.01,
) -> Mixture:
    r"""Make a mixture from unconstrained numbers, such as the outputs of a network.

    Weights are the softmax of `logits`; scales are $\text{floor} + \log(1 + e^{r})$. With
    ReLU$(r)$, as in some published networks, a scale can be 0: then a component on a single datum
    has infinite density and no gradient, and the exceedance is a step function. A floor of 0.01
    (2 % of the PGA) is far below the scatter of any ground motion.

    Parameters
    ----------
    logits, mean, raw_scale
        Unconstrained real numbers, (..., K).
    floor
        Smallest scale, log10 units, above 0.

    Returns
    -------
    Mixture

    Raises
    ------
    eqstat.InputError
        When the floor is not above 0.

    References
    ----------
    Bishop, C. (1994), Mixture Density Networks, Aston University, NCRG/94/004.

    Examples
    --------
    >>> two = from_logits(jnp.zeros(2), jnp.array([-1.0, 0.0]), jnp.zeros(2))
    >>> two.log_weight.round(3).tolist()
    [-0.6930000185966492, -0.6930000185966492]
    """
    if not floor > 0:
        raise InputError(f"floor must be above 0, not {floor!r}: a scale of 0 has no density")
    return Mixture(jax.nn.log_softmax(logits, axis=-1), mean, floor + jax.nn.softplus(raw_scale))


def _standardised(mixture: Mixture, value: ArrayLike) -> Float[Array, "... components"]:
    """Distance from each mean in standard deviations, clipped so that its square is finite."""
    dtype = mixture.mean.dtype
    difference = jnp.asarray(value, dtype)[..., None] - mixture.mean
    limit = float(jnp.finfo(dtype).max) ** 0.25
    return jnp.clip(difference / mixture.scale, -limit, limit)


def log_density(mixture: Mixture, log10_pga: ArrayLike) -> Float[Array, "..."]:
    """Log density per unit of log10 PGA; its negative is the logarithmic score.

    Parameters
    ----------
    mixture
        One or a batch, (..., K).
    log10_pga
        Values, log10 of m/s2; broadcast against the batch.

    Returns
    -------
    jax.Array
        Natural logarithms of the density.

    Examples
    --------
    >>> one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.3]))
    >>> round(float(log_density(one, -1.0)), 3)
    0.285
    """
    z = _standardised(mixture, log10_pga)
    each = -0.5 * z * z - jnp.log(mixture.scale) - HALF_LOG_2PI
    return logsumexp(mixture.log_weight + each, axis=-1)


def log_exceedance(mixture: Mixture, log10_threshold: ArrayLike) -> Float[Array, "..."]:
    r"""Log probability of exceeding a threshold, finite arbitrarily far in the tail.

    $$ \log P(Y > u) = \log \sum_k \exp\{\log w_k + \log \Phi((\mu_k - u) / \sigma_k)\} $$

    Parameters
    ----------
    mixture
        One or a batch, (..., K).
    log10_threshold
        Thresholds $u$, log10 of m/s2; broadcast against the batch.

    Returns
    -------
    jax.Array
        Natural logarithms of the probability, at most 0.

    Examples
    --------
    >>> one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.1]))
    >>> round(float(log_exceedance(one, 2.0)), 1)
    -454.3
    """
    each = log_ndtr(-_standardised(mixture, log10_threshold))
    return jnp.minimum(logsumexp(mixture.log_weight + each, axis=-1), 0.0)


def exceedance(mixture: Mixture, log10_threshold: ArrayLike) -> Float[Array, "..."]:
    """Probability of exceeding a threshold; see `log_exceedance` for the far tail.

    Parameters
    ----------
    mixture
        One or a batch, (..., K).
    log10_threshold
        Thresholds, log10 of m/s2; broadcast against the batch.

    Returns
    -------
    jax.Array
        Probabilities; 0 where they underflow.

    Examples
    --------
    >>> two = from_logits(jnp.zeros(2), jnp.array([-1.0, 0.0]), jnp.zeros(2))
    >>> bool(exceedance(two, 0.0) < exceedance(two, -1.0))
    True
    """
    z = _standardised(mixture, log10_threshold)
    tails = 0.5 * erfc(z * np.sqrt(0.5).astype(z.dtype))
    return jnp.minimum(jnp.sum(jnp.exp(mixture.log_weight) * tails, axis=-1), 1.0)


def quantile(mixture: Mixture, probability: ArrayLike) -> Float[Array, "..."]:
    r"""Quantiles of log10 PGA.

    The quantile of a mixture lies between the smallest and the largest of those of its components.
    This bracket is narrowed by Newton steps on the logarithm of the smaller tail, with a bisection
    after each pair, which also handles mixtures with gaps. Derivatives follow from the implicit
    function theorem.

    Parameters
    ----------
    mixture
        One or a batch, (..., K).
    probability
        In [0, 1]; broadcast against the batch.

    Returns
    -------
    jax.Array
        Quantiles, log10 of m/s2; infinite at 0 and 1, NaN outside.

    Examples
    --------
    >>> one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.3]))
    >>> quantile(one, jnp.array([0.5, 0.975])).round(2).tolist()
    [-1.0, -0.4099999964237213]
    """
    dtype = mixture.mean.dtype
    # Components of weight 0 must not widen the bracket.
    used = jnp.isfinite(mixture.log_weight)
    wanted = jnp.asarray(probability, dtype)
    inside = (wanted > 0) & (wanted < 1)
    p = jnp.where(inside, wanted, 0.5)
    component = mixture.mean + mixture.scale * ndtri(p)[..., None]
    low = jax.lax.stop_gradient(jnp.min(jnp.where(used, component, jnp.inf), axis=-1))
    high = jax.lax.stop_gradient(jnp.max(jnp.where(used, component, -jnp.inf), axis=-1))
    lower = p < 0.5
    target = jnp.where(lower, jnp.log(p), jnp.log1p(-p))

    def tail(value: Array) -> Array:
        """Log of the smaller tail, less its target."""
        z = _standardised(mixture, value)
        each = log_ndtr(jnp.where(lower[..., None], z, -z))
        return logsumexp(mixture.log_weight + each, axis=-1) - target

    def step(value: Array) -> tuple[Array, Array]:
        off = tail(value)
        slope = jnp.exp(log_density(mixture, value) - off - target)
        return off, jnp.where(lower, slope, -slope)

    def narrow(bracket: tuple[Array, Array], value: Array) -> tuple[tuple[Array, Array], Array]:
        low, high = bracket
        off, slope = step(value)
        below = (off < 0) == lower
        low, high = jnp.where(below, value, low), jnp.where(below, high, value)
        newton = value - off / slope
        fits = (newton >= low) & (newton <= high)
        return (low, high), jnp.where(fits, newton, 0.5 * (low + high))

    def pair(_: Array | int, state: tuple) -> tuple:
        bracket, value = state
        bracket, value = narrow(bracket, value)
        (low, high), value = narrow(bracket, value)
        middle = 0.5 * (low + high)
        (low, high), _ = narrow((low, high), middle)
        return (low, high), jnp.clip(value, low, high)

    # Each round at least halves the bracket, and Newton doubles the digits once it is close.
    rounds = 16 if dtype == jnp.float32 else 32
    _, root = jax.lax.fori_loop(0, rounds, pair, ((low, high), 0.5 * (low + high)))
    root = jax.lax.stop_gradient(root)
    slope = jax.lax.stop_gradient(step(root)[1])
    # Adds 0 to the root, but carries the derivatives of the implicit function theorem.
    off = tail(root)
    value = root - (off - jax.lax.stop_gradient(off)) / jnp.where(slope == 0, jnp.inf, slope)
    beyond = jnp.where(wanted == 0, -jnp.inf, jnp.where(wanted == 1, jnp.inf, jnp.nan))
    return jnp.where(inside, value, beyond)


def sample(key: PRNGKeyArray, mixture: Mixture, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
    """Draw values of log10 PGA.

    Parameters
    ----------
    key
        JAX random key.
    mixture
        One or a batch, (..., K).
    shape
        Leading axes of the result.

    Returns
    -------
    jax.Array
        Draws, log10 of m/s2, `shape` followed by the shape of the batch.

    Examples
    --------
    >>> one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.3]))
    >>> sample(jax.random.key(0), one, (100,)).shape
    (100,)
    """
    full = jnp.broadcast_shapes(*(jnp.shape(leaf) for leaf in jax.tree.leaves(mixture)))
    which, noise = jax.random.split(key)
    parts = [jnp.broadcast_to(leaf, full) for leaf in jax.tree.leaves(mixture)]
    chosen = jax.random.categorical(which, parts[0], axis=-1, shape=(*shape, *full[:-1]))
    mean, scale = (
        jnp.take_along_axis(jnp.broadcast_to(part, (*shape, *full)), chosen[..., None], axis=-1)[
            ..., 0
        ]
        for part in parts[1:]
    )
    return mean + scale * jax.random.normal(noise, mean.shape, mean.dtype)


def crps(mixture: Mixture, log10_pga: ArrayLike) -> Float[Array, "..."]:
    r"""Continuous ranked probability score in closed form; smaller is better.

    $$ \mathrm{CRPS} = \mathrm E|Y - y| - \tfrac12 \mathrm E|Y - Y'| $$

    Parameters
    ----------
    mixture
        One or a batch, (..., K); memory grows with the square of K.
    log10_pga
        Observed values, log10 of m/s2; broadcast against the batch.

    Returns
    -------
    jax.Array
        Scores in log10 units.

    References
    ----------
    Grimit, E. et al. (2006), The continuous ranked probability score for circular variables and
    its application to mesoscale forecast ensemble verification, Quarterly Journal of the Royal
    Meteorological Society 132, 2925-2942, doi:10.1256/qj.05.235, equation 4.

    Examples
    --------
    >>> one = Mixture(jnp.zeros(1), jnp.array([-1.0]), jnp.array([0.3]))
    >>> round(float(crps(one, -1.0)), 4)
    0.0701
    """
    import scoringrules  # slow to import; only verification needs it

    value = jnp.asarray(log10_pga, mixture.mean.dtype)
    weight = jnp.exp(mixture.log_weight)
    return scoringrules.crps_mixnorm(value, mixture.mean, mixture.scale, weight, backend="jax")  # pyright: ignore


def mean_and_sd(mixture: Mixture) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Mean and standard deviation of log10 PGA.

    Parameters
    ----------
    mixture
        One or a batch, (..., K).

    Returns
    -------
    mean, sd : jax.Array
        Log10 units.

    Examples
    --------
    >>> two = Mixture(jnp.log(jnp.array([0.5, 0.5])), jnp.array([-1.0, 1.0]), jnp.full(2, 0.1))
    >>> mean, sd = mean_and_sd(two)
    >>> round(float(mean), 3), round(float(sd), 3)
    (0.0, 1.005)
    """
    weight = jnp.exp(mixture.log_weight)
    mean = jnp.sum(weight * mixture.mean, axis=-1)
    spread = (mixture.mean - mean[..., None]) ** 2 + mixture.scale**2
    return mean, jnp.sqrt(jnp.sum(weight * spread, axis=-1))
