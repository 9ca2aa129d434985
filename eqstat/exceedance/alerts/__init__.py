"""Alerts: when to warn a site, and how good the alarms were.

A `Rule` maps what is known at a time (`Snapshot`) to exceedance probabilities at sites; an alarm
is raised when they pass a level, `alert_level` from costs and losses or `best_f1_level` from
history. `metrics` gives precision, recall, F1 and lead time with bootstrap intervals by
earthquake. `simulate` and `forecasts` apply rules to simulated earthquakes.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
