"""Ctrl-C ends the shell at once, whatever a library is busy with."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from eqstat.cli._errors import INTERRUPTED


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
