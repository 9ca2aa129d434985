"""Repeat the simulation study of Massoda Tchoussi and Finazzi (2023).

It provides the devices, earthquakes and false detections; results are in the documentation.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
