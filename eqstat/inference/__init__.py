"""The only door to optimisers and samplers: multi-start BFGS, exact grids, NUTS."""

from eqstat.inference.fit import Fit
from eqstat.inference.grid import Grid, grid_posterior, highest_density_level
from eqstat.inference.optimise import Optimum, minimise
from eqstat.inference.results import InferenceError, Result
from eqstat.inference.sampling import run_nuts, verdict

__all__ = [
    "Fit",
    "Grid",
    "InferenceError",
    "Optimum",
    "Result",
    "grid_posterior",
    "highest_density_level",
    "minimise",
    "run_nuts",
    "verdict",
]
