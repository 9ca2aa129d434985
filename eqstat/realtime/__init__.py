"""Real time: the models' answers as functions that never compile, raise or grow while they run.

A scorer is made once (`CountScorer.init` and its siblings), compiled for all sizes that may come
(`compile`), and then called with whatever arrives: it answers with probabilities, the margin to the
decision and a status. `export` and `load` move scorers between machines as one checked file, which
`eqstat.edge` reads without JAX. `SequentialScorer` steps a detector; `save_state` and `load_state`
keep its state over a restart.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
