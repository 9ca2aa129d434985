"""`eqstat artefact`: write, inspect and score the files of scorers."""

from eqstat.cli._artefact._command import add as add
from eqstat.cli._artefact._command import run as run
