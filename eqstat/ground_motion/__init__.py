r"""Ground motion: models of the peak ground acceleration (PGA) given magnitude, distance and site.

Every prediction is a mixture of Gaussians on $\log_{10}$ PGA, in m/s² (`mixture`). The Bayesian
ground-motion model has the functions of every model package: `prepare` a table of records, `fit`
it (BFGS and Laplace) or `sample` it (NUTS), `simulate` from it; `event` updates its prediction
for one event by the peaks that stations and phones have reported. `network` holds ensembles of
mixture density networks, `PointSource` is a generic model with explicit coefficients. All of them
give a `Predictor`, which `eqstat.exceedance` takes.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
