r"""Learned tails: how much more often than the model says large counts occur.

Let $e = -\log P$ be the transform of a tail probability P of the largest count of a block of ten
minutes. Were the model right, e would be exponential. Beyond a level u its survival function is

.. math:: S(e) = e^{-(u - d)} \Bigl(1 + \xi\, \frac{e - u}{s}\Bigr)^{-1/\xi},

a generalised Pareto tail, and exponential for $\xi = 0$. Rates of alarms are inflated by
$S(e) e^{e}$, never deflated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

SMALLEST_SHAPE = 1e-4


@dataclass(frozen=True)
class Tail:
    """Tail of the counts beyond what the model says, from the largest counts of blocks.

    Attributes
    ----------
    level
        u, the negative log of the tail probability beyond which it was learned.
    log_ratio
        d, log ratio of observed to expected exceedances of the level.
    scale, shape
        s and xi of the generalised Pareto tail.
    log_block_h
        Log of the length of a block, hours.
    log_sliding
        Log ratio of the alarms of a sliding window to exceedances of disjoint ones.

    Examples
    --------
    >>> tail = Tail(level=5.0, log_ratio=0.2, scale=1.25)
    >>> inflated = tail.inflate(np.log([1e-2, 1e-6]))
    >>> np.exp(inflated).round(5).tolist()
    [0.01202, 2e-05]
    >>> np.exp(tail.deflate(inflated)).round(8).tolist()
    [0.01, 1e-06]
    """

    level: float = 1.0
    log_ratio: float = 0.0
    scale: float = 1.0
    shape: float = 0.0
    log_block_h: float = 0.0
    log_sliding: float = 0.0

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers, in the order of `inflate_log`."""
        return self.level, self.log_ratio, self.scale, self.shape, self._shift

    @property
    def _shift(self) -> float:
        return self.log_block_h - self.log_sliding

    def inflate(self, log_rate_per_hour: Any) -> np.ndarray:
        """Log rate of alarms per hour from that of the model."""
        rates = np.asarray(log_rate_per_hour, np.float64)
        return np.asarray(inflate_log(rates, self.values, np))

    def deflate(self, log_rate_per_hour: Any) -> np.ndarray:
        """Log rate of the model that `inflate` takes to this one."""
        goal = -(np.asarray(log_rate_per_hour, np.float64) + self._shift)
        ratio = max(self.log_ratio, 0.0)
        below = goal * self.level / max(self.level - ratio, 1e-9)
        far = np.maximum(goal - self.level + self.log_ratio, 0.0)
        shape = self.shape
        grown = far if shape < SMALLEST_SHAPE else np.expm1(shape * far) / shape
        above = self.level + self.scale * grown
        e = np.where(goal <= self.level - self.log_ratio, below, above)
        return np.asarray(-np.maximum(e, goal) - self._shift)

    def inflater(self, window_h: float | None = None) -> Callable[[float], float]:
        """Make a plain function that inflates one log rate, or the log probability of a window."""
        level, ratio, scale, shape, shift = self.values
        if window_h is not None:
            shift = self.log_block_h - math.log(window_h)
        share = 1 - max(ratio, 0.0) / level

        def inflate(log_rate: float) -> float:
            e = -(log_rate + shift)
            if e < level:
                value = -e * share
            else:
                far = (e - level) / scale
                fall = far if shape < SMALLEST_SHAPE else math.log1p(shape * far) / shape
                value = -(level - ratio) - fall
            return max(-e, value) - shift

        return inflate


def inflate_log(log_rate: Any, values: Any, xp: Any) -> Any:
    """Inflate log rates per hour, with NumPy or JAX (`xp`) and five numbers of a tail."""
    level, log_ratio, scale, shape, shift = (values[i] for i in range(5))
    e = -(log_rate + shift)
    far = xp.maximum(e - level, 0.0) / scale
    bent = xp.maximum(shape, SMALLEST_SHAPE)
    fall = xp.where(shape < SMALLEST_SHAPE, far, xp.log1p(bent * far) / bent)
    above = -(level - log_ratio) - fall
    below = -e * (1 - xp.maximum(log_ratio, 0.0) / level)
    return xp.maximum(-e, xp.where(e < level, below, above)) - shift


@dataclass(frozen=True)
class Tails:
    """Tails of fixed thresholds, and of those that follow the present intensity.

    Attributes
    ----------
    fixed, present
        The tails.

    Examples
    --------
    >>> Tails(fixed=Tail(scale=1.2)).present.scale
    1.0
    """

    fixed: Tail = Tail()
    present: Tail = Tail()

    @property
    def numbers(self) -> list[tuple[float, ...]]:
        """The numbers of both, (2, 6)."""
        return [astuple(self.fixed), astuple(self.present)]
