"""What makes many devices trigger together: earthquakes, sound fronts, venues, whole networks.

Each cause is a point source in time and space with its travel times, and with a few nodes over
which what is not known of it is summed: how many devices it makes trigger, how far it reaches,
and how regular it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from eqstat._core.arrays import FloatArray
from eqstat._core.checks import check_range, refuse
from eqstat.velocity import ConstantVelocity, VelocityModel

SOUND_KM_S = 0.34
# Trigger times are not before the start of their cause: it starts so many standard deviations
# before the earliest of them.
LEAD_SD = 3.0
# Starting times of an earthquake, s. Its rivals are kept for longer by their delays, or it would be
# believed once they are forgotten.
KEPT = 36
EXCESS_H = 15.0
# As in the mixture of the travel-time room.
SLOWNESS_SD, SLOWNESS_LATERAL_SD = 0.04, 0.02


class Nodes(NamedTuple):
    """Points of the sum over what is not known of a cause; arrays (nodes,).

    Attributes
    ----------
    first, second
        Probability that a device near the source triggers after the first phase (P), and after
        the second (S); their sum is below 1.
    reach_km
        Distance at which these probabilities have fallen to half; may be infinite.
    delay_s, sd_s
        Mean and standard deviation of the time from a phase's arrival to the trigger, s.
    excess_h
        Triggers per device and hour that come on top of the background, all over the network,
        and set in with the start: people react, or there is unrest.
    weight
        Prior probabilities; they sum to 1.
    """

    first: FloatArray
    second: FloatArray
    reach_km: FloatArray
    delay_s: FloatArray
    sd_s: FloatArray
    excess_h: FloatArray
    weight: FloatArray


class Cause(eqx.Module):
    r"""A cause of triggers: where it may be, how fast it travels, whom it makes trigger.

    A device at distance r from a source that started at $t_0$ triggers because of it with the
    distribution function

    .. math:: F(t) = \rho(r) \sum_{k} q_k\, \Phi\Bigl(\frac{t - t_0 - T_k(r, z) - d}{s_k}\Bigr),
        \qquad \rho(r) = \Bigl\{1 + \exp\frac{r - R}{e R}\Bigr\}^{-1},

    and besides with the hazard x of the excess, which grows for 6 s from the start on. Here are
    the phases k, travel times $T_k$, delay d, and $s_k^2$ the variance of a single trigger plus
    that of the travel time within a cell of the grid.

    Attributes
    ----------
    name
        Of the cause.
    rate_per_year
        How often it starts within the grid.
    nodes
        What is not known of it.
    depth_km, depth_weight
        Depths of the grid, and their prior probabilities, (depths,).
    velocity
        Velocity model of P and S; None for a front of one speed.
    speed_km_s
        Speed of that front, where there is no velocity model; infinite where all devices get it
        at once.
    slots, slot_s
        How many starting times are kept, and seconds between them.
    cells
        About how many places the grid has; 1 for a cause without a place.
    margin_km
        How far the grid reaches beyond the network.
    edge
        Relative width e of the end of the reach.
    slowness_sd
        Travel times over those of the velocity model are log-normal about 1 with this standard
        deviation, the same factor for all devices. `locate` sums over it; in a step it is lost in
        the width of the cells.
    slowness_lateral_sd
        Standard deviation of what is added to that factor towards the east, and towards the north:
        one side of the region may be slower than the other. `locate` widens the epicentre by what
        it does to it.
    """

    name: str = eqx.field(static=True)
    rate_per_year: float = eqx.field(static=True)
    nodes: Nodes
    depth_km: FloatArray
    depth_weight: FloatArray
    velocity: VelocityModel | None = None
    speed_km_s: float = eqx.field(static=True, default=float("inf"))
    slots: int = eqx.field(static=True, default=40)
    slot_s: float = eqx.field(static=True, default=1.0)
    cells: int = eqx.field(static=True, default=400)
    margin_km: float = eqx.field(static=True, default=20.0)
    edge: float = eqx.field(static=True, default=0.25)
    slowness_sd: float = eqx.field(static=True, default=0.0)
    slowness_lateral_sd: float = eqx.field(static=True, default=0.0)

    def __check_init__(self) -> None:
        nodes = self.nodes
        share = np.asarray(nodes.first) + np.asarray(nodes.second)
        check_range(self.name, 0, ends="(]", finite=False, rate_per_year=self.rate_per_year)
        check_range(self.name, 0, 0.3, slowness_sd=self.slowness_sd)
        check_range(self.name, 0, 0.3, slowness_lateral_sd=self.slowness_lateral_sd)
        check_range(self.name, 0, excess_h=nodes.excess_h)
        check_range(self.name, 0, ends="(]", sd_s=nodes.sd_s)
        check_range(self.name, 0, ends="(]", finite=False, reach_km=nodes.reach_km)
        depths = float(np.sum(np.asarray(self.depth_weight)))
        refuse(
            self.name,
            (np.any(share >= 1) or np.any(share < 0), "first + second must lie in [0, 1)"),
            (
                np.any((share == 0) & (np.asarray(nodes.excess_h) <= 0)),
                "a node needs a share or an excess",
            ),
            (abs(float(np.sum(nodes.weight)) - 1) > 1e-6, "weights of the nodes must sum to 1"),
            (abs(depths - 1) > 1e-6, "depth_weight must sum to 1"),
            (
                self.slots < 2 or self.slot_s <= 0 or self.cells < 1,
                "slots must be 2 or more, slot_s above 0 and cells 1 or more",
            ),
        )

    @property
    def everywhere(self) -> bool:
        """Whether all devices are reached at once, so that there is no place to be wrong about."""
        endless = bool(np.all(np.isinf(np.asarray(self.nodes.reach_km))))
        return self.velocity is None and bool(np.isinf(self.speed_km_s)) and endless

    @property
    def lead_s(self) -> float:
        """Seconds from the start of a slot to the origin time that it stands for."""
        early = LEAD_SD * np.asarray(self.nodes.sd_s) - np.asarray(self.nodes.delay_s)
        return float(max(np.max(early), 0.0))

    def reached(self, distance_km: FloatArray) -> np.ndarray:
        r"""What is left of the share at distances, $\rho(r)$ of each node, (distances, nodes)."""
        reach = np.asarray(self.nodes.reach_km, np.float64)
        ends = np.where(np.isfinite(reach), reach, 1e9)
        away = np.asarray(distance_km, np.float64)[:, None]
        return np.asarray(expit((ends - away) / (self.edge * ends)))

    def travel_s(
        self, distance_km: FloatArray, depth_km: FloatArray | float
    ) -> tuple[FloatArray, FloatArray]:
        """Travel times of both phases; a front without a velocity model has one alone."""
        if self.velocity is not None:
            return self.velocity.times_at_depth(distance_km**2, depth_km, 0.0)
        time = distance_km / self.speed_km_s
        return time, time


def nodes(
    *,
    share: Sequence[float],
    first_share: Sequence[float] = (1.0,),
    reach_km: Sequence[float] = (np.inf,),
    delay_s: float = 0.0,
    sd_s: Sequence[float] = (1.0,),
    excess_h: Sequence[float] = (0.0,),
) -> Nodes:
    """Nodes at all combinations, of equal weight.

    Parameters
    ----------
    share
        Probabilities that a device near the source triggers.
    first_share
        Which part of them after the first phase.
    reach_km
        Reaches, km.
    delay_s
        Mean delay, s.
    sd_s
        Standard deviations of trigger times, s.
    excess_h
        Triggers per device and hour beyond the background.

    Returns
    -------
    Nodes
    """
    axes = np.meshgrid(share, first_share, reach_km, sd_s, excess_h, indexing="ij")
    q, part, reach, sd, excess = (axis.ravel().astype(np.float64) for axis in axes)
    count = len(q)
    return Nodes(
        q * part,
        q * (1 - part),
        reach,
        np.full(count, float(delay_s)),
        sd,
        excess,
        np.full(count, 1 / count),
    )


def earthquake(
    *,
    rate_per_year: float = 10.0,
    velocity: VelocityModel | None = None,
    depth_km: Sequence[float] = (8.0, 30.0, 70.0),
    depth_weight: Sequence[float] | None = None,
    unknown: Nodes | None = None,
    slots: int = KEPT,
    slot_s: float = 1.0,
    cells: int = 300,
    margin_km: float = 20.0,
    slowness_sd: float = SLOWNESS_SD,
    slowness_lateral_sd: float = SLOWNESS_LATERAL_SD,
) -> Cause:
    """Earthquakes: P and S from an unknown hypocentre.

    Parameters
    ----------
    rate_per_year
        Earthquakes a year that the network feels, from its catalogue or a Gutenberg-Richter rate
        (`rate_of_magnitude`).
    velocity
        Velocity model; by default 7.8 and 4.5 km/s.
    depth_km, depth_weight
        Depths, and their prior probabilities (equal by default).
    unknown
        Nodes of what is not known; by default shares of 0.05, 0.2 and 0.6, nearly all after P
        or most after S, with a delay of 0 s and a standard deviation of 1.3 s, without and with an
        excess of 15 triggers per device and hour.
    slots, slot_s, cells, margin_km, slowness_sd
        See `Cause`. Crusts differ by 4 % from one velocity model.
    slowness_lateral_sd
        The same; one side of a crust differs from the other by 2 %.
    """
    depths = np.asarray(depth_km, np.float64)
    weight = np.full(len(depths), 1 / len(depths)) if depth_weight is None else depth_weight
    if unknown is None:
        unknown = nodes(
            share=(0.05, 0.2, 0.6), first_share=(0.95, 0.3), sd_s=(1.3,), excess_h=(0.0, EXCESS_H)
        )
    return Cause(
        "earthquake",
        rate_per_year,
        unknown,
        depths,
        np.asarray(weight, np.float64),
        velocity=ConstantVelocity() if velocity is None else velocity,
        slots=slots,
        slot_s=slot_s,
        cells=cells,
        margin_km=margin_km,
        slowness_sd=slowness_sd,
        slowness_lateral_sd=slowness_lateral_sd,
    )


def sound(*, rate_per_year: float = 20.0, cells: int = 150, margin_km: float = 10.0) -> Cause:
    """A sound front from a point at the surface: thunder, a sonic boom, an explosion in the air."""
    unknown = nodes(share=(0.2, 0.6), reach_km=(8.0, 16.0), delay_s=2.0, sd_s=(0.7,))
    return Cause(
        "sound",
        rate_per_year,
        unknown,
        np.zeros(1),
        np.ones(1),
        speed_km_s=SOUND_KM_S,
        slots=30,
        slot_s=3.0,
        cells=cells,
        margin_km=margin_km,
    )


def venue(*, rate_per_year: float = 50.0, cells: int = 500) -> Cause:
    """People of one place who react together: a goal, a concert, a region's power failure."""
    # A crowd whose size lies between them, or beyond, would look more like an earthquake.
    reach = (2.0, 3.2, 5.0, 8.0, 12.5, 20.0, 32.0, 50.0)
    unknown = nodes(share=(0.2, 0.6), reach_km=reach, delay_s=2.4, sd_s=(0.8,))
    return Cause(
        "venue", rate_per_year, unknown, np.zeros(1), np.ones(1),
        slots=KEPT + 4, cells=cells, margin_km=0.0, edge=0.12,
    )  # fmt: skip


