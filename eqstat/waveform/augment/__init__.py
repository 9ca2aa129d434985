"""Augmentation: records of stations made like those of phones, step by step.

Each step is a function of a random key and a `Record`, and gives a `Record`; `phone_like` does
several in turn. The motion stays that of the earthquake: what changes is what the sensor does to
it, so that a classifier cannot learn the make of the sensor for the class.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
