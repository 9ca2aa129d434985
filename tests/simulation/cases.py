"""Networks and sums for the tests."""

import jax
import numpy as np

from eqstat.simulation import uniform_box

LATITUDE, LONGITUDE = (-12.39, -11.74), (-77.17, -76.66)


def box(devices=200, seed=0):
    """Phones round Lima."""
    return uniform_box(jax.random.key(seed), devices, latitude=LATITUDE, longitude=LONGITUDE)


def apart(count, total, chance):
    """By how many standard errors a binomial count differs from what is expected."""
    return (np.sum(count) - total * chance) / np.sqrt(total * chance * (1 - chance))
