"""Background model of trigger counts: is this number of triggers more than chance?

`prepare` turns a table of counts into a `History`; `fit` (BFGS and Laplace) or `sample` (NUTS)
gives a `Background`, one or with draws of its posterior. From it follow posterior-predictive
thresholds and compiled scores (`alarm`), false-alarm rates of a sliding window (`scan`) and model
checks (`checks`). `coincidence` treats a few sensors with rates of their own.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
