"""Show me: figures of locations and their triggers, with matplotlib (`pip install eqstat[plots]`).

Functions take tables, arrays and the objects of the other packages as they are, draw into `ax` (or
a figure of their own) and return the axes. Nothing is shown, and no setting is changed.
"""

from eqstat.plots.maps import map_triggers
from eqstat.plots.traveltime import depth_time, location_figure, residuals, section, verdict_figure

__all__ = [
    "depth_time",
    "location_figure",
    "map_triggers",
    "residuals",
    "section",
    "verdict_figure",
]
