"""What leaves a service: CAP, QuakeML, GeoJSON, and the sender of all outputs."""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
