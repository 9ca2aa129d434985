"""Posterior of one event's term given each draw of the parameters, and its predictions."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from eqstat.ground_motion._likelihood import site_variance
from eqstat.ground_motion._parameters import GroundMotion
from eqstat.ground_motion._predict import (
    COMPONENTS,
    MotionPosterior,
    MotionPredictor,
    by_scatter,
    condense,
    predictor_of,
    record_moments,
)
from eqstat.ground_motion.mixture._mixture import Mixture
from eqstat.inference import bucket_size
from eqstat.schema import GROUND_MOTIONS, Contract, check

# Columns that a prediction uses.
SITE_COLUMNS = tuple(
    column
    for column in GROUND_MOTIONS.columns
    if column.name in ("magnitude", "depth_km", "distance_km", "station", "vs30_m_s")
)
SITES = Contract("sites", SITE_COLUMNS)

_record_moments = jax.jit(record_moments)
_condense = jax.jit(condense, static_argnums=3)


class EventPosterior(eqx.Module):
    """Posterior of one event given its reports; made by `condition`.

    Attributes
    ----------
    posterior
        Posterior of the ground-motion model before the event.
    motion
        Draws of the parameters in the event's region.
    event_mean, event_sd
        Moments of the event term given each draw, log10 units, (draws,).
    log_weight
        Log weights of the draws, by the marginal density of the reports, (draws,).
    reports
        Number of reports.

    Examples
    --------
    See `condition`.
    """

    posterior: MotionPosterior
    motion: GroundMotion
    event_mean: np.ndarray
    event_sd: np.ndarray
    log_weight: np.ndarray
    reports: int = eqx.field(static=True)

    @property
    def event_term(self) -> tuple[float, float]:
        """Posterior mean and standard deviation of the event term, log10 units."""
        weight = np.exp(self.log_weight)
        mean = float(np.sum(weight * self.event_mean))
        spread = self.event_sd**2 + (self.event_mean - mean) ** 2
        return mean, float(np.sqrt(np.sum(weight * spread)))

    def predictor(self, *, components: int | None = COMPONENTS) -> MotionPredictor:
        """Make a predictor for this event at new sites; see `MotionPosterior.predictor`."""
        return predictor_of(
            self.motion, self.event_mean, self.event_sd, self.log_weight, components
        )

    def predict(self, table: pd.DataFrame, *, components: int | None = COMPONENTS) -> Mixture:
        """Predict the rows of a table, with the terms of known stations; see `predict`."""
        mean, variance = moments(self.posterior, self.motion, check(table, SITES))
        order, weight = by_scatter(self.motion, self.event_sd, self.log_weight, components)
        mean = mean + self.event_mean
        variance = variance + self.event_sd**2
        rows = np.arange(bucket_size(len(mean))) % max(len(mean), 1)
        parts = (jnp.asarray(part[rows][:, order]) for part in (mean, variance))
        mixture = _condense(*parts, jnp.asarray(weight), components)
        return jax.tree.map(lambda leaf: leaf[: len(mean)], mixture)


def moments(
    posterior: MotionPosterior, motion: GroundMotion, table: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of checked rows given each draw without the event term, (rows, draws)."""
    known = [table[n].to_numpy(np.float64) for n in ("magnitude", "distance_km", "depth_km")]
    vs30 = np.full(len(table), np.nan)
    if "vs30_m_s" in table.columns:
        vs30 = table["vs30_m_s"].to_numpy(np.float64)
    stations = table["station"] if "station" in table.columns else [None] * len(table)
    station_mean, station_sd, known_station = posterior.station_moments(stations)
    covariate = np.full(len(table), np.nan)
    if known_station.any():
        # A station term is the residual given the Vs30 it was estimated with (NaN: without any).
        number = posterior.station_numbers(stations)
        vs30 = np.where(known_station, posterior.station_vs30_m_s[number], vs30)
        covariate = np.where(known_station, posterior.station_distance[number], covariate)
    with jax.enable_x64(True):
        # Padded with the first row, so that tables of about this size share a program.
        rows = np.arange(bucket_size(len(table))) % max(len(table), 1)
        arrays = [jnp.asarray(values[rows])[:, None] for values in (*known, vs30, covariate)]
        mean, variance = _record_moments(jax.tree.map(jnp.asarray, motion), *arrays)
        mean, variance = (np.array(part)[: len(table)] for part in (mean, variance))
        vs30_variance = np.asarray(site_variance(jax.tree.map(jnp.asarray, motion)))
    # The term of a known station without Vs30 already includes the effect of its Vs30.
    included = known_station & np.isnan(vs30)
    variance = np.where(included[:, None], variance - vs30_variance, variance)
    return mean + station_mean.T, variance + station_sd.T**2


def predict(
    posterior: MotionPosterior,
    table: pd.DataFrame,
    *,
    components: int | None = COMPONENTS,
    region: str | None = None,
) -> Mixture:
    """Predict the rows of a table for new events, with the terms of known stations.

    Parameters
    ----------
    posterior
        From `MotionFit.posterior` or `posterior_from`.
    table
        With `magnitude`, `distance_km`, `depth_km`; optionally `vs30_m_s` and `station`. A station
        of the fitted records is predicted with its term and with the Vs30 of those records, not
        with that of this table.
    components, region
        As in `MotionPosterior.predictor`.

    Returns
    -------
    Mixture
        Marginal predictions, (rows, components). Rows of one event are correlated through its
        term, which marginals do not show; `condition` uses it.

    Raises
    ------
    eqstat.InputError
        When columns are missing or values cannot be used.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, fit, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> predict(fit(motions).posterior(jax.random.key(1), 32), motions.table[:3]).mean.shape
    (3, 5)
    """
    new_event = EventPosterior(posterior, *posterior.new_event(region), 0)
    return new_event.predict(table, components=components)
