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
from jax.scipy.linalg import cho_solve
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from eqstat._core.checks import check_range
from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.explain import Explained
from eqstat._core.normal import log_ndtr
from eqstat.exceedance import _kernel
from eqstat.exceedance._kernel import SourceDraws
from eqstat.exceedance.alerts._rules import Snapshot
from eqstat.ground_motion import GroundMotion, PointSource, field_correlation
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


class SpatiallyConditioned(Explained, eqx.Module):
    r"""Condition on recorded shaking, with residuals that are correlated in space.

    As `StationConditioned`, but the residuals within an event are a Gaussian process. With the
    usable stations' observations z, their errors $s_i$, their means $\mu_d$ without an event term,

    $$ z \mid d, \eta \sim N(\mu_d + \eta \mathbf 1, K), \qquad
    K_{ij} = \phi^2 c_{ij} + \delta_{ij} s_i^2, \qquad
    c_{ij} = \rho\, e^{-3\,|x_i - x_j| / \ell} \;\; (i \ne j), \quad c_{ii} = 1, $$

    the event term $\eta \sim N(0, \tau^2)$ and the evidence of the draw are those of a normal with
    the covariance $K + \tau^2 \mathbf 1 \mathbf 1^\top$, and a site with the covariances
    $k_s = \phi^2 c_{s\cdot}$ is

    $$ y_s \mid z, d, \eta \sim N\big( \mu_{ds} + \eta + k_s^\top K^{-1} (z - \mu_d -
    \eta \mathbf 1),\; \phi^2 - k_s^\top K^{-1} k_s \big), $$

    with $\eta$ integrated out. K is the same for all draws: one Cholesky factor, of the cube of the
    number of stations. Without correlation it is `StationConditioned`, to rounding. The PGA at a
    site passes the peak that its own station has recorded already.

    Stations without a peak, dead ones too, are not used: that a station which waves have reached
    is still silent says nothing here. (Its likelihood is no normal, and has no closed form.)

    Attributes
    ----------
    predictor
        A model with event terms: a `PointSource`, or the predictor of a fit to felt-only records
        (`eqstat.ground_motion.felt.FeltPredictor`).
    correlated_share
        $\rho$ in [0, 1): share of the variance within an event, that of stations included, which
        neighbours have in common.
    correlation_km
        $\ell$, above 0: the range at which the correlation has fallen to $0.05 \rho$, km.

    Raises
    ------
    eqstat.InputError
        When the share or the range is out of range.

    References
    ----------
    Jayaram, N. and Baker, J. (2009), Correlation model for spatially distributed ground-motion
    intensities, Earthquake Engineering and Structural Dynamics 38, 1687-1708,
    doi:10.1002/eqe.922.

    Worden, C. B. et al. (2018), Spatial and spectral interpolation of ground-motion intensity
    measure observations, Bulletin of the Seismological Society of America 108, 866-875,
    doi:10.1785/0120170201, for the conditional normal with event terms.

    Examples
    --------
    >>> from eqstat.exceedance.alerts import Design, simulate, snapshots
    >>> scenarios = simulate(jax.random.key(0), 1, Design(stations=4))
    >>> snapshot = jax.tree.map(lambda leaf: leaf[-1], snapshots(scenarios, 0, [0.0, 20.0]))
    >>> rule = SpatiallyConditioned(PointSource(), correlated_share=0.5, correlation_km=30.0)
    >>> rule(snapshot, jnp.array([-1.0])).shape, rule.predictive(snapshot).mean.shape
    ((4, 1), (4, 64))
    """

    predictor: PointSource | FeltPredictor
    correlated_share: float | int | Array = 0.4
    correlation_km: float | int | Array = 20.0

    def __check_init__(self) -> None:
        """Check the attributes."""
        check_range("SpatiallyConditioned", 0, 1, ends="[)", correlated_share=self.correlated_share)
        check_range("SpatiallyConditioned", 0, ends="(]", correlation_km=self.correlation_km)

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of exceeding each threshold at each site, (s, t); see `Rule`.

        Without a source it is 0, except at sites whose own peak has passed the threshold.
        """
        return passing(self._conditioned(snapshot), snapshot.located, log10_threshold)

    def predictive(self, snapshot: Snapshot) -> Mixture:
        """Mixture of log10 PGA (m/s2) at each site, (s, d), see `StationConditioned`."""
        return as_mixture(self._conditioned(snapshot))

    def _correlation(self, place_km: Array, other_km: Array) -> Array:
        """Correlation of the residuals of different stations, (places, others)."""
        motion = GroundMotion(
            correlated_share=self.correlated_share, correlation_km=self.correlation_km
        )
        # The range does not grow with distance: the second factor of the design is not used.
        design, others = (jnp.zeros((len(each), 2), each.dtype) for each in (place_km, other_km))
        apart = _kernel.distances(place_km, other_km)
        return field_correlation(motion, apart, design, others).astype(place_km.dtype)

    def _conditioned(self, snapshot: Snapshot) -> Conditioned:
        model, drawn, known = self.predictor, snapshot.drawn, observed(snapshot)
        at_station = levels(model, drawn, snapshot.station_km, snapshot.station_term)
        at_site = levels(model, drawn, snapshot.site_km, snapshot.site_term)
        dtype = at_station.dtype
        tau2, phi2 = ((each**2).astype(dtype) for each in (model.event_scale, model.within_scale))
        used = known.usable.astype(dtype)
        # Unusable stations are independent of everything, with a variance of 1.
        own = jnp.where(known.usable, phi2 + known.growth2, 1.0)
        shared = phi2 * self._correlation(snapshot.station_km, snapshot.station_km)
        identity = jnp.eye(len(own), dtype=dtype)
        shared = shared * (1.0 - identity) * used[:, None] * used
        root = jnp.linalg.cholesky(shared + own * identity)

        residual = used[:, None] * (known.seen[:, None] - at_station)
        index = jnp.arange(len(own))
        is_own = snapshot.site_station[:, None] == index
        to_site = self._correlation(snapshot.site_km, snapshot.station_km)
        covariance = phi2 * jnp.where(is_own, 1.0, to_site) * used
        solved = cho_solve(
            (root, True), jnp.concatenate([used[:, None], residual, covariance.T], axis=1)
        )
        draws = residual.shape[1]
        by_one, by_residual = solved[:, 0], solved[:, 1 : 1 + draws]
        by_site = solved[:, 1 + draws :]

        precision = used @ by_one
        pull = used @ by_residual
        term_variance = tau2 / (1.0 + tau2 * precision)
        term = term_variance * pull
        quadratic = jnp.sum(residual * by_residual, axis=0) - term_variance * pull**2
        # Determinants are the same for all draws.
        log_weight = jax.nn.log_softmax(drawn.log_weight - 0.5 * quadratic)

        left = 1.0 - covariance @ by_one
        mean = at_site + left[:, None] * term + covariance @ by_residual
        within = phi2 - jnp.sum(covariance * by_site.T, axis=1)
        variance = jnp.maximum(within, 0.0) + left**2 * term_variance
        variance = jnp.maximum(variance, KNOWN_SD**2)
        return gathered(snapshot, known, log_weight, mean, variance[:, None])
