r"""How Japanese earthquakes (`jma`) are reported in time, simulated.

Arrivals are those of ak135; the running peak of a station is a share of its final one, as in
`eqstat.exceedance.alerts`; a station reports it once it passes the least intensity. Draws of the
source come from errors of the stations that P has reached, so that they sharpen with time, and from
the magnitudes of the training years. Rules never see the catalogue, but for which stations P
has reached and the stage of their records, which a network knows from its own picks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray
from jma import LOG10_FLOOR, Rows, Shaking
from scipy import stats

from eqstat._core.random import generator
from eqstat.exceedance._kernel import SourceDraws
from eqstat.exceedance.alerts import Snapshot, _growth

TIMES_S = (2.0, 5.0, 10.0, 20.0)
HISTORY_S = 30
DEEP_KM = 700.0
# Errors of the estimates of the source, as in `eqstat.exceedance.alerts.Design`.
PLACE_KM, DEPTH_KM, MAGNITUDE, COMMON = 20.0, 15.0, 0.8, 0.25
LEAST_STATIONS = 4
RUPTURE_KM_S = 2.8
# A station counts as silent from this long after P on.
REACHED_S = 1.0
NODES = np.linspace(1.5, 9.0, 151)


@dataclass(frozen=True)
class Reporting(Rows):
    """How earthquakes are reported: the random parts of the simulation. Times after the origin.

    Attributes
    ----------
    event
        As of `shaking`, (e,).
    shaking
        The earthquakes.
    working
        Stations that report at all, (e, n); the outcome is known at the others, too.
    rise_s, early_share
        Time from S to the peak, and the share of the PGA reached with P, (e, n).
    place_error_km, magnitude_error, common_error
        Errors of the estimates of stations, (e, n, 3), (e, n) and (e,).
    growth
        Mean and standard deviation of the remaining growth of log10 peak at each stage.
    log_prior
        Log density of the magnitudes of the training years, at `NODES`.
    """

    shaking: Shaking
    working: np.ndarray
    rise_s: np.ndarray
    early_share: np.ndarray
    place_error_km: np.ndarray
    magnitude_error: np.ndarray
    common_error: np.ndarray
    growth: np.ndarray
    log_prior: np.ndarray

    def exceedance_times(self, threshold_m_s2: float) -> np.ndarray:
        """When each running peak passed a threshold, s after the first P; (e, n)."""
        own = self.shaking
        share = threshold_m_s2 / 10.0**own.log10_pga
        passed = _growth.passed_at(
            np.where(own.silent, np.inf, share), own.p_s, own.s_s, self.rise_s, self.early_share
        )
        return passed - own.p_s.min(axis=1, keepdims=True)


def report(
    key: PRNGKeyArray, shaking: Shaking, training: Shaking, dead_share: float = 0.0
) -> Reporting:
    """Draw how earthquakes are reported; growth and magnitudes are learned from training years."""
    past = _drawn(jax.random.fold_in(key, 1), training, 0.0, _growth.unknown(), np.zeros(1))
    growth = _growth.learn(training.p_s, training.s_s, past.rise_s, past.early_share)
    prior = stats.gaussian_kde(training.magnitude).logpdf(NODES)
    return _drawn(jax.random.fold_in(key, 0), shaking, dead_share, growth, prior)


def _drawn(
    key: PRNGKeyArray, shaking: Shaking, dead_share: float, growth: np.ndarray, prior: np.ndarray
) -> Reporting:
    rng = generator(key)
    shape = shaking.p_s.shape
    lasts = _growth.rupture_length_km(shaking.magnitude)[:, None] / RUPTURE_KM_S
    return Reporting(
        event=shaking.event,
        shaking=shaking,
        working=rng.uniform(size=shape) >= dead_share,
        rise_s=1.0 + rng.uniform(0.2, 0.8, shape) * lasts,
        early_share=np.clip(0.2 * np.exp(0.7 * rng.normal(size=shape)), 0.02, 0.8),
        place_error_km=rng.normal(size=(*shape, 3)) * [PLACE_KM, PLACE_KM, DEPTH_KM],
        magnitude_error=MAGNITUDE * rng.normal(size=shape),
        common_error=COMMON * rng.normal(size=shape[0]),
        growth=growth,
        log_prior=prior,
    )


@dataclass(frozen=True)
class Views(Rows):
    """What is known of earthquakes (e) at times after the first P (t), and what came of it.

    Attributes
    ----------
    event, time_s
        (e,) and (t,).
    station, station_km, working, log10_pga, silent
        As of `Shaking` and `Reporting`, (e, n) and (e, n, 3).
    peak_m_s2
        Running peak of stations that have reported (passed the floor), else 0, (e, t, n).
    history_m_s2
        Running peak at the end of each of the last seconds, the present last, (e, t, n, 30).
    since_p_s
        Seconds since P reached the station, negative before; known where it has reported only.
    complete, growth_mean, growth_sd
        As of `Snapshot`, (e, t, n).
    located, place_km, source_depth_km, source_magnitude
        Draws of the source: (e, t), (e, t, d, 3), (e, t, d) and (e, t, d).
    """

    time_s: np.ndarray
    station: np.ndarray
    station_km: np.ndarray
    working: np.ndarray
    log10_pga: np.ndarray
    silent: np.ndarray
    peak_m_s2: np.ndarray
    history_m_s2: np.ndarray
    since_p_s: np.ndarray
    complete: np.ndarray
    growth_mean: np.ndarray
    growth_sd: np.ndarray
    located: np.ndarray
    place_km: np.ndarray
    source_depth_km: np.ndarray
    source_magnitude: np.ndarray

    def snapshots(self) -> Snapshot:
        """All views as one batch, (e * t, ...): earthquakes, and the times of each."""
        events, times, draws = self.source_depth_km.shape
        stations = self.station.shape[1]
        place = jnp.repeat(jnp.asarray(self.station_km), times, axis=0)
        flat = (events * times, draws)
        drawn = SourceDraws(
            jnp.asarray(self.place_km.reshape(*flat, 3)),
            jnp.asarray(self.source_depth_km.reshape(flat)),
            jnp.asarray(self.source_magnitude.reshape(flat)),
            jnp.full(flat, -np.log(draws), jnp.float32),
        )
        index = jnp.broadcast_to(jnp.arange(stations), (events * times, stations))
        return Snapshot(
            drawn, jnp.asarray(self.located.ravel()), place,
            *(jnp.asarray(each.reshape(events * times, stations)) for each in (
                self.peak_m_s2, self.complete, self.growth_mean, self.growth_sd)),
            place, jnp.full(index.shape, jnp.nan, jnp.float32), index,
            silent_below_m_s2=jnp.asarray(self.silent_below().reshape(events * times, stations)),
        )  # fmt: skip

    def silent_below(self) -> np.ndarray:
        """Level that a silent station's peak has not passed, m/s2; 0 unless P has reached it."""
        quiet = (self.peak_m_s2 == 0) & (self.since_p_s >= REACHED_S) & self.working[:, None]
        return np.where(quiet, np.float32(10.0**LOG10_FLOOR), np.float32(0))


