"""The shell: `eqstat locate`, `classify`, `threshold`, `detect`, `exceed`, `calibrate`, `demo`.

Each command reads tables, calls one public function and writes the result as JSON, NetCDF and
figures. Exit code 0 means done, 2 bad input (one line on standard error), 1 any other failure.
"""

from __future__ import annotations

from collections.abc import Sequence

from eqstat.cli._errors import exit_at_once

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command of the shell.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process by default, which then ends at
        the first interrupt.

    Returns
    -------
    int
        0 done, 2 bad input, 130 interrupted, 1 any other failure, or a result that must not be
        used.

    Examples
    --------
    >>> main(["locate", "triggers.csv", "--method", "guess"])
    2
    """
    if argv is None:
        # Before the commands are imported, which takes longer than to press Ctrl-C.
        exit_at_once()
    from eqstat.cli._main import main as run

    return run(argv)
