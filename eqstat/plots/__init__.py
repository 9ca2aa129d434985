"""Show me: figures of locations and their triggers, with matplotlib (`pip install eqstat[plots]`).

Functions take tables, arrays and the objects of the other packages as they are, draw into `ax` (or
a figure of their own) and return the axes. A figure appears below its cell in a notebook and with
`plt.show()` in a script; no setting is changed.
"""

from eqstat.plots._save import save_figure
from eqstat.plots.maps import map_triggers
from eqstat.plots.traveltime import depth_time, location_figure, residuals, section, verdict_figure

__all__ = [
    "depth_time",
    "location_figure",
    "map_triggers",
    "residuals",
    "save_figure",
    "section",
    "verdict_figure",
]
