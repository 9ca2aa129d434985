from . import alerts as alerts
from ._kernel import SourceDraws as SourceDraws
from ._kernel import exceedances as exceedances
from ._shaking import shaking as shaking
from ._shaking import shaking_map as shaking_map
from ._sources import Sources as Sources
from ._sources import from_posterior as from_posterior
