"""Generator of load: the messages of many phones, with background, bursts and earthquakes.

`LoadWorld` draws them second by second; `run_load` publishes them by MQTT or writes them as lines
of JSON, at real or other speed, and measures what it sent.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
