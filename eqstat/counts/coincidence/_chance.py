r"""Coincidences of few sensors: rates of chance, and the odds of an earthquake.

Each sensor i pre-warns without an earthquake as a Poisson process of its own rate
:math:`\lambda_i`, and picks an earthquake with a probability :math:`p_i` (`Sensors`). Sensors
are independent given these: those in one room share doors and steps and should be counted as one.
All probabilities here are linear in each sensor's chances, so that the uncertainty of the rates
is integrated exactly. Counting pre-warnings over a region is the principle of Earthcloud.

References
----------
Klapez, Grazia, Zennaro, Cozzani and Casoni (2019), Wireless Communications and Mobile Computing,
6206854, doi:10.1155/2019/6206854.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eqstat._core.checks import check_range, check_whole
from eqstat._core.constants import HOUR_S, HOURS_PER_YEAR
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.counts.coincidence._sensors import Sensors


def log_chance(sensors: Sensors, required: ArrayLike, frame_s: float) -> Any:
    r"""Log probability that at least `required` sensors pre-warn by chance in one frame.

    The number is Poisson-binomial, with :math:`q_i` of `Sensors.log_chance`, by the recurrence
    over the sensors

    .. math:: P_i(k) = P_{i-1}(k) (1 - q_i) + P_{i-1}(k - 1) q_i.

    Parameters
    ----------
    sensors : Sensors
        The sensors.
    required : array_like of int
        Number m of sensors that must pre-warn, at least 0.
    frame_s : float
        Length of the frame, s.

    Returns
    -------
    numpy.ndarray
        Natural logs, of the shape of `required`; minus infinity for more than all sensors.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> sensors = Sensors.alike(3, rate_per_h=0.36, prior_hours=1e6)
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
    r"""Log rate at which `required` different sensors pre-warn by chance within a sliding frame.

    A sensor is *on* for one frame after each of its pre-warnings; a coincidence begins when a
    sensor turns on as the m-th:

    .. math:: \nu = \sum_i E[\lambda_i e^{-\lambda_i f}]\,
              P(m - 1 \text{ of the others are on}).

    This is exact for independent Poisson processes, every new coincidence counted. Where an alarm
    suppresses those within the next frame there are fewer, by a share of about m - 1 times the
    probability that a sensor is on.

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
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> one, two, three = np.exp(log_coincidences_per_year(
    ...     Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0), [1, 2, 3], 2.0))
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
    r"""Log posterior odds of an earthquake, given which sensors pre-warned within a frame.

    .. math:: \log \frac{\pi}{1 - \pi}
              + \sum_{i\,\text{on}} \log \frac{1 - (1 - p_i)(1 - q_i)}{q_i}
              + \sum_{i\,\text{off}} \log (1 - p_i)

    with :math:`\pi = 1 - e^{-\nu f}` the prior probability of an earthquake in a frame and
    :math:`\nu` the rate of earthquakes. Silent sensors are evidence, too.

    Parameters
    ----------
    sensors : Sensors
        The sensors.
    pre_warned : array_like of bool
        Which pre-warned, (..., sensors).
    frame_s : float
        Length of the frame, s: long enough for the wave to pass all sensors.
    earthquakes_per_year : float
        Rate of earthquakes that the sensors can record, above 0.

    Returns
    -------
    numpy.ndarray
        Natural log odds, shape (...).

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> log_odds_of_earthquake(
    ...     sensors, [True, True, True], frame_s=2.0, earthquakes_per_year=5.0).round(2).item()
    8.93
    """
    on = np.asarray(pre_warned, bool)
    if on.shape[-1:] != sensors.shape.shape:
        raise InputError(f"pre_warned must have {sensors.shape.size} entries, one for each sensor")
    check_range("", 0, ends="()", earthquakes_per_year=earthquakes_per_year)
    log_on, log_off = sensors.log_chance(frame_s)
    miss = np.log(sensors.missed / (sensors.picked + sensors.missed))
    expected = earthquakes_per_year * frame_s / HOUR_S / HOURS_PER_YEAR
    prior = np.log(np.expm1(expected))
    # A sensor that pre-warned did so by the earthquake, by chance, or both.
    log_ratio_on = np.log(-np.expm1(miss + log_off)) - log_on
    return prior + np.sum(np.where(on, log_ratio_on, miss), axis=-1)


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
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> probability = probability_of_earthquake(
    ...     sensors, [[True, False, False], [True, True, False], [True, True, True]],
    ...     frame_s=2.0, earthquakes_per_year=5.0)
    >>> probability.round(4).tolist()
    [0.0, 0.3446, 0.9999]
    """
    odds = log_odds_of_earthquake(
        sensors, pre_warned, frame_s=frame_s, earthquakes_per_year=earthquakes_per_year
    )
    return np.exp(-np.logaddexp(0.0, -odds))


def smallest_required(
    sensors: Sensors, *, frame_s: float, false_alarm_rate_per_year: float = 1.0
) -> int | None:
    """Smallest number of sensors that keeps a budget of false alarms.

    Parameters
    ----------
    sensors, frame_s
        As in `log_chance`.
    false_alarm_rate_per_year : float
        The budget, above 0.

    Returns
    -------
    int or None
        None where even coincidences of all sensors are too frequent by chance.

    Examples
    --------
    >>> smallest_required(Sensors.alike(9, rate_per_h=0.5, prior_hours=1000.0), frame_s=2.0)
    3
    """
    check_range("", 0, ends="()", false_alarm_rate_per_year=false_alarm_rate_per_year)
    rates = log_coincidences_per_year(sensors, np.arange(1, sensors.shape.size + 1), frame_s)
    # The rate is not monotone: a low level may be crossed rarely because the count is nearly always
    # above it. So the answer lies beyond the last level that is crossed too often.
    excess = np.flatnonzero(rates > np.log(false_alarm_rate_per_year))
    first = int(excess[-1]) + 2 if excess.size else 1
    return first if first <= sensors.shape.size else None


def _required(required: ArrayLike, least: int = 0) -> Any:
    """Whole numbers from `least`."""
    check_whole("", least, required=required)
    return np.asarray(required).astype(np.int64)


def _count_pmf(sensors: Sensors, frame_s: float) -> tuple[Any, Any]:
    """Log probabilities of 0, ..., n sensors on; log rates per hour of a step from 0, 1, ... up.

    Sensors are added one by one; the rate of steps marginalises each sensor's rate jointly with
    its being off, E[lambda exp(-lambda f)].
    """
    log_on, log_off = sensors.log_chance(frame_s)
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
