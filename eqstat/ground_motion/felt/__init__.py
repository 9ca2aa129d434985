"""Ground motion from felt-only records: fit where records exist above a level only.

Catalogues of intensity list the stations that shook at least so much. `prepare` takes such records,
with the silent stations (their likelihood is censored) or without them (truncated); `fit` estimates
the ground-motion model, and `thin` makes such records of complete ones.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
