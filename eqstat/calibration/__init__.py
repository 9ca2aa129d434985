"""Are these probabilities true?

From labelled detections with a score: how often is an earthquake missed (`error_rates`, `roc`),
where should the threshold be (`at_miss_probability` and its like), and do probabilities come true
(`reliability`, `decompose`)? From simulations: is a posterior that of its model (`sbc_ranks`,
`rank_uniformity`, `coverage`)? Recalibration, guarantees and the bootstrap have modules of their
own: `recalibration`, `conformal`, `bootstrap`.
"""

from eqstat.calibration.curves import roc
from eqstat.calibration.rates import error_rates
from eqstat.calibration.reliability import reliability
from eqstat.calibration.scores import decompose
from eqstat.calibration.thresholds import at_false_alarm_probability, at_miss_probability
from eqstat.calibration.total import of_least_total
from eqstat.calibration.uniformity import coverage, rank_uniformity, sbc_ranks

__all__ = [
    "at_false_alarm_probability",
    "at_miss_probability",
    "coverage",
    "decompose",
    "error_rates",
    "of_least_total",
    "rank_uniformity",
    "reliability",
    "roc",
    "sbc_ranks",
]
