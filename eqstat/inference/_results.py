"""What came of a computation: result codes that carry a sentence for a person."""

from __future__ import annotations

import enum


class Result(enum.Enum):
    """How a fit, a grid or a sampling run ended.

    Each member's value is the sentence to show to a person. `ok` says whether the
    numbers beside it may be used as they stand.

    Examples
    --------
    >>> Result.CONVERGED.ok
    True
    >>> Result.TOO_FEW.value
    'too few triggers: a hypocentre needs at least 5 at 3 or more places'
    """

    CONVERGED = "converged"
    AT_BOUND = "converged, with a parameter at the bound of its range"
    DEPTH_NOT_RESOLVED = "converged, but the depth is not resolved by these triggers"
    NOT_CONVERGED = "not converged: the optimiser stopped before the optimum"
    NOT_FINITE = "not finite: the objective has no finite value at the optimum"
    TOO_FEW = "too few triggers: a hypocentre needs at least 5 at 3 or more places"
    POORLY_MIXED = "sampled, but R-hat, effective sample size or divergences are not good"

    @property
    def ok(self) -> bool:
        """Whether the estimate is an optimum or the draws can be trusted."""
        return self in (Result.CONVERGED, Result.AT_BOUND, Result.DEPTH_NOT_RESOLVED)


class InferenceError(RuntimeError):
    """A computation that could not give a usable answer; `result` tells why."""

    def __init__(self, result: Result, detail: str = "") -> None:
        self.result = result
        super().__init__(result.value + (f" ({detail})" if detail else ""))
