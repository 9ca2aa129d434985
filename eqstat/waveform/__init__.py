"""Records of three-component acceleration: does this sensor's record look like an earthquake?

`packets` holds the parsers of what sensors send.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
