"""Result codes of fits, grids and sampling runs, and the error that carries one."""

from __future__ import annotations

import enum


class Result(enum.Enum):
    """How a fit, a grid or a sampling run ended.

    Each member's value is a sentence for a person; a package may say more of its own data. `ok`
    says whether the numbers that come with it can be used as they stand.

    Examples
    --------
    >>> Result.CONVERGED.ok
    True
    >>> Result.TOO_FEW.value
    'too few data for an estimate'
    """

    CONVERGED = "converged"
    AT_BOUND = "a parameter reaches the bound of its range"
    NOT_RESOLVED = "converged, but the data do not resolve every parameter"
    NOT_CONVERGED = "not converged: the optimiser stopped before the optimum"
    NOT_FINITE = "not finite: the objective has no finite value at the optimum"
    BEYOND_PRIOR = "piled up at the end of a parameter's range: the data point beyond the prior"
    NOT_DETERMINED = "not determined: the estimate is about as uncertain as before the data"
    TOO_FEW = "too few data for an estimate"
    POORLY_MIXED = "sampled, but R-hat, effective sample size, E-BFMI or divergences are not good"

    @property
    def ok(self) -> bool:
        """Whether the estimate is an optimum, or the draws can be trusted."""
        return self in (Result.CONVERGED, Result.AT_BOUND, Result.NOT_RESOLVED)


class InferenceError(RuntimeError):
    """A computation that gave no usable answer.

    Parameters
    ----------
    result
        Its result code.
    detail
        What to add in brackets.
    message
        A sentence of the package's own, in place of the code's.

    Examples
    --------
    >>> error = InferenceError(Result.TOO_FEW, "2 records")
    >>> error.result.name, str(error)
    ('TOO_FEW', 'too few data for an estimate (2 records)')
    """

    def __init__(self, result: Result, detail: str = "", *, message: str = "") -> None:
        self.result = result
        super().__init__((message or result.value) + (f" ({detail})" if detail else ""))
