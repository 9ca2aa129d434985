"""A small convolutional recurrent network on samples: the likelihood ratio of an earthquake.

`prepare` cuts records into windows, `train` an ensemble on them, by groups, and `score` new ones.
The answer is that of `eqstat.waveform.classifier`: a `Ratio`, recalibrated on held-out groups,
which the balance of classes in the training data is no part of. CrowdQuake's network is the
configuration `crowdquake`.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
