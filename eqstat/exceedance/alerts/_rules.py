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

from eqstat._core.normal import log_ndtr
from eqstat.exceedance import _kernel
from eqstat.exceedance._kernel import SourceDraws
from eqstat.ground_motion import PointSource
from eqstat.ground_motion.event import update_event_term
from eqstat.ground_motion.mixture import Mixture, exceedance

# What no sensor would notice.
LEAST_M_S2 = 1e-9


class Snapshot(eqx.Module):
    """Data at one time: draws of the source, peaks of the stations so far, and the sites.

    Places are Cartesian, km about one centre; the sites may be the stations.

    Attributes
    ----------
    drawn
        Draws of the source.
    located
        Whether there is a source at all.
    station_km
        Stations, (n, 3).
    peak_m_s2
        Largest acceleration that each has recorded so far, 0 for none, (n,).
    complete
        Whether the strong shaking there is over, so that the peak is the PGA, (n,).
    growth_mean, growth_sd
        Of log10 PGA less log10 of the peak so far, where the shaking goes on: what the history of
        the network says of records at this stage, (n,).
    site_km
        Sites that may be warned, (s, 3).
    vs30_m_s
        Of the sites, NaN where it is unknown, (s,).
    site_station
        Place of the station at the site, -1 where there is none, (s,).
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
    """An alert rule; safe under `jit` and `vmap` over snapshots."""

    def __call__(self, snapshot: Snapshot, log10_threshold: Array, /) -> Array:
        """Probability of more than each threshold at each site.

        Parameters
        ----------
        snapshot
            The data.
        log10_threshold
            Thresholds, log10 of m/s2, (t,).

        Returns
        -------
        jax.Array
            (s, t); 0 where there is no source, unless a rule says otherwise.
        """
        ...


def tails(mixture: Mixture, log10_threshold: Float[Array, "t"]) -> Float[Array, "s t"]:
    """Exceedance of each threshold of the mixture of each site."""
    return jax.vmap(lambda u: exceedance(mixture, u), out_axes=1)(log10_threshold)


class PosteriorPredictive(eqx.Module):
    """The posterior of the source integrated over; what stations recorded is not used.

    Attributes
    ----------
    predictor
        A ground-motion predictor.
    """

    predictor: Any

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of more than each threshold at each site, (s, t); see `Rule`."""
        mixture = _kernel.pooled(
            self.predictor, snapshot.drawn, snapshot.site_km, snapshot.vs30_m_s
        )
        return jnp.where(snapshot.located, tails(mixture, log10_threshold), 0.0)


class StationConditioned(eqx.Module):
    r"""The posterior of the source, given also all that stations have recorded so far.

    Where the shaking is over the PGA is known. Where it goes on, the PGA is the peak so far and a
    growth g, of which the history of records at this stage tells mean and variance:
    $y_i = b_i + g_i$, $g_i \sim N(m_i, s_i^2)$. Either way a station is a normal about the level of
    the event, with variance $v_i = \phi^2$ or $\phi^2 + s_i^2$: each draw of the source is weighed
    by how well it predicts all stations, and takes the event term that they ask for
    (`eqstat.ground_motion.event.update_event_term`). A site with a station of its own takes that
    record too,

    $$ y_i \mid b_i, d, \eta \sim N\Big( (1 - k)(\mu_{di} + \eta) + k\,(b_i + m_i),\;
    (1 - k)\,\phi^2 \Big), \quad k = \frac{\phi^2}{\phi^2 + s_i^2}, \quad y_i > b_i. $$

    Stations count as independent given the event.

    Attributes
    ----------
    predictor
        A model with event terms.
    """

    predictor: PointSource

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of more than each threshold at each site, (s, t); see `Rule`.

        Without a source it is 0, but for sites whose own peak has passed the threshold.
        """
        model, drawn = self.predictor, snapshot.drawn
        there = model.mean(drawn.magnitude, _kernel.distances(snapshot.station_km, drawn.place_km))
        here = model.mean(drawn.magnitude, _kernel.distances(snapshot.site_km, drawn.place_km))
        phi2 = (model.within_scale**2).astype(there.dtype)
        heard = snapshot.peak_m_s2 > 0
        peak = jnp.log10(jnp.maximum(snapshot.peak_m_s2, LEAST_M_S2))
        grows = heard & ~snapshot.complete
        seen = peak + jnp.where(grows, snapshot.growth_mean, 0.0)
        growth2 = jnp.where(grows, snapshot.growth_sd**2, 0.0)
        tells = heard & jnp.isfinite(growth2)
        term, scale, evidence = update_event_term(
            jnp.zeros_like(drawn.magnitude),
            model.event_scale.astype(there.dtype),
            seen - there.T,
            jnp.sqrt(phi2 + jnp.where(tells, growth2, 0.0)),
            tells.astype(there.dtype),
        )
        weight = jax.nn.softmax(drawn.log_weight + evidence)

        at = snapshot.site_station
        own = (at >= 0) & heard[at]
        share = jnp.where(own & grows[at], phi2 / (phi2 + growth2[at]), 0.0)[:, None]
        target = jnp.where(own, seen[at], 0.0)[:, None]
        centre = (1.0 - share) * (here + term) + share * target
        spread = (1.0 - share) * phi2 + (1.0 - share) ** 2 * scale**2
        floor = jnp.where(own, peak[at], np.log10(LEAST_M_S2))[:, None]

        def tail(u: Array) -> Array:
            """Logarithm of the mixture's tail at each site."""
            each = log_ndtr((centre - u) / jnp.sqrt(spread))
            return logsumexp(each, axis=1, b=weight[None, :])

        at_least = tail(floor)

        def beyond(u: Array) -> Array:
            left = jnp.exp(tail(jnp.maximum(u, floor)) - at_least)
            over = own & snapshot.complete[at]
            return jnp.where(over | ~snapshot.located, 0.0, jnp.minimum(left, 1.0))

        passed = own[:, None] & (floor > log10_threshold)
        return jnp.where(passed, 1.0, jax.vmap(beyond, out_axes=1)(log10_threshold))
