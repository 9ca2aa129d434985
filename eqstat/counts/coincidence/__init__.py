"""Coincidences of a few sensors: false alarms by chance and the odds of an earthquake.

`Sensors` holds what is known of each sensor's false pre-warnings and picks; from it follow the
chance that several pre-warn together, the number to require, and the odds of an earthquake.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
