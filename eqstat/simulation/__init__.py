"""What would the network have sent?

Draw a network (`uniform_box`, others in `networks`), let `Earthquakes` or the sources of `noise`
make it trigger, alone or together (`Earliest`), `simulate` thousands of streams, and see which of
them the rule of phone networks detects (`first_detections`). `study2023` has a paper's simulation.
"""

from eqstat.simulation.earthquakes import Earthquakes
from eqstat.simulation.networks import Network, uniform_box
from eqstat.simulation.noise import HumanTriggers
from eqstat.simulation.rule import first_detections, ratio_rule
from eqstat.simulation.sources import Earliest, Filled
from eqstat.simulation.streams import Streams, simulate

__all__ = [
    "Earliest",
    "Earthquakes",
    "Filled",
    "HumanTriggers",
    "Network",
    "Streams",
    "first_detections",
    "ratio_rule",
    "simulate",
    "uniform_box",
]
