"""Service: a detector that runs, fed and heard by MQTT.

Importing this package imports neither JAX nor a client of MQTT: `parse` and `encode`, the messages
of devices and alarms, need the standard library only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
