"""Travel times of P and S: constant velocity, layered crusts, and tables of ak135 and iasp91.

Every `VelocityModel` is a function of the squared chord between the surface points of epicentre
and device, of depth and of elevation; `load_velocity` and `layered` make the tabulated ones.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
