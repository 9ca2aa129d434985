"""Causes of which little is known: fronts of unknown speed, and anything else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from eqstat.detection.causes._cause import Cause, Nodes
from eqstat.detection.causes._cause import nodes as equal_weight_nodes

# Speeds of fronts: those that no seismic wave has, two fifths apart; the others, an eighth apart.
# Shares of devices that trigger are those of the earthquake. With coarser ones a front would fit
# no node, and the earthquake, which has depth, better.
SLOW_KM_S = (0.4, 0.57, 0.8, 1.15, 1.6, 2.25, 3.2)
FAST_KM_S = (3.5, 3.9, 4.4, 4.9, 5.5, 6.2, 6.9, 7.7)
SHARES = (0.05, 0.12, 0.28, 0.6)
# Starting times of fast fronts, s: they outlast those of the earthquake.
FAST_SLOTS = 42


def front(
    *,
    rate_per_year: float = 2.0,
    speed_km_s: Sequence[float] = SLOW_KM_S,
    sd_s: Sequence[float] = (1.0, 2.5),
    slots: int = 22,
    slot_s: float = 4.0,
    cells: int = 150,
) -> Cause:
    """Coherent fronts of unknown speed and origin: a power cut that spreads, a rolling update.

    Whatever spreads from a point over the surface and is neither sound nor an earthquake. A front
    as fast as seismic waves differs from an earthquake by its having no depth and no second wave,
    and by its rate. So there are two of these causes: `front` by default, and `fast_front`.

    Parameters
    ----------
    rate_per_year, slots, slot_s, cells
        See `Cause`.
    speed_km_s
        Speeds, km/s; equally probable.
    sd_s
        Standard deviations of trigger times about the front, s.

    Returns
    -------
    Cause

    Examples
    --------
    >>> slow = front()
    >>> float(slow.node_speed_km_s.min()), float(slow.node_speed_km_s.max())
    (0.4, 3.2)
    """
    base = equal_weight_nodes(share=SHARES, delay_s=2.0, sd_s=sd_s)
    count = len(base.weight)
    repeated = Nodes(*(np.tile(np.asarray(array), len(speed_km_s)) for array in base))
    return Cause(
        name="front",
        rate_per_year=rate_per_year,
        nodes=repeated._replace(weight=repeated.weight / len(speed_km_s)),
        depth_km=np.zeros(1),
        depth_weight=np.ones(1),
        node_speed_km_s=np.repeat(np.asarray(speed_km_s, np.float64), count),
        slots=slots,
        slot_s=slot_s,
        cells=cells,
        margin_km=10.0,
    )


def fast_front(*, rate_per_year: float = 0.07, cells: int = 300) -> Cause:
    """Fronts with a speed of seismic waves, on as fine a grid as the earthquake; see `front`.

    None has been reported. They stand for what is not known, and as of earthquakes, those that
    trigger many devices are taken to be rarer than those that trigger few: the probability of a
    share is inversely proportional to it.

    Parameters
    ----------
    rate_per_year, cells
        See `Cause`.

    Returns
    -------
    Cause

    Examples
    --------
    >>> fast_front().name
    'fast_front'
    """
    fast = front(
        rate_per_year=rate_per_year,
        speed_km_s=FAST_KM_S,
        sd_s=(1.3,),
        slots=FAST_SLOTS,
        slot_s=1.0,
        cells=cells,
    )
    weight = np.asarray(fast.nodes.weight) / np.asarray(fast.nodes.first + fast.nodes.second)
    nodes = fast.nodes._replace(weight=weight / weight.sum())
    return dataclasses.replace(fast, name="fast_front", nodes=nodes)


def other(
    *, rate_per_year: float = 30.0, participation: Sequence[float] = (0.1, 0.5), cells: int = 144
) -> Cause:
    """Anything else: triggers without a wave, in either of two forms of equal probability.

    The devices are divided into districts, and these are joined to blocks of unknown size. In one
    form each block has, with a probability, a burst of its own within 8 to 64 s of the first: two
    towns that react one after the other, a power cut that goes from district to district. In the
    other some of the blocks have an additional rate of any course in time: a software update that
    rolls over a network in batches. An earthquake that fits explains each block's moment, and the
    course, by one source; so this cause wins only where triggers do not fit one.

    Parameters
    ----------
    rate_per_year
        See `Cause`.
    participation
        Probabilities that a block takes part, equally probable; the first is that of an additional
        rate where the rate changes, too.
    cells
        Approximate number of districts.

    Returns
    -------
    Cause

    Examples
    --------
    >>> other().participation
    (0.1, 0.5)
    """
    return Cause(
        name="other",
        rate_per_year=rate_per_year,
        nodes=equal_weight_nodes(share=SHARES, delay_s=2.0, sd_s=(0.7, 2.5)),
        depth_km=np.zeros(1),
        depth_weight=np.ones(1),
        slots=44,
        slot_s=2.0,
        cells=cells,
        margin_km=0.0,
        participation=tuple(participation),
    )
