"""Fit of the ground-motion model to felt-only records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from eqstat._core.checks import check_kind
from eqstat.ground_motion._parameters import GroundMotion, median
from eqstat.ground_motion._prior import Prior
from eqstat.ground_motion.felt._data import FeltData, FeltMotions
from eqstat.ground_motion.felt._likelihood import log_likelihood
from eqstat.ground_motion.felt._predictor import FeltPredictor
from eqstat.inference import InferenceError, LaplaceFit, Result, laplace

NAMES = (
    "level",
    "magnitude_slope",
    "magnitude_bend",
    "spreading",
    "spreading_slope",
    "anelastic_per_100_km",
    "saturation_km",
    "saturation_slope",
    "depth_slope",
    "event_sd",
    "record_sd",
)
OUT_OF_ORDER = "out_of_order"
# Parameters of which felt-only records say nothing here.
WITHOUT = {
    "vs30_slope": 0.0,
    "station_sd": 0.0,
    "spreading_sd": 0.0,
    "correlated_share": 0.0,
}


def motion_of(sites: Mapping[str, Any]) -> GroundMotion:
    """Build the parameters from the model's sites."""
    return GroundMotion(**WITHOUT, **{name: sites[name] for name in NAMES})


def model(
    data: FeltData,
    prior: Prior | None = None,
    out_of_order: dist.Distribution | None = None,
) -> None:
    """NumPyro model of felt-only records, to condition and extend; see `log_likelihood`.

    Sites are the fields of `GroundMotion` that such records inform, and `out_of_order` where it has
    a prior.

    Parameters
    ----------
    data
        From `prepare(table, floor_m_s2).data`.
    prior
        The priors; `eqstat.ground_motion.Prior()` by default.
    out_of_order
        Prior of the share of stations out of order; None for none.

    Examples
    --------
    >>> import pandas as pd
    >>> from numpyro import handlers
    >>> from eqstat.ground_motion.felt import prepare
    >>> table = pd.DataFrame({"event": ["a"], "magnitude": [5.0], "depth_km": [8.0],
    ...                       "distance_km": [30.0], "pga_m_s2": [0.2]})
    >>> trace = handlers.trace(handlers.seed(model, 0)).get_trace(prepare(table, 0.1).data)
    >>> "event_sd" in trace, "station_sd" in trace
    (True, False)
    """
    prior = Prior() if prior is None else prior
    sites = {name: numpyro.sample(name, getattr(prior, name)) for name in NAMES}
    share: Any = 0.0
    if out_of_order is not None:
        share = numpyro.sample(OUT_OF_ORDER, out_of_order)
    numpyro.factor("records", log_likelihood(motion_of(sites), data, share))


@dataclass(frozen=True)
class FeltFit(LaplaceFit):
    """A ground-motion model fitted to felt-only records.

    Attributes
    ----------
    motions
        The records that were fitted.

    Examples
    --------
    See `fit`.
    """

    motions: FeltMotions = field(kw_only=True)

    @property
    def motion(self) -> GroundMotion:
        """The parameters at the estimate; `record_sd` is all scatter within an event.

        Raises
        ------
        eqstat.inference.InferenceError
            When the estimate is not finite.
        """
        if self.result is Result.NOT_FINITE:
            raise InferenceError(self.result)
        return motion_of({name: float(self.laplace.sites[name]) for name in NAMES})

    @property
    def out_of_order(self) -> float:
        """Share of stations out of order at the estimate; 0 where it was not estimated."""
        return float(self.laplace.sites.get(OUT_OF_ORDER, np.zeros(())))

    def predictor(self) -> FeltPredictor:
        """Return the predictor at the estimate, which alert rules take as well."""
        return FeltPredictor(self.motion)


def fit(
    motions: FeltMotions,
    *,
    prior: Prior | None = None,
    out_of_order: dist.Distribution | None = None,
    throw: bool = True,
) -> FeltFit:
    """Fit the ground-motion model to felt-only records: the mode of the posterior, in float64.

    Parameters
    ----------
    motions
        From `prepare`.
    prior
        The priors; `eqstat.ground_motion.Prior()` by default.
    out_of_order
        Prior of the share of stations out of order, such as `numpyro.distributions.Beta(1, 9)`;
        none by default. Truncated records do not inform it.
    throw
        Raise where no usable estimate came out; with False look at `FeltFit.result`.

    Returns
    -------
    FeltFit
        Estimates with standard errors; `motion` has the parameters, `predictor` predicts.

    Raises
    ------
    eqstat.inference.InferenceError
        With `throw`, when BFGS did not converge or nothing finite came out.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, simulate
    >>> from eqstat.ground_motion.felt import prepare, thin
    >>> true = GroundMotion(vs30_slope=0.0, station_sd=0.0, spreading_sd=0.0, correlated_share=0.0)
    >>> motions = simulate(jax.random.key(0), true, Design(events=30, stations=20))
    >>> result = fit(prepare(thin(jax.random.key(1), motions.table, 0.1), 0.1))
    >>> bool(abs(result["record_sd"] - 0.25) < 0.05)
    True
    >>> result.predictor()(6.0, np.array([20.0, 80.0]), 8.0, np.nan).mean.shape
    (2, 1)
    """
    check_kind("fit", FeltMotions, "give what `felt.prepare(...)` returns", motions=motions)
    data = motions.data
    names = NAMES if out_of_order is None else (*NAMES, OUT_OF_ORDER)
    start = {name: np.asarray(value)[None] for name, value in _start(data).items() if name in names}
    args = (data, Prior() if prior is None else prior, out_of_order)
    approximation = laplace(model, args, start, batch=1)
    labels = {name: [name] for name in names}
    labelled, estimate, spread = approximation.marginal(labels)
    result = FeltFit(
        labelled,
        estimate,
        spread,
        objective=float(approximation.optimum.objective),
        result=approximation.result,
        diagnostics={"reports": motions.reports, **approximation.diagnostics},
        laplace=approximation,
        labels=labels,
        motions=motions,
    )
    if throw and not result.result.ok:
        raise InferenceError(result.result, f"{motions.reports} reports")
    return result


def _start(data: FeltData) -> dict[str, float]:
    """Starting values: the defaults, with the level at the median residual of the reports."""
    default = motion_of({name: getattr(GroundMotion(), name) for name in NAMES})
    with jax.enable_x64(True):
        magnitude, distance, depth = (
            jnp.asarray(each) for each in (data.magnitude, data.distance_km, data.depth_km)
        )
        centre = np.asarray(median(default, magnitude, distance, depth, default.vs30_log10_mean))
    residual = (np.asarray(data.log10_pga) - centre)[np.asarray(data.reported) > 0]
    values = {name: float(getattr(default, name)) for name in NAMES}
    return {**values, "level": values["level"] + float(np.median(residual)), OUT_OF_ORDER: 0.05}
