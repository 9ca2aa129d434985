r"""Rules of alarm under one interface: from what is known at a moment to P(PGA > u) at sites.

A `Rule` is called with a `Situation` and thresholds. Those of this file use all that is believed of
the source: `Integrated` its posterior, `Conditioned` also the shaking that stations have already
recorded. `eqstat.exceedance.baselines` holds what they are measured against.
"""

from __future__ import annotations

from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfc
from jaxtyping import Array, Bool, Float

from eqstat.exceedance import _kernel
from eqstat.exceedance._kernel import Drawn
from eqstat.exceedance._normal import LOG_ROOT_2PI
from eqstat.exceedance.mixture import Mixture, exceedance
from eqstat.exceedance.predictor import PointSource

__all__ = ["Conditioned", "Drawn", "Integrated", "Rule", "Situation", "event_term"]

# What no sensor would notice.
LEAST_M_S2 = 1e-9
FAR = -5.0


class Situation(eqx.Module):
    """What is known at a moment: the source as far as it is, what stations have seen, the sites.

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
    site_km
        Sites that may be warned, (s, 3).
    vs30_m_s
        Of the sites, NaN where it is unknown, (s,).
    site_peak_m_s2, site_complete
        The same of the sites as of stations: 0 and false where there is no sensor, (s,).
    """

    drawn: Drawn
    located: Bool[Array, "*times"]
    station_km: Float[Array, "*times n 3"]
    peak_m_s2: Float[Array, "*times n"]
    complete: Bool[Array, "*times n"]
    site_km: Float[Array, "*times s 3"]
    vs30_m_s: Float[Array, "*times s"]
    site_peak_m_s2: Float[Array, "*times s"]
    site_complete: Bool[Array, "*times s"]


class Rule(Protocol):
    """A rule of alarm; safe under `jit` and `vmap` over situations."""

    def __call__(self, situation: Situation, log10_threshold: Array, /) -> Array:
        """Probability of more than each threshold at each site, (s, t)."""
        ...


def tails(mixture: Mixture, log10_threshold: Float[Array, "t"]) -> Float[Array, "s t"]:
    """Exceedance of each threshold of the mixture of each site."""
    return jax.vmap(lambda u: exceedance(mixture, u), out_axes=1)(log10_threshold)


