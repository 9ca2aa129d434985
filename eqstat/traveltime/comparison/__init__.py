"""Compare what may explain the triggers, earthquakes and false detections, by their evidence."""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
