"""Is this number of triggers more than the background gives?

`prepare` a table of counts, `fit` (BFGS) or `sample` (NUTS) a null, take `draws` of it, and ask for
a `threshold` of so many false alarms a year, or for a `scorer` whose `score` a service calls.
Parameters are in `null`, checks in `check`, sliding windows in `scan`, few sensors in
`coincidence`.
"""

from eqstat.counts.data import prepare
from eqstat.counts.fit import draws, fit
from eqstat.counts.likelihood import log_likelihood
from eqstat.counts.model import model
from eqstat.counts.sample import sample
from eqstat.counts.score import score, scorer
from eqstat.counts.simulate import simulate
from eqstat.counts.threshold import threshold

__all__ = [
    "draws",
    "fit",
    "log_likelihood",
    "model",
    "prepare",
    "sample",
    "score",
    "scorer",
    "simulate",
    "threshold",
]