def views(
    reporting: Reporting, time_s: Any = TIMES_S, *, draws: int = 64, history: bool = True
) -> Views:
    """Data on each earthquake at times after its first P; single precision."""
    own, time = reporting.shaking, np.asarray(time_s, np.float64)
    first = own.p_s.min(axis=1)
    after = first[:, None, None] + time[:, None]
    rows = (own.p_s, own.s_s, reporting.rise_s, reporting.early_share)
    record = tuple(each[:, None] for each in rows)
    pga = np.where(own.silent | ~reporting.working, 0.0, 10.0**own.log10_pga)[:, None]

    def peak(when: np.ndarray, column: int | None = None) -> np.ndarray:
        value = (pga * _growth.share_at(when, *record)).astype(np.float32)
        return np.where(value >= np.float32(10.0**LOG10_FLOOR), value, np.float32(0))

    seconds = np.arange(HISTORY_S)[::-1] if history else np.arange(1)
    past = np.stack([peak(after - back) for back in seconds], axis=-1)
    growth = reporting.growth[_growth.stage_of(after, record[0], record[1])].astype(np.float32)
    source = _sources(reporting, after, draws)
    return Views(
        event=own.event,
        time_s=time,
        station=own.station,
        station_km=own.station_km.astype(np.float32),
        working=reporting.working,
        log10_pga=own.log10_pga,
        silent=own.silent,
        peak_m_s2=past[..., -1],
        history_m_s2=past,
        since_p_s=(after - record[0]).astype(np.float32),
        complete=after >= record[1] + record[2] + 2.0,
        growth_mean=growth[..., 0],
        growth_sd=growth[..., 1],
        **source,
    )


def _sources(reporting: Reporting, after: np.ndarray, draws: int) -> dict[str, np.ndarray]:
    """Draws of the source, as in `eqstat.exceedance.alerts.snapshots`."""
    own = reporting.shaking
    usable = reporting.working[:, None]
    arrived = (after >= own.p_s[:, None] + 1.0) & usable
    number = arrived.sum(axis=2)
    # Before any P the errors are those of the first station, lest the centre be the truth.
    arrived[..., 0] |= number == 0
    share = 1.0 / np.maximum(number, 1)
    order = np.sort(np.where(reporting.working, own.p_s, np.inf), axis=1)[:, LEAST_STATIONS - 1]
    seen = np.maximum(after[..., 0] - order[:, None], 1.0)
    place = np.einsum("etn,enc->etc", arrived, reporting.place_error_km) * share[..., None]
    error = np.einsum("etn,en->et", arrived, reporting.magnitude_error) * share
    shown = _growth.shown_magnitude(own.magnitude[:, None], seen, RUPTURE_KM_S)
    estimate = shown + reporting.common_error[:, None] + error
    spread = np.sqrt(COMMON**2 + MAGNITUDE**2 * share)
    magnitude = _growth.posterior_draws(
        NODES, reporting.log_prior, estimate.ravel(), spread.ravel(), seen.ravel(), RUPTURE_KM_S,
        draws,
    ).reshape(*number.shape, draws)  # fmt: skip
    score = _growth.normal_scores(draws) * [PLACE_KM, PLACE_KM, DEPTH_KM]
    centre = own.hypocentre_km[:, None] + place
    drawn = centre[:, :, None] + np.sqrt(share)[..., None, None] * score
    # Depth is below the sphere's surface, which lies under the plane of the first station.
    surface = own.hypocentre_km[:, 2] + own.depth_km
    deep = np.clip(surface[:, None, None] - drawn[..., 2], 0.0, DEEP_KM)
    drawn[..., 2] = surface[:, None, None] - deep
    return {
        "located": number >= LEAST_STATIONS,
        "place_km": drawn.astype(np.float32),
        "source_depth_km": deep.astype(np.float32),
        "source_magnitude": magnitude.astype(np.float32),
    }
