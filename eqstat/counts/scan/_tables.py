"""Tables over the number of triggers, in logs: probabilities and alarm rates of a sliding window.

Probabilities are cumulated from the ratios of neighbours, so a table keeps its relative accuracy
however far it goes down (NumPy, float64; the last axis is the number of triggers).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import betainc, betaincinv, betaln, gammainc, gammaincinv, gammaln

FAMILIES = ("poisson", "negative_binomial", "beta_binomial")


class Marginal(NamedTuple):
    """Count of a window without bursts: arrays of one shape, one case each.

    `dispersion` is that of the negative binomial or the intra-class correlation of the
    beta-binomial, and `active` the number of devices (not used by the first two families).
    """

    family: str
    mean: Any
    dispersion: Any
    active: Any


def log_pmf_table(marginal: Marginal, top: int) -> Any:
    """Log probabilities of 0, ..., top triggers, shape (..., top + 1)."""
    i = np.arange(top, dtype=float)
    mean, spread = marginal.mean[..., None], marginal.dispersion[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        if marginal.family == "beta_binomial":
            n, q = marginal.active[..., None], np.exp(-mean / marginal.active[..., None])
            p = -np.expm1(-mean / n)
            left = np.maximum(n - i, 0.0)
            up = left * (p * (1.0 - spread) + spread * i)
            down = (i + 1.0) * (q * (1.0 - spread) + spread * np.maximum(left - 1.0, 0.0))
            steps = np.where(left > 0.0, np.log(up) - np.log(down), -np.inf)
            first = _log_none(n, p, q, spread)
        else:
            steps = np.log(mean * (1.0 + spread * i) / ((1.0 + spread * mean) * (i + 1.0)))
            product = spread * mean
            first = -mean * np.where(product > 1e-12, np.log1p(product) / product, 1.0)
        table = np.concatenate([first, first + np.cumsum(steps, axis=-1)], axis=-1)
    return table


def _log_none(n: Any, p: Any, q: Any, rho: Any) -> Any:
    """Log probability that none of n devices triggers, stable for a vanishing correlation."""
    scale = (1.0 - rho) / np.where(rho > 0.0, rho, 1.0)
    a, b = p * scale, q * scale
    exact = betaln(a, b + n) - betaln(a, b)
    if np.all(rho > 1e-6):
        return exact
    # Where a + b is large the logs of gamma functions cancel; sum over devices instead.
    i = np.arange(int(np.max(n)), dtype=float)
    terms = np.log1p(-p * (1.0 - rho) / ((1.0 - rho) + rho * i))
    summed = np.sum(np.where(i < n, terms, 0.0), axis=-1, keepdims=True)
    return np.where(rho > 1e-6, exact, summed)


def log_tail_table(log_pmf: Any) -> Any:
    """Log of the sums from k on, k = 0, ..., top; the rest beyond the table as a geometric sum."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.exp(np.minimum(log_pmf[..., -1:] - log_pmf[..., -2:-1], -1e-9))
        rest = log_pmf[..., -1:] + np.log(ratio) - np.log1p(-ratio)
    rest = np.where(np.isfinite(rest), rest, -np.inf)
    reverse = np.concatenate([rest, log_pmf[..., ::-1]], axis=-1)
    return np.minimum(np.logaddexp.accumulate(reverse, axis=-1)[..., :0:-1], 0.0)


def table_top(marginal: Marginal, triggers: int) -> int:
    """A length of table beyond which nothing is left but a geometric rest."""
    mean, spread = np.max(marginal.mean), float(np.max(marginal.dispersion))
    highest = max(triggers, int(mean + 10.0 * np.sqrt(mean * (1.0 + spread * mean)))) + 2
    if marginal.family == "beta_binomial":
        return _beta_top(marginal, highest)
    share = spread * mean / (1.0 + spread * mean)
    ratio = max(share + (1.0 - share) * mean / (highest + 1.0), 1e-3)
    return int(highest + min(60.0 + 40.0 / -np.log(ratio), 20000.0))


