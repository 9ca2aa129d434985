"""Run the shell as `python -m eqstat.cli`."""

import sys

from eqstat.cli._main import main

if __name__ == "__main__":
    sys.exit(main())
