"""`python -m eqstat.service.agent CONFIG.toml`, where only NumPy is installed."""

import sys

from eqstat.service.agent._run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
