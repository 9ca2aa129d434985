"""Is it an earthquake, now?

Make a `detector` for a network, `init` its state, and `step` through what devices report: silent
devices count as well as triggers. Earthquakes compete with what looks like one (`causes`);
`locate` refines the hypocentre, `replay` runs a table of triggers.
"""

from eqstat.detection.detector import Background, Detector, detector
from eqstat.detection.replay import Replay, replay
from eqstat.detection.sequential import Report, State, init, step

__all__ = [
    "Background",
    "Detector",
    "Replay",
    "Report",
    "State",
    "detector",
    "init",
    "replay",
    "step",
]
