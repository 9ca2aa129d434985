"""Posterior of one event's effects given each draw of the parameters, and its predictions."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array

from eqstat._core.checks import check_kind
from eqstat._core.explain import Explained
from eqstat.ground_motion._layout import station_places
from eqstat.ground_motion._likelihood import site_variance
from eqstat.ground_motion._parameters import GroundMotion, event_design, record_sd_at
from eqstat.ground_motion._predict import (
    COMPONENTS,
    MotionPosterior,
    MotionPredictor,
    by_scatter,
    condense,
    predictor_of,
    record_moments,
)
from eqstat.ground_motion.event._effects import Reports, krige_draws
from eqstat.ground_motion.mixture._mixture import Mixture
from eqstat.inference import bucket_size
from eqstat.schema import GROUND_MOTIONS, Contract, check

# Columns that a prediction uses.
SITE_COLUMNS = tuple(
    column for column in GROUND_MOTIONS.columns if column.name not in ("event", "pga_m_s2")
)
SITES = Contract("sites", SITE_COLUMNS)


@jax.jit
def _row_moments(motion: GroundMotion, rows: tuple[Array, ...]) -> tuple[Array, ...]:
    """Mean and variance of rows, their factors of the event's effects, and the record term's sd."""
    sd = record_sd_at(motion, rows[0])
    return *record_moments(motion, *rows), event_design(motion, *rows[:2]), sd


_condense = jax.jit(condense, static_argnums=3)


class EventPosterior(Explained, eqx.Module):
    """Posterior of one event given its reports; made by `condition`.

    Attributes
    ----------
    posterior
        Posterior of the ground-motion model before the event.
    motion
        Draws of the parameters in the event's region.
    effect_mean, effect_covariance
        Moments of the event's effects given each draw, (draws, 2) and (draws, 2, 2): its term at
        the mean distance of the fitted records, log10 units, and the departure of its decay with
        distance, log10 units per decade.
    log_weight
        Log weights of the draws, by the marginal density of the reports, (draws,).
    prior
        Covariance of the effects and log weights of the draws before any report.
    given
        The reports.

    Examples
    --------
    See `condition`.
    """

    posterior: MotionPosterior
    motion: GroundMotion
    effect_mean: np.ndarray
    effect_covariance: np.ndarray
    log_weight: np.ndarray
    prior: tuple[np.ndarray, np.ndarray]
    given: Reports

    @property
    def reports(self) -> int:
        """Number of reports."""
        return len(self.given)

    @property
    def event_term(self) -> tuple[float, float]:
        """Posterior mean and standard deviation of the event term, log10 units."""
        return self._effect(0)

    @property
    def event_spreading(self) -> tuple[float, float]:
        """Mean and standard deviation of the departure of its decay, log10 units per decade."""
        return self._effect(1)

    def _effect(self, number: int) -> tuple[float, float]:
        weight, means = np.exp(self.log_weight), self.effect_mean[:, number]
        mean = float(np.sum(weight * means))
        spread = self.effect_covariance[:, number, number] + (means - mean) ** 2
        return mean, float(np.sqrt(np.sum(weight * spread)))

    def predictor(self, *, components: int | None = COMPONENTS) -> MotionPredictor:
        """Make a predictor for this event at new sites; see `MotionPosterior.predictor`.

        Sites of a predictor have no coordinates: `predict` knows also what stations near them
        reported.
        """
        effects = self.effect_mean, self.effect_covariance
        return predictor_of(self.motion, *effects, self.log_weight, components)

    def predict(self, table: pd.DataFrame, *, components: int | None = COMPONENTS) -> Mixture:
        """Predict the rows of a table, with the terms of known stations; see `predict`."""
        mean, variance = self._added(moments(self.posterior, self.motion, check(table, SITES)))
        order, weight = by_scatter(self.motion, self.effect_covariance, self.log_weight, components)
        rows = np.arange(bucket_size(len(mean))) % max(len(mean), 1)
        parts = (jnp.asarray(part[rows][:, order]) for part in (mean, variance))
        mixture = _condense(*parts, jnp.asarray(weight), components)
        return jax.tree.map(lambda leaf: leaf[: len(mean)], mixture)

    def _added(self, sites: Sites) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of rows given each draw and the reports, (rows, draws)."""
        effects = self.effect_mean, self.effect_covariance
        if not (len(self.given) and self.given.record_sd.any() and sites.has_place.any()):
            added = np.sum(sites.design * effects[0], axis=-1)
            spread = np.einsum("rdi,dij,rdj->rd", sites.design, effects[1], sites.design)
            return sites.mean + added, sites.variance + spread
        count = len(sites.mean)
        rows = np.arange(bucket_size(count)) % count
        by_draw = sites.record_sd[rows].T, sites.design[rows].swapaxes(0, 1)
        with jax.enable_x64(True):
            reports, used = self.given.padded()
            places = sites.place_km[rows], sites.has_place[rows].astype(float)
            arguments = (self.motion, effects, reports, used, (*places, *by_draw))
            added = krige_draws(*jax.tree.map(jnp.asarray, arguments))
        mean, variance = (np.asarray(part)[:, :count].T for part in added)
        return sites.mean + mean, sites.variance + variance


