r"""Alert rules under one interface: from a snapshot of the data to P(PGA > u) at sites.

A `Rule` is called with a `Snapshot` and thresholds. `PosteriorPredictive` uses the posterior of the
source, `StationConditioned` also the shaking that stations have recorded so far.
"""

from __future__ import annotations

from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int

from eqstat._core.explain import Explained
from eqstat._core.normal import log_ndtr
from eqstat.exceedance import _kernel
from eqstat.exceedance._kernel import SourceDraws
from eqstat.ground_motion import PointSource
from eqstat.ground_motion.event import update_event_term
from eqstat.ground_motion.mixture import Mixture, exceedance

# Below the noise of any sensor.
LEAST_M_S2 = 1e-9


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


class Rule(Protocol):
    """An alert rule; safe under `jit` and `vmap` over snapshots.

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
    >>> probability = PosteriorPredictive(PointSource())(snapshot, jnp.array([-2.0, 0.0]))
    >>> bool((probability[:, 0] > probability[:, 1]).all())
    True
    """

    predictor: Any

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of exceeding each threshold at each site, (s, t); see `Rule`."""
        mixture = _kernel.pooled(
            self.predictor, snapshot.drawn, snapshot.site_km, snapshot.vs30_m_s
        )
        return jnp.where(snapshot.located, tails(mixture, log10_threshold), 0.0)


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

    Stations are taken as independent given the event.

    Attributes
    ----------
    predictor
        A model with event terms.

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

    predictor: PointSource

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of exceeding each threshold at each site, (s, t); see `Rule`.

        Without a source it is 0, except at sites whose own peak has passed the threshold.
        """
        model, drawn = self.predictor, snapshot.drawn
        at_station = model.mean(
            drawn.magnitude, _kernel.distances(snapshot.station_km, drawn.place_km)
        )
        at_site = model.mean(drawn.magnitude, _kernel.distances(snapshot.site_km, drawn.place_km))
        phi2 = (model.within_scale**2).astype(at_station.dtype)
        recording = snapshot.peak_m_s2 > 0
        peak = jnp.log10(jnp.maximum(snapshot.peak_m_s2, LEAST_M_S2))
        growing = recording & ~snapshot.complete
        seen = peak + jnp.where(growing, snapshot.growth_mean, 0.0)
        growth2 = jnp.where(growing, snapshot.growth_sd**2, 0.0)
        usable = recording & jnp.isfinite(growth2)
        term, scale, evidence = update_event_term(
            jnp.zeros_like(drawn.magnitude),
            model.event_scale.astype(at_station.dtype),
            seen - at_station.T,
            jnp.sqrt(phi2 + jnp.where(usable, growth2, 0.0)),
            usable.astype(at_station.dtype),
        )
        weight = jax.nn.softmax(drawn.log_weight + evidence)

        at = snapshot.site_station
        recorded = (at >= 0) & recording[at]
        share = jnp.where(recorded & growing[at], phi2 / (phi2 + growth2[at]), 0.0)[:, None]
        target = jnp.where(recorded, seen[at], 0.0)[:, None]
        centre = (1.0 - share) * (at_site + term) + share * target
        spread = (1.0 - share) * phi2 + (1.0 - share) ** 2 * scale**2
        floor = jnp.where(recorded, peak[at], np.log10(LEAST_M_S2))[:, None]

        def tail(u: Array) -> Array:
            """Logarithm of the mixture's tail at each site."""
            each = log_ndtr((centre - u) / jnp.sqrt(spread))
            return logsumexp(each, axis=1, b=weight[None, :])

        at_least = tail(floor)

        def beyond(u: Array) -> Array:
            left = jnp.exp(tail(jnp.maximum(u, floor)) - at_least)
            over = recorded & snapshot.complete[at]
            return jnp.where(over | ~snapshot.located, 0.0, jnp.minimum(left, 1.0))

        passed = recorded[:, None] & (floor > log10_threshold)
        return jnp.where(passed, 1.0, jax.vmap(beyond, out_axes=1)(log10_threshold))
