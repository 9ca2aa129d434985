"""Would this network have noticed the earthquake, how late, and how often does it miss?

Misses leave no record, so they are modelled: shaking at each device, whether it notices, and
whether enough of them do for the rule in force. Devices share the earthquake's own strength, so
they are not independent.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
