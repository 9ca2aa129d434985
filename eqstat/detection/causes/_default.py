"""The causes that ship with eqstat: earthquake, sound, venue and network burst."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat.detection.causes._cause import Cause, Nodes
from eqstat.detection.causes._cause import nodes as equal_weight_nodes
from eqstat.detection.causes._magnitude import Apparent, MagnitudeModel, share_edges
from eqstat.detection.causes._unknown import fast_front, front, other
from eqstat.velocity import VelocityLike, as_velocity

SOUND_KM_S = 0.34
# Least time for which starting times are kept, s; for an earthquake until S of the deepest has been
# reported everywhere, so long after P.
KEPT, REPORTED_S = 36, 11.0
EXCESS_H, EXCESS_SHARE = 15.0, 0.25
# The same errors of the velocity model as in the mixture of `eqstat.traveltime`.
SLOWNESS_SD, SLOWNESS_LATERAL_SD = 0.04, 0.02
# Mean and standard deviation of the common delay, the prior of `eqstat.traveltime`, too; and of the
# delays of devices about their mean.
DELAY_S, DELAY_SD_S, SD_S = 2.0, 1.0, 1.3
# Cells of the share of able devices, for each cell of the apparent magnitude: where shaking is weak
# the two can hardly be told apart.
SHARE_CELLS = (1, 2, 2, 3, 4, 5, 5)
# Cells of the magnitude where there is an excess: the least of fewer would stand for a magnitude
# that shakes a town, so that reactions alone would speak for a great depth.
EXCESS_CELLS = 4
# The first of these cells goes from 0 to as far beyond this share as the others are wide.
FEW_ABLE = 0.1
# Edges of the default cells of depth, km: in wider ones S after P would be off by seconds at the
# cell's ends, and a hundred triggers would fit any cause with a free course in time better.
DEPTH_EDGES_KM = (0.0, 16.0, 30.0, 45.0, 62.0, *np.arange(80.0, 701.0, 20.0), 1000.0)


def earthquake(
    *,
    rate_per_year: float = 10.0,
    velocity: VelocityLike = None,
    deepest_km: float | int = 300.0,
    half_depth_km: float | int = 20.0,
    depth_km: Sequence[float] | None = None,
    depth_weight: Sequence[float] | None = None,
    magnitudes: MagnitudeModel | None = None,
    nodes: Nodes | None = None,
    delay_s: float | int = DELAY_S,
    sd_s: float | int = SD_S,
    delay_sd_s: float = DELAY_SD_S,
    slots: int | None = None,
    slot_s: float = 1.0,
    cells: int = 300,
    margin_km: float = 20.0,
    slowness_sd: float = SLOWNESS_SD,
    slowness_lateral_sd: float = SLOWNESS_LATERAL_SD,
) -> Cause:
    r"""Earthquakes: P and S waves from a hypocentre.

    Unless depths are given, their prior density down to a greatest depth is

    .. math:: p(z) \propto (z + h)^{-2},

    in cells at most 20 km thick. Where the network lies above a subducting slab, take a
    greatest depth of 700 km and a half depth of 100 km.

    Parameters
    ----------
    rate_per_year
        Earthquakes per year of the least magnitude or more within the grid, from its catalogue or
        from a Gutenberg-Richter law (`gutenberg_richter_rate`), above 0.
    velocity
        Velocity model; by default 7.8 and 4.5 km/s.
    deepest_km
        Greatest depth, km, in (0, 1000].
    half_depth_km
        $h$: half of all earthquakes would be shallower, were there no greatest depth; km, above 0.
    depth_km, depth_weight
        Depths instead of those, km, and their prior probabilities (equal by default).
    magnitudes
        Magnitudes and which devices they trigger; `MagnitudeModel()` by default. The nodes are
        combinations of cells of the apparent magnitude and shares of devices able to notice; with
        probability 1/4 there is an excess of 15 triggers per device and hour, too.
    nodes
        Nuisance parameters without magnitudes instead, of `eqstat.detection.causes.nodes`: then
        the magnitude is not estimated, and `delay_s` and `sd_s` have no effect.
    delay_s, sd_s
        Mean delay of devices after a phase, s, and its standard deviation between devices, s,
        above 0.
    delay_sd_s
        Standard deviation of the mean delay, which is common to all devices; see `Cause`.
    slots, slot_s, cells, margin_km
        See `Cause`; by default starting times are kept for 36 s, or until S of the deepest
        earthquake has been reported.
    slowness_sd
        See `Cause`; by default 4 %, by which crusts differ from one velocity model.
    slowness_lateral_sd
        See `Cause`; by default 2 %.

    Returns
    -------
    Cause

    Examples
    --------
    >>> quake = earthquake(rate_per_year=3.0, depth_km=(5.0, 15.0))
    >>> quake.name, len(quake.nodes.weight)
    ('earthquake', 26)
    """
    if nodes is not None and magnitudes is not None:
        raise InputError("earthquake: give magnitudes or nodes, not both")
    check_range("earthquake", 0, 1000, ends="(]", deepest_km=deepest_km)
    check_range("earthquake", 0, ends="()", half_depth_km=half_depth_km)
    greatest = None
    if depth_km is None:
        edges = np.append([edge for edge in DEPTH_EDGES_KM if edge < deepest_km], deepest_km)
        depths, greatest = (edges[1:] + edges[:-1]) / 2, float(deepest_km)
        share = -np.diff(1 / (edges + half_depth_km))
        depth_weight = share / share.sum() if depth_weight is None else depth_weight
    else:
        depths = np.asarray(depth_km, np.float64)
    weight = np.full(len(depths), 1 / len(depths)) if depth_weight is None else depth_weight
    apparent = None
    if nodes is None:
        magnitudes = MagnitudeModel() if magnitudes is None else magnitudes
        nodes, apparent = magnitude_nodes(
            magnitudes, _cells(magnitudes), delay_s=delay_s, sd_s=sd_s
        )
    model = as_velocity(velocity)
    if slots is None:
        deepest = float(np.max(depths)) if greatest is None else greatest
        first, second = model.times_at_depth(jnp.zeros(()), deepest, 0.0)
        slots = max(KEPT, int(np.ceil((float(second) - float(first) + REPORTED_S) / slot_s)))
    return Cause(
        name="earthquake",
        rate_per_year=rate_per_year,
        nodes=nodes,
        magnitudes=magnitudes,
        apparent=apparent,
        depth_km=depths,
        depth_weight=np.asarray(weight, np.float64),
        velocity=model,
        slots=slots,
        slot_s=slot_s,
        cells=cells,
        margin_km=margin_km,
        slowness_sd=slowness_sd,
        slowness_lateral_sd=slowness_lateral_sd,
        delay_sd_s=delay_sd_s,
        deepest_km=greatest,
    )


def _cells(
    model: MagnitudeModel,
) -> tuple[tuple[Apparent, Sequence[np.ndarray], float, float], ...]:
    """Parts of the default nodes, for `magnitude_nodes`."""
    # An excess matters little beside the others: few cells, each for any share.
    shares = [np.append(0.0, share_edges(count, FEW_ABLE)[1:]) for count in SHARE_CELLS]
    coarse = [share_edges(1)] * EXCESS_CELLS
    return (
        (model.cells(len(shares)), shares, 1 - EXCESS_SHARE, 0.0),
        (model.cells(len(coarse)), coarse, EXCESS_SHARE, EXCESS_H),
    )


def magnitude_nodes(
    model: MagnitudeModel,
    parts: Sequence[tuple[Apparent, Sequence[np.ndarray], float, float]],
    *,
    delay_s: float | int,
    sd_s: float | int,
) -> tuple[Nodes, Apparent]:
    """Nodes over apparent magnitude and share of able devices, with their prior probabilities.

    Each part has cells of the apparent magnitude, edges of the shares for each, its probability,
    and an excess.
    """
    each: list[tuple[float, ...]] = []
    for cells, edges, part, excess_h in parts:
        probability = part * model.given(cells)[0]
        for *cell, of_cell, shares in zip(*cells, probability, edges, strict=True):
            able = zip(*model.share_cells(shares), strict=True)
            each += [(*cell, share, of_cell * mass, excess_h) for share, mass in able]
    magnitude, low, high, share, weight, excess = np.array(each).T
    nodes = Nodes(
        first=np.zeros_like(share),
        second=share,
        reach_km=np.full_like(share, np.inf),
        delay_s=np.full_like(share, delay_s),
        sd_s=np.full_like(share, sd_s),
        excess_h=excess,
        weight=weight,
    )
    return nodes, Apparent(magnitude, low, high)


def sound(*, rate_per_year: float = 20.0, cells: int = 150, margin_km: float = 10.0) -> Cause:
    """Sound fronts from a point at the surface: thunder, a sonic boom, an explosion in the air.

    Parameters
    ----------
    rate_per_year, cells, margin_km
        See `Cause`.

    Returns
    -------
    Cause

    Examples
    --------
    >>> sound().speed_km_s
    0.34
    """
    return Cause(
        name="sound",
        rate_per_year=rate_per_year,
        nodes=equal_weight_nodes(share=(0.2, 0.6), reach_km=(8.0, 16.0), delay_s=2.0, sd_s=(0.7,)),
        depth_km=np.zeros(1),
        depth_weight=np.ones(1),
        speed_km_s=SOUND_KM_S,
        slots=30,
        slot_s=3.0,
        cells=cells,
        margin_km=margin_km,
    )


def venue(*, rate_per_year: float = 50.0, cells: int = 500) -> Cause:
    """People in one place who react together: a goal, a concert, a power failure of a district.

    A venue triggers the devices within 2 to 50 km of its centre at once, within about a second.

    Parameters
    ----------
    rate_per_year, cells
        See `Cause`.

    Returns
    -------
    Cause

    Examples
    --------
    >>> crowd = venue()
    >>> float(crowd.nodes.reach_km.min()), float(crowd.nodes.reach_km.max())
    (2.0, 50.0)
    """
    # A crowd of a size between or beyond these nodes would resemble an earthquake more closely.
    reach = (2.0, 3.2, 5.0, 8.0, 12.5, 20.0, 32.0, 50.0)
    return Cause(
        name="venue",
        rate_per_year=rate_per_year,
        nodes=equal_weight_nodes(share=(0.2, 0.6), reach_km=reach, delay_s=2.4, sd_s=(0.8,)),
        depth_km=np.zeros(1),
        depth_weight=np.ones(1),
        slots=KEPT + 6,
        cells=cells,
        margin_km=0.0,
        edge=0.12,
    )


def network_burst(*, rate_per_year: float = 50.0) -> Cause:
    """Bursts of the whole network, without a location.

    Some nodes stand for simultaneous triggers of a share of all devices (reports that a server
    delivers together, a goal that a whole country watches); others for a higher trigger rate of
    all devices without a common moment, such as after news that makes people handle their phones.

    Parameters
    ----------
    rate_per_year
        See `Cause`.

    Returns
    -------
    Cause

    Examples
    --------
    >>> network_burst().is_simultaneous
    True
    """
    # At whole and half slots, and with closely spaced scatters: of hundreds of reports within a
    # second each says a little, and a moment between the slots would make an earthquake of them.
    simultaneous = [
        equal_weight_nodes(
            share=(0.03, 0.06, 0.12, 0.25, 0.5, 0.8),
            delay_s=delay_s,
            sd_s=(0.3, 0.6, 1.0, 2.0, 4.0, 8.0),
        )
        for delay_s in (9.0, 9.5)
    ]
    # A higher rate has no moment of its own, only a beginning: no shared trigger, only an excess.
    higher_rate = equal_weight_nodes(
        share=(0.0,), delay_s=9.0, excess_h=(5.0, EXCESS_H, 45.0, 120.0, 300.0, 800.0)
    )
    joined = _joined(*simultaneous, higher_rate)
    # One burst in six is a higher rate.
    at_once = joined.first > 0
    weight = np.where(at_once, 5 / 6 / at_once.sum(), 1 / 6 / (~at_once).sum())
    return Cause(
        name="network",
        rate_per_year=rate_per_year,
        nodes=joined._replace(weight=weight),
        depth_km=np.zeros(1),
        depth_weight=np.ones(1),
        slots=KEPT + 29,
        cells=1,
        margin_km=0.0,
    )


def _joined(*sets: Nodes) -> Nodes:
    """Nodes of several sets, all of which have equal weights."""
    each = Nodes(*(np.concatenate(arrays) for arrays in zip(*sets, strict=True)))
    return each._replace(weight=np.full(len(each.weight), 1 / len(each.weight)))


def gutenberg_richter_rate(
    magnitude: float, *, rate_per_year: float, above_magnitude: float, b_value: float = 1.0
) -> float:
    r"""Yearly rate of earthquakes of a magnitude or more, by the Gutenberg-Richter law.

    .. math:: N(\ge m) = N(\ge m_0)\, 10^{-b (m - m_0)}

    Parameters
    ----------
    magnitude
        Magnitude $m$.
    rate_per_year, above_magnitude
        $N(\ge m_0)$, per year, above 0, and $m_0$ of the region's catalogue.
    b_value
        $b$, above 0.

    Returns
    -------
    float
        Earthquakes per year.

    Raises
    ------
    eqstat.InputError
        When the rate or b is not positive.

    References
    ----------
    Gutenberg, B. and Richter, C. F. (1944), Frequency of earthquakes in California, Bulletin of the
    Seismological Society of America 34, 185-188, doi:10.1785/BSSA0340040185.

    Examples
    --------
    >>> gutenberg_richter_rate(5.0, rate_per_year=200.0, above_magnitude=3.0)
    2.0
    """
    check_range(
        "gutenberg_richter_rate", 0, ends="(]", rate_per_year=rate_per_year, b_value=b_value
    )
    return float(rate_per_year * 10.0 ** (-b_value * (magnitude - above_magnitude)))


def default_causes(
    *, velocity: VelocityLike = None, earthquakes_per_year: float = 10.0
) -> tuple[Cause, ...]:
    """Earthquakes and their competitors: sound, venues, bursts of the network, fronts, others.

    Parameters
    ----------
    velocity
        Velocity model of the earthquakes; by default 7.8 and 4.5 km/s.
    earthquakes_per_year
        Prior rate of the earthquakes, per year.

    Returns
    -------
    tuple of Cause
        The earthquake is the first.

    Examples
    --------
    >>> [cause.name for cause in default_causes()]
    ['earthquake', 'sound', 'venue', 'network', 'front', 'fast_front', 'other']
    """
    quake = earthquake(rate_per_year=earthquakes_per_year, velocity=velocity)
    return quake, sound(), venue(), network_burst(), front(), fast_front(), other()
