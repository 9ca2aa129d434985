"""Is this number of triggers more than the background gives?

`prepare` a table of counts, `fit` (BFGS) or `sample` (NUTS) a background, draw from its
posterior, and ask for a `threshold` of so many false alarms a year, or for a `scorer` whose
`score` a service calls.
Parameters are in `background`, checks in `check`, sliding windows in `scan`, few sensors in
`coincidence`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
