"""Compare what may explain the triggers, earthquakes and false detections, by their evidence."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
