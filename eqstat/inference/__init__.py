"""Inference for all models: multi-start BFGS, Laplace approximation, grids, particles, NUTS."""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
