"""Sources of triggers: earthquakes and other causes.

A source is called with a key, the devices and the local hour, and draws at most one trigger per
device. `Earthquakes` and `blasts` are seismic; `HumanTriggers`, `UniformTriggers`, `Thunder`,
`Crowd` and `ServerBurst` are other causes. `Earliest` and `Filled` combine sources. A new source is
a subclass of `Source`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
