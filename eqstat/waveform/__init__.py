"""Records of three-component acceleration: does this sensor's record look like an earthquake?

A `Record` holds the acceleration of one sensor in m/s2, and `problems` says what looks wrong with
it. `features` gives a table of the features of its windows, `FeatureStream` the same of a stream.
`packets` holds the parsers of what sensors send.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
