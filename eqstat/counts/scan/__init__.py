"""Scan statistics: the rate at which a continuously sliding window alarms by chance.

`scan_tail` (Naus) and `alm_log_rate` (Alm) are for a Poisson process; `log_alarms_per_hour` adds
over-dispersion and bursts; `log_false_alarms_per_hour` takes a `counts.Background`; and
`country_rate` counts the alarms of many overlapping circles.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
