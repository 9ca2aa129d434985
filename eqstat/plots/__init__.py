"""Show me: figures of locations and their triggers, with matplotlib (`pip install eqstat[plots]`).

Functions take tables, arrays and the objects of the other packages as they are, draw into `ax` (or
a figure of their own) and return the axes. A figure appears below its cell in a notebook and with
`plt.show()` in a script; no setting is changed.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