def _beta_top(marginal: Marginal, highest: int) -> int:
    """Double the table until the rest is below 1e-16 of what is asked for, or all devices."""
    n, rho = marginal.active, np.maximum(marginal.dispersion, 1e-9)
    scale, p = (1.0 - rho) / rho, -np.expm1(-marginal.mean / n)
    a, b = p * scale, (1.0 - p) * scale

    def log_weight(i: float | int) -> Any:
        left = np.maximum(n - i, 0.0)
        value = betaln(a + i, b + left) - gammaln(i + 1.0) - gammaln(left + 1.0)
        return np.where(i <= n, value, -np.inf)

    most, extra, base = int(np.max(n)) + 2, 100, log_weight(highest)
    while highest + extra < most:
        end = log_weight(highest + extra)
        with np.errstate(invalid="ignore"):
            ratio = np.exp(end - log_weight(highest + extra - 1.0))
        rest = end - np.log1p(-np.minimum(np.nan_to_num(ratio), 1.0 - 1e-6))
        if np.all((highest > n) | (rest - base < -37.0)):
            break
        extra *= 2
    return min(highest + extra, most)


def log_declumped(marginal: Marginal, k: Any) -> Any:
    r"""Log of the share of up-crossings of k that begin a new alarm, shape (..., k).

    Near the level the count is a random walk with up rate :math:`u` and down rate
    :math:`d = k / w`; a clump of up-crossings has :math:`1 / (1 - u / d)` members on average.
    The mean of :math:`(1 - u / d)_+` is over the intensity, given that k triggers are in the
    window: gamma or beta by conjugacy.
    """
    mean, spread = marginal.mean[..., None], marginal.dispersion[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.maximum(1.0 - mean / k, 0.0)
        if marginal.family == "beta_binomial":
            n = marginal.active[..., None]
            p, q = -np.expm1(-mean / n), np.exp(-mean / n)
            odds = np.maximum(n - k, 0.0) / k
            plain = np.maximum(1.0 - odds * p / q, 0.0)
            scale = (1.0 - spread) / np.where(spread > 0.0, spread, 1.0)
            a, b = p * scale + k, q * scale + np.maximum(n - k, 0.0)
            at = np.minimum(k / n, 1.0)
            low = np.maximum(b - 1.0, 1e-9)
            mixed = betainc(a, b, at) - odds * a / low * betainc(a + 1.0, low, at)
            mixed = np.where((n - k >= 1.0) & (b > 1.0), mixed, 1.0)
        elif marginal.family == "negative_binomial":
            shape = 1.0 / np.where(spread > 0.0, spread, 1.0)
            a, theta = shape + k, mean / (mean + shape)
            at = k / theta
            mixed = gammainc(a, at) - a * theta / k * gammainc(a + 1.0, at)
        else:
            mixed = plain
        share = np.where(spread > 1e-9, mixed, plain)
        return np.where(share > 1e-12, np.log(np.clip(share, 1e-12, 1.0)), -np.inf)


def log_burst_table(share: Any, concentration: Any, active: Any, top: int) -> tuple[Any, Any]:
    """Log probabilities and log tails of the size of a burst, 0, ..., top: beta-binomial."""
    n, a = np.rint(active)[..., None], (share * concentration)[..., None]
    b = ((1.0 - share) * concentration)[..., None]
    whole = int(np.max(n))
    size = np.arange(whole + 1, dtype=float)
    left = np.maximum(n - size, 0.0)
    choose = gammaln(n + 1.0) - gammaln(size + 1.0) - gammaln(left + 1.0)
    table = choose + betaln(a + size, b + left) - betaln(a, b)
    table = np.where(size <= n, table, -np.inf)
    tail = np.logaddexp.accumulate(table[..., ::-1], axis=-1)[..., ::-1]
    size_shape = np.shape(table)[:-1]
    if top > whole:
        more = np.full((*size_shape, top - whole), -np.inf)
        table, tail = (np.concatenate([part, more], axis=-1) for part in (table, tail))
    return table[..., : top + 1], np.minimum(tail[..., : top + 1], 0.0)


def log_convolve(first: Any, second: Any) -> Any:
    """Log of the sums over j of first_j second_{i-j}, for i = 0, ..., of the same length.

    Rows in which the first is the same go into one product of matrices; what underflows there is
    summed in logs.
    """
    size = int(first.shape[-1])
    new = np.r_[True, np.any(first[1:] != first[:-1], axis=-1)]
    starts = np.flatnonzero(new)
    if 4 * starts.size <= first.shape[0]:
        lag = np.arange(size)[None, :] - np.arange(size)[:, None]
        plain, linear = np.empty(second.shape), np.exp(second)
        for start, stop in zip(starts, np.r_[starts[1:], first.shape[0]], strict=True):
            matrix = np.where(lag >= 0, np.exp(first[start])[np.maximum(lag, 0)], 0.0)
            plain[start:stop] = linear[start:stop] @ matrix
        with np.errstate(divide="ignore"):
            out = np.log(plain)
        for i in np.flatnonzero(np.any(plain < 1e-280, axis=0)):
            out[:, i] = np.logaddexp.reduce(first[:, : i + 1] + second[:, i::-1], axis=-1)
        return out
    out = np.full(np.broadcast_shapes(first.shape, second.shape), -np.inf)
    for j in range(size):
        np.logaddexp(out[..., j:], first[..., j : j + 1] + second[..., : size - j], out[..., j:])
    return out


_QUANTILES, _QUANTILE_WEIGHTS = np.polynomial.legendre.leggauss(20)


def log_reach_ratio(marginal: Marginal, top: int) -> Any:
    """Log of P(k or more in some window of two windows' length) / P(k or more), k = 1, ..., top.

    Exact for a Poisson stream (Naus' Q2); averaged over quantiles of the intensity for the others,
    with Poisson counts. Good for levels that are not rare: quantiles do not reach the far tail.
    """
    mean, spread = marginal.mean[:, None], marginal.dispersion[:, None]
    at, weight = 0.5 * (_QUANTILES + 1.0), 0.5 * _QUANTILE_WEIGHTS
    if marginal.family == "poisson":
        at, weight, nodes = at[:1], np.ones(1), mean
    elif marginal.family == "beta_binomial":
        n, p = marginal.active[:, None], -np.expm1(-mean / marginal.active[:, None])
        scale = (1.0 - spread) / np.maximum(spread, 1e-5)
        nodes = n * betaincinv(p * scale, (1.0 - p) * scale, at)
    else:
        shape = 1.0 / np.maximum(spread, 1e-5)
        nodes = gammaincinv(shape, at) * mean / shape
    m = np.maximum(nodes, 1e-30)[..., None]
    k = np.arange(top + 1.0)
    f = np.exp(k * np.log(m) - m - gammaln(k + 1.0))
    below = np.minimum(np.cumsum(f, axis=-1), 1.0)  # P(N <= k)
    tail = np.maximum(1.0 - below[..., :-1], 0.0)
    back = np.concatenate([np.zeros((*f.shape[:-1], 2)), f], axis=-1)
    low = np.concatenate([np.zeros((*f.shape[:-1], 3)), below], axis=-1)
    k = k[1:]
    two = 2.0 * tail - tail**2 + (k - 1.0) * f[..., 1:] * back[..., 1:-2]
    two = two + (k - 1.0 - m) * f[..., 1:] * low[..., 1:-3]
    over = np.sum(weight[:, None] * two, axis=-2)
    alone = np.sum(weight[:, None] * tail, axis=-2)
    good = alone > 1e-8
    return np.where(good, np.log(np.where(good, over, 1.0) / np.where(good, alone, 1.0)), 0.0)
