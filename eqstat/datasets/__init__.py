"""Public data sets: their origins, licences and loaders.

Loaders first search the folder given by the environment variable `EQSTAT_DATA`. A missing file is
downloaded from its origin, verified by its SHA-256 and stored in the user's cache if the origin
offers it; otherwise an error explains how to obtain it. Nothing is downloaded before a loader is
called.

`available()` lists the data sets. `load_myshake()` returns phone triggers of one earthquake,
`load_ceus()` picks of many earthquakes at seismic stations, `load_ceus_raw()` all automatic picks
of these stations, including false ones, `load_eqn()` detections of a network of phones, and
`load_ridgecrest()` peak ground accelerations.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
