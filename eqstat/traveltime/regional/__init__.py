"""Locate picks of stations with an error model of the region, estimated from a catalogue."""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
