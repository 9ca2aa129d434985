"""Public data sets: where they come from, under which terms, and how they are loaded.

The folder that the environment variable `EQSTAT_DATA` names is looked at first. What is not there
is downloaded from its origin, checked against its SHA-256 and kept in the user's cache, where the
origin offers the very file; where it does not, an error says how to come by it. Nothing is
downloaded before a loader is called.

`available()` lists the sets. `load_myshake()` gives phone triggers of one earthquake,
`load_ceus()` picks of many earthquakes at seismic stations, `load_ceus_raw()` raw picks of the
same stations with the false ones in, `load_eqn()` the claims of a network of phones,
`load_ridgecrest()` peak ground accelerations.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
