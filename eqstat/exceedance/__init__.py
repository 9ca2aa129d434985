"""Exceedance: probability of strong shaking at sites, and the lead time until the S wave.

`from_posterior` takes draws of the source from a located earthquake; `shaking` and `shaking_map`
marginalise a ground-motion predictor over them. `alerts` turns such probabilities into alarms and
evaluates them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