class Sites(NamedTuple):
    """Rows of a table given each draw of the parameters, without the event's effects.

    Mean, variance and sd of the record term are (rows, draws), factors of the effects
    (rows, draws, 2), positions (rows, 3), and which are known (rows,).
    """

    mean: np.ndarray
    variance: np.ndarray
    design: np.ndarray
    record_sd: np.ndarray
    place_km: np.ndarray
    has_place: np.ndarray


class StationInputs(NamedTuple):
    """What a posterior knows of the stations of a table's rows.

    Vs30 (m/s, NaN where unknown), covariate of distance (NaN for a new site), moments of the
    station terms (draws, rows), and for which the term includes the effect of an unknown Vs30.
    """

    vs30_m_s: np.ndarray
    covariate: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    included: np.ndarray


def station_inputs(posterior: MotionPosterior, table: Any) -> StationInputs:
    """Look up the stations of checked rows."""
    vs30 = np.full(len(table), np.nan)
    if "vs30_m_s" in table.columns:
        vs30 = table["vs30_m_s"].to_numpy(np.float64)
    stations = table["station"] if "station" in table.columns else [None] * len(table)
    mean, sd, known = posterior.station_moments(stations)
    covariate = np.full(len(table), np.nan)
    if known.any():
        # A station term is the residual given the Vs30 it was estimated with (NaN: without any).
        number = posterior.station_numbers(stations)
        vs30 = np.where(known, posterior.station_vs30_m_s[number], vs30)
        covariate = np.where(known, posterior.station_distance[number], covariate)
    # The term of a known station without Vs30 already includes the effect of its Vs30.
    return StationInputs(vs30, covariate, mean, sd, known & np.isnan(vs30))


def moments(posterior: MotionPosterior, motion: GroundMotion, table: Any) -> Sites:
    """Mean and variance of checked rows given each draw, with the terms of known stations."""
    known = [table[n].to_numpy(np.float64) for n in ("magnitude", "distance_km", "depth_km")]
    at = station_inputs(posterior, table)
    with jax.enable_x64(True):
        # Padded with the first row, so that tables of about this size share a program.
        rows = np.arange(bucket_size(len(table))) % max(len(table), 1)
        arrays = [
            jnp.asarray(values[rows])[:, None] for values in (*known, at.vs30_m_s, at.covariate)
        ]
        parts = _row_moments(jax.tree.map(jnp.asarray, motion), tuple(arrays))
        mean, variance, design, record_sd = (np.array(part)[: len(table)] for part in parts)
        vs30_variance = np.asarray(site_variance(jax.tree.map(jnp.asarray, motion)))
    variance = np.where(at.included[:, None], variance - vs30_variance, variance)
    place_km, has_place = station_places(table)
    variance = variance + at.sd.T**2
    return Sites(mean + at.mean.T, variance, design, record_sd, place_km, has_place)


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
    check_kind("predict", MotionPosterior, "give `fit(...).posterior(key, n)`", posterior=posterior)
    motion, mean, covariance, weight = posterior.new_event(region)
    prior, given = (covariance, weight), Reports.none(len(mean))
    new_event = EventPosterior(posterior, motion, mean, covariance, weight, prior, given)
    return new_event.predict(table, components=components)
