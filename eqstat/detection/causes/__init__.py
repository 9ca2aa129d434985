"""Causes of coincident triggers: earthquakes, sound, crowds, bursts of a network, other fronts.

A `Cause` is a point source in space and time with its travel times and a prior rate. What is not
known of it (which share of the devices triggers, how far it reaches, how regular it is) is
marginalised over a few `Nodes`. `default_causes` is the set that a detector uses unless another is
given; `gutenberg_richter_rate` gives the prior rate of earthquakes from a catalogue.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
