"""Are these probabilities true?

From labelled detections with a score: how often is an earthquake missed (`error_rates`, `roc`),
where should the threshold be (`at_miss_probability` and its like), and do probabilities come true
(`reliability`, `decompose`)? From simulations: is a posterior that of its model (`sbc_ranks`,
`rank_uniformity`, `coverage`)? Recalibration, guarantees and the bootstrap have modules of their
own: `recalibration`, `conformal`, `bootstrap`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
