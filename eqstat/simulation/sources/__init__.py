"""Sources of triggers: earthquakes and other causes.

A source is called with a key, the devices and the local hour, and draws at most one trigger per
device. `Earthquakes` and `blasts` are seismic; `HumanTriggers`, `UniformTriggers`, `Thunder`,
`Crowd` and `ServerBurst` are other causes. `Earliest` and `Filled` combine sources. A new source is
a subclass of `Source`.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
