"""How often earthquakes of a magnitude occur."""

from __future__ import annotations

import equinox as eqx
import numpy as np

from eqstat._core.arrays import FloatArray
from eqstat._core.checks import check_range
from eqstat._core.explain import Explained


class GutenbergRichter(Explained, eqx.Module):
    r"""Magnitudes between a least and a greatest one, with density $\propto 10^{-b m}$.

    Parameters
    ----------
    least_magnitude, greatest_magnitude
        Range of magnitudes.
    b_value
        b, at least 0; with 0 all magnitudes of the range are equally likely.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range.

    References
    ----------
    Gutenberg, B. and Richter, C. F. (1944), Frequency of earthquakes in California, Bulletin of the
    Seismological Society of America 34, 185-188, doi:10.1785/BSSA0340040185.

    Examples
    --------
    >>> law = GutenbergRichter(least_magnitude=3.0, greatest_magnitude=8.0)
    >>> law.exceeded(np.array([3.0, 4.0, 8.0])).round(3).tolist()
    [1.0, 0.1, 0.0]
    """

    least_magnitude: float = eqx.field(static=True, default=3.0)
    greatest_magnitude: float = eqx.field(static=True, default=8.5)
    b_value: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        """Raise an error for values out of range."""
        owner = "GutenbergRichter"
        check_range(owner, -2, 9, least_magnitude=self.least_magnitude)
        check_range(
            owner, self.least_magnitude + 0.2, 10, greatest_magnitude=self.greatest_magnitude
        )
        check_range(owner, 0, 5, b_value=self.b_value)

    def edges(self, step: float) -> np.ndarray:
        """Edges of cells of the range, about a step apart."""
        cells = max(round((self.greatest_magnitude - self.least_magnitude) / step), 1)
        return np.linspace(self.least_magnitude, self.greatest_magnitude, cells + 1)

    def exceeded(self, magnitude: FloatArray) -> np.ndarray:
        """Probability of more than a magnitude of the range."""
        low, high = self.least_magnitude, self.greatest_magnitude
        magnitude = np.asarray(magnitude, np.float64)
        if self.b_value == 0:
            return (high - magnitude) / (high - low)
        beyond, last = (10.0 ** (-self.b_value * (end - low)) for end in (magnitude, high))
        return (beyond - last) / (1 - last)

    def quantile(self, probability: FloatArray) -> np.ndarray:
        """Magnitude that is not exceeded with a probability."""
        low, high = self.least_magnitude, self.greatest_magnitude
        p = np.asarray(probability, np.float64)
        if self.b_value == 0:
            return low + p * (high - low)
        lost = 1 - 10.0 ** (-self.b_value * (high - low))
        return low - np.log10(1 - p * lost) / self.b_value
