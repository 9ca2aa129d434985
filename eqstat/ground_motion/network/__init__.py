"""Mixture density networks: conditional densities of log10 PGA that are learned from records.

`fit_network` trains an ensemble on a table, about the trend of the Bayesian ground-motion model;
`train` and `train_ensemble` train any module that returns a `Mixture`. Splits, bootstraps and
weights are by event, because records of one event share its term. `cross_fit_station_terms` makes
earlier records of a station a feature.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
