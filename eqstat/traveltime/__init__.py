"""Locate earthquakes from trigger times, and test whether these are consistent with a wave.

`prepare` a table of triggers, then `classify` it, locate by `fit` (BFGS), `grid` or `sample`
(NUTS), and `report` the result. `GaussianParameters` and `MixtureParameters` are the parameters of
the two likelihoods, `Prior` their priors; velocity models are in `eqstat.velocity`. The subpackage
`regional` learns the travel-time errors of a region for picks of stations.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
