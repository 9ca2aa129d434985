"""Detection: the sequential posterior of what causes the triggers of a network.

Make a `detector` for the devices of a region, `init` its state, and `step` it through the reports;
triggers and silent devices both count. Earthquakes compete with the other `causes` of coincident
triggers. `locate` gives the posterior of the hypocentre, `shiryaev_roberts_threshold` the threshold
for a nominal rate of false alarms, and `replay` runs a table of past triggers.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
