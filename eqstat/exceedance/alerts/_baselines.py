"""Baseline alert rules: point source, nearby shaking, always, never.

All have the interface of `Rule`, so that the same levels and metrics apply to them.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from eqstat._core.checks import check_range
from eqstat._core.explain import Explained
from eqstat.exceedance import _kernel
from eqstat.exceedance._kernel import SourceDraws
from eqstat.exceedance.alerts._conditioned import LOG10_LEAST
from eqstat.exceedance.alerts._rules import PosteriorPredictive, Snapshot
from eqstat.ground_motion.mixture import Mixture


class MeanHypocentre(Explained, eqx.Module):
    """A point source: the ground-motion model at the mean hypocentre and mean magnitude.

    Ignores the uncertainty of the source; the scatter of the ground motion is kept.

    Attributes
    ----------
    predictor
        A ground-motion predictor.

    Examples
    --------
    >>> import jax
    >>> from eqstat.exceedance.alerts import Design, simulate, snapshots
    >>> scenarios = simulate(jax.random.key(0), 1, Design(stations=4))
    >>> snapshot = jax.tree.map(lambda leaf: leaf[-1], snapshots(scenarios, 0, [0.0, 120.0]))
    >>> from eqstat.ground_motion import PointSource
    >>> probability = MeanHypocentre(PointSource())(snapshot, jnp.array([-2.0, 0.0]))
    >>> bool((probability[:, 0] > probability[:, 1]).all())
    True
    """

    predictor: Any

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of exceeding each threshold at each site, (s, t); see `Rule`."""
        return self._rule(self._best(snapshot), log10_threshold)

    def predictive(self, snapshot: Snapshot) -> Mixture:
        """Mixture of log10 PGA (m/s2) at each site, (s, components)."""
        return self._rule.predictive(self._best(snapshot))

    @property
    def _rule(self) -> PosteriorPredictive:
        return PosteriorPredictive(self.predictor)

    def _best(self, snapshot: Snapshot) -> Snapshot:
        """The same with one draw of the source, at the mean."""
        drawn = snapshot.drawn
        weight = jnp.exp(drawn.log_weight)
        best = SourceDraws(
            (weight @ drawn.place_km)[None],
            (weight @ drawn.depth_km)[None],
            (weight @ drawn.magnitude)[None],
            jnp.zeros(1, weight.dtype),
        )
        return eqx.tree_at(lambda s: s.drawn, snapshot, best)


