"""Exceedance: probability of strong shaking at sites, and the lead time until the S wave.

`from_posterior` takes draws of the source from a located earthquake; `shaking` and `shaking_map`
marginalise a ground-motion predictor over them. `alerts` turns such probabilities into alarms and
evaluates them.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
