"""Delay of a warning system's first alert: travel to the k-th station, and what is lost after it.

A hierarchical model over systems, in which earthquakes without an alert are right-censored.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
