from ._save import save_figure as save_figure
from .maps import map_triggers as map_triggers
from .traveltime import depth_time as depth_time
from .traveltime import location_figure as location_figure
from .traveltime import residuals as residuals
from .traveltime import section as section
from .traveltime import verdict_figure as verdict_figure
