"""What makes devices trigger: earthquakes, and everything else that does.

A source is called with a key, the devices and the local hour and draws one trigger for each device
or none. `Earthquakes` and `blasts` are the events; `HumanTriggers`, `UniformTriggers`, `Thunder`,
`Crowd` and `ServerBurst` the other causes. `Earliest` and `Filled` combine sources. A new source
is a subclass of `Source`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
