"""The shell: `eqstat locate`, `classify`, `threshold`, `detect`, `exceed`, `calibrate`, `demo`.

Each command reads tables, calls one public function and writes the result as JSON, NetCDF and
figures. Exit code 0 means done, 2 bad input (one line on standard error), 1 any other failure.
"""

from eqstat.cli._main import main

__all__ = ["main"]
