"""Classifiers of windows by their features: the likelihood ratio of an earthquake.

`prepare` a table of features, `train` a Bayesian logistic regression or a small Bayesian network
on it, and `score` new windows, one by one or second by second (`init`, `step`). `fit`, `sample`
and `simulate` are the parts. Whatever the classifier, the answer is a `Ratio`: the log likelihood
ratio, the posterior at stated prior odds, and a status. The balance of classes in the training
data is no part of it.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
