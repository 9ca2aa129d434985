"""Exit codes, and errors in one line."""

from __future__ import annotations

import sys
from typing import Any

from eqstat._core.errors import InputError

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def one_line(error: BaseException) -> str:
    """Message of an error in one line; its type where it has no message."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def exit_code(error: BaseException) -> int:
    """Exit code of an error: bad input or any other failure.

    Inference is looked up among the imported modules: a command that did not import it cannot
    have raised its error.
    """
    if isinstance(error, InputError):
        return BAD_INPUT
    inference: Any = sys.modules.get("eqstat.inference")
    if inference is not None and isinstance(error, inference.InferenceError):
        result = getattr(error, "result", None)
        return BAD_INPUT if getattr(result, "name", "") == "TOO_FEW" else FAILED
    return FAILED
