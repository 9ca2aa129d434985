"""Maps on a grid of latitude and longitude: NetCDF by the CF conventions, and GeoTIFF.

`write` writes what `exceedance.shaking_map`, `detectability.miss_map` and
`detectability.smallest_magnitude` return, for geographic information systems; `to_cf` gives the
Dataset of the NetCDF file.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
