r"""Rules that condition on the shaking which stations have recorded so far.

The PGA of a station whose shaking is over is known. Where it goes on, the PGA $y_i$ is the peak so
far plus a growth, $y_i = b_i + g_i$, with $g_i \sim N(m_i, s_i^2)$ from past records at this stage:
$b_i + m_i$ is an observation of $y_i$ with error $s_i$. Given a draw d of the source and the event
term $\eta$ all are jointly normal, so that the event term, the sites and the evidence of the draw
are in closed form.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.explain import Explained
from eqstat._core.normal import log_ndtr
from eqstat.exceedance import _kernel
from eqstat.exceedance._kernel import SourceDraws
from eqstat.exceedance.alerts._rules import Snapshot
from eqstat.ground_motion import PointSource
from eqstat.ground_motion.event import update_event_term
from eqstat.ground_motion.felt import FeltPredictor
from eqstat.ground_motion.mixture import Mixture

# Below the noise of any sensor.
LEAST_M_S2 = 1e-9
LOG10_LEAST = float(np.log10(LEAST_M_S2))
# Standard deviation of a known PGA in a mixture; 2 % of it.
KNOWN_SD = 0.01


class Observed(NamedTuple):
    """What stations say of their own PGA, log10 units, (n,)."""

    recording: Array
    growing: Array
    peak: Array  # so far
    seen: Array  # expected PGA
    growth2: Array  # its variance; not finite where the growth is unknown
    usable: Array


class Conditioned(NamedTuple):
    """Normals of the PGA at sites given the data, one for each draw, before what has passed."""

    log_weight: Array  # (d,)
    mean: Array  # (s, d)
    variance: Array  # (s, d)
    floor: Array  # the site's own peak so far, (s,)
    recorded: Array  # whether it has one
    over: Array  # whether it is known to be the PGA


def observed(snapshot: Snapshot) -> Observed:
    """Observations of the PGA of each station."""
    recording = snapshot.peak_m_s2 > 0
    peak = jnp.log10(jnp.maximum(snapshot.peak_m_s2, LEAST_M_S2))
    growing = recording & ~snapshot.complete
    seen = peak + jnp.where(growing, snapshot.growth_mean, 0.0)
    growth2 = jnp.where(growing, snapshot.growth_sd**2, 0.0)
    usable = recording & jnp.isfinite(growth2)
    return Observed(recording, growing, peak, seen, growth2, usable)


def levels(
    model: PointSource | FeltPredictor, drawn: SourceDraws, place_km: Array, term: Array | None
) -> Array:
    """Mean log10 PGA of places and draws without an event term, (places, d)."""
    distance = _kernel.distances(place_km, drawn.place_km)
    shape = distance.shape
    each = (jnp.broadcast_to(values, shape) for values in (drawn.magnitude, drawn.depth_km))
    magnitude, depth = each
    mean = model(magnitude, distance, depth, jnp.full(shape, jnp.nan, distance.dtype)).mean[..., 0]
    return mean if term is None else mean + term[:, None]


def gathered(
    snapshot: Snapshot, known: Observed, log_weight: Array, mean: Array, variance: Array
) -> Conditioned:
    """Add what a site's own station has recorded so far."""
    at = snapshot.site_station
    recorded = (at >= 0) & known.recording[at]
    floor = jnp.where(recorded, known.peak[at], LOG10_LEAST)
    over = recorded & snapshot.complete[at]
    full = jnp.broadcast_to(variance, mean.shape)
    return Conditioned(log_weight, mean, full, floor, recorded, over)


def passing(
    given: Conditioned, located: Array, log10_threshold: Float[Array, "t"]
) -> Float[Array, "s t"]:
    """Probability of exceeding each threshold: sure below a site's own peak, given it above."""
    floor = given.floor[:, None]

    def tail(u: Array) -> Array:
        """Logarithm of the mixture's tail at each site."""
        each = log_ndtr((given.mean - u) / jnp.sqrt(given.variance))
        return logsumexp(given.log_weight + each, axis=1)

    at_least = tail(floor)

    def beyond(u: Array) -> Array:
        left = jnp.exp(tail(jnp.maximum(u, floor)) - at_least)
        return jnp.where(given.over | ~located, 0.0, jnp.minimum(left, 1.0))

    passed = given.recorded[:, None] & (floor > log10_threshold)
    return jnp.where(passed, 1.0, jax.vmap(beyond, out_axes=1)(log10_threshold))


