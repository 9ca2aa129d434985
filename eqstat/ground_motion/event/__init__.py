"""Event terms: predictions for one event, updated by the peaks that are reported during it.

`condition` a posterior of the ground-motion model on the reports of an event, `update` it by later
reports, and `predict` sites with known station terms. Given the parameters the update is in closed
form (`update_event_term`); reports of phones may be biased, noisy and clipped (`Device`).
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