class Integrated(eqx.Module):
    """The posterior of the source integrated over; what stations recorded is not used.

    Attributes
    ----------
    predictor
        A ground-motion predictor.
    """

    predictor: Any

    def __call__(
        self, situation: Situation, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of more than each threshold at each site.

        Parameters
        ----------
        situation
            What is known.
        log10_threshold
            Thresholds, log10 of m/s2, (t,).

        Returns
        -------
        jax.Array
            (s, t); 0 where there is no source.
        """
        mixture = _kernel.pooled(
            self.predictor, situation.drawn, situation.site_km, situation.vs30_m_s
        )
        return jnp.where(situation.located, tails(mixture, log10_threshold), 0.0)


def event_term(
    residual: Float[Array, "n d"],
    used: Bool[Array, "n"],
    event_scale: Float[Array, ""] | float,
    within_scale: Float[Array, ""] | float,
) -> tuple[Float[Array, "d"], Float[Array, ""], Float[Array, "d"]]:
    r"""What residuals of n stations say of the event term, for each draw of the source.

    $$ \eta \mid r \sim N\Big( \frac{\sum_i r_i / \phi^2}{1/\tau^2 + n/\phi^2},\;
    \frac{1}{1/\tau^2 + n/\phi^2} \Big) $$

    Parameters
    ----------
    residual
        Observed less predicted log10 PGA, (n, d).
    used
        Which stations count, (n,).
    event_scale, within_scale
        $\tau$ and $\phi$, log10 units.

    Returns
    -------
    mean, variance, log_evidence : jax.Array
        Of the event term, (d,) and (); logarithm of the density of the residuals up to a
        constant that all draws share, (d,).
    """
    kept = jnp.where(used[:, None], residual, 0.0) / within_scale
    precision = 1.0 / event_scale**2 + jnp.sum(used) / within_scale**2
    mean = jnp.sum(kept, axis=0) / within_scale / precision
    evidence = -0.5 * (jnp.sum(kept * kept, axis=0) - precision * mean * mean)
    return mean, 1.0 / precision, evidence


class Conditioned(eqx.Module):
    r"""The posterior of the source, given also all that stations have recorded so far.

    Where the shaking is over, the PGA is known: each draw of the source is weighed by how well it
    predicts these PGA, and takes the event term that they ask for, in closed form. Where it goes
    on, the peak so far is a lower bound: draw d with event term $\eta$ is weighed by
    $\prod_i \Phi\{(\mu_{di} + \eta - \log_{10} a_i) / \phi\}$ too, with $\eta$ at the nodes of
    Gauss and Hermite. A site with a sensor has its own peak as a lower bound,

    $$ P(a > u \mid a > a_i) = \sum_{d, \eta} w_{d \eta}
    \frac{\Phi\{(\mu_d + \eta - \log_{10} u) / \phi\}}
    {\Phi\{(\mu_d + \eta - \log_{10} a_i) / \phi\}}, \quad u > a_i. $$

    Stations count as independent given the event.

    Attributes
    ----------
    predictor
        A model with event terms.
    nodes
        Number of nodes of the event term.
    """

    predictor: PointSource
    nodes: int = eqx.field(static=True, default=5)

    def __call__(
        self, situation: Situation, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of more than each threshold at each site.

        Parameters
        ----------
        situation
            What is known.
        log10_threshold
            Thresholds, log10 of m/s2, (t,).

        Returns
        -------
        jax.Array
            (s, t); 0 where there is no source, but for sites whose own peak has passed it.
        """
        model, drawn = self.predictor, situation.drawn
        there = model.mean(drawn.magnitude, _kernel.distances(situation.station_km, drawn.place_km))
        here = model.mean(drawn.magnitude, _kernel.distances(situation.site_km, drawn.place_km))
        phi = model.within_scale.astype(there.dtype)
        seen = _log10(situation.peak_m_s2)
        used = situation.complete & (situation.peak_m_s2 > 0)
        mean, variance, evidence = event_term(seen[:, None] - there, used, model.event_scale, phi)
        node, log_share = _gauss_hermite(self.nodes)
        # Draws times nodes: (d, h).
        term = mean[:, None] + jnp.sqrt(variance) * node
        bound = ~situation.complete & (situation.peak_m_s2 > 0)
        apart = (there[:, :, None] + term - seen[:, None, None]) / phi
        running = jnp.sum(jnp.where(bound[:, None, None], _log_tail(apart), 0.0), axis=0)
        full = drawn.log_weight[:, None] + evidence[:, None] + log_share + running
        weight = jax.nn.softmax(full.ravel())
        centre = (here[:, :, None] + term).reshape(len(here), -1)
        own = _log10(situation.site_peak_m_s2)[:, None]
        at_least = _log_tail((centre - own) / phi)

        def beyond(u: Array) -> Array:
            ratio = jnp.exp(_log_tail((centre - jnp.maximum(u, own)) / phi) - at_least)
            going_on = jnp.minimum(ratio @ weight, 1.0)
            return jnp.where(situation.site_complete | ~situation.located, 0.0, going_on)

        passed = own > log10_threshold
        return jnp.where(passed, 1.0, jax.vmap(beyond, out_axes=1)(log10_threshold))


def _log10(peak_m_s2: Array) -> Array:
    """Logarithm of a peak; of none one so small that it bounds nothing."""
    return jnp.log10(jnp.maximum(peak_m_s2, LEAST_M_S2))


def _log_tail(z: Array) -> Array:
    r"""Return $\log \Phi(z)$ to four digits, for weights; a series takes over beyond -5."""
    far = z < FAR
    t = jnp.where(far, -z, -FAR)
    inverse = 1.0 / (t * t)
    series = jnp.log1p(-inverse * (1.0 - inverse * (3.0 - 15.0 * inverse))) - jnp.log(t)
    near = 0.5 * erfc(-jnp.maximum(z, FAR) * np.float32(np.sqrt(0.5)))
    return jnp.where(far, -0.5 * t * t - LOG_ROOT_2PI + series, jnp.log(near))


def _gauss_hermite(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and log weights of a standard normal."""
    node, weight = np.polynomial.hermite_e.hermegauss(nodes)
    return node.astype(np.float32), np.log(weight / weight.sum()).astype(np.float32)
