r"""Coincidence of few sensors: how many must pre-warn within a time frame to mean an earthquake?

Each sensor i pre-warns without an earthquake as a Poisson stream of its own rate
:math:`\lambda_i`, learned from its history by conjugacy,

.. math:: \lambda_i \mid \text{history} \sim \text{Gamma}(\alpha_i, \beta_i),

and picks an earthquake with a probability :math:`p_i`, known or Beta. Sensors are independent
given that: those in one room share doors and steps, and are better counted as one. In a frame of
length f a sensor pre-warns by chance with probability

.. math:: q_i = 1 - (1 + f / \beta_i)^{-\alpha_i};

all that follows is linear in each sensor's chances, so that the uncertainty of the rates is
integrated exactly. The principle is that of Earthcloud.

References
----------
Klapez, Grazia, Zennaro, Cozzani and Casoni (2019), Wireless Communications and Mobile Computing,
6206854, doi:10.1155/2019/6206854.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import betaincinv, gammaincinv

from eqstat._core.checks import check_probability, check_range, check_whole
from eqstat._core.constants import HOUR_S, HOURS_PER_YEAR
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike

__all__ = [
    "Sensors",
    "log_chance",
    "log_coincidences_per_year",
    "log_odds_of_earthquake",
    "probability_of_earthquake",
    "smallest_required",
]


@dataclass(frozen=True)
class Sensors:
    """What is known of each sensor: its false pre-warnings and its picks of earthquakes.

    Parameters
    ----------
    shape : array_like
        Shape of the gamma distribution of the rate of false pre-warnings, (sensors,), above 0.
    exposure_h : array_like
        Its rate parameter, hours, above 0: the hours that this knowledge is worth.
    picked, missed : array_like
        Parameters of the beta distribution of the pick probability, above 0: earthquakes picked
        and missed. Large numbers for a known probability.

    Raises
    ------
    ValueError
        When a number is out of range or there is no sensor.

    Examples
    --------
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, worth_h=2.0).update([10, 80, 300], hours=240.0)
    >>> sensors.rate_per_h.round(2).tolist()
    [0.05, 0.33, 1.24]
    """

    shape: Any
    exposure_h: Any
    picked: Any
    missed: Any

    def __post_init__(self) -> None:
        names = ("shape", "exposure_h", "picked", "missed")
        values = np.broadcast_arrays(*(np.asarray(getattr(self, n), float) for n in names))
        each: dict[str, Any] = dict(zip(names, np.atleast_1d(*values), strict=True))
        for name, value in each.items():
            if value.ndim != 1 or not value.size:
                raise InputError("Sensors: give one number for each of at least one sensor")
            check_range("Sensors", 0, ends="()", **{name: value})
            object.__setattr__(self, name, np.array(value))

    @classmethod
    def alike(
        cls,
        number: int,
        *,
        rate_per_h: float,
        worth_h: float,
        pick_probability: float = 0.8,
        worth_picks: float = 1e9,
    ) -> Sensors:
        """Sensors that are the same as far as is known.

        Parameters
        ----------
        number : int
            How many.
        rate_per_h : float
            Expected false pre-warnings per hour.
        worth_h : float
            Hours of history that this expectation is worth.
        pick_probability : float
            Expected probability to pick an earthquake, in (0, 1).
        worth_picks : float
            Earthquakes that this expectation is worth; by default it is taken as known.
        """
        check_probability("Sensors", pick_probability=pick_probability)
        one = np.ones(number)
        picked = pick_probability * worth_picks
        return cls(
            one * rate_per_h * worth_h, one * worth_h, one * picked, one * (worth_picks - picked)
        )

    def update(self, counts: ArrayLike, hours: ArrayLike) -> Sensors:
        """Learn from so many false pre-warnings in so many hours, for each sensor.

        Parameters
        ----------
        counts : array_like
            False pre-warnings since the last update, (sensors,), not negative.
        hours : array_like
            Hours watched, not negative.

        Returns
        -------
        Sensors
        """
        new, time = np.asarray(counts, float), np.asarray(hours, float)
        check_range("Sensors", 0, counts=new, hours=time)
        return replace(self, shape=self.shape + new, exposure_h=self.exposure_h + time)

    def update_picks(self, picked: ArrayLike, earthquakes: ArrayLike) -> Sensors:
        """Learn from how many of so many earthquakes each sensor picked."""
        new, all_of_them = np.asarray(picked, float), np.asarray(earthquakes, float)
        if not np.all((new >= 0.0) & (new <= all_of_them)):
            raise InputError("Sensors: picked must lie between 0 and the earthquakes")
        return replace(self, picked=self.picked + new, missed=self.missed + (all_of_them - new))

    @property
    def rate_per_h(self) -> Any:
        """Expected false pre-warnings per hour, (sensors,)."""
        return self.shape / self.exposure_h

    @property
    def pick_probability(self) -> Any:
        """Expected pick probability, (sensors,)."""
        return self.picked / (self.picked + self.missed)

    def interval(self, probability: float) -> dict[str, Any]:
        """Equal-tailed intervals of `rate_per_h` and `pick_probability`, (2, sensors) each."""
        check_probability("Sensors", probability=probability)
        ends = np.array([[0.5 - probability / 2.0], [0.5 + probability / 2.0]])
        return {
            "rate_per_h": gammaincinv(self.shape, ends) / self.exposure_h,
            "pick_probability": betaincinv(self.picked, self.missed, ends),
        }

    def chances(self, frame_s: float) -> tuple[Any, Any]:
        """Log probabilities that each pre-warns, or does not, by chance within a frame."""
        check_range("", 0, ends="()", frame_s=frame_s)
        off = -self.shape * np.log1p(frame_s / HOUR_S / self.exposure_h)
        return np.log(-np.expm1(off)), off


def log_chance(sensors: Sensors, required: ArrayLike, frame_s: float) -> Any:
    r"""Log probability that at least so many sensors pre-warn by chance in one frame.

    The sum over the sensors of unlike Bernoulli variables (Poisson-binomial), by the recurrence

    .. math:: P_i(k) = P_{i-1}(k) (1 - q_i) + P_{i-1}(k - 1) q_i.

    Parameters
    ----------
    sensors : Sensors
        The sensors.
    required : array_like of int
        How many must pre-warn, m, from 0.
    frame_s : float
        Length of the frame, s.

    Returns
    -------
    numpy.ndarray
        Natural logs, of the shape of `required`; minus infinity for more than all sensors.

    Raises
    ------
    ValueError
        When an argument is out of range.

    Examples
    --------
    >>> sensors = Sensors.alike(3, rate_per_h=0.36, worth_h=1e6)
    >>> round(float(np.exp(log_chance(sensors, 3, 10.0)) * 1e9), 2)
    1.0
    """
    count = _required(required)
    log_pmf, _ = _count_pmf(sensors, frame_s)
    tail = np.logaddexp.accumulate(log_pmf[::-1])[::-1]
    tail[0] = 0.0
    tail = np.append(tail, -np.inf)
    return tail[np.minimum(count, tail.size - 1)]


def log_coincidences_per_year(sensors: Sensors, required: ArrayLike, frame_s: float) -> Any:
    r"""Log rate at which so many different sensors pre-warn by chance within a sliding frame.

    A sensor is *on* for one frame after each of its pre-warnings; a coincidence begins when a
    sensor turns on as the m-th:

    .. math:: \nu = \sum_i E[\lambda_i e^{-\lambda_i f}]\,
              P(m - 1 \text{ of the others are on}).

    This is exact for independent Poisson streams, every new coincidence counted; where an alarm
    silences those of the next frame there are fewer, by a share of about m - 1 times the
    chance of a sensor to be on.

    Parameters
    ----------
    sensors, required, frame_s
        As in `log_chance`, `required` from 1.

    Returns
    -------
    numpy.ndarray
        Natural logs of coincidences per year of 8766 hours, of the shape of `required`.

    Raises
    ------
    ValueError
        When an argument is out of range.

    Examples
    --------
    >>> one, two, three = np.exp(log_coincidences_per_year(
    ...     Sensors.alike(3, rate_per_h=0.5, worth_h=1000.0), [1, 2, 3], 2.0))
    >>> [round(float(v), 6) for v in (one, two, three)]
    [13138.039768, 7.299923, 0.001014]
    """
    count = _required(required, least=1)
    _, log_rate = _count_pmf(sensors, frame_s)
    log_rate = np.append(log_rate, -np.inf)
    at = np.minimum(count - 1, log_rate.size - 1)
    return log_rate[at] + np.log(HOURS_PER_YEAR)


def log_odds_of_earthquake(
    sensors: Sensors, pre_warned: ArrayLike, *, frame_s: float, earthquakes_per_year: float
) -> Any:
    r"""Log odds of an earthquake, given which sensors pre-warned within a frame.

    .. math:: \log \frac{\pi}{1 - \pi}
              + \sum_{i\,\text{on}} \log \frac{1 - (1 - p_i)(1 - q_i)}{q_i}
              + \sum_{i\,\text{off}} \log (1 - p_i)

    with :math:`\pi = 1 - e^{-\nu f}` the probability of an earthquake in a frame, :math:`\nu`
    the rate of earthquakes. Silent sensors count too.

    Parameters
    ----------
    sensors : Sensors
        The sensors.
    pre_warned : array_like of bool
        Which pre-warned, (..., sensors).
    frame_s : float
        Length of the frame, s: long enough for the wave to pass all sensors.
    earthquakes_per_year : float
        Rate of earthquakes that the sensors can feel there, above 0.

    Returns
    -------
    numpy.ndarray
        Natural log odds, shape (...).

    Raises
    ------
    ValueError
        When an argument is out of range.
    """
    on = np.asarray(pre_warned, bool)
    if on.shape[-1:] != sensors.shape.shape:
        raise InputError(f"pre_warned must have {sensors.shape.size} entries, one for each sensor")
    check_range("", 0, ends="()", earthquakes_per_year=earthquakes_per_year)
    log_on, log_off = sensors.chances(frame_s)
    miss = np.log(sensors.missed / (sensors.picked + sensors.missed))
    expected = earthquakes_per_year * frame_s / HOUR_S / HOURS_PER_YEAR
    prior = np.log(np.expm1(expected))
    heard = np.log(-np.expm1(miss + log_off)) - log_on
    return prior + np.sum(np.where(on, heard, miss), axis=-1)


def probability_of_earthquake(
    sensors: Sensors, pre_warned: ArrayLike, *, frame_s: float, earthquakes_per_year: float
) -> Any:
    """Posterior probability of an earthquake, given which sensors pre-warned.

    Parameters
    ----------
    sensors, pre_warned, frame_s, earthquakes_per_year
        As in `log_odds_of_earthquake`.

    Returns
    -------
    numpy.ndarray
        Shape (...).

    Examples
    --------
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, worth_h=1000.0)
    >>> chance = probability_of_earthquake(
    ...     sensors, [[True, False, False], [True, True, False], [True, True, True]],
    ...     frame_s=2.0, earthquakes_per_year=5.0)
    >>> chance.round(4).tolist()
    [0.0, 0.3446, 0.9999]
    """
    odds = log_odds_of_earthquake(
        sensors, pre_warned, frame_s=frame_s, earthquakes_per_year=earthquakes_per_year
    )
    return np.exp(-np.logaddexp(0.0, -odds))


def smallest_required(
    sensors: Sensors, *, frame_s: float, false_alarm_rate_per_year: float = 1.0
) -> int | None:
    """Fewest sensors that may raise an alarm at this rate of false alarms.

    Parameters
    ----------
    sensors, frame_s
        As in `log_chance`.
    false_alarm_rate_per_year : float
        The budget, above 0.

    Returns
    -------
    int or None
        None where even all sensors together coincide by chance too often.

    Examples
    --------
    >>> smallest_required(Sensors.alike(9, rate_per_h=0.5, worth_h=1000.0), frame_s=2.0)
    3
    """
    check_range("", 0, ends="()", false_alarm_rate_per_year=false_alarm_rate_per_year)
    rates = log_coincidences_per_year(sensors, np.arange(1, sensors.shape.size + 1), frame_s)
    # A low count may be passed rarely because it is nearly always kept: the last that is too much.
    bad = np.flatnonzero(rates > np.log(false_alarm_rate_per_year))
    first = int(bad[-1]) + 2 if bad.size else 1
    return first if first <= sensors.shape.size else None


def _required(required: ArrayLike, least: int = 0) -> Any:
    check_whole("", least, required=required)
    return np.asarray(required).astype(np.int64)


def _count_pmf(sensors: Sensors, frame_s: float) -> tuple[Any, Any]:
    """Log probabilities of 0, ..., n sensors on; log rates per hour of a step from 0, 1, ... up."""
    log_on, log_off = sensors.chances(frame_s)
    size = sensors.shape.size
    seconds = frame_s / HOUR_S
    log_turn = np.log(sensors.shape / (sensors.exposure_h + seconds)) + log_off
    number, step = np.full((2, size + 1), -np.inf)
    number[0] = 0.0
    for on, off, turn in zip(log_on, log_off, log_turn, strict=True):
        # One of the sensors so far turns on (it is not counted), or this one does.
        step = np.logaddexp(np.logaddexp(step + off, _shift(step) + on), number + turn)
        number = np.logaddexp(number + off, _shift(number) + on)
    return number, step[:size]


def _shift(values: Any) -> Any:
    return np.concatenate([[-np.inf], values[:-1]])
