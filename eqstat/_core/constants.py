"""Constants and units that mean the same in every package."""

import math

EARTH_RADIUS_KM = 6371.0
"""Mean radius of the earth, km."""

STANDARD_GRAVITY_M_S2 = 9.80665
"""Standard acceleration of gravity, m/s2."""

ACCELERATION_UNITS_M_S2 = {
    "g": STANDARD_GRAVITY_M_S2,
    "%g": STANDARD_GRAVITY_M_S2 / 100,
    "gal": 0.01,
    "cm/s2": 0.01,
    "m/s2": 1.0,
}
"""One of each unit of acceleration, m/s2."""

HOUR_S = 3600.0
"""Seconds of an hour."""

DAY_S = 86400.0
"""Seconds of a day."""

HOURS_PER_YEAR = 8766.0
"""Hours of a year of 365.25 days."""

YEAR_S = HOURS_PER_YEAR * HOUR_S
"""Seconds of a year of 365.25 days."""

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
"""Minus the logarithm of the standard normal density at 0."""
