"""Scan statistics: the rate at which a continuously sliding window alarms by chance.

`scan_tail` (Naus) and `alm_log_rate` (Alm) are for a Poisson process; `log_alarms_per_hour` adds
over-dispersion and bursts; `log_false_alarms_per_hour` takes a `counts.Background`; and
`country_rate` counts the alarms of many overlapping circles.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
