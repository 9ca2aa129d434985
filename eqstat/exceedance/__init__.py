"""How strong will it shake here, and when is it right to warn?

Every prediction is a `Mixture` of Gaussians on log10 of the peak ground acceleration. `prepare`
records, `fit` (BFGS) or `sample` (NUTS) the Bayesian ground-motion model, `condition` it on what
the stations of an event report. Networks are in `learn`, maps in `shaking`, alarms in `alert`.
"""

from eqstat.exceedance.condition import condition
from eqstat.exceedance.data import prepare
from eqstat.exceedance.fit import fit
from eqstat.exceedance.likelihood import log_likelihood
from eqstat.exceedance.mixture import Mixture, exceedance
from eqstat.exceedance.model import model
from eqstat.exceedance.sample import sample
from eqstat.exceedance.simulate import simulate

__all__ = [
    "Mixture",
    "condition",
    "exceedance",
    "fit",
    "log_likelihood",
    "model",
    "prepare",
    "sample",
    "simulate",
]
