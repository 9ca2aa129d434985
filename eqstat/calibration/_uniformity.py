r"""Simulation-based calibration of posteriors, and coverage of credible regions.

Draw parameters from the prior, data from the model, and draws from the posterior. If the posterior
is computed correctly, the rank of the true parameter among the draws is uniform, and 90 % credible
regions contain it in 90 % of cases. Uniform ranks are necessary but not sufficient.

References
----------
Talts, Betancourt, Simpson, Vehtari and Gelman (2018), arXiv:1804.06788. Säilynoja, Bürkner and
Vehtari (2022), Statistics and Computing 32, 32, doi:10.1007/s11222-022-10090-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray
from scipy import stats

from eqstat._core.checks import check_probability, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.calibration import _support
from eqstat.calibration._order import exact_ends

# Largest number of fractions at which the distribution function of the ranks is tested.
MOST_FRACTIONS = 100


@dataclass(frozen=True)
class RankUniformity(Explained):
    """Tests of the uniformity of ranks.

    Attributes
    ----------
    statistic, degrees_of_freedom, p_value
        Chi-square test of the histogram.
    ecdf_p_value
        p-value of the largest deviation of the distribution function over all fractions.
    inside
        Whether the distribution function stays within its simultaneous band.
    histogram
        Over `bin`: ranks `observed`, `expected`, and the binomial interval `low`, `high`.
    ecdf
        Over `fraction`: `difference` of the distribution function from the uniform one, and the
        simultaneous band `low`, `high`.

    Examples
    --------
    >>> rank_uniformity([0, 1, 2, 3] * 5, 3, bins=4).histogram["observed"].values.tolist()
    [5, 5, 5, 5]
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float
    ecdf_p_value: float
    inside: bool
    histogram: xr.Dataset
    ecdf: xr.Dataset


@dataclass(frozen=True)
class Coverage(Explained):
    """Empirical coverage of credible regions.

    Attributes
    ----------
    nominal
        Nominal coverage.
    hits, number
        Number of regions that contain the truth, and number of regions.
    rate, low, high
        Empirical coverage and its exact binomial interval.
    expected_low, expected_high
        Interval of `hits` if the nominal coverage is correct.
    p_value
        p-value of the exact two-sided binomial test.
    probability
        Nominal coverage of both intervals.

    Examples
    --------
    >>> coverage([True] * 9 + [False], 0.9).hits
    9
    """

    nominal: float
    hits: int
    number: int
    rate: float
    low: float
    high: float
    expected_low: int
    expected_high: int
    p_value: float
    probability: float

    @property
    def consistent(self) -> bool:
        """Whether the number of hits is consistent with the nominal coverage."""
        return self.expected_low <= self.hits <= self.expected_high


def sbc_ranks(truth: ArrayLike, draws: ArrayLike, *, key: PRNGKeyArray | None = None) -> np.ndarray:
    """Ranks of true values among posterior draws, from 0 to the number of draws.

    Draws of a Markov chain are autocorrelated: thin them first, otherwise extreme ranks are too
    frequent.

    Parameters
    ----------
    truth
        True values, (simulations,).
    draws
        Posterior draws, (simulations, draws).
    key
        JAX random key to break ties of a discrete parameter; without it ties are an error.

    Returns
    -------
    numpy.ndarray
        Integers, (simulations,).

    Raises
    ------
    eqstat.InputError
        When truth and draws differ in length, are not finite, or are tied without a key.

    References
    ----------
    Talts et al. (2018), arXiv:1804.06788, theorem 1.

    Examples
    --------
    >>> sbc_ranks([0.0, 2.0], [[-1.0, 0.5, 1.0], [0.1, 0.2, 0.3]]).tolist()
    [1, 3]
    """
    true = _support.vector("sbc_ranks", truth, "truth")
    drawn = np.asarray(draws)
    if drawn.dtype.kind not in "fiu" or drawn.ndim != 2 or len(drawn) != len(true):
        raise InputError(f"sbc_ranks: draws must be numbers, ({len(true)}, draws)")
    if not drawn.shape[1] or not np.all(np.isfinite(drawn)):
        raise InputError("sbc_ranks: draws are missing or not finite")
    below = np.sum(drawn < true[:, None], axis=1)
    equal = np.sum(drawn == true[:, None], axis=1)
    if not equal.any():
        return below
    if key is None:
        raise InputError("sbc_ranks: draws equal the truth; give a key, which breaks ties")
    return below + generator(key).integers(0, equal + 1)


