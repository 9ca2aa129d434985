"""Do it from the shell: `eqstat locate`, `classify`, `threshold`, `calibrate`, `demo`.

Thin: every command reads tables, calls one public function, and writes what came out. Exit 0 is
done, 2 bad input (one line on standard error), 1 anything else.
"""

from eqstat.cli._main import main

__all__ = ["main"]
