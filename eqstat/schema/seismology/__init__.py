"""Picks and stations of seismology's formats: what ObsPy reads, and tables that name stations.

`read_picks` and `read_stations` read files or ObsPy's objects, `join_stations` gives picks the
places of their stations.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