def rank_uniformity(
    ranks: ArrayLike, draws: int, *, bins: int = 20, probability: float = 0.95
) -> RankUniformity:
    r"""Test ranks for uniformity by the histogram and by the distribution function.

    The chi-square test uses the exact expected count of each bin (bins need not divide the ranks
    evenly). For the distribution function at fractions $z_j$, each count is distributed as
    $\mathrm{Binomial}(N, z_j)$; the band consists of the quantiles $\gamma / 2$ and
    $1 - \gamma / 2$, with $\gamma$ such that all counts lie inside simultaneously with the stated
    probability. This is computed exactly, because the counts at increasing $z_j$ form a Markov
    chain.

    Parameters
    ----------
    ranks
        Ranks from 0 to `draws`, one per simulation, as from `sbc_ranks`.
    draws
        Number of draws among which each true value was ranked.
    bins
        Number of bins, 2 to `draws` + 1.
    probability
        Nominal coverage of the simultaneous band and of the interval of each bin.

    Returns
    -------
    RankUniformity

    Raises
    ------
    eqstat.InputError
        When ranks or an argument are out of range.

    References
    ----------
    Säilynoja, Bürkner and Vehtari (2022), doi:10.1007/s11222-022-10090-6, sections 2 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> flat = rank_uniformity(np.arange(100), 99, bins=10)
    >>> flat.statistic, flat.inside
    (0.0, True)
    >>> rank_uniformity(np.full(100, 50), 99, bins=10).inside
    False
    """
    check_whole("rank_uniformity", 1, draws=draws)
    check_whole("rank_uniformity", 2, bins=bins)
    check_probability("rank_uniformity", probability=probability)
    values = _support.vector("rank_uniformity", ranks, "ranks")
    if np.any((values < 0) | (values > draws) | (values != np.floor(values))):
        raise InputError(f"rank_uniformity: ranks must be whole numbers from 0 to {draws}")
    size, bins = int(draws) + 1, int(bins)
    if bins > size:
        raise InputError(f"rank_uniformity: there are {size} ranks only, not {bins} bins of them")
    rank, number = values.astype(np.int64), values.size
    observed = np.bincount(rank * bins // size, minlength=bins)
    share = np.bincount(np.arange(size) * bins // size, minlength=bins) / size
    test = stats.chisquare(observed, number * share)
    tail = (1 - probability) / 2
    ends = stats.binom.ppf([[tail], [1 - tail]], number, share)
    histogram = xr.Dataset(
        {
            "observed": ("bin", observed),
            "expected": ("bin", number * share),
            "low": ("bin", ends[0]),
            "high": ("bin", ends[1]),
        },
        coords={"bin": np.arange(bins)},
        attrs={"interval_probability": probability, "interval_kind": "binomial, pointwise"},
    )
    steps = np.unique(np.linspace(0, size, min(MOST_FRACTIONS, size) + 1).round().astype(int))[1:-1]
    count = np.searchsorted(np.sort(rank), steps, side="left")
    fraction = steps / size
    # The test statistic is the smallest two-sided binomial tail of the counts.
    tails = 2 * np.minimum(
        stats.binom.cdf(count, number, fraction), stats.binom.sf(count - 1, number, fraction)
    )
    least = float(min(tails.min(), 1.0))
    places = tuple(fraction.tolist())
    p_value = 1 - _inside(number, places, least * (1 + _support.ROUNDING))
    gamma = simultaneous_level(number, places, float(probability))
    low, high = _limits(number, fraction, gamma)
    ecdf = xr.Dataset(
        {
            "difference": ("fraction", count / number - fraction),
            "low": ("fraction", low / number - fraction),
            "high": ("fraction", high / number - fraction),
        },
        coords={"fraction": fraction},
        attrs={
            "interval_probability": probability,
            "interval_kind": "simultaneous over all fractions",
            "pointwise_level": gamma,
        },
    )
    inside = bool(np.all((count >= low) & (count <= high)))
    return RankUniformity(
        float(test.statistic), bins - 1, float(test.pvalue), float(np.clip(p_value, 0.0, 1.0)),
        inside, histogram, ecdf,
    )  # fmt: skip


def coverage(inside: ArrayLike, nominal: float | int, *, probability: float = 0.95) -> Coverage:
    """Compare the empirical with the nominal coverage of credible regions.

    Parameters
    ----------
    inside
        Whether each region contains the truth, (regions,). If the probability content up to the
        truth is known, compare it first, `content <= 0.9`.
    nominal
        Nominal coverage of the regions, in (0, 1).
    probability
        Nominal coverage of the intervals.

    Returns
    -------
    Coverage

    Raises
    ------
    eqstat.InputError
        When an argument is invalid.

    Examples
    --------
    >>> result = coverage([True] * 80 + [False] * 20, 0.9)
    >>> result.rate, result.consistent
    (0.8, False)
    """
    contained = _support.flags("coverage", inside, "inside")
    check_probability("coverage", nominal=nominal, probability=probability)
    hits, number = int(contained.sum()), contained.size
    tail = (1 - probability) / 2
    low, high = exact_ends(np.array(hits), np.array(number), tail)
    ends = stats.binom.interval(probability, number, nominal)
    return Coverage(
        float(nominal),
        hits,
        number,
        hits / number,
        float(low),
        float(high),
        int(ends[0]),
        int(ends[1]),
        float(stats.binomtest(hits, number, float(nominal)).pvalue),
        float(probability),
    )


@lru_cache(maxsize=64)
def simultaneous_level(number: int, fractions: tuple[float, ...], probability: float) -> float:
    """Pointwise level at which all counts lie inside simultaneously with this probability."""
    low, high = 0.0, 1 - probability
    if _inside(number, fractions, high) >= probability:
        return high
    # The probability is a decreasing step function of the level: keep the sufficient side.
    for _ in range(30):
        middle = (low + high) / 2
        if _inside(number, fractions, middle) >= probability:
            low = middle
        else:
            high = middle
    return low


def _limits(number: int, fraction: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest count of each fraction whose two-sided tail exceeds the level."""
    low = stats.binom.ppf(level / 2, number, fraction)
    high = stats.binom.isf(level / 2, number, fraction)
    low = np.where(2 * stats.binom.cdf(low, number, fraction) <= level, low + 1, low)
    high = np.where(2 * stats.binom.sf(high - 1, number, fraction) <= level, high - 1, high)
    return np.maximum(low, 0).astype(np.int64), np.minimum(high, number).astype(np.int64)


def _inside(number: int, fractions: tuple[float, ...], level: float) -> float:
    """Probability that the two-sided tails of all counts of uniform ranks exceed a level."""
    fraction = np.array(fractions)
    low, high = _limits(number, fraction, level)
    if np.any(low > high):
        return 0.0
    # Uniform ranks are a Poisson process given its total: each step is a convolution.
    steps = number * np.diff(fraction, prepend=0.0, append=1.0)
    least, weight = 0, np.array([1.0])
    for mean, start, stop in zip(
        steps, np.append(low, number), np.append(high, number), strict=True
    ):
        first = max(start - least - weight.size + 1, 0)
        jump = stats.poisson.pmf(np.arange(first, stop - least + 1), mean)
        if not jump.size:
            return 0.0
        # Entry i of the convolution is the count least + first + i.
        reached = np.convolve(weight, jump)
        from_count = least + first
        weight = reached[max(start - from_count, 0) : stop - from_count + 1]
        least = max(start, from_count)
    return float(weight.sum() / stats.poisson.pmf(number, number))