def as_mixture(given: Conditioned) -> Mixture:
    r"""Mixture of each site, (s, d).

    A component cut at the site's own peak becomes the normal with its mean and variance,

    $$ \mu + \sigma \lambda, \qquad \sigma^2 (1 + \alpha \lambda - \lambda^2), \qquad
    \alpha = \frac{b - \mu}{\sigma}, \quad \lambda = \frac{\varphi(\alpha)}{\Phi(-\alpha)}, $$

    with its weight times $\Phi(-\alpha)$. A known PGA has the standard deviation `KNOWN_SD`.
    """
    floor, recorded, over = (each[:, None] for each in (given.floor, given.recorded, given.over))
    scale = jnp.sqrt(given.variance)
    alpha = jnp.where(recorded, (floor - given.mean) / scale, -1.0)
    log_tail = log_ndtr(-alpha)
    hazard = jnp.exp(-0.5 * alpha * alpha - HALF_LOG_2PI - log_tail)
    mean = jnp.where(recorded, jnp.maximum(given.mean + scale * hazard, floor), given.mean)
    share = 1.0 + hazard * (alpha - hazard)
    cut = jnp.sqrt(jnp.maximum(given.variance * share, 0.0))
    weight = given.log_weight + jnp.where(recorded & ~over, log_tail, 0.0)
    return Mixture(
        jax.nn.log_softmax(weight, axis=1),
        jnp.where(over, floor, mean),
        jnp.where(over, KNOWN_SD, jnp.maximum(jnp.where(recorded, cut, scale), KNOWN_SD)),
    )


class StationConditioned(Explained, eqx.Module):
    r"""Condition also on the shaking that stations have recorded so far.

    Where the shaking is over, the PGA is known. Where it goes on, the PGA is the peak so far plus
    a growth g, with mean and variance estimated from past records at this stage:
    $y_i = b_i + g_i$, $g_i \sim N(m_i, s_i^2)$. Either way a station is normal about the level of
    the event, with variance $v_i = \phi^2$ or $\phi^2 + s_i^2$: each draw of the source is weighted
    by its likelihood of all stations, with the posterior of its event term
    (`eqstat.ground_motion.event.update_event_term`). A site with its own station is conditioned on
    that record too,

    $$ y_i \mid b_i, d, \eta \sim N\Big( (1 - k)(\mu_{di} + \eta) + k\,(b_i + m_i),\;
    (1 - k)\,\phi^2 \Big), \quad k = \frac{\phi^2}{\phi^2 + s_i^2}, \quad y_i > b_i. $$

    Stations are taken as independent given the event; see `SpatiallyConditioned`.

    Attributes
    ----------
    predictor
        A model with event terms: a `PointSource`, or the predictor of a fit to felt-only records
        (`eqstat.ground_motion.felt.FeltPredictor`).

    Examples
    --------
    >>> import jax
    >>> from eqstat.exceedance.alerts import Design, simulate, snapshots
    >>> scenarios = simulate(jax.random.key(0), 1, Design(stations=4))
    >>> snapshot = jax.tree.map(lambda leaf: leaf[-1], snapshots(scenarios, 0, [0.0, 120.0]))
    >>> passed = snapshot.peak_m_s2 > 0.1
    >>> probability = StationConditioned(PointSource())(snapshot, jnp.array([-1.0]))[:, 0]
    >>> bool((probability[passed] == 1.0).all())
    True
    """

    predictor: PointSource | FeltPredictor

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of exceeding each threshold at each site, (s, t); see `Rule`.

        Without a source it is 0, except at sites whose own peak has passed the threshold.
        """
        return passing(self._conditioned(snapshot), snapshot.located, log10_threshold)

    def predictive(self, snapshot: Snapshot) -> Mixture:
        """Mixture of log10 PGA (m/s2) at each site, (s, d).

        A component is normal; where the own station still grows it is cut at the peak so far, and
        becomes the normal of the same mean and variance. A known PGA has a scatter of 0.01.
        """
        return as_mixture(self._conditioned(snapshot))

    def _conditioned(self, snapshot: Snapshot) -> Conditioned:
        model, drawn, known = self.predictor, snapshot.drawn, observed(snapshot)
        at_station = levels(model, drawn, snapshot.station_km, snapshot.station_term)
        at_site = levels(model, drawn, snapshot.site_km, snapshot.site_term)
        phi2 = (model.within_scale**2).astype(at_station.dtype)
        term, scale, evidence = update_event_term(
            jnp.zeros_like(drawn.magnitude),
            model.event_scale.astype(at_station.dtype),
            known.seen - at_station.T,
            jnp.sqrt(phi2 + jnp.where(known.usable, known.growth2, 0.0)),
            known.usable.astype(at_station.dtype),
        )
        at = snapshot.site_station
        growing = (at >= 0) & known.growing[at]
        share = jnp.where(growing, phi2 / (phi2 + known.growth2[at]), 0.0)[:, None]
        target = jnp.where(growing, known.seen[at], 0.0)[:, None]
        return gathered(
            snapshot,
            known,
            jax.nn.log_softmax(drawn.log_weight + evidence),
            (1.0 - share) * (at_site + term) + share * target,
            (1.0 - share) * phi2 + (1.0 - share) ** 2 * scale**2,
        )