class Plum(Explained, eqx.Module):
    r"""Like PLUM: predict the strongest shaking recorded so far by the stations near a site.

    With the largest peak a of the stations within the radius, the probability of exceeding u is
    1 where $a > u$, else 0. No source is needed. With a scatter s the step becomes
    $\Phi\{(\log_{10} a - \log_{10} u) / s\}$, so that a level of alarm can be chosen.

    The original works on the Japanese seismic intensity, corrected for the ground under station
    and site. Here it is PGA, and the corrections are the `station_term` and `site_term` of the
    snapshot, where it has them: the peak of station i counts as $\log_{10} a_i - t_i + t_s$.

    Attributes
    ----------
    radius_km
        Radius within which stations are used, above 0; 30 in the reference.
    scatter
        Standard deviation of the site about the strongest station, log10 units, at least 0.

    Raises
    ------
    eqstat.InputError
        When the radius or the scatter is out of range.

    References
    ----------
    Kodera, Y. et al. (2018), The Propagation of Local Undamped Motion (PLUM) Method, Bulletin of
    the Seismological Society of America 108, 983-1003.

    Examples
    --------
    >>> import jax
    >>> from eqstat.exceedance.alerts import Design, simulate, snapshots
    >>> scenarios = simulate(jax.random.key(0), 1, Design(stations=4))
    >>> snapshot = jax.tree.map(lambda leaf: leaf[-1], snapshots(scenarios, 0, [0.0, 120.0]))
    >>> strongest = float(snapshot.peak_m_s2.max())
    >>> rule = Plum(radius_km=1000)
    >>> rule(snapshot, jnp.log10(jnp.array([0.5, 2.0]) * strongest))[0].tolist()
    [1.0, 0.0]
    """

    radius_km: float | int = 30.0
    scatter: float | int = 0.0

    def __check_init__(self) -> None:
        """Check the attributes."""
        check_range("Plum", 0, ends="(]", radius_km=self.radius_km)
        check_range("Plum", 0, scatter=self.scatter)

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of exceeding each threshold at each site, (s, t); see `Rule`."""
        strongest = self._strongest(snapshot)
        dtype = strongest.dtype
        recorded = jnp.isfinite(strongest)[:, None]
        above = jnp.where(recorded, strongest[:, None], LOG10_LEAST) - log10_threshold
        if self.scatter == 0:
            return (recorded & (above > 0)).astype(dtype)
        return jnp.where(recorded, ndtr(above / self.scatter), 0.0).astype(dtype)

    def predictive(self, snapshot: Snapshot) -> Mixture:
        """Normal of log10 PGA (m/s2) about the strongest peak, with the scatter, (s, 1).

        Where no station near has recorded, its mean is that of the least motion, 1e-9 m/s2.

        Raises
        ------
        eqstat.InputError
            When the scatter is 0: a step has no density.
        """
        check_range("Plum.predictive", 0, ends="(]", scatter=self.scatter)
        strongest = self._strongest(snapshot)[:, None]
        mean = jnp.where(jnp.isfinite(strongest), strongest, LOG10_LEAST)
        return Mixture(jnp.zeros_like(mean), mean, jnp.full_like(mean, self.scatter))

    def _strongest(self, snapshot: Snapshot) -> Float[Array, "s"]:
        """Log10 of the strongest peak near each site, with its site term; -inf for none."""
        distance = _kernel.distances(snapshot.site_km, snapshot.station_km)
        recording = snapshot.peak_m_s2 > 0
        peak = jnp.log10(jnp.where(recording, snapshot.peak_m_s2, 1.0))
        if snapshot.station_term is not None:
            peak = peak - snapshot.station_term
        near = (distance <= self.radius_km) & recording
        strongest = jnp.where(near, peak, -jnp.inf).max(axis=1)
        return strongest if snapshot.site_term is None else strongest + snapshot.site_term


class Always(Explained, eqx.Module):
    """Every site is warned as soon as an earthquake is located.

    Examples
    --------
    >>> import jax
    >>> from eqstat.exceedance.alerts import Design, simulate, snapshots
    >>> scenarios = simulate(jax.random.key(0), 1, Design(stations=4))
    >>> snapshot = jax.tree.map(lambda leaf: leaf[-1], snapshots(scenarios, 0, [0.0, 120.0]))
    >>> Always()(snapshot, jnp.array([-1.0]))[:, 0].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __call__(self, snapshot: Snapshot, log10_threshold: Array) -> Array:
        """Probability 1 for each site and threshold once there is a source, (s, t)."""
        shape = (snapshot.site_km.shape[0], log10_threshold.shape[0])
        return jnp.where(snapshot.located, jnp.ones(shape, snapshot.site_km.dtype), 0.0)


class Never(Explained, eqx.Module):
    """No site is ever warned.

    Examples
    --------
    >>> import jax
    >>> from eqstat.exceedance.alerts import Design, simulate, snapshots
    >>> scenarios = simulate(jax.random.key(0), 1, Design(stations=4))
    >>> snapshot = jax.tree.map(lambda leaf: leaf[-1], snapshots(scenarios, 0, [0.0, 120.0]))
    >>> Never()(snapshot, jnp.array([-1.0]))[:, 0].tolist()
    [0.0, 0.0, 0.0, 0.0]
    """

    def __call__(self, snapshot: Snapshot, log10_threshold: Array) -> Array:
        """Probability 0 for each site and threshold, (s, t)."""
        return jnp.zeros(
            (snapshot.site_km.shape[0], log10_threshold.shape[0]), snapshot.site_km.dtype
        )
