"""`eqstat locate`: hypocentres from trigger times, with magnitudes from peaks."""

from eqstat.cli._locate._command import TABLES as TABLES
from eqstat.cli._locate._command import add as add
from eqstat.cli._locate._command import run as run
