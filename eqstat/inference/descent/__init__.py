"""Training of networks: mini-batches, members side by side, early stopping, going on where stopped.

`descend` minimises a loss that is given: AdamW, rows drawn by their weights, the state of the best
held-out loss of each member kept. What is trained, on what and with which loss is the matter of
the packages that use it.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
