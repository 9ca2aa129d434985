"""What would the network have sent?

Draw a network (`uniform_box`, others in `networks`), let `Earthquakes` or the sources of `noise`
make it trigger, alone or together (`Earliest`), `simulate` thousands of streams, and see which of
them the rule of phone networks detects (`first_detections`). `study2023` has a paper's simulation.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
