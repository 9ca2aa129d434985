"""Thresholds at a given false-alarm rate, and compiled scores of a count.

`threshold` gives the smallest count that keeps a budget of false alarms, by region and hour.
`scorer` tabulates a background once for `score`, which a service calls with each count;
`score_one` is the same for one count at a time in plain Python.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
