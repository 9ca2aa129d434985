"""Locate picks of stations with an error model of the region, estimated from a catalogue."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
