"""Delay of a warning system's first alert: travel to the k-th station, and what is lost after it.

A hierarchical model over systems, in which earthquakes without an alert are right-censored.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
