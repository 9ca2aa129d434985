"""Where and when did it start, and do the trigger times fit a wave?

`prepare` a table of triggers, then `classify`, `fit` (BFGS), `grid` (exact) or `sample` (NUTS),
and `report` what came out. Velocity models are in `velocity`, parameters in `likelihood`,
and `regional` learns the errors of a region for picks of stations.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
