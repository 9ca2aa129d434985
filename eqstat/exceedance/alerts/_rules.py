r"""Alert rules under one interface: from a snapshot of the data to P(PGA > u) at sites.

A `Rule` is called with a `Snapshot` and thresholds. `PosteriorPredictive` uses the posterior of the
source; the rules of `_conditioned` also the shaking that stations have recorded so far.
"""

from __future__ import annotations

from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from eqstat._core.explain import Explained
from eqstat.exceedance import _kernel
from eqstat.exceedance._kernel import SourceDraws
from eqstat.ground_motion.mixture import Mixture, exceedance
from eqstat.ground_motion.network.multistation import View


class Snapshot(Explained, eqx.Module):
    """Data at one time: draws of the source, peaks of the stations so far, and the sites.

    Coordinates are Cartesian, km about one centre; the sites may be the stations.

    Attributes
    ----------
    drawn
        Draws of the source.
    located
        Whether a source has been located.
    station_km
        Stations, (n, 3).
    peak_m_s2
        Largest acceleration that each has recorded so far, 0 for none, (n,).
    complete
        Whether the strong shaking there is over, so that the peak is the PGA, (n,).
    growth_mean, growth_sd
        Mean and standard deviation of log10 PGA less log10 of the peak so far, where the shaking
        goes on, from past records at this stage, (n,).
    site_km
        Sites to warn, (s, 3).
    vs30_m_s
        Of the sites, NaN where it is unknown, (s,).
    site_station
        Index of the station at the site, -1 where there is none, (s,).
    station_term, site_term
        Known site terms (how much more a place shakes than the model says), log10 units, (n,) and
        (s,); 0 where they are not given.
    silent_below_m_s2
        Level that the peak of a silent station has not passed, m/s2; 0 where nothing is known of
        it (dead, or not reached by the waves), (n,). Without it silence says nothing.
    view
        The same data as a multistation network reads them, where it is to be asked.

    Examples
    --------
    >>> import jax
    >>> from eqstat.exceedance.alerts import Design, simulate, snapshots
    >>> scenarios = simulate(jax.random.key(0), 1, Design(stations=4))
    >>> snapshot = jax.tree.map(lambda leaf: leaf[-1], snapshots(scenarios, 0, [0.0, 120.0]))
    >>> bool(snapshot.located), snapshot.station_km.shape
    (True, (4, 3))
    """

    drawn: SourceDraws
    located: Bool[Array, "*times"]
    station_km: Float[Array, "*times n 3"]
    peak_m_s2: Float[Array, "*times n"]
    complete: Bool[Array, "*times n"]
    growth_mean: Float[Array, "*times n"]
    growth_sd: Float[Array, "*times n"]
    site_km: Float[Array, "*times s 3"]
    vs30_m_s: Float[Array, "*times s"]
    site_station: Int[Array, "*times s"]
    station_term: Float[Array, "*times n"] | None = None
    site_term: Float[Array, "*times s"] | None = None
    silent_below_m_s2: Float[Array, "*times n"] | None = None
    view: View | None = None


class Rule(Protocol):
    """An alert rule; safe under `jit` and `vmap` over snapshots.

    Rules that predict the shaking itself also have a method `predictive(snapshot)`, which gives
    the `Mixture` of log10 PGA at each site, whether or not a source has been located.

    Examples
    --------
    Any callable of this signature is a rule:

    >>> def strongest(snapshot, log10_threshold):
    ...     peak = jnp.log10(snapshot.peak_m_s2.max())
    ...     return jnp.ones((len(snapshot.site_km), 1)) * (peak > log10_threshold)
    >>> rule: Rule = strongest
    """

    def __call__(self, snapshot: Snapshot, log10_threshold: Array, /) -> Array:
        """Probability of exceeding each threshold at each site.

        Parameters
        ----------
        snapshot
            The data.
        log10_threshold
            Thresholds, log10 of m/s2, (t,).

        Returns
        -------
        jax.Array
            (s, t); 0 without a located source, unless a rule documents otherwise.
        """
        ...


def tails(mixture: Mixture, log10_threshold: Float[Array, "t"]) -> Float[Array, "s t"]:
    """Exceedance of each threshold of the mixture of each site."""
    return jax.vmap(lambda u: exceedance(mixture, u), out_axes=1)(log10_threshold)


class PosteriorPredictive(Explained, eqx.Module):
    """Marginalise over the posterior of the source; recorded shaking is not used.

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
    >>> probability = PosteriorPredictive(PointSource())(snapshot, jnp.array([-2.0, 0.0]))
    >>> bool((probability[:, 0] > probability[:, 1]).all())
    True
    """

    predictor: Any

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of exceeding each threshold at each site, (s, t); see `Rule`."""
        return jnp.where(snapshot.located, tails(self.predictive(snapshot), log10_threshold), 0.0)

    def predictive(self, snapshot: Snapshot) -> Mixture:
        """Mixture of log10 PGA (m/s2) at each site, (s, components)."""
        mixture = _kernel.pooled(
            self.predictor, snapshot.drawn, snapshot.site_km, snapshot.vs30_m_s
        )
        if snapshot.site_term is None:
            return mixture
        return eqx.tree_at(lambda m: m.mean, mixture, mixture.mean + snapshot.site_term[:, None])
