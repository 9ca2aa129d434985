"""Numbers that mean the same in every package."""

import math

EARTH_RADIUS_KM = 6371.0
"""Mean radius of the earth, km."""

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
"""Logarithm of the normal density's normalising constant, with its sign turned."""
