"""Contracts of tables: which columns they need, of what kind and unit, within which range.

A check gives a checked copy: times as `datetime64[ns, UTC]`, numbers as float64, longitudes in
[-180, 180), labels as texts. The input is never changed, columns that the contract does not know
are kept, and no row is dropped. What cannot be used is an `InputError` of one line; what can be
used but should be known is a line in `attrs["notes"]` of the copy. Counts, detections and ground
motions have modules of their own: `counts`, `ground_motions`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
