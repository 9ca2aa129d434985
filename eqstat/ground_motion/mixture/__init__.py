"""Mixtures of Gaussians on log10 PGA: density, exceedance probability, quantiles, draws and scores.

`Mixture` is the common form of all predictions of ground motion. The functions are pure JAX, take
batches, and are safe under `jit` and `grad`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
