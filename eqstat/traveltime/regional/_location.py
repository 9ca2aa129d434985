"""The result of locating with a regional error model, and the prior of depth."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from eqstat import hypocentre
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.inference import Result, cell_edges, quantile
from eqstat.traveltime._results import Verdict, judge, of_density, sentence, uniform
from eqstat.traveltime.regional._parameters import RegionalError


@dataclass(frozen=True)
class DepthPrior(Explained):
    r"""Log-normal prior of depth within a range, as of a continental crust.

    .. math:: \log z \sim N(\log m, s^2), \qquad z_{\min} \le z \le z_{\max}

    Parameters
    ----------
    median_km
        Median :math:`m` before the truncation, km, positive.
    log_sd
        Standard deviation :math:`s` of the natural logarithm, positive.
    shallowest_km, deepest_km
        Range of depths, km.

    Raises
    ------
    eqstat.InputError
        When a number is not positive, or the range is empty.

    Examples
    --------
    >>> DepthPrior(median_km=12.0).deepest_km
    40.0
    """

    median_km: float = 8.0
    log_sd: float = 0.8
    shallowest_km: float = 1.0
    deepest_km: float = 40.0

    def __post_init__(self) -> None:
        values = (self.median_km, self.log_sd, self.shallowest_km, self.deepest_km)
        if not (np.all(np.isfinite(values)) and min(values) > 0):
            raise InputError(f"depth prior: all numbers must be positive, got {values}")
        if self.deepest_km <= self.shallowest_km:
            raise InputError("depth prior: deepest_km must exceed shallowest_km")


CRUSTAL = DepthPrior()
# Probability in the outermost cells above which the box is too small.
EDGE_MASS = 0.01


@dataclass(frozen=True)
class RegionalLocation(Explained):
    """A location with a regional error model.

    Attributes
    ----------
    hypocentre
        Posterior of hypocentre and origin time on a grid, in the form of `eqstat.hypocentre`,
        which gives credible regions, levels, draws and summaries of it.
    error
        The error model.
    picks
        The picks in use.
    left_out
        Rows not used, with a column `reason`.
    log_evidence
        Log density of the picks over the box that was searched (the epicentre's prior, one over
        the box's area, is not in it).
    edge_mass
        Probability in the outermost cells of the map: large where the box is too small.
    result, result_text
        How it ended, and its sentence: whether a coordinate is piled up at the end of its prior,
        the epicentre about as uncertain as the box, or mass at its edge.

    Examples
    --------
    See `locate`.
    """

    hypocentre: xr.Dataset
    error: RegionalError = field(repr=False)
    picks: pd.DataFrame = field(repr=False)
    left_out: pd.DataFrame = field(repr=False)
    log_evidence: float
    edge_mass: float = 0.0
    result: Result = Result.CONVERGED
    result_text: str = Result.CONVERGED.value

    @property
    def picks_used(self) -> int:
        """Number of picks in use."""
        return len(self.picks)

    @property
    def epicentre(self) -> tuple[float, float]:
        """Posterior mean of the epicentre: latitude, longitude in degrees."""
        mean = hypocentre.summary(self.hypocentre).sel(statistic="mean")
        return float(mean["latitude"]), float(mean["longitude"])


def judge_cells(
    axes: list[np.ndarray], mass: np.ndarray, edge: float, depth: DepthPrior, half_width_km: float
) -> Verdict:
    """Judge the posterior by the prior of the depth and by the box of the epicentre."""

    def along(position: int, probability: np.ndarray) -> np.ndarray:
        others = tuple(axis for axis in range(3) if axis != position)
        weights = mass.sum(axis=others)
        return np.asarray(quantile(cell_edges(axes[position]), weights, probability))

    def log_density(depth_km: np.ndarray) -> np.ndarray:
        log = np.log(depth_km)
        return -0.5 * ((log - np.log(depth.median_km)) / depth.log_sd) ** 2 - log

    def of_depths(probability: np.ndarray) -> np.ndarray:
        return np.exp(along(2, probability))

    sides = [uniform("epicentre", partial(along, axis), half_width_km) for axis in (0, 1)]
    down = of_density(of_depths, log_density, depth.shallowest_km, depth.deepest_km)
    at_edge = Result.AT_BOUND if edge > EDGE_MASS else Result.CONVERGED
    return judge(*sides, down) or Verdict(at_edge, sentence(at_edge))
