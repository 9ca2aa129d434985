"""Parsers of what sensors send: Raspberry Shake datagrams and OpenEEW messages, with NumPy alone.

They never raise: what cannot be read says why. The agent beside a sensor reads its input with
them, where no JAX is installed, and `eqstat.waveform` its records.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
