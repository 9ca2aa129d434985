"""Sentences for the result codes of a hypocentre, where the general ones say too little."""

from __future__ import annotations

from eqstat.inference import InferenceError, Result

SENTENCES = {
    Result.TOO_FEW: "too few triggers: a hypocentre needs at least 5 at 3 or more places",
    Result.NOT_RESOLVED: "converged, but the depth is not resolved by these triggers",
}


def sentence(result: Result) -> str:
    """Return what a result code says of a hypocentre.

    Examples
    --------
    >>> sentence(Result.NOT_RESOLVED)
    'converged, but the depth is not resolved by these triggers'
    >>> sentence(Result.CONVERGED)
    'converged'
    """
    return SENTENCES.get(result, result.value)


def failure(result: Result, usage: str) -> InferenceError:
    """Return the error of a location that gave no usable answer, with what was used."""
    return InferenceError(result, usage, message=sentence(result))
