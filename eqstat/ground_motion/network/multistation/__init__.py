"""Multistation networks: shaking everywhere from what a few stations have recorded so far.

`prepare` makes recordings of a table of stations and a table of reports; their `examples` at times
after the first report train a network of `sense` or `team` (`fit_multistation`); the result gives
the density of log10 PGA at every station and at any other place. A network may also correct
another forecast (`base`), such as that of a ground-motion model given the reports.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
