"""Repeat the simulation study of Massoda Tchoussi and Finazzi (2023).

Its devices, earthquakes and detection rule; the results are in the documentation of simulations.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