def network_burst(*, rate_per_year: float = 50.0) -> Cause:
    """Devices of the whole network: bunched reports of a server, a country's goal, unrest."""
    bursts = nodes(share=(0.03, 0.1, 0.3, 0.7), delay_s=9.0, sd_s=(0.3, 1.0, 3.0))
    # Unrest has no moment of its own, only a beginning.
    unrest = nodes(share=(0.0,), delay_s=9.0, excess_h=(5.0, EXCESS_H, 45.0, 120.0))
    joined = (np.concatenate(pair) for pair in zip(bursts, unrest, strict=True))
    unknown = Nodes(*joined)
    unknown = unknown._replace(weight=unknown.weight / np.sum(unknown.weight))
    return Cause(
        "network", rate_per_year, unknown, np.zeros(1), np.ones(1),
        slots=KEPT + 12, cells=1, margin_km=0.0,
    )  # fmt: skip


def rate_of_magnitude(
    magnitude: float, *, rate_per_year: float, above_magnitude: float, b_value: float = 1.0
) -> float:
    r"""Earthquakes a year of a magnitude or more, by Gutenberg and Richter.

    .. math:: N(\ge m) = N(\ge m_0)\, 10^{-b (m - m_0)}

    Parameters
    ----------
    magnitude
        m.
    rate_per_year, above_magnitude
        $N(\ge m_0)$ and $m_0$ of the region's catalogue.
    b_value
        b, positive.

    Returns
    -------
    float
        Per year.

    References
    ----------
    Gutenberg, B. and Richter, C. F. (1944), Bull. Seism. Soc. Am. 34, 185-188.

    Examples
    --------
    >>> rate_of_magnitude(5.0, rate_per_year=200.0, above_magnitude=3.0)
    2.0
    """
    check_range("rate_of_magnitude", 0, ends="(]", rate_per_year=rate_per_year, b_value=b_value)
    return float(rate_per_year * 10.0 ** (-b_value * (magnitude - above_magnitude)))


def usual_causes(
    *, velocity: VelocityModel | None = None, earthquakes_per_year: float = 10.0
) -> tuple[Cause, ...]:
    """Earthquakes, and what competes with them: sound fronts, venues, bursts of the network."""
    quake = earthquake(rate_per_year=earthquakes_per_year, velocity=velocity)
    return quake, sound(), venue(), network_burst()


def spread_s(cause: Cause, spacing_km: float, slot_s: float) -> tuple[float, float]:
    """Standard deviation of the arrivals of both phases within a cell of the grid."""
    if cause.velocity is not None:
        times = cause.velocity.times_at_depth(jnp.asarray([100.0, 3600.0]), 10.0, 0.0)
        slowness = [float(time[1] - time[0]) / 50.0 for time in times]
    else:
        slowness = [1 / cause.speed_km_s] * 2
    p, s = (float(np.hypot(spacing_km * slow, slot_s)) * 12**-0.5 for slow in slowness)
    return p, s
