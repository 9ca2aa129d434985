"""`python -m eqstat` is the command `eqstat`."""

import sys

from eqstat.cli import main

if __name__ == "__main__":
    sys.exit(main())
