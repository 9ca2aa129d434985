"""Checks of a background against its history, and comparison of backgrounds.

A history holds millions of windows, most of them without a trigger: an average over all windows
says nothing about the few counts that make alarms. `rootogram` compares the number of windows of
each count, `randomised_pit` the whole distribution and `tail_calibration` the far tail. They
work on the sparse cells of a history and are exact for any number of windows, up to the bins of
2 % of active devices. `loo` and `compare` rank backgrounds by leave-one-out predictions.

All bands treat windows as independent given the background. Excesses that last longer than a
window make counts scatter more than the bands say.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
