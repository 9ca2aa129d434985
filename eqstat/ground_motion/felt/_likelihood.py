"""Marginal likelihood of felt-only records, with the event term integrated out numerically."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.normal import log_ndtr
from eqstat.ground_motion._parameters import GroundMotion, median, record_sd_at
from eqstat.ground_motion.felt._data import FeltData

# Nodes of the Gauss-Hermite rule about the mode of each event's term.
POINTS = 15
NODES, WEIGHTS = np.polynomial.hermite.hermgauss(POINTS)
NEWTON_STEPS = 12
LARGEST_STEP = 1.5


def log_likelihood(
    motion: GroundMotion, data: FeltData, out_of_order: Float[Array, ""] | float = 0.0
) -> Float[Array, ""]:
    r"""Log density of felt-only records, event by event; pure JAX.

    With the medians $\mu_i$, the scatter within an event $\phi$, the event term $\eta = \tau u$ and
    the floor c (log10 units) the likelihood of an event is

    $$ L = \int \varphi(u) \prod_{i\ \text{reported}} (1 - o)\, \frac1\phi\,
    \varphi\Big(\frac{y_i - \mu_i - \tau u}{\phi}\Big)
    \prod_{i\ \text{silent}} \Big\{ o + (1 - o)\,
    \Phi\Big(\frac{c - \mu_i - \tau u}{\phi}\Big) \Big\}\, du $$

    where the silent stations are known (*censored*), o being the share out of order; where they are
    not (*truncated*), each report has the density given that there is one,

    $$ L = \int \varphi(u) \prod_{i\ \text{reported}}
    \frac{\varphi\{(y_i - \mu_i - \tau u) / \phi\}}
    {\phi\, \Phi\{(\mu_i + \tau u - c) / \phi\}}\, du. $$

    The latter takes which stations reported as given, and learns nothing of the event term from
    that: events that are in the table only because their terms were high make the level too high
    and `event_sd` too small.
    Each event should have been felt at many stations, whatever its term. In both, records of an
    event are independent given its term: the correlation of neighbours is neglected, and station
    terms are part of $\phi$.

    The integral is a Gauss-Hermite rule of 15 nodes about the mode in u, in units of the curvature
    there (Liu and Pierce, 1994).

    Parameters
    ----------
    motion
        Parameters. Those of stations, of the decay between events, of sites, regions and of the
        correlation are not used; `record_sd` is the scatter within an event.
    data
        From `prepare(table, floor_m_s2).data`.
    out_of_order
        Share of stations out of order, in [0, 1); not used where records are truncated.

    Returns
    -------
    jax.Array
        Natural logarithm of the density.

    References
    ----------
    Liu, Q. and Pierce, D. (1994), A note on Gauss-Hermite quadrature, Biometrika 81, 624-629,
    doi:10.1093/biomet/81.3.624.

    Bragato, P. (2004), Regression analysis with truncated samples and its application to
    ground-motion attenuation studies, Bulletin of the Seismological Society of America 94,
    1369-1378, for truncated records.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, simulate
    >>> from eqstat.ground_motion.felt import prepare, thin
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=10, stations=8))
    >>> felt = prepare(thin(jax.random.key(1), motions.table, 0.1), 0.1)
    >>> near, far = (
    ...     log_likelihood(GroundMotion(level=level), felt.data) for level in (-0.3, 0.7))
    >>> bool(near > far)
    True
    """
    magnitude = jnp.asarray(data.magnitude)
    centre = median(motion, magnitude, data.distance_km, data.depth_km, motion.vs30_log10_mean)
    scatter = record_sd_at(motion, magnitude)
    residual = jnp.asarray(data.log10_pga) - centre
    above = centre - data.log10_floor
    event, used = jnp.asarray(data.event), jnp.asarray(data.weight) > 0
    reported = used & (jnp.asarray(data.reported) > 0)
    silent = used & ~reported
    share = jnp.asarray(out_of_order, centre.dtype)

    def integrand(u: Array) -> Array:
        """Logarithm of the integrand at one value of the standardised term of each event."""
        term = (motion.event_sd * u)[event]
        z = (residual - term) / scatter
        density = -0.5 * z * z - jnp.log(scatter) - HALF_LOG_2PI
        if data.truncated:
            density = density - log_ndtr((above + term) / scatter)
            each = jnp.where(reported, density, 0.0)
        else:
            density = density + jnp.log1p(-share)
            quiet = jnp.logaddexp(jnp.log(share), jnp.log1p(-share) + log_ndtr(z))
            each = jnp.where(reported, density, jnp.where(silent, quiet, 0.0))
        return jax.ops.segment_sum(each, event, data.events) - 0.5 * u * u - HALF_LOG_2PI

    mode, scale = jax.lax.stop_gradient(_mode(integrand, jnp.zeros(data.events, centre.dtype)))
    step = np.sqrt(2.0) * scale

    # One node at a time, computed again for the derivative: the records of all events at all nodes
    # would take gigabytes.
    @jax.checkpoint
    def node(x: Array) -> Array:
        return integrand(mode + step * x)

    values = jax.lax.map(node, jnp.asarray(NODES, centre.dtype))
    log_weight = jnp.asarray(np.log(WEIGHTS) + NODES**2, centre.dtype)
    return jnp.sum(logsumexp(values + log_weight[:, None], axis=0) + jnp.log(step))


def _mode(integrand: Callable[[Array], Array], start: Array) -> tuple[Array, Array]:
    """Mode of each event's integrand and the standard deviation by its curvature, by Newton.

    The normal prior has a curvature of -1; that of the records is negative, too, but for a share of
    stations out of order.
    """
    ones = jnp.ones_like(start)

    def slopes(u: Array) -> tuple[Array, Array]:
        first, second = jax.jvp(lambda v: jax.jvp(integrand, (v,), (ones,))[1], (u,), (ones,))
        return first, jnp.minimum(second, -1.0)

    def step(_: Array | int, u: Array) -> Array:
        first, second = slopes(u)
        return u - jnp.clip(first / second, -LARGEST_STEP, LARGEST_STEP)

    mode = jax.lax.fori_loop(0, NEWTON_STEPS, step, start)
    return mode, 1.0 / jnp.sqrt(-slopes(mode)[1])
