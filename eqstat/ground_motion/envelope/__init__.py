"""Envelopes of ground acceleration in time, and simulated waveforms, by Cua and Heaton.

How strongly P and S shake a site, how fast each grows, lasts and decays, from magnitude, distance
and ground; the largest shaking up to a time and within a second; coloured noise under an envelope.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
