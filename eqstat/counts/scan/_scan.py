r"""Scan statistics: the rate of false alarms of a continuously sliding window.

A window of `window_s` seconds slides over the stream of triggers. An *alarm* is a stretch of time
in which at least k triggers lie in it; stretches less than one window apart are the same alarm.
Counting in separate bins instead misses clusters that straddle two of them.

The distribution of the count of one window does not determine how long an excess lasts, so the
process in continuous time is an assumption:

- without bursts, triggers are a Poisson process given the intensity or, for the beta-binomial,
  come from devices with a dead time of one window. Over-dispersion is an intensity that varies
  between times and is constant for `correlation_windows` windows, by default forever;
- the devices that take part in a burst trigger at the same moment.

With :math:`\nu` the rate of new alarms per window, :math:`f` and :math:`\bar F` the probability
mass and tail of the count of a window (:math:`\bar F^*` with bursts), bursts of size j with
probability :math:`\epsilon s_j` per window, and the expectation over the intensity given k:

.. math:: \nu_0(k) = k\, f(k)\, E[(1 - N / k)_+ \mid k]

.. math:: \nu(k) = e^{-\epsilon} \nu_0(k)
          + \epsilon \sum_{j \ge 1} s_j [\bar F^*(k - j) - \bar F^*(k) + \nu_0(k - j)]

where N is the count of another window of the same intensity. Up-crossings of a level come in
clumps, and the factor is the share that begin a clump (*declumping*). For a Poisson process of rare
alarms it is :math:`1 - m / k`, and :math:`\nu_0` is Alm's formula; where the intensity that is
likely given k is near k, N matters by more than its mean. The formulas hold for rare
alarms. A constant intensity gives the larger rate, up to three times that of an intensity that
is renewed every window, as long as alarms are shorter than the window; where dispersion times
mean is far above 1 alarms are longer, and a finite `correlation_windows` gives the larger rate.

References
----------
Naus (1982), Journal of the American Statistical Association 77, 177-183,
doi:10.1080/01621459.1982.10477783. Alm (1983), On the distribution of the scan statistic of a
Poisson process, in: Probability and Mathematical Statistics: Essays in Honour of Carl-Gustav
Esseen, Uppsala University, 1-10. Glaz, Naus and Wallenstein (2001), Scan Statistics, Springer,
doi:10.1007/978-1-4757-3460-7.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp

from eqstat._core.checks import check_choice, check_range, check_whole, refuse
from eqstat._core.constants import HOURS_PER_YEAR
from eqstat._core.explain import explained
from eqstat._core.typing import ArrayLike
from eqstat.counts._families import FAMILIES, Marginal
from eqstat.counts.scan import _alarm_rate
from eqstat.counts.scan import _poisson as _scan_poisson
from eqstat.counts.scan._tables import table_top

__all__ = [
    "ScanTail",
    "alm_log_rate",
    "log_alarm_table_per_hour",
    "log_alarms_per_hour",
    "log_alarms_per_year",
    "scan_tail",
]

_CELLS_AT_ONCE = 2_000_000


@explained
class ScanTail(NamedTuple):
    """Exceedance of a threshold by the scan statistic of a Poisson process, natural logs.

    Attributes
    ----------
    log_probability
        Log probability of at least one window with `triggers` or more.
    log_rate
        Log rate of the first exceedance per window length, after the first windows; NaN where an
        exceedance within three windows is all but certain.

    Examples
    --------
    >>> float(scan_tail(12, 3.0, 500.0).log_rate.round(2))
    -7.61
    """

    log_probability: Any
    log_rate: Any


def scan_tail(triggers: ArrayLike, mean: ArrayLike, length: ArrayLike) -> ScanTail:
    r"""Probability that some window of a Poisson process holds at least k triggers (Naus).

    .. math:: P(S \ge k) = 1 - Q_2 (Q_3 / Q_2)^{L - 2}

    with the exact :math:`Q_2` and :math:`Q_3`, computed as complements relative to
    :math:`P(N = k)`, so that the logs are accurate to twelve digits however rare the exceedance.

    Parameters
    ----------
    triggers : array_like of int
        Threshold k, at least 1.
    mean : array_like
        Mean number in a window, m > 0.
    length : array_like
        Length L of the process in windows, at least 2.

    Returns
    -------
    ScanTail
        Two arrays of the broadcast shape.

    Raises
    ------
    eqstat.InputError
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
    r"""Log rate of alarms per window of a Poisson process (Alm).

    .. math:: \nu = (1 - m / k)\, m\, P(N = k - 1)

    Parameters
    ----------
    triggers : array_like of int
        Threshold k, at least 1.
    mean : array_like
        Mean number in a window, m > 0.

    Returns
    -------
    numpy.ndarray
        Natural log; minus infinity where k is at most m.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> round(float(np.exp(alm_log_rate(10, 3.0))), 5)
    0.00567
    """
    k, m = np.broadcast_arrays(whole(triggers), _positive(mean))
    with np.errstate(divide="ignore"):
        log_declumped = np.log(np.maximum(1.0 - m / k, 0.0))
    return log_declumped + k * np.log(m) - m - gammaln(k)


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
    r"""Log rate of false alarms per hour for every count from 1 to `max_triggers`.

    .. math:: \nu(k) = e^{-\epsilon} \nu_0(k)
              + \epsilon \sum_{j \ge 1} s_j [\bar F^*(k - j) - \bar F^*(k) + \nu_0(k - j)],
              \qquad \nu_0(k) = k\, f(k)\, E[(1 - N / k)_+ \mid k],

    per window, with f the distribution of the count without bursts, :math:`\bar F^*` the tail
    with bursts, :math:`\epsilon s_j` the probability of a burst of j devices, and N the count of
    another window of the same intensity; the expectation is over it given the count.

    Parameters
    ----------
    mean : array_like
        Mean number of triggers in a window, without bursts.
    max_triggers : int
        Length of the table.
    window_s : float
        Length of the sliding window.
    family : {"poisson", "negative_binomial", "beta_binomial"}
        Family of the count of a window without bursts.
    active : array_like
        Active devices; needed by the beta-binomial family and by bursts. Fractions (means over
        bins) are allowed.
    dispersion : array_like
        Negative binomial: the variance is m + m^2 dispersion. Beta-binomial: intra-class
        correlation in [0, 1), with p = 1 - exp(-m / n).
    burst_probability : array_like
        Probability of a burst in a window, in [0, 1).
    burst_share, burst_concentration : array_like
        The share of active devices that take part is Beta(share c, (1 - share) c), with c the
        concentration.
    correlation_windows : float
        Windows for which the intensity is constant, at least 1; infinite for an intensity that
        outlasts every alarm. Finite values are not available for the beta-binomial.

    Returns
    -------
    numpy.ndarray
        Natural logs, (..., max_triggers), after the broadcast shape of the arguments. Levels at or
        below the mean count as one alarm per window; impossible counts are minus infinity.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> table = log_alarm_table_per_hour(2.0, 30, window_s=10.0, dispersion=0.1,
    ...                                  family="negative_binomial")
    >>> int(np.argmax(table < np.log(1.0 / HOURS_PER_YEAR))) + 1
    18
    """
    cases = _cases(mean, active, dispersion, burst_probability, burst_share, burst_concentration)
    _check(family, cases, correlation_windows, window_s)
    check_whole("", 1, max_triggers=max_triggers)
    shape = cases[0].shape
    flat = [case.reshape(-1) for case in cases]
    with_bursts = bool(np.any(flat[3] > 0.0))
    # Where the mean is beyond the table every level in it counts as one alarm per window.
    level = np.arange(1.0, max_triggers + 1.0)
    table = np.where(level <= flat[1][:, None], 0.0, -np.inf)
    everything = Marginal(FAMILIES[family], flat[0], flat[2], flat[1])
    within = np.flatnonzero(FAMILIES[family].expected(everything) < max_triggers)
    flat = [case[within] for case in flat]
    row = 2 * max_triggers + 200 + with_bursts * (20 * max_triggers + int(np.max(active)))
    if within.size:
        longest = [int(np.argmax(case)) for case in flat[:3]]
        marginal = Marginal(FAMILIES[family], *(flat[at][longest] for at in (0, 2, 1)))
        row = max(row, table_top(marginal, max_triggers))
    step = max(1, _CELLS_AT_ONCE // row)
    for at in range(0, within.size, step):
        part = [case[at : at + step] for case in flat]
        marginal = Marginal(FAMILIES[family], part[0], part[2], part[1])
        bursts = _alarm_rate.BurstTerms(*part[3:]) if with_bursts else None
        table[within[at : at + step]] = _alarm_rate.rates(
            marginal, bursts, max_triggers, correlation_windows
        )
    return table.reshape((*shape, max_triggers)) + np.log(3600.0 / window_s)


def log_alarms_per_hour(triggers: ArrayLike, mean: ArrayLike, **model: Any) -> Any:
    """Log rate of false alarms per hour at the given thresholds.

    Parameters
    ----------
    triggers : array_like of int
        Threshold k, at least 1; broadcast against the other arguments.
    mean : array_like
        Mean number of triggers in a window, without bursts.
    **model
        Other arguments of `log_alarm_table_per_hour`.

    Returns
    -------
    numpy.ndarray
        Natural logs, of the broadcast shape.

    Raises
    ------
    eqstat.InputError
        When an argument is out of range.

    Examples
    --------
    >>> rate = log_alarms_per_hour([20, 40], 2.0, window_s=10.0, active=500,
    ...                            burst_probability=1e-5, burst_share=0.05)
    >>> rate.round(1).tolist()  # bursts make the tail heavy
    [-7.5, -7.7]
    """
    k = whole(triggers)
    table = log_alarm_table_per_hour(mean, int(np.max(k)), **model)
    shape = np.broadcast_shapes(k.shape, table.shape[:-1])
    table = np.broadcast_to(table, (*shape, table.shape[-1]))
    return np.take_along_axis(table, np.broadcast_to(k, shape)[..., None] - 1, axis=-1)[..., 0]


def log_alarms_per_year(log_per_hour: ArrayLike, axis: int = -1) -> Any:
    """Log rate of false alarms per year from the log rates of the hours of a week (or a day).

    Parameters
    ----------
    log_per_hour : array_like
        Natural logs of alarms per hour; all hours along `axis` are equally frequent.
    axis : int
        Axis of the hours.

    Returns
    -------
    numpy.ndarray
        Natural logs of 8766 h times the mean rate over the hours.

    Examples
    --------
    >>> float(np.exp(log_alarms_per_year(np.log([0.0001] * 168))).round(4))
    0.8766
    """
    values = np.asarray(log_per_hour, float)
    return logsumexp(values, axis=axis) - np.log(values.shape[axis]) + np.log(HOURS_PER_YEAR)


def whole(triggers: ArrayLike) -> Any:
    """Whole numbers from 1."""
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
    definition = FAMILIES[family]
    marginal = Marginal(definition, mean, dispersion, active)
    problem = definition.check_marginal(active, dispersion)
    refuse(
        "",
        (problem is not None, problem or ""),
        (bursts and not np.all(active <= 1e6), "bursts need the active devices"),
        (
            np.isfinite(correlation_windows)
            and definition.mean_given(marginal, 1.0, np.zeros(1)) is None,
            f"a finite correlation_windows is not available for {family}",
        ),
    )
