"""A cause of triggers: its source model, travel times and nuisance parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy import stats
from scipy.special import expit

from eqstat._core.arrays import FloatArray
from eqstat._core.checks import check_range, refuse
from eqstat._core.explain import Explained, explained
from eqstat.detection.causes._magnitude import Apparent, MagnitudeModel
from eqstat.velocity import VelocityModel

# A trigger time scatters about its arrival to both sides, but triggers before the start of a slot
# belong to the background. So a slot starts this many standard deviations before the arrival at the
# epicentre.
LEAD_SD = 3.0


@explained
class Nodes(NamedTuple):
    r"""Quadrature nodes over the nuisance parameters of a cause; each array is (nodes,).

    Attributes
    ----------
    first, second
        Probabilities $q_1, q_2$ that a device near the source triggers after the first phase (P)
        and after the second (S); their sum lies in [0, 1). Where the cause has magnitudes, the sum
        is the share of devices that are alive and able to notice, and which of them trigger on
        which phase follows from the shaking.
    reach_km
        Distance $R$ at which these probabilities have fallen to half, above 0; may be infinite.
    delay_s, sd_s
        Mean and standard deviation of the time from the arrival of a phase to the trigger, s.
    excess_h
        Triggers per device and hour in addition to the background, over the whole network, from
        the start of the cause on: people react to what happens. At least 0.
    weight
        Prior probabilities; they sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> one = Nodes(*(np.array([x]) for x in (0.2, 0.1, np.inf, 0.0, 1.3, 0.0, 1.0)))
    >>> float(one.first[0] + one.second[0]) < 1
    True
    """

    first: FloatArray
    second: FloatArray
    reach_km: FloatArray
    delay_s: FloatArray
    sd_s: FloatArray
    excess_h: FloatArray
    weight: FloatArray


class Cause(Explained, eqx.Module):
    r"""A cause of triggers: where it may be, how fast it travels, and which devices it triggers.

    A device at distance $r$ from a source at depth $z$ that started at $t_0$ is triggered by it
    with the (defective) distribution function

    .. math:: F(t) = \rho(r) \sum_{k} q_k\, \Phi\Bigl(\frac{t - t_0 - T_k(r, z) - d}{s_k}\Bigr),
        \qquad \rho(r) = \Bigl\{1 + \exp\frac{r - R}{e R}\Bigr\}^{-1},

    and by an additional hazard $x$ (the excess), which grows linearly for 6 s from the start on.
    The phases are $k$, their travel times $T_k$, the delay $d$; $s_k^2$ is the variance of a single
    trigger plus that of the travel time within a cell of the grid.

    Attributes
    ----------
    name
        Name of the cause.
    rate_per_year
        Prior rate at which it starts within the grid, per year, above 0.
    nodes
        Nuisance parameters.
    depth_km, depth_weight
        Depths of the grid, km, increasing, and their prior probabilities, (depths,).
    velocity
        Velocity model of P and S; None for a front of one speed.
    speed_km_s
        Speed of that front where there is no velocity model; infinite where all devices are
        reached at once.
    node_speed_km_s
        A speed for each node instead, where it is unknown, (nodes,); finite.
    magnitudes, apparent
        Where they are given, the nodes have apparent magnitudes, and the trigger probability at a
        distance follows from the shaking there instead of $\rho$ (`MagnitudeModel.trigger_shares`).
    participation
        Where it is not empty, the cause has no source: the places of the grid are districts, joined
        to blocks of unknown size, and each block takes part with this probability (one of several
        of equal probability, each in (0, 1)). See `eqstat.detection.causes.other`.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range.

    Examples
    --------
    A blast heard at the speed of sound by about half of the devices within 5 km:

    >>> import numpy as np
    >>> blast = Cause("blast", rate_per_year=5.0, nodes=nodes(share=(0.4, 0.6), reach_km=(5.0,)),
    ...               depth_km=np.zeros(1), depth_weight=np.ones(1), speed_km_s=0.34)
    >>> blast.reach_fraction(np.array([0.0, 5.0, 20.0])).round(2)[:, 0].tolist()
    [0.98, 0.5, 0.0]
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
    delay_sd_s: float = eqx.field(static=True, default=0.0)
    deepest_km: float | None = eqx.field(static=True, default=None)
    node_speed_km_s: FloatArray | None = None
    magnitudes: MagnitudeModel | None = None
    apparent: Apparent | None = None
    participation: tuple[float, ...] = eqx.field(static=True, default=())

    def __check_init__(self) -> None:
        nodes = self.nodes
        share = np.asarray(nodes.first) + np.asarray(nodes.second)
        check_range(self.name, 0, ends="(]", finite=False, rate_per_year=self.rate_per_year)
        check_range(self.name, 0, 0.3, slowness_sd=self.slowness_sd)
        check_range(self.name, 0, 0.3, slowness_lateral_sd=self.slowness_lateral_sd)
        check_range(self.name, 0, 60, delay_sd_s=self.delay_sd_s)
        check_range(self.name, 0, excess_h=nodes.excess_h)
        check_range(self.name, 0, ends="(]", sd_s=nodes.sd_s)
        check_range(self.name, 0, ends="(]", finite=False, reach_km=nodes.reach_km)
        depths = float(np.sum(np.asarray(self.depth_weight)))
        if self.participation:
            check_range(self.name, 0, 1, ends="()", participation=self.participation)
        if self.node_speed_km_s is not None:
            check_range(self.name, 0, ends="()", node_speed_km_s=self.node_speed_km_s)
        refuse(
            self.name,
            (np.any(share >= 1) or np.any(share < 0), "first + second must lie in [0, 1)"),
            (
                np.any((share == 0) & (np.asarray(nodes.excess_h) <= 0)),
                "each node needs a positive first + second or a positive excess_h",
            ),
            (abs(float(np.sum(nodes.weight)) - 1) > 1e-6, "weights of the nodes must sum to 1"),
            (
                self.node_speed_km_s is not None
                and np.shape(self.node_speed_km_s) != np.shape(nodes.weight),
                "node_speed_km_s must have one entry per node",
            ),
            (
                (self.magnitudes is None) != (self.apparent is None)
                or (
                    self.apparent is not None
                    and np.shape(self.apparent.magnitude) != np.shape(nodes.weight)
                ),
                "magnitudes need an apparent magnitude for each node",
            ),
            (abs(depths - 1) > 1e-6, "depth_weight must sum to 1"),
            (np.any(np.diff(self.depth_km) < 0), "depth_km must increase"),
            (
                self.greatest_depth_km < float(np.max(np.asarray(self.depth_km))),
                "deepest_km must not be above the depths of the grid",
            ),
            (
                self.slots < 2 or self.slot_s <= 0 or self.cells < 1,
                "slots must be 2 or more, slot_s above 0 and cells 1 or more",
            ),
        )

    @property
    def is_simultaneous(self) -> bool:
        """Whether all devices are reached at once, so that the cause needs no grid of places."""
        unlimited = bool(np.all(np.isinf(np.asarray(self.nodes.reach_km))))
        at_once = self.velocity is None and bool(np.isinf(self.speed_km_s))
        return at_once and unlimited and self.node_speed_km_s is None and not self.participation

    @property
    def lead_s(self) -> float:
        """Seconds from the start of a slot to the arrival at the epicentre that it represents."""
        early = LEAD_SD * np.asarray(self.nodes.sd_s) - np.asarray(self.nodes.delay_s)
        return float(max(np.max(early), 0.0))

    @property
    def greatest_depth_km(self) -> float:
        """Greatest depth of the prior, km."""
        deepest = self.deepest_km
        return 1.3 * float(np.max(np.asarray(self.depth_km))) if deepest is None else deepest

    def vertical_s(self, depth_km: FloatArray | float) -> np.ndarray:
        """Travel time of the first phase to the epicentre, s; 0 without a velocity model.

        The grids of time hold this arrival instead of the origin time. The triggers determine it
        whatever the depth, and a source at 300 km began 40 s before its first trigger.

        Parameters
        ----------
        depth_km
            Depths, km, (depths,).

        Returns
        -------
        numpy.ndarray
            (depths,).
        """
        depths = np.asarray(depth_km, np.float64)
        if self.velocity is None:
            return np.zeros(depths.shape)
        return np.asarray(self.travel_s(jnp.zeros(()), jnp.asarray(depths))[0], np.float64)

    @property
    def delay_departure(self) -> Any:
        """Prior of the common delay less its mean `Nodes.delay_s`: a distribution of SciPy.

        Both `eqstat.detection.simulate` and `eqstat.detection.locate` take it from here.
        """
        sd = max(self.delay_sd_s, 1e-9)
        mean = float(np.asarray(self.nodes.delay_s) @ np.asarray(self.nodes.weight))
        return stats.truncnorm(-mean / sd if mean >= 0 else -np.inf, np.inf, scale=sd)

    def reach_fraction(self, distance_km: FloatArray) -> np.ndarray:
        r"""Decay of the trigger probability with distance, $\rho(r)$.

        Parameters
        ----------
        distance_km
            Distances from the source, km, (distances,).

        Returns
        -------
        numpy.ndarray
            In [0, 1], (distances, nodes).
        """
        reach = np.asarray(self.nodes.reach_km, np.float64)
        finite_reach = np.where(np.isfinite(reach), reach, 1e9)
        distance = np.asarray(distance_km, np.float64)[:, None]
        return np.asarray(expit((finite_reach - distance) / (self.edge * finite_reach)))

    def trigger_shares(self, distance_km: FloatArray, depth_km: FloatArray) -> np.ndarray:
        r"""Probabilities that a device triggers after each phase, if it does not before.

        Parameters
        ----------
        distance_km
            Epicentral distances, km, (distances,).
        depth_km
            Depths, km, (depths,) or (depths, nodes).

        Returns
        -------
        numpy.ndarray
            (2, distances, depths, nodes); with one depth for all where it makes no difference.
        """
        first, second = (np.asarray(x, np.float64) for x in (self.nodes.first, self.nodes.second))
        if self.magnitudes is None or self.apparent is None:
            rho = self.reach_fraction(distance_km)[:, None, :]
            return np.stack([first, second])[:, None, None, :] * rho
        depth = np.asarray(depth_km, np.float64)
        depth = depth[:, None] if depth.ndim == 1 else depth
        distance = np.asarray(distance_km, np.float64)[:, None, None]
        shares = self.magnitudes.trigger_shares(self.apparent.magnitude, distance, depth)
        return (first + second) * shares

    def travel_s(
        self, distance_km: FloatArray, depth_km: FloatArray | float
    ) -> tuple[FloatArray, FloatArray]:
        """Travel times of both phases; equal where there is no velocity model.

        Not those of nodes with speeds of their own.

        Parameters
        ----------
        distance_km, depth_km
            Epicentral distances and depths, km; shapes that broadcast.

        Returns
        -------
        first, second : array
            Travel times, s.
        """
        if self.velocity is not None:
            # A table is reduced to one depth where there is only one.
            times = self.velocity.times if jnp.ndim(depth_km) else self.velocity.times_at_depth
            return times(distance_km**2, depth_km, 0.0)
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
    """Nodes at all combinations of the given values, with equal weights.

    Parameters
    ----------
    share
        Probabilities that a device near the source triggers, in [0, 1).
    first_share
        Fractions of these triggers that follow the first phase, in [0, 1].
    reach_km
        Reaches, km, above 0.
    delay_s
        Mean delay of a trigger after its phase, s.
    sd_s
        Standard deviations of trigger times, s, above 0.
    excess_h
        Triggers per device and hour in addition to the background, at least 0.

    Returns
    -------
    Nodes

    Examples
    --------
    >>> some = nodes(share=(0.1, 0.4), first_share=(0.9, 0.3))
    >>> len(some.weight), float(some.weight.sum())
    (4, 1.0)
    """
    axes = np.meshgrid(share, first_share, reach_km, sd_s, excess_h, indexing="ij")
    probability, part, reach, sd, excess = (axis.ravel().astype(np.float64) for axis in axes)
    count = len(probability)
    return Nodes(
        first=probability * part,
        second=probability * (1 - part),
        reach_km=reach,
        delay_s=np.full(count, float(delay_s)),
        sd_s=sd,
        excess_h=excess,
        weight=np.full(count, 1 / count),
    )


