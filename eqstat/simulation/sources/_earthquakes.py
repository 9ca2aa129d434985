"""Earthquakes and quarry blasts: arrivals, trigger probabilities and delays of triggers."""

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
from eqstat._core.explain import Explained
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
from eqstat.velocity import VelocityLike, VelocityModel, as_velocity, squared_chord

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


class ConstantProbability(Explained, eqx.Module):
    """Trigger probability that is independent of distance and magnitude.

    Parameters
    ----------
    p
        Probability that P triggers a device, in [0, 1]; the default is that of Massoda Tchoussi
        and Finazzi (2023).
    s
        Probability that S triggers a device that P did not, in [0, 1].

    Examples
    --------
    >>> p, s = ConstantProbability(0.5)(jnp.array([10.0, 90.0]), jnp.array(5.0))
    >>> p.tolist(), s.tolist()
    ([0.5, 0.5], [0.0, 0.0])
    """

    p: Number = 0.7
    s: Number = 0.0

    def __check_init__(self) -> None:
        """Raise an error for parameters out of range."""
        check_fields(self, p=(0, 1), s=(0, 1))

    def __call__(self, distance_km: Array, magnitude: Array) -> tuple[Array, Array]:
        """Probabilities by P and S, of the shape of the distances."""
        shape = jnp.shape(distance_km)
        return jnp.full(shape, self.p, jnp.float32), jnp.full(shape, self.s, jnp.float32)


