"""What is known of one event: its term given each draw, and what that predicts."""

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

# What a row must tell to be predicted.
SITE_COLUMNS = tuple(
    column
    for column in GROUND_MOTIONS.columns
    if column.name in ("magnitude", "depth_km", "distance_km", "station", "vs30_m_s")
)
SITES = Contract("sites", SITE_COLUMNS)

_record_moments = jax.jit(record_moments)
_condense = jax.jit(condense, static_argnums=3)


class EventPosterior(eqx.Module):
    """What is known of one event after some reports; it predicts unreported sites.

    Attributes
    ----------
    posterior
        What was known before the event.
    motion
        Draws of the parameters in the event's region.
    event_mean, event_sd
        Event term given each draw, log10 units, (draws,).
    log_weight
        Log weights of the draws, (draws,): draws under which the reports are likelier count more.
    reports
        How many reports it knows.
    """

    posterior: MotionPosterior
    motion: GroundMotion
    event_mean: np.ndarray
    event_sd: np.ndarray
    log_weight: np.ndarray
    reports: int = eqx.field(static=True)

    @property
    def event_term(self) -> tuple[float, float]:
        """Mean and standard deviation of the event term over all draws, log10 units."""
        weight = np.exp(self.log_weight)
        mean = float(np.sum(weight * self.event_mean))
        spread = self.event_sd**2 + (self.event_mean - mean) ** 2
        return mean, float(np.sqrt(np.sum(weight * spread)))

    def predictor(self, *, components: int | None = COMPONENTS) -> MotionPredictor:
        """Predictor for this event at new sites; see `MotionPosterior.predictor`."""
        return predictor_of(
            self.motion, self.event_mean, self.event_sd, self.log_weight, components
        )

    def predict(self, table: pd.DataFrame, *, components: int | None = COMPONENTS) -> Mixture:
        """Predict the rows of a table, at stations with a known term by that; see `predict`."""
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
    """Mean and variance of checked rows given each draw, (rows, draws), but for the event term."""
    known = [table[n].to_numpy(np.float64) for n in ("magnitude", "distance_km", "depth_km")]
    vs30 = np.full(len(table), np.nan)
    if "vs30_m_s" in table.columns:
        vs30 = table["vs30_m_s"].to_numpy(np.float64)
    stations = table["station"] if "station" in table.columns else [None] * len(table)
    station_mean, station_sd, there = posterior.station_moments(stations)
    if there.any():
        # A term is what is left beside the Vs30 that it was learned with, or without one.
        learned = posterior.station_vs30_m_s[posterior.station_numbers(stations)]
        vs30 = np.where(there, learned, vs30)
    with jax.enable_x64(True):
        # Padded with the first row, so that tables of about this size share a program.
        rows = np.arange(bucket_size(len(table))) % max(len(table), 1)
        arrays = [jnp.asarray(values[rows])[:, None] for values in (*known, vs30)]
        mean, variance = _record_moments(jax.tree.map(jnp.asarray, motion), *arrays)
        mean, variance = (np.array(part)[: len(table)] for part in (mean, variance))
        hidden = np.asarray(site_variance(jax.tree.map(jnp.asarray, motion)))
    # The term of a known station of unknown Vs30 has what that does in it.
    has_it = there & np.isnan(vs30)
    variance = np.where(has_it[:, None], variance - hidden, variance)
    return mean + station_mean.T, variance + station_sd.T**2


def predict(
    posterior: MotionPosterior,
    table: pd.DataFrame,
    *,
    components: int | None = COMPONENTS,
    region: str | None = None,
) -> Mixture:
    """Predict the rows of a table: new events, at stations whose terms are known where they are.

    Parameters
    ----------
    posterior
        From `MotionFit.posterior` or `posterior_from`.
    table
        With `magnitude`, `distance_km`, `depth_km`; perhaps `vs30_m_s` and `station`. A station
        of the records that were fitted is predicted with its term, and with the Vs30 that it had
        there; not with that of the table.
    components
        As in `MotionPosterior.predictor`.
    region
        The same.

    Returns
    -------
    Mixture
        (rows, components); rows of one event are correlated, which a mixture of each row cannot
        tell: `condition` uses it.

    Raises
    ------
    InputError
        When columns lack or values are not usable.
    """
    start = EventPosterior(posterior, *posterior.before(region), 0)
    return start.predict(table, components=components)
