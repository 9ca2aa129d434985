r"""Scan statistics: how often a continuously sliding window alarms without an earthquake.

A window of `window_s` seconds slides over the stream of triggers. An *alarm* is a stretch of time
in which at least k triggers lie in it; stretches less than one window apart are the same alarm.
Counting separate bins instead misses the bursts that lie across two of them.

The count of a bin does not say how long an excess lasts, so the process is said here:

- singles: given the intensity they are a Poisson stream (of many devices), or devices that each
  rest for one window after a trigger (beta-binomial). Over-dispersion is an intensity that
  differs from time to time and stays what it is for `correlation_windows` windows, by default
  for ever;
- bursts: the devices that a burst takes trigger at the same moment.

With :math:`\nu` the rate of new alarms per window, :math:`f, \bar F` the probabilities and tails
of the bin count (:math:`\bar F^*` with bursts in it), bursts of size j with probability
:math:`\epsilon s_j` per window, and the expectation over the intensity given k in the window:

.. math:: \nu_0(k) = k\, f(k)\, E[(1 - u / d)_+ \mid k]

.. math:: \nu(k) = e^{-\epsilon} \nu_0(k)
          + \epsilon \sum_{j \ge 1} s_j [\bar F^*(k - j) - \bar F^*(k) + \nu_0(k - j)]

where u and d = k are the up and down rates (per window) of the count at the level; for a Poisson
stream :math:`u = m` and :math:`\nu_0` is Alm's formula. Rates are for alarms that are rare. An
intensity that stays for ever gives the greater rate, up to three times that of one renewed every
window, as long as an alarm is shorter than the window; where dispersion times mean is far above
1 alarms outlast it, and a finite `correlation_windows` gives the greater rate.

References
----------
Naus (1982), Journal of the American Statistical Association 77, 177-183,
doi:10.1080/01621459.1982.10477783. Alm (1983), in: Probability and Mathematical
Statistics: Essays in Honour of Carl-Gustav Esseen, Uppsala. Glaz, Naus and Wallenstein (2001),
Scan Statistics, Springer, doi:10.1007/978-1-4757-3460-7.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp

from eqstat._core.checks import check_choice, check_range, check_whole, refuse
from eqstat._core.constants import HOURS_PER_YEAR
from eqstat._core.typing import ArrayLike
from eqstat.counts.scan import _alarm_rate
from eqstat.counts.scan import _poisson as _scan_poisson
from eqstat.counts.scan._tables import FAMILIES, Marginal

__all__ = [
    "ScanTail",
    "alm_log_rate",
    "log_alarm_table_per_hour",
    "log_alarms_per_hour",
    "log_alarms_per_year",
    "scan_tail",
]

_CELLS_AT_ONCE = 2_000_000


class ScanTail(NamedTuple):
    """An exceedance of a Poisson stream, in natural logs.

    Attributes
    ----------
    log_probability
        Of at least one window with `triggers` or more.
    log_rate
        Of first exceedances per window length, after the first windows; NaN where an exceedance
        is all but certain at once.
    """

    log_probability: Any
    log_rate: Any


def scan_tail(triggers: ArrayLike, mean: ArrayLike, length: ArrayLike) -> ScanTail:
    r"""Probability that some window of a Poisson stream holds at least k triggers (Naus).

    .. math:: P(S \ge k) = 1 - Q_2 (Q_3 / Q_2)^{L - 2}

    with the exact :math:`Q_2` and :math:`Q_3`, computed as complements relative to
    :math:`P(N = k)`, so that the logs keep twelve digits for any rarity.

    Parameters
    ----------
    triggers : array_like of int
        k, at least 1.
    mean : array_like
        Mean number in a window, m > 0.
    length : array_like
        Length of the stream in windows, L >= 2.

    Returns
    -------
    ScanTail
        Two arrays of the broadcast shape.

    Raises
    ------
    ValueError
        When an argument is out of range.

    References
    ----------
    Naus (1982), doi:10.1080/01621459.1982.10477783, theorems 1 and 2 and equation 2.4.

    Examples
    --------
    >>> tail = scan_tail(10, 3.0, 500.0)
    >>> round(float(np.exp(tail.log_probability)), 3)
    0.942
    """
    k, m, size = np.broadcast_arrays(whole(triggers), _positive(mean), length)
    check_range("", 2, length=size)
    pairs = [
        _scan_poisson.scan(int(a), float(b), float(c))
        for a, b, c in zip(k.flat, m.flat, size.flat, strict=True)
    ]
    both = np.asarray(pairs, float).reshape((*k.shape, 2))
    return ScanTail(both[..., 0], both[..., 1])


def alm_log_rate(triggers: ArrayLike, mean: ArrayLike) -> Any:
    r"""Log rate per window of alarms of a Poisson stream (Alm).

    .. math:: \nu = (1 - m / k)\, m\, P(N = k - 1)

    Parameters
    ----------
    triggers : array_like of int
        k, at least 1.
    mean : array_like
        Mean number in a window, m > 0.

    Returns
    -------
    numpy.ndarray
        Natural log; minus infinity where k is at most m.

    Raises
    ------
    ValueError
        When an argument is out of range.

    Examples
    --------
    >>> round(float(np.exp(alm_log_rate(10, 3.0))), 5)
    0.00567
    """
    k, m = np.broadcast_arrays(whole(triggers), _positive(mean))
    with np.errstate(divide="ignore"):
        new = np.log(np.maximum(1.0 - m / k, 0.0))
    return new + k * np.log(m) - m - gammaln(k)


def log_alarm_table_per_hour(
    mean: ArrayLike,
    max_triggers: int,
    *,
    window_s: float,
    family: str = "poisson",
    active: ArrayLike = 1e9,
    dispersion: ArrayLike = 0.0,
    burst_probability: ArrayLike = 0.0,
    burst_share: ArrayLike = 0.0,
    burst_concentration: ArrayLike = 1.0,
    correlation_windows: float = np.inf,
) -> Any:
    """Log false alarms per hour for every count from 1 to `max_triggers`.

    The formulas stand at the head of this file.

    Parameters
    ----------
    mean : array_like
        Mean number of triggers in a window, bursts not counted.
    max_triggers : int
        Length of the table.
    window_s : float
        Length of the sliding window.
    family : {"poisson", "negative_binomial", "beta_binomial"}
        Of the count of a window without bursts.
    active : array_like
        Active devices; needed by the beta-binomial family and by bursts. Fractions (means over
        bins) are allowed.
    dispersion : array_like
        Variance is m + m^2 dispersion (negative binomial), or intra-class correlation in [0, 1)
        (beta-binomial, p = 1 - exp(-m / n)).
    burst_probability : array_like
        Bursts per window, in [0, 1).
    burst_share, burst_concentration : array_like
        A burst takes a Beta(share c, (1 - share) c) share of the active devices, c the
        concentration.
    correlation_windows : float
        Windows for which an intensity stays, at least 1; infinite: as long as it matters. A
        finite number is for the first two families only.

    Returns
    -------
    numpy.ndarray
        Shape (..., max_triggers) of natural logs, the front by broadcasting. Levels not above the
        mean count as one alarm per window; counts that cannot be are minus infinity.

    Raises
    ------
    ValueError
        When an argument is out of range.

    Examples
    --------
    >>> table = log_alarm_table_per_hour(2.0, 30, window_s=10.0, dispersion=0.1,
    ...                                  family="negative_binomial")
    >>> int(np.argmax(table < np.log(1.0 / 8766.0))) + 1
    20
    """
    cases = _cases(mean, active, dispersion, burst_probability, burst_share, burst_concentration)
    _check(family, cases, correlation_windows, window_s)
    check_whole("", 1, max_triggers=max_triggers)
    shape = cases[0].shape
    flat = [case.reshape(-1) for case in cases]
    with_bursts = bool(np.any(flat[3] > 0.0))
    row = 2 * max_triggers + 200 + with_bursts * (20 * max_triggers + int(np.max(active)))
    step = max(1, _CELLS_AT_ONCE // row)
    out = []
    for at in range(0, max(flat[0].size, 1), step):
        part = [case[at : at + step] for case in flat]
        marginal = Marginal(family, part[0], part[2], part[1])
        bursts = _alarm_rate.BurstTerms(*part[3:]) if with_bursts else None
        out.append(_alarm_rate.rates(marginal, bursts, max_triggers, correlation_windows))
    table = np.concatenate(out) if out else np.empty((0, max_triggers))
    return table.reshape((*shape, max_triggers)) + np.log(3600.0 / window_s)


def log_alarms_per_hour(triggers: ArrayLike, mean: ArrayLike, **model: Any) -> Any:
    """Log false alarms per hour at the given counts.

    Parameters
    ----------
    triggers : array_like of int
        k, at least 1; broadcast against the model's arguments.
    mean : array_like
        Mean number of triggers in a window, bursts not counted.
    **model
        Arguments of `log_alarm_table_per_hour`.

    Returns
    -------
    numpy.ndarray
        Natural logs, of the broadcast shape.

    Raises
    ------
    ValueError
        When an argument is out of range.

    Examples
    --------
    >>> rate = log_alarms_per_hour([20, 40], 2.0, window_s=10.0, active=500,
    ...                            burst_probability=1e-5, burst_share=0.05)
    >>> bool(rate[1] > -8.0)  # bursts keep the tail up
    True
    """
    k = whole(triggers)
    table = log_alarm_table_per_hour(mean, int(np.max(k)), **model)
    shape = np.broadcast_shapes(k.shape, table.shape[:-1])
    table = np.broadcast_to(table, (*shape, table.shape[-1]))
    return np.take_along_axis(table, np.broadcast_to(k, shape)[..., None] - 1, axis=-1)[..., 0]


def log_alarms_per_year(log_per_hour: ArrayLike, axis: int = -1) -> Any:
    """Log false alarms per year from the log rates of the hours of a week (or a day).

    Parameters
    ----------
    log_per_hour : array_like
        Natural logs of alarms per hour, hours along `axis`, all equally frequent.
    axis : int
        Axis of the hours.

    Returns
    -------
    numpy.ndarray
        Natural logs; 8766 hours times the mean over the hours.

    Examples
    --------
    >>> float(np.exp(log_alarms_per_year(np.log([0.0001] * 168))).round(4))
    0.8766
    """
    values = np.asarray(log_per_hour, float)
    return logsumexp(values, axis=axis) - np.log(values.shape[axis]) + np.log(HOURS_PER_YEAR)


def whole(triggers: ArrayLike) -> Any:
    check_whole("", 1, triggers=triggers)
    return np.asarray(triggers).astype(np.int64)


def _positive(mean: ArrayLike) -> Any:
    check_range("", 0, ends="()", mean=mean)
    return np.asarray(mean, float)


def _cases(*arguments: ArrayLike) -> list[Any]:
    return [np.array(a) for a in np.broadcast_arrays(*(np.asarray(v, float) for v in arguments))]


def _check(family: str, cases: list[Any], correlation_windows: float, window_s: float) -> None:
    mean, active, dispersion, probability, share, concentration = cases
    check_choice("", FAMILIES, family=family)
    check_range("", 0, ends="()", mean=mean, window_s=window_s)
    check_range("", 1, active=active, finite=False)
    check_range("", 0, dispersion=dispersion)
    check_range("", 0, 1, ends="[)", burst_probability=probability)
    check_range("", 1, correlation_windows=correlation_windows, finite=False)
    bursts = bool(np.any(probability > 0.0))
    if bursts:
        check_range("", 0, 1, ends="()", burst_share=share)
        check_range("", 0, ends="(]", burst_concentration=concentration)
    beta = family == "beta_binomial"
    refuse(
        "",
        (family == "poisson" and np.any(dispersion > 0), "the Poisson family has no dispersion"),
        (
            beta and not np.all((dispersion < 1.0) & (active <= 1e6)),
            "beta_binomial needs a correlation below 1 and the active devices",
        ),
        (bursts and not np.all(active <= 1e6), "bursts need the active devices"),
        (
            beta and np.isfinite(correlation_windows),
            "a finite correlation_windows is not available for beta_binomial",
        ),
    )
