"""Where, when and how large an earthquake was: one form, credible regions, readers, writers."""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
