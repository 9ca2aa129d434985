"""Would this network have noticed the earthquake, how late, and how often does it miss?

Misses leave no record, so they are modelled: shaking at each device, whether it notices, and
whether enough of them do for the rule in force. Devices share the earthquake's own strength, so
they are not independent.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
