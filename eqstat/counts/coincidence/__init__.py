"""Coincidences of a few sensors: false alarms by chance and the odds of an earthquake.

`Sensors` holds what is known of each sensor's false pre-warnings and picks; from it follow the
chance that several pre-warn together, the number to require, and the odds of an earthquake.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