def arrival_sd_within_cell(cause: Cause, spacing_km: float, slot_s: float) -> np.ndarray:
    """Standard deviation of the arrivals of both phases within a cell and a slot of the grid, s.

    Returns (2, 1), or (2, nodes) where nodes have speeds of their own.
    """
    if cause.velocity is not None:
        # The apparent slowness between 10 and 60 km is representative of a regional network.
        times = cause.velocity.times_at_depth(jnp.asarray([100.0, 3600.0]), 10.0, 0.0)
        slowness = np.array([[float(time[1] - time[0]) / 50.0] for time in times])
    elif cause.node_speed_km_s is not None:
        slowness = np.tile(1 / np.asarray(cause.node_speed_km_s, np.float64), (2, 1))
    else:
        slowness = np.full((2, 1), 1 / cause.speed_km_s)
    # A uniform distribution of width w has standard deviation w / sqrt(12).
    return np.hypot(spacing_km * slowness, slot_s) * 12**-0.5


def second_sd_within_depths(cause: Cause, depth_km: np.ndarray, width_km: np.ndarray) -> np.ndarray:
    """Standard deviation of the second phase after the first within cells of depth, s."""
    if cause.velocity is None:
        return np.zeros(len(depth_km))
    ends = [np.maximum(depth_km + sign * width_km / 2, 0.0) for sign in (-1, 1)]
    first, second = cause.travel_s(jnp.zeros(()), jnp.asarray(np.stack(ends)))
    apart = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    return (apart[1] - apart[0]) * 12**-0.5
