"""`eqstat multistation`: networks that predict shaking from what a few stations have reported."""

from eqstat.cli._multistation._command import add as add
from eqstat.cli._multistation._command import run as run
