"""Where and when did it start, and do the trigger times fit a wave?

`prepare` a table of triggers, then `classify`, `fit` (BFGS), `grid` (exact) or `sample` (NUTS),
and `report` what came out. Velocity models are in `velocity`, parameters in `likelihood`,
and `regional` learns the errors of a region for picks of stations.
"""

from eqstat.traveltime.classify import classify
from eqstat.traveltime.data import prepare
from eqstat.traveltime.fit import fit
from eqstat.traveltime.grid import grid
from eqstat.traveltime.likelihood import log_likelihood
from eqstat.traveltime.model import model
from eqstat.traveltime.prior import Prior
from eqstat.traveltime.report import report
from eqstat.traveltime.sample import sample
from eqstat.traveltime.simulate import simulate

__all__ = [
    "Prior",
    "classify",
    "fit",
    "grid",
    "log_likelihood",
    "model",
    "prepare",
    "report",
    "sample",
    "simulate",
]
