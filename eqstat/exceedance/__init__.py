"""How strong will it shake here, and when is it right to warn?

Every prediction is a `Mixture` of Gaussians on log10 of the peak ground acceleration. `prepare`
records, `fit` (BFGS) or `sample` (NUTS) the Bayesian ground-motion model, `condition` it on what
the stations of an event report. Networks are in `learn`, maps in `shaking`, alarms in `alert`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
