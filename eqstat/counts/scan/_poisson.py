"""Naus' approximation of the scan statistic, in complements relative to one Poisson probability.

Q2 and Q3 are close to 1 where exceedances are rare, and 1 - Q would lose all digits. Every small
term of the complements is p = P(N = k) times a factor of order one, so that the complements
divided by p are computed without cancellation or underflow, and p enters by its log.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammainc, gammaln, hyp1f1


def log_poisson(k: int, mean: float) -> float:
    """Log Poisson probability of k."""
    return float(k * math.log(mean) - mean - gammaln(k + 1.0))


def _tail_ratio(k: int, mean: float) -> float:
    """P(N >= k) / P(N = k)."""
    if k > mean:
        return float(hyp1f1(1.0, k + 1.0, mean))
    return float(gammainc(k, mean)) / math.exp(log_poisson(k, mean))


def complements(k: int, mean: float) -> tuple[float, float, float]:
    """Log of p, and (1 - Q2) / p and (1 - Q3) / p (Naus 1982, theorem 1).

    Q2 and Q3 are the exact probabilities that no window holds k triggers within two and three
    window lengths. With s the tail over p, 1 - Q2 follows from F(k - 1)^2 = (1 - p s)^2, and
    1 - Q3 from F(k - 1)^3; `a1` to `a4` are Naus' A1 to A4, each divided by p.
    """
    log_p = log_poisson(k, mean)
    p, s = math.exp(log_p), _tail_ratio(k, mean)
    i = np.arange(0, 2 * k + 1)
    log_f = i * math.log(mean) - mean - gammaln(i + 1.0)
    f = np.exp(log_f)
    cumulated = np.minimum(np.cumsum(f), 1.0)

    def cdf(j: int) -> float:
        return float(cumulated[j]) if j >= 0 else 0.0

    below = cdf(k - 1)
    q2 = 2.0 * s - p * s * s + (k - 1.0) * (f[k - 2] if k > 1 else 0.0)
    q2 += (k - 1.0 - mean) * cdf(k - 3)
    a1 = 2.0 * below * ((k - 1.0) * cdf(k - 2) - mean * cdf(k - 3))
    a2 = 0.5 * (
        (k - 1.0) * (k - 2.0) * cdf(k - 3)
        - 2.0 * (k - 2.0) * mean * cdf(k - 4)
        + mean * mean * cdf(k - 5)
    )
    r = np.arange(1, k)
    ratio = np.exp(log_f[2 * k - r] - log_p)
    at = np.concatenate([np.zeros(3), cumulated])  # at[j + 3] is the sum up to j
    a3 = float(np.sum(ratio * at[r + 2] ** 2))
    inner = (r - 1.0) * at[r + 1] - mean * at[r]
    a4 = float(np.sum((ratio * f[r] * inner)[1:]))
    q3 = 3.0 * s - 3.0 * p * s * s + p * p * s**3 + a1 - p * a2 - a3 + a4
    return log_p, float(q2), float(q3)


def _per_p(log_p: float, y: float) -> float:
    """-log(1 - p y) / p, also where p underflows to 0."""
    z = math.exp(log_p) * y
    if z < 1e-8:
        return y * (1.0 + z / 2.0)
    return -math.log1p(-min(z, 1.0 - 1e-15)) * y / z


def scan(k: int, mean: float, length: float) -> tuple[float, float]:
    """Log probability of an exceedance within `length` windows, and its log rate per window."""
    log_p, q2, q3 = complements(k, mean)
    if math.exp(log_p) * max(q2, q3) > 1.0 - 1e-9:
        # An exceedance within three windows is all but certain, and the formula loses all digits.
        return (0.0, math.nan)
    first = _per_p(log_p, q2)
    later = _per_p(log_p, q3) - first
    log_x = log_p + math.log(max(first + (length - 2.0) * later, 1e-300))
    log_rate = log_p + math.log(later)
    x = math.exp(log_x) if log_x < 700.0 else math.inf
    log_probability = log_x - x / 2.0 if x < 1e-8 else math.log(-math.expm1(-x))
    return log_probability, log_rate
