"""Calibration of a scorer from counted false alarms and misses."""

from __future__ import annotations

from scipy import special

from eqstat._core.checks import check_probability, check_range, check_whole
from eqstat.calibration import binomial_interval
from eqstat.edge import Calibration


def measured_calibration(
    *,
    false_alarms: int,
    years: float | int,
    missed: int,
    events: int,
    earthquakes: str,
    data: str,
    probability: float = 0.9,
) -> Calibration:
    """Error rates with exact intervals, from what was counted on data that the scorer never saw.

    Parameters
    ----------
    false_alarms, years
        False alarms and the years in which they were counted; their rate has the exact Poisson
        interval (Garwood, 1936).
    missed, events
        Earthquakes missed, of so many; the probability has the exact binomial interval (Clopper
        and Pearson, 1934).
    earthquakes, data
        Which earthquakes, and which data, in words.
    probability
        Content of the intervals, with equal tails.

    Returns
    -------
    Calibration

    Raises
    ------
    eqstat.InputError
        When a number is out of range.

    References
    ----------
    Garwood, F. (1936), Fiducial limits for the Poisson distribution, Biometrika 28, 437-442,
    doi:10.1093/biomet/28.3-4.437.

    Examples
    --------
    >>> print(measured_calibration(false_alarms=8, years=10, missed=4, events=100,
    ...                            earthquakes="M 5 within 50 km", data="simulated networks"))
    false alarms 0.8 a year (0.4 to 1.4), misses 4 % (1.4 to 8.9) of M 5 within 50 km
    """
    check_whole("measured_calibration", 0, false_alarms=false_alarms)
    check_range("measured_calibration", 0, ends="()", years=years)
    check_probability("measured_calibration", probability=probability)
    tail = (1 - probability) / 2
    low = float(special.gammaincinv(false_alarms, tail)) if false_alarms else 0.0
    high = float(special.gammaincinv(false_alarms + 1, 1 - tail))
    ends = binomial_interval(missed, events, probability=probability)
    return Calibration(
        (false_alarms / years, low / years, high / years),
        (missed / events, float(ends[0]), float(ends[1])),
        earthquakes,
        data,
        probability,
    )
