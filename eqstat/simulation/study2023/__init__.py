"""Repeat the simulation study of Massoda Tchoussi and Finazzi (2023).

It provides the devices, earthquakes and false detections; results are in the documentation.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
