"""Detection probability of a network of stations, learned from what it detected and missed.

A catalogue of earthquakes against the detections of a system that needs several stations. Each
earthquake's own strength is shared by all stations, so that they are not independent.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
