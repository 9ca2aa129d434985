"""The agent beside a sensor: pre-warnings at a learned threshold, and coincidences with neighbours.

It needs NumPy, `eqstat.edge` and, to hear its neighbours, a client of MQTT; JAX is not imported.
`eqstat.waveform.packets` reads what sensors send, `Detector` finds motion in it, and
`ThresholdLearner` learns the threshold that keeps a set rate of false pre-warnings.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
