"""Scores of forecasts through time: reliability, PIT, economic value, and SENSE's protocol.

Rows are one site in one earthquake. Sites of one earthquake succeed and fail together, so all
intervals are from a bootstrap of whole earthquakes.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
