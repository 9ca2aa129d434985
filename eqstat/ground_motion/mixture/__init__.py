"""Mixtures of Gaussians on log10 PGA: density, exceedance probability, quantiles, draws and scores.

`Mixture` is the common form of all predictions of ground motion. The functions are pure JAX, take
batches, and are safe under `jit` and `grad`.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
