"""Distribution of the peaks of false triggers, learned from a history without earthquakes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import explained
from eqstat.schema import check_triggers

LEAST_PEAKS = 50


@explained
class FalsePeaks(NamedTuple):
    """Peaks of false triggers: a normal distribution of log10, and how its tails do.

    Attributes
    ----------
    log10_mean, log10_sd
        Of log10 of the peaks (m/s2): `handling_log10_mean` and `handling_log10_sd` of a
        `MagnitudeModel`.
    peaks, held_out
        Peaks by which it was estimated, and later ones by which it was checked.
    clipped
        How many of all were at the clipping level.
    tail
        Probability of each tail of the estimate that was checked.
    low_share, high_share
        Shares of the peaks held out that lie in these tails; NaN above where the tail lies beyond
        the clipping level.
    p_value
        Probability of such shares or stranger ones if the estimate is right: twice the smaller of
        two exact binomial tests, peaks taken as independent.

    Examples
    --------
    See `learn_false_peaks`.
    """

    log10_mean: float
    log10_sd: float
    peaks: int
    held_out: int
    clipped: int
    tail: float
    low_share: float
    high_share: float
    p_value: float


def learn_false_peaks(
    triggers: pd.DataFrame,
    *,
    clip_m_s2: float | int = 19.6,
    held_out_share: float = 0.3,
    tail: float = 0.05,
) -> FalsePeaks:
    r"""Estimate the distribution of the peaks of false triggers from a quiet history.

    The peaks are normal in their logarithm, right-censored at the clipping level, and estimated by
    maximum likelihood,

    $$ \ell(\mu, \sigma) = \sum_{\text{known}} \log \varphi\Big(\frac{y_i - \mu}{\sigma}\Big)
    - n \log \sigma + n_c \log \Phi\Big(\frac{\mu - c}{\sigma}\Big). $$

    The bound on false alarms of a detector that uses peaks rests on this distribution, above all on
    its tail of strong peaks, so that it is checked on the last part of the history, which is not
    used in the estimate. Where `p_value` is small the normal distribution does not fit: then leave
    peaks out of detection.

    Parameters
    ----------
    triggers
        A table of triggers in a time without earthquakes, with `pga_m_s2`; rows without a peak, or
        with 0, are left out.
    clip_m_s2
        Reading at which devices saturate, m/s2, above 0.
    held_out_share
        Share of the peaks, the last ones in time, for the check, in (0, 1).
    tail
        Probability of each tail that is checked, in (0, 0.5).

    Returns
    -------
    FalsePeaks

    Raises
    ------
    eqstat.InputError
        When there are fewer than 50 peaks in either part, no spread, or an option is out of range.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> time = pd.Timestamp("2027-01-01", tz="UTC") + pd.to_timedelta(np.arange(900), unit="h")
    >>> history = pd.DataFrame({
    ...     "time": time,
    ...     "latitude": 46.0, "longitude": 7.0, "pga_m_s2": 10 ** rng.normal(-0.5, 0.4, 900)})
    >>> learned = learn_false_peaks(history)
    >>> round(learned.log10_mean, 1), round(learned.log10_sd, 1), learned.p_value > 0.01
    (-0.5, 0.4, True)
    """
    owner = "learn_false_peaks"
    check_range(owner, 0, ends="()", clip_m_s2=clip_m_s2)
    check_range(owner, 0, 1, ends="()", held_out_share=held_out_share)
    check_range(owner, 0, 0.5, ends="()", tail=tail)
    table: Any = check_triggers(triggers)
    if "pga_m_s2" not in table.columns:
        raise InputError(f"{owner}: the history has no column 'pga_m_s2'")
    table = table[table["pga_m_s2"] > 0].sort_values("time", kind="stable")
    peak = table["pga_m_s2"].to_numpy(np.float64)
    later = round(held_out_share * len(peak))
    if min(later, len(peak) - later) < LEAST_PEAKS:
        raise InputError(
            f"{owner}: {len(peak)} peaks, of which {later} are for the check; give a longer "
            f"history, {LEAST_PEAKS} in each part at least"
        )
    top = np.log10(clip_m_s2)
    value = np.minimum(np.log10(peak), top)
    past, held = value[:-later], value[-later:]
    mean, sd = _estimate(past[past < top], int(np.sum(past >= top)), float(top))
    low, high = stats.norm.ppf([tail, 1 - tail], mean, sd)
    in_tails = [int(np.sum(held < low)), int(np.sum(held > high))]
    seen = [True, bool(high < top)]
    p = min(
        stats.binomtest(count, later, tail).pvalue
        for count, known in zip(in_tails, seen, strict=True)
        if known
    )
    return FalsePeaks(
        mean,
        sd,
        len(past),
        later,
        int(np.sum(value >= top)),
        float(tail),
        in_tails[0] / later,
        in_tails[1] / later if seen[1] else float("nan"),
        float(min(1.0, sum(seen) * p)),
    )


def _estimate(known: np.ndarray, clipped: int, top: float) -> tuple[float, float]:
    """Mean and standard deviation of a normal sample that is right-censored."""
    if len(known) < 2 or np.ptp(known) < 1e-6:
        raise InputError(
            "learn_false_peaks: nearly all peaks are the same; they are no measurements of the "
            "ground"
        )
    mean, sd, count = known.mean(), known.std(), len(known)

    def loss(point: np.ndarray) -> float:
        at, size = point[0], np.exp(point[1])
        square = count * (sd**2 + (mean - at) ** 2)
        lost = clipped * stats.norm.logcdf((at - top) / size)
        return float(0.5 * square / size**2 + count * point[1] - lost)

    if not clipped:
        return float(mean), float(sd)
    best = optimize.minimize(loss, [mean, np.log(sd)], method="Nelder-Mead",
                             options={"xatol": 1e-7, "fatol": 1e-9})  # fmt: skip
    return float(best.x[0]), float(np.exp(best.x[1]))
