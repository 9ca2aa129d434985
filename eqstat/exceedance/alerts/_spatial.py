"""The rule with a Gaussian process of residuals within an event, and silent stations as bounds."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Float

from eqstat._core.checks import check_range
from eqstat._core.explain import Explained
from eqstat.exceedance import _kernel
from eqstat.exceedance.alerts import _silent
from eqstat.exceedance.alerts._conditioned import (
    KNOWN_SD,
    LEAST_M_S2,
    Conditioned,
    as_mixture,
    gathered,
    levels,
    observed,
    passing,
)
from eqstat.exceedance.alerts._rules import Snapshot
from eqstat.ground_motion import GroundMotion, PointSource, field_correlation
from eqstat.ground_motion.felt import FeltPredictor
from eqstat.ground_motion.mixture import Mixture


class Targets(NamedTuple):
    """Places given the recorded shaking: means of each draw, and what is common to all draws."""

    mean: Array  # (places, d)
    weights: Array  # of the observations, (places, n)
    left: Array  # share of the event term that the observations leave, (places,)


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

    Stations without a peak are not used, but where the snapshot has `silent_below_m_s2`, a level
    that the peak of a silent station has not passed: $z_i < \log_{10} c_i + m_i$. Where stations
    report strong shaking only, those that have reported are a selection, and without the silent
    ones all forecasts are too high. The bounds are no normals; they are replaced by normal factors
    by expectation propagation, for each draw, whose evidence weights the draws too. Its work is
    that of the draws times the cube of the number of stations.

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
    out_of_order
        Probability in [0, 1) that a silent station is out of order.

    Raises
    ------
    eqstat.InputError
        When an attribute is out of range.

    References
    ----------
    Cunningham, J., Hennig, P. and Lacoste-Julien, S. (2011), Gaussian probabilities and
    expectation propagation, arXiv:1111.6832, for the bounds.

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
    out_of_order: float | int | Array = 0.0

    def __check_init__(self) -> None:
        """Check the attributes."""
        check_range("SpatiallyConditioned", 0, 1, ends="[)", correlated_share=self.correlated_share)
        check_range("SpatiallyConditioned", 0, ends="(]", correlation_km=self.correlation_km)
        check_range("SpatiallyConditioned", 0, 1, ends="[)", out_of_order=self.out_of_order)

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
        identity = jnp.eye(len(used), dtype=dtype)
        correlation = self._correlation(snapshot.station_km, snapshot.station_km)
        between = phi2 * jnp.where(identity > 0, 1.0, correlation)
        to_site = self._correlation(snapshot.site_km, snapshot.station_km)
        is_own = snapshot.site_station[:, None] == jnp.arange(len(used))
        from_site = phi2 * jnp.where(is_own, 1.0, to_site)

        # Unusable stations are independent of everything, with a variance of 1.
        error = jnp.where(known.usable, known.growth2, 1.0 - phi2)
        covariance = between * jnp.where(identity > 0, 1.0, used[:, None] * used) + error * identity
        lower = (jnp.linalg.cholesky(covariance), True)
        residual = used[:, None] * (known.seen[:, None] - at_station)
        by_one, by_residual = cho_solve(lower, used), cho_solve(lower, residual)
        pull = used @ by_residual
        term_variance = tau2 / (1.0 + tau2 * (used @ by_one))
        term = term_variance * pull
        quadratic = jnp.sum(residual * by_residual, axis=0) - term_variance * pull**2
        # Determinants are the same for all draws.
        log_weight = drawn.log_weight - 0.5 * quadratic

        def target(level: Array, covariances: Array) -> Targets:
            left = 1.0 - covariances @ by_one
            mean = level + left[:, None] * term + covariances @ by_residual
            return Targets(mean, cho_solve(lower, covariances.T).T, left)

        site = target(at_site, from_site * used)
        within = phi2 - jnp.sum(site.weights * from_site, axis=1)
        variance = (jnp.maximum(within, 0.0) + site.left**2 * term_variance)[:, None]
        mean = site.mean
        if snapshot.silent_below_m_s2 is not None:
            level = jnp.log10(jnp.maximum(snapshot.silent_below_m_s2, LEAST_M_S2))
            growing = ~snapshot.complete
            error = jnp.where(growing, snapshot.growth_sd**2, 0.0)
            silent = (snapshot.silent_below_m_s2 > 0) & ~known.recording & jnp.isfinite(error)
            station = target(at_station, between * used)
            given = station.left[:, None] * term_variance
            joint = between - station.weights @ (between * used).T + given * station.left
            joint = joint + jnp.where(silent, error, 0.0) * identity
            joint = jnp.where(identity > 0, joint, joint * silent[:, None] * silent)
            joint = jnp.where(identity * ~silent > 0, 1.0, joint)
            cross = from_site - site.weights @ (between * used).T
            cross = (cross + site.left[:, None] * term_variance * station.left) * silent
            limit = (level + jnp.where(growing, snapshot.growth_mean, 0.0))[:, None] - station.mean
            bound = jnp.where(silent[:, None], limit, 1.0).T
            factors = _silent.silence(bound, joint, silent, self.out_of_order)
            moved, less = _silent.onto(factors, joint, cross)
            log_weight = log_weight + factors.log_evidence
            mean, variance = mean + moved, variance - less
        variance = jnp.maximum(variance, KNOWN_SD**2)
        return gathered(snapshot, known, jax.nn.log_softmax(log_weight), mean, variance)
