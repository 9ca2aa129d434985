"""Service: a detector that runs, fed and heard by MQTT.

Importing this package imports neither JAX nor a client of MQTT: `parse` and `encode`, the messages
of devices and alarms, need the standard library only.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