class ShakingProbability(Explained, eqx.Module):
    r"""Trigger probability as a logistic function of the peak acceleration.

    .. math:: p = c\,\bigl(1 + \exp(-1.7\,(\ln A - \ln A_0) / s)\bigr)^{-1}, \qquad
        \ln A = a + b M - d \ln R,

    with A the peak acceleration in Gal at hypocentral distance R (km), $A_0$ the acceleration
    that triggers half of the devices, s the scatter and c the share of devices that can trigger.
    For P, A is smaller by a constant factor. The defaults of a, b, d and s are estimates from
    small MEMS sensors in nine Mexican earthquakes (OpenEEW); the others are assumptions. Any
    function of distance and magnitude that returns the two probabilities can be used instead.

    Parameters
    ----------
    intercept, per_magnitude, per_log_distance
        a, b and d.
    trigger_gal
        $A_0$, Gal (0.01 m/s^2), positive.
    scatter
        s, natural logarithm, positive.
    p_ratio
        Ratio of the peaks of P and S, in (0, 1].
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
        """Raise an error for parameters out of range."""
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
        # The probability by S is conditional on no trigger by P, so that both add up to that of S.
        return self.ceiling * by_p, self.ceiling * (by_both - by_p) / (1 - self.ceiling * by_p)


class NormalDelay(Explained, eqx.Module):
    """Normal delay of a trigger after its phase, seconds.

    Parameters
    ----------
    mean_s, sd_s
        Mean and standard deviation; the defaults are those of Massoda Tchoussi and Finazzi (2023),
        with 1st and 99th percentiles of -3 and 3 s.

    Examples
    --------
    >>> NormalDelay()(jax.random.key(0), (3,)).shape
    (3,)
    """

    mean_s: Number = 0.0
    sd_s: Number = 3.0 / 2.3263479

    def __check_init__(self) -> None:
        """Raise an error for parameters out of range."""
        check_fields(self, mean_s=(-1e3, 1e3), sd_s=(0, 1e3))

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Array:
        """Draw delays."""
        return self.mean_s + self.sd_s * jax.random.normal(key, shape, jnp.float32)


def gamma_delay(shape: float | int = 9.77, scale_s: float | int = 0.256) -> Tabulated:
    """Gamma-distributed delay of a trigger after its phase, s.

    Parameters
    ----------
    shape, scale_s
        Shape and scale of the gamma distribution, positive: the mean is their product, the standard
        deviation the scale times the root of the shape. The defaults give 2.5 and 0.8 s, as
        estimated from phones in the 2016 Borrego Springs earthquake.

    Returns
    -------
    Tabulated
        For `Earthquakes`; any continuous distribution of SciPy can be tabulated in this way.

    Examples
    --------
    >>> bool((gamma_delay()(jax.random.key(0), (100,)) > 0).all())
    True
    """
    check_range("gamma_delay", 0, 1e6, ends="()", shape=shape)
    check_range("gamma_delay", 0, 1e3, ends="()", scale_s=scale_s)
    return Tabulated(stats.gamma(shape, scale=scale_s))


class Earthquakes(Source):
    r"""Earthquakes in a box, with P and S arrivals and the triggers that they cause.

    The epicentre, depth and origin time are uniform on their ranges; a range with equal limits is a
    fixed value. The magnitude has a truncated exponential distribution with slope b (Gutenberg and
    Richter), which is uniform for $b = 0$. Device i triggers on P with probability $p_i$, otherwise
    on S with probability $s_i$, and otherwise not at all, at the time

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
        Slope b of the magnitude distribution, in [0, 10].
    velocity
        Velocity model, see `eqstat.velocity`.
    probability
        Function of hypocentral distance (km) and magnitude that returns the probabilities of a
        trigger by P, and by S if not by P: `ConstantProbability`, `ShakingProbability`, or
        user-defined.
    delay
        Function of a key and a shape that draws delays after the phase, s: `NormalDelay`,
        `gamma_delay`, or user-defined.

    Raises
    ------
    eqstat.InputError
        When a range is out of order or out of bounds.

    References
    ----------
    Massoda Tchoussi, F. Y. and Finazzi, F. (2023), doi:10.3389/fams.2023.1107243, section 5.1,
    whose values are the defaults (except for the box).

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate, uniform_box
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> simulate(jax.random.key(1), box, Earthquakes(), 1).event.tolist()
    ['earthquake']
    """

    east_km: Pair = (-30.0, 30.0)
    north_km: Pair = (-30.0, 30.0)
    depth_km: Pair = (0.0, 100.0)
    time_s: Pair = (0.0, 0.0)
    magnitude: Pair = (5.0, 5.0)
    b_value: Number = 1.0
    velocity: VelocityModel = eqx.field(default=None, converter=as_velocity)
    probability: TriggerProbability = eqx.field(default_factory=ConstantProbability)
    delay: Delay = eqx.field(default_factory=NormalDelay)
    event: str = eqx.field(static=True, default="earthquake")

    def __check_init__(self) -> None:
        """Raise an error for invalid ranges."""
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
        event_key, trigger_key, delay_key = jax.random.split(key, 3)
        share = uniform(event_key, (5,))
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
        chance = uniform(trigger_key, (2, *distance.shape))
        of_p = chance[0] < by_p
        arrival = jnp.where(of_p, p, s).astype(jnp.float32)
        return draw(
            origin + arrival + self.delay(delay_key, distance.shape),
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
    """Quantile of the truncated exponential, which is uniform if its slope vanishes."""
    low, high = (jnp.asarray(end, jnp.float32) for end in ends)
    rate = jnp.maximum(jnp.asarray(b_value, jnp.float32) * jnp.log(10.0), 1e-4)
    return low - jnp.log1p(share * jnp.expm1(-rate * (high - low))) / rate


def blasts(
    *,
    east_km: Pair = (-30.0, 30.0),
    north_km: Pair = (-30.0, 30.0),
    time_s: Pair = (0.0, 0.0),
    magnitude: Pair = (1.5, 3.0),
    velocity: VelocityLike = None,
    probability: TriggerProbability | None = None,
    delay: Delay | None = None,
) -> Earthquakes:
    """Quarry blasts: seismic sources at the surface, of small magnitude.

    Parameters
    ----------
    east_km, north_km, time_s, magnitude, velocity, probability, delay
        As of `Earthquakes`; the depth is 0.

    Returns
    -------
    Earthquakes
        A source with the event "blast".

    Examples
    --------
    >>> import jax
    >>> from eqstat.simulation import simulate, uniform_box
    >>> box = uniform_box(jax.random.key(0), 50, latitude=(-12.4, -11.7), longitude=(-77.2, -76.7))
    >>> simulate(jax.random.key(1), box, blasts(), 1).event.tolist()
    ['blast']
    """
    return Earthquakes(
        east_km=east_km,
        north_km=north_km,
        depth_km=(0.0, 0.0),
        time_s=time_s,
        magnitude=magnitude,
        b_value=0.0,
        velocity=as_velocity(velocity),
        probability=ShakingProbability() if probability is None else probability,
        delay=gamma_delay() if delay is None else delay,
        event="blast",
    )
