"""Update the effects of an event by the peaks that stations and phones report during an event."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, ArrayLike, Float

from eqstat._core.checks import check_kind, check_range
from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion._parameters import DISTANCE_KM, MAGNITUDE, magnitude_slope_at
from eqstat.ground_motion._predict import MotionPosterior
from eqstat.ground_motion.event._effects import Reports, condition_draws
from eqstat.ground_motion.event._posterior import SITE_COLUMNS, EventPosterior, moments
from eqstat.schema import Column, Contract, check

REPORTS = Contract(
    "reports",
    (
        *SITE_COLUMNS,
        Column(
            "pga_m_s2",
            "number",
            True,
            "m/s2",
            maximum=100.0,
            positive=True,
            hint="no ground shook more: multiply %g by 0.0980665, divide Gal by 100; "
            "leave out what was not measured",
        ),
        Column("device_bias", "number", hint="log10 units"),
        Column("device_sd", "number", minimum=0.0, hint="log10 units"),
    ),
)


class Device(Explained, eqx.Module):
    """Error model of the peaks that a device reports, relative to the ground.

    Attributes
    ----------
    bias
        Mean offset of log10 PGA, such as of a phone on a table; log10 units.
    sd
        Standard deviation between devices about that offset, at least 0; log10 units.
    clip_m_s2
        Clipping level, m/s2, above 0: a report of this or more is right-censored. Phones clip at
        2 g or 4 g; a seismometer (the default) never does.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range.

    Examples
    --------
    >>> phone = Device(bias=0.1, sd=0.2, clip_m_s2=19.6)
    >>> phone.sd
    0.2
    """

    bias: float | int = 0.0
    sd: float | int = 0.0
    clip_m_s2: float | int = np.inf

    def __check_init__(self) -> None:
        """Check the ranges."""
        check_range("Device", bias=self.bias)
        check_range("Device", 0, sd=self.sd)
        check_range("Device", 0, ends="(]", finite=False, clip_m_s2=self.clip_m_s2)


def update_event_term(
    mean: ArrayLike,
    sd: ArrayLike,
    residual: Float[Array, "... reports"],
    scatter: Float[Array, "... reports"],
    used: Float[Array, "... reports"],
) -> tuple[Array, Array, Array]:
    r"""Conjugate update of an event term by reports; pure JAX, fixed shapes with a mask.

    With the prior $\eta \sim N(m, v)$ and residuals $r_i \mid \eta \sim N(\eta, s_i^2)$ the
    posterior is $N(m', v')$ with

    $$ \frac1{v'} = \frac1v + \sum_i \frac1{s_i^2}, \qquad
    m' = v' \Big( \frac m v + \sum_i \frac{r_i}{s_i^2} \Big). $$

    Parameters
    ----------
    mean, sd
        Prior $m$ and $\sqrt v$ of the term, log10 units, (...).
    residual
        Reports less their prediction without the event term, $r_i$, (..., reports).
    scatter
        Standard deviations of the reports given the event term, $s_i$, above 0.
    used
        1 for a report, 0 for padding.

    Returns
    -------
    mean, sd : jax.Array
        Posterior of the term, (...).
    log_evidence : jax.Array
        Log marginal density of the reports, (...).

    Examples
    --------
    >>> mean, sd, _ = update_event_term(0.0, 0.3, jnp.array([0.4]), jnp.array([0.3]), jnp.ones(1))
    >>> round(float(mean), 3), round(float(sd), 3)
    (0.2, 0.212)
    """
    # Written without 1 / v, so that a prior of sd 0 (a known event term) stays finite.
    mean, variance = jnp.asarray(mean), jnp.asarray(sd) ** 2
    precision = used / scatter**2
    innovation = residual - mean[..., None]
    total_precision = jnp.sum(precision, axis=-1)
    weighted = jnp.sum(precision * innovation, axis=-1)
    posterior_variance = variance / (1 + variance * total_precision)
    # Marginal covariance diag(s^2) + v 1 1^T: determinant lemma and Sherman-Morrison.
    quadratic = jnp.sum(precision * innovation**2, axis=-1) - posterior_variance * weighted**2
    log_det = jnp.sum(used * (jnp.log(scatter) + HALF_LOG_2PI), axis=-1)
    evidence = -0.5 * quadratic - log_det - 0.5 * jnp.log1p(variance * total_precision)
    return mean + posterior_variance * weighted, jnp.sqrt(posterior_variance), evidence


def condition(
    posterior: MotionPosterior,
    reports: pd.DataFrame,
    *,
    device: Device | None = None,
    region: str | None = None,
    magnitude_sd: float | int = 0.0,
) -> EventPosterior:
    r"""Condition the ground-motion model on the peaks that an event's devices have reported.

    Given the parameters, reports are normal about the event's effects (its term and the departure
    of its decay), so that these have a conjugate update for each draw; the draws are weighted by
    the marginal density of the reports. Record terms of reports with coordinates are correlated
    as in `GroundMotion`: reports of neighbours count for less than as many far apart, and
    `predict` of sites with coordinates uses those near them. A report at or above the clipping
    level of its device is right-censored. The work grows as the cube of the number of reports.

    Parameters
    ----------
    posterior
        From `MotionFit.posterior` or `posterior_from`.
    reports
        Rows of one event: `magnitude`, `distance_km`, `depth_km`, `pga_m_s2`; optionally
        `vs30_m_s`, `station` (the term of a known station is used), `latitude` and `longitude`
        (where they are missing, the record term is independent of the others). May have no rows.
    device
        Error model of the reporting devices; a seismometer by default. A table of mixed devices
        may have columns `device_bias`, `device_sd` and `clip_m_s2`; where they are missing the
        values of `device` apply.
    region
        As in `MotionPosterior.predictor`.
    magnitude_sd
        Standard deviation of the event's magnitude, at least 0. It is propagated to the prior of
        the event term by the slope of the median with magnitude at the reports (at magnitude 5 and
        10 km if there are none).

    Returns
    -------
    EventPosterior
        Its `predictor()` predicts new sites, `predict(table)` those of a table.

    Raises
    ------
    eqstat.InputError
        When columns are missing, values cannot be used, or the rows belong to several events.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, fit, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> posterior = fit(motions).posterior(jax.random.key(1), 32)
    >>> reports = motions.table[motions.table["event"] == "e00003"]
    >>> event = condition(posterior, reports)
    >>> mean, sd = event.event_term
    >>> event.reports == len(reports) and bool(sd < 0.3)
    True
    """
    check_kind(
        "condition", MotionPosterior, "give `fit(...).posterior(key, n)`", posterior=posterior
    )
    check_range("condition", 0, magnitude_sd=magnitude_sd)
    motion, mean, covariance, log_weight = posterior.new_event(region)
    if magnitude_sd:
        point: list[Any] = [np.array([MAGNITUDE]), np.array([DISTANCE_KM])]
        if len(reports):
            checked = check(reports, REPORTS)
            point = [checked[name].to_numpy() for name in ("magnitude", "distance_km")]
        with jax.enable_x64(True):
            columns = jax.tree.map(lambda leaf: jnp.asarray(leaf)[:, None], motion)
            slope = np.asarray(magnitude_slope_at(columns, *point)).mean(axis=1)
        covariance[:, 0, 0] += (slope * magnitude_sd) ** 2
    prior = EventPosterior(
        posterior,
        motion,
        mean,
        covariance,
        log_weight,
        prior=(covariance, log_weight),
        given=Reports.none(len(mean)),
    )
    return update(prior, reports, device=device)


def update(
    event: EventPosterior, reports: pd.DataFrame, *, device: Device | None = None
) -> EventPosterior:
    """Update the posterior of an event by further reports, of stations without earlier ones.

    Parameters
    ----------
    event
        From `condition`.
    reports, device
        As in `condition`.

    Returns
    -------
    EventPosterior

    Raises
    ------
    eqstat.InputError
        As in `condition`.

    Examples
    --------
    >>> from eqstat.ground_motion import Design, GroundMotion, fit, simulate
    >>> motions = simulate(jax.random.key(0), GroundMotion(), Design(events=12, stations=8))
    >>> posterior = fit(motions).posterior(jax.random.key(1), 32)
    >>> reports = motions.table[motions.table["event"] == "e00003"]
    >>> event = update(condition(posterior, reports[:2]), reports[2:])
    >>> event.reports == len(reports)
    True
    """
    check_kind("update", EventPosterior, "give what `condition` returns", event=event)
    device = Device() if device is None else device
    if not len(reports):
        return event
    table: Any = check(reports, REPORTS)
    for name in ("event", "magnitude", "depth_km"):
        if name in table.columns and table[name].nunique() > 1:
            raise InputError(
                f"reports: {table[name].nunique()} different values of {name!r}; condition on the "
                "reports of one event at a time"
            )
    pga = table["pga_m_s2"].to_numpy(np.float64)

    def of_device(name: str, value: float) -> np.ndarray:
        if name in table.columns:
            return table[name].fillna(value).to_numpy(np.float64)
        return np.full(len(table), float(value))

    clip = of_device("clip_m_s2", device.clip_m_s2)
    if not np.all(clip > 0):
        raise InputError("reports: column 'clip_m_s2': must be above 0; infinite for never")
    seen = moments(event.posterior, event.motion, table)
    mean = seen.mean + of_device("device_bias", device.bias)[:, None]
    variance = seen.variance + of_device("device_sd", device.sd)[:, None] ** 2
    clipped = pga >= clip
    reported = np.log10(np.where(clipped, clip, pga))
    later = Reports(
        (reported[:, None] - mean).T,
        variance.T,
        seen.record_sd.T * seen.has_place,
        seen.design.swapaxes(0, 1),
        seen.place_km,
        clipped.astype(float),
    )
    given = event.given.and_then(later)
    covariance, log_weight = event.prior
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, (event.motion, covariance, *given.padded()))
        effects = jax.tree.map(np.asarray, condition_draws(*arrays))
    log_weight = log_weight + effects.log_evidence
    return EventPosterior(
        posterior=event.posterior,
        motion=event.motion,
        effect_mean=effects.mean,
        effect_covariance=effects.covariance,
        log_weight=log_weight - np.logaddexp.reduce(log_weight),
        prior=event.prior,
        given=given,
    )
