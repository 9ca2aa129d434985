"""Exit codes, errors in one line, and Ctrl-C, which ends the shell at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
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


def exit_at_once() -> None:
    """End the process with exit code 130 at the first interrupt.

    Python runs its own handlers between two of its instructions, which a compilation keeps from
    coming; and to unwind through libraries that run threads of their own may crash. The
    interpreter's C handler writes the signal's number to a pipe at once, and a thread that waits
    at its other end ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.signal(signal.SIGINT, _end)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(read_end,), name="interrupt", daemon=True).start()


def _watch(read_end: int) -> None:
    while number := os.read(read_end, 1):
        if number[0] == signal.SIGINT:
            _end()


def _end(*_: Any) -> None:
    os.write(2, b"eqstat: interrupted\n")
    os._exit(INTERRUPTED)
