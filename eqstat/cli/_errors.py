"""What can go wrong in the shell, in one line."""

from __future__ import annotations

import sys
from typing import Any

from eqstat._core.errors import InputError

DONE, FAILED, BAD_INPUT = 0, 1, 2


class BadInputError(Exception):
    """Input of the shell that cannot be used: a file, an option, a combination."""


def one_line(error: BaseException) -> str:
    """Message of an error in one line; its type where it says nothing."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def exit_code(error: BaseException) -> int:
    """Tell bad input from all else, without importing what was not needed so far."""
    if isinstance(error, BadInputError):
        return BAD_INPUT
    if isinstance(error, InputError):
        return BAD_INPUT
    inference: Any = sys.modules.get("eqstat.inference")
    if inference is not None and isinstance(error, inference.InferenceError):
        result = getattr(error, "result", None)
        return BAD_INPUT if result is inference.Result.TOO_FEW else FAILED
    return FAILED
