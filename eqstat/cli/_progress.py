"""What a command is doing, and for how long: one line on a terminal from its third second on.

Most of the time of a command goes into a few calls of compiled programs, of which nothing says how
far they are. So the line names the stage and counts the seconds. Where standard error is no
terminal, as in a service, nothing is written.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AFTER_S = 2.0
EVERY_S = 0.25
FORMAT = "{desc} {elapsed}"

# One command runs in a process: its event of several, and its stage, None where the command shows
# a bar of its own.
_event = ""
_stage: str | None = ""


def stage(name: str | None) -> None:
    """Say what comes next; None hides the line, for what has a bar of its own.

    Parameters
    ----------
    name
        A few words, such as "grid".
    """
    global _stage
    _stage = name


def event(number: int, count: int) -> None:
    """Say which of several events comes next."""
    global _event
    _event = f"event {number} of {count}"


@contextmanager
def shown(command: str, *, hidden: bool = False) -> Iterator[None]:
    """Show the stage of a command while the block runs.

    Parameters
    ----------
    command
        Its name.
    hidden
        Show nothing.
    """
    global _event
    _event = ""
    stage("starting")
    if hidden or not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    line = threading.Thread(target=_show, args=(command, done), daemon=True)
    line.start()
    try:
        yield
    finally:
        done.set()
        line.join()


def _show(command: str, done: threading.Event) -> None:
    """Write the line until the command is done, then take it away."""
    if done.wait(AFTER_S):
        return
    from tqdm import tqdm

    # Delayed, so that the seconds before it count from its first showing on.
    bar = tqdm(desc=_text(command), bar_format=FORMAT, leave=False, delay=1e-3)
    bar.start_t -= AFTER_S
    while not done.wait(EVERY_S):
        if _stage is None:
            bar.clear()
        else:
            bar.set_description_str(_text(command), refresh=True)
    bar.close()


def _text(command: str) -> str:
    return ": ".join(filter(None, (f"eqstat {command}", _event, _stage)))
