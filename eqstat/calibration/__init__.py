"""Check whether probabilities are calibrated, and choose thresholds of a score.

From labelled detections with a score: error rates with intervals (`error_rates`, `roc`),
thresholds for a miss or false-alarm probability (`at_miss_probability`, `conformal_threshold`),
reliability and proper scores (`reliability`, `decompose`, `crps`) and recalibration
(`recalibrate`). From simulations: simulation-based calibration of a posterior (`sbc_ranks`,
`rank_uniformity`) and the coverage of its intervals (`coverage`).
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
