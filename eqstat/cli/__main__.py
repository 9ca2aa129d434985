"""Run the shell as `python -m eqstat.cli`."""

import sys

from eqstat.cli import main

if __name__ == "__main__":
    sys.exit(main())
