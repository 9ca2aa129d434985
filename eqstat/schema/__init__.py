"""Validate tables against contracts: their columns, with types, units and ranges.

Validation returns a copy: times as `datetime64[ns, UTC]`, numbers as float64, longitudes in
[-180, 180), labels as strings. The input is never modified, unknown columns are kept, and no row
is dropped. Invalid input raises an `InputError` of one line; anything valid but noteworthy is a
line in `attrs["notes"]` of the copy.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
