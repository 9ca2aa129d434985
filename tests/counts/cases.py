"""Backgrounds for the tests."""

import numpy as np

from eqstat.counts import Background, Bursts, Design

SHOCKS = Bursts(2e-4, 0.12, 8.0)


def truth(family="negative_binomial", bursts=False, effects=(0.3, -0.2, 0.1, -0.1), sd=0.3):
    """A background with day cycle, regions, dispersion and perhaps bursts."""
    effects = np.array(effects)
    dispersion = {"poisson": None, "beta_binomial": 0.004}.get(family, 0.15)
    return Background(
        family,
        0.8,
        daily=np.array([-0.4, -0.2, 0.1, 0.05]),
        weekly=np.array([0.08, 0.05]),
        region_effect=effects,
        region_sd=sd,
        dispersion=dispersion,
        dispersion_slope=None if dispersion is None else 0.2,
        bursts=SHOCKS if bursts else None,
        regions=tuple(f"r{i}" for i in range(len(effects))),
    )


def design(days=14.0, active=(60, 150, 400, 900), variation=0.05):
    """Regions of these sizes."""
    return Design(np.array(active), days=days, variation=variation)
