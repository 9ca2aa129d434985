"""`eqstat waveform`: classifiers of windows by their features."""

from eqstat.cli._waveform._command import add as add
from eqstat.cli._waveform._command import run as run
