"""Parsers of what sensors send: Raspberry Shake datagrams and OpenEEW messages, with NumPy alone.

They never raise: what cannot be read says why. The agent beside a sensor reads its input with
them, where no JAX is installed, and `eqstat.waveform` its records.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
