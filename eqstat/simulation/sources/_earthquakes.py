"""Earthquakes and quarry blasts: P and S arrivals, who triggers, and how long after the phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from scipy import stats

from eqstat._core.arrays import Number
from eqstat._core.checks import check_fields, check_range
from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat.simulation.sources._base import (
    Draw,
    P,
    Pair,
    Places,
    S,
    Source,
    Tabulated,
    between,
    draw,
    truth,
    uniform,
)
from eqstat.velocity import ConstantVelocity, VelocityModel, squared_chord

__all__ = [
    "ConstantProbability",
    "Earthquakes",
    "NormalDelay",
    "ShakingProbability",
    "blasts",
    "gamma_delay",
]

# (hypocentral distance in km, magnitude) to the probabilities of a trigger by P, and by S of a
# device that P did not trigger.
if TYPE_CHECKING:
    TriggerProbability = Callable[[Array, Array], tuple[Array, Array]]
    Delay = Callable[[PRNGKeyArray, tuple[int, ...]], Array]
else:
    TriggerProbability = Any
    Delay = Any


class ConstantProbability(eqx.Module):
    """Every device triggers with the same probability, wherever it is.

    Parameters
    ----------
    p
        Probability that P triggers a device, in [0, 1]; the default is that of the 2023 paper.
    s
        Probability that S triggers a device that P did not, in [0, 1].
    """

    p: Number = 0.7
    s: Number = 0.0

    def __check_init__(self) -> None:
        """Refuse what is no probability."""
        check_fields(self, p=(0, 1), s=(0, 1))

    def __call__(self, distance_km: Array, magnitude: Array) -> tuple[Array, Array]:
        """Probabilities by P and S, of the shape of the distances."""
        shape = jnp.shape(distance_km)
        return jnp.full(shape, self.p, jnp.float32), jnp.full(shape, self.s, jnp.float32)


class ShakingProbability(eqx.Module):
    r"""A logistic function of how strong it shakes: falls with distance, rises with magnitude.

    .. math:: p = c\,\bigl(1 + \exp(-1.7\,(\ln A - \ln A_0) / s)\bigr)^{-1}, \qquad
        \ln A = a + b M - d \ln R,

    with A the peak acceleration in Gal at hypocentral distance R (km), $A_0$ the acceleration
    that triggers half of the devices, s the scatter and c the share of devices that can trigger
    at all. For P, A is smaller by a factor. The defaults of a, b, d and s are those of small
    MEMS sensors on nine Mexican earthquakes (OpenEEW); the others are plain choices: replace
    the whole by any function of distance and magnitude that gives the two probabilities.

    Parameters
    ----------
    intercept, per_magnitude, per_log_distance
        a, b and d.
    trigger_gal
        $A_0$, Gal (0.01 m/s^2), positive.
    scatter
        s, natural logarithm, positive.
    p_ratio
        Peak of P over peak of S, in (0, 1].
    ceiling
        c, in [0, 1].

    Examples
    --------
    >>> p, s = ShakingProbability()(jnp.array([20.0, 100.0]), jnp.array(5.0))
    >>> bool(s[0] > s[1] and s[0] > p[0])
    True
    """

    intercept: Number = 3.87
    per_magnitude: Number = 1.12
    per_log_distance: Number = 1.83
    trigger_gal: Number = 10.0
    scatter: Number = 0.78
    p_ratio: Number = 0.25
    ceiling: Number = 0.8

    def __check_init__(self) -> None:
        """Refuse what cannot be."""
        check_fields(
            self, trigger_gal=(1e-6, 1e6), scatter=(1e-3, 10), p_ratio=(1e-6, 1), ceiling=(0, 1)
        )

    def __call__(self, distance_km: Array, magnitude: Array) -> tuple[Array, Array]:
        """Probabilities by P and S, of the shape of the distances."""
        log_peak = (
            self.intercept
            + self.per_magnitude * magnitude
            - self.per_log_distance * jnp.log(jnp.maximum(distance_km, 1.0))
            - jnp.log(self.trigger_gal)
        )
        by_p = jax.nn.sigmoid(1.7 * (log_peak + jnp.log(self.p_ratio)) / self.scatter)
        by_both = jax.nn.sigmoid(1.7 * log_peak / self.scatter)
        # Who S would trigger anyway and P has not: S adds what is left up to its own share.
        return self.ceiling * by_p, self.ceiling * (by_both - by_p) / (1 - self.ceiling * by_p)


class NormalDelay(eqx.Module):
    """Normal delay of a trigger after its phase, seconds.

    Parameters
    ----------
    mean_s, sd_s
        Mean and standard deviation; the defaults are those of the 2023 paper, whose 1st and 99th
        percentiles are -3 and 3 s.
    """

    mean_s: Number = 0.0
    sd_s: Number = 3.0 / 2.3263479

    def __check_init__(self) -> None:
        """Refuse what cannot be."""
        check_fields(self, mean_s=(-1e3, 1e3), sd_s=(0, 1e3))

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Array:
        """Draw delays."""
        return self.mean_s + self.sd_s * jax.random.normal(key, shape, jnp.float32)


def gamma_delay(shape: float | int = 9.77, scale_s: float | int = 0.256) -> Tabulated:
    """Gamma-distributed delay of a trigger after its phase, seconds: never before the phase.

    Parameters
    ----------
    shape, scale_s
        Of the gamma distribution, positive: its mean is the product, its standard deviation the
        scale times the root of the shape. The defaults give 2.5 and 0.8 s, as phones of the 2016
        Borrego Springs earthquake show.

    Returns
    -------
    Tabulated
        For `Earthquakes`; any other distribution of SciPy can be tabulated the same way.
    """
    check_range("gamma_delay", 0, 1e6, ends="()", shape=shape)
    check_range("gamma_delay", 0, 1e3, ends="()", scale_s=scale_s)
    return Tabulated(stats.gamma(shape, scale=scale_s))


class Earthquakes(Source):
    r"""Earthquakes in a box: hypocentre, magnitude, arrivals, triggers.

    Epicentre, depth and origin time are uniform in their ranges; a range of equal ends fixes
    them. The magnitude is exponential with slope b, cut at both ends (Gutenberg and Richter);
    with $b = 0$ it is uniform. Device i triggers by P with probability $p_i$, else by S with
    $s_i$, else not, at

    .. math:: t_i = t_0 + T_{P|S}(\text{hypocentre}, i) + \tau_i .

    Parameters
    ----------
    east_km, north_km
        Ranges of the epicentre in the network's local frame, km.
    depth_km
        Range of the depth, in [0, 700] km.
    time_s
        Range of the origin time, s.
    magnitude
        Range of the magnitude, in [-2, 10].
    b_value
        Slope of the magnitudes, in [0, 10].
    velocity
        Any model of `eqstat.traveltime.velocity`.
    probability
        Function of hypocentral distance (km) and magnitude that gives the probabilities of a
        trigger by P, and by S if not by P: `ConstantProbability`, `ShakingProbability`, your own.
    delay
        Function of a key and a shape that draws delays after the phase: `NormalDelay`,
        `gamma_delay`, your own.

    Raises
    ------
    eqstat.InputError
        When a range is out of order or out of bounds.

    References
    ----------
    Massoda Tchoussi, F. Y. and Finazzi, F. (2023), doi:10.3389/fams.2023.1107243, section 5.1,
    of which the defaults are (but for the box).
    """

    east_km: Pair = (-30.0, 30.0)
    north_km: Pair = (-30.0, 30.0)
    depth_km: Pair = (0.0, 100.0)
    time_s: Pair = (0.0, 0.0)
    magnitude: Pair = (5.0, 5.0)
    b_value: Number = 1.0
    velocity: VelocityModel = eqx.field(default_factory=ConstantVelocity)
    probability: TriggerProbability = eqx.field(default_factory=ConstantProbability)
    delay: Delay = eqx.field(default_factory=NormalDelay)
    event: str = eqx.field(static=True, default="earthquake")

    def __check_init__(self) -> None:
        """Refuse ranges that cannot be."""
        check_fields(
            self,
            east_km=(-5000, 5000),
            north_km=(-5000, 5000),
            depth_km=(0, 700),
            time_s=(-1e6, 1e6),
            magnitude=(-2, 10),
            b_value=(0, 10),
        )

    def __call__(self, key: PRNGKeyArray, places: Places, hour: Float[Array, ""]) -> Draw:
        """Draw one earthquake and the triggers that it causes."""
        place, who, when = jax.random.split(key, 3)
        share = uniform(place, (5,))
        east, north = between(share[0], self.east_km), between(share[1], self.north_km)
        depth, origin = between(share[2], self.depth_km), between(share[3], self.time_s)
        magnitude = _magnitude(share[4], self.magnitude, self.b_value)
        chord2 = squared_chord(east, north, places.position_km)
        p, s = self.velocity.times(chord2, depth, places.elevation_km)
        radii = (EARTH_RADIUS_KM - depth) * (EARTH_RADIUS_KM + places.elevation_km)
        distance = jnp.sqrt(
            (depth + places.elevation_km) ** 2 + radii / EARTH_RADIUS_KM**2 * chord2
        )
        by_p, by_s = self.probability(distance, magnitude)
        chance = uniform(who, (2, *distance.shape))
        of_p = chance[0] < by_p
        arrival = jnp.where(of_p, p, s).astype(jnp.float32)
        return draw(
            origin + arrival + self.delay(when, distance.shape),
            of_p | (chance[1] < by_s),
            jnp.where(of_p, P, S),
            truth(
                self.event,
                east_km=east,
                north_km=north,
                depth_km=depth,
                time_s=origin,
                magnitude=magnitude,
            ),
        )


def _magnitude(share: Array, ends: Pair, b_value: Number) -> Array:
    """Quantile of the exponential cut at both ends; uniform where its slope vanishes."""
    low, high = (jnp.asarray(end, jnp.float32) for end in ends)
    rate = jnp.maximum(jnp.asarray(b_value, jnp.float32) * jnp.log(10.0), 1e-4)
    return low - jnp.log1p(share * jnp.expm1(-rate * (high - low))) / rate


def blasts(
    *,
    east_km: Pair = (-30.0, 30.0),
    north_km: Pair = (-30.0, 30.0),
    time_s: Pair = (0.0, 0.0),
    magnitude: Pair = (1.5, 3.0),
    velocity: VelocityModel | None = None,
    probability: TriggerProbability | None = None,
    delay: Delay | None = None,
) -> Earthquakes:
    """Quarry blasts: real waves from the surface, small, and no earthquake.

    Parameters
    ----------
    east_km, north_km, time_s, magnitude, velocity, probability, delay
        As of `Earthquakes`; the depth is 0.

    Returns
    -------
    Earthquakes
        A source whose truth says "blast".
    """
    return Earthquakes(
        east_km=east_km,
        north_km=north_km,
        depth_km=(0.0, 0.0),
        time_s=time_s,
        magnitude=magnitude,
        b_value=0.0,
        velocity=ConstantVelocity() if velocity is None else velocity,
        probability=ShakingProbability() if probability is None else probability,
        delay=gamma_delay() if delay is None else delay,
        event="blast",
    )
