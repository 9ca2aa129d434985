"""Records of three-component acceleration: does this sensor's record look like an earthquake?

A `Record` holds the acceleration of one sensor in m/s2, and `problems` says what looks wrong with
it. `features` gives a table of the features of its windows, `FeatureStream` the same of a stream.
`packets` holds the parsers of what sensors send, `augment` steps that make a record like a phone's.
`classifier` turns features into likelihood ratios, and `background` learns noise and false triggers
of each sensor.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
