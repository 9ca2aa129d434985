r"""Ground-motion model, site terms and correlation of the Japanese intensities of training years.

Residuals of a felt-only model are $\eta_i + s_j + \varepsilon_{ij}$ with terms of events and of
stations. Silent records are latent values below the floor: a Gibbs sampler draws them and the terms
in turn (Tobit model with crossed effects), and gives the mean of each station's term.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import jma
import jma_reporting
import numpy as np
from jaxtyping import PRNGKeyArray
from scipy import stats

from eqstat._core.random import generator
from eqstat.exceedance.alerts import PosteriorPredictive, Snapshot, SpatiallyConditioned
from eqstat.ground_motion import felt
from eqstat.ground_motion.mixture import censored_log_density

SWEEPS, FIRST = 120, 40
# Share of the silent stations that are taken to be out of order.
OUT_OF_ORDER = 0.02
SHARES, RANGES_KM = (0.0, 0.2, 0.4, 0.6, 0.8), (20.0, 40.0, 80.0)


@dataclasses.dataclass(frozen=True)
class Rules:
    """Rules learned from training years.

    Attributes
    ----------
    spatial, plain
        With correlated residuals given the reports, and given the source only.
    station_term
        Site term of each place, log10 units; 0 of places without records.
    """

    spatial: SpatiallyConditioned
    plain: PosteriorPredictive
    station_term: np.ndarray

    @property
    def silent(self) -> SpatiallyConditioned:
        """The rule for snapshots that tell which stations are silent."""
        return dataclasses.replace(self.spatial, out_of_order=OUT_OF_ORDER)

    def by_name(self) -> dict[str, Any]:
        """The rules by the names of the check."""
        return {"GP": self.spatial, "GMM": self.plain}

    def informed(
        self, snapshot: Snapshot, station: np.ndarray, *, silence: bool = False
    ) -> Snapshot:
        """Give snapshots (rows, ...) the site terms; silence is told only where it is asked."""
        term = jnp.asarray(self.station_term[station], jnp.float32)
        given = {} if silence else {"silent_below_m_s2": None}
        return dataclasses.replace(snapshot, station_term=term, site_term=term, **given)


def learned(key: PRNGKeyArray, training: jma.Shaking, reporting: jma_reporting.Reporting) -> Rules:
    """Fit the model, the site terms, and the correlation by the score of forecasts after 10 s."""
    fitted = felt.fit(jma.felt_records(training))
    predictor = fitted.predictor()
    distance = np.linalg.norm(training.station_km - training.hypocentre_km[:, None], axis=-1)
    given = np.broadcast_arrays(
        training.magnitude[:, None], distance, training.depth_km[:, None], np.nan
    )
    mean = np.asarray(predictor(*(jnp.asarray(x) for x in given)).mean[..., 0])
    term, within, between = _terms(key, training, mean)
    motion = dataclasses.replace(
        predictor.motion, station_sd=jnp.asarray(0.0), record_sd=jnp.asarray(within),
        event_sd=jnp.asarray(between),
    )  # fmt: skip
    predictor = dataclasses.replace(predictor, motion=motion)
    few = reporting.chosen(slice(0, None, 8))
    data = jma_reporting.views(few, (10.0,), history=False)
    value = jnp.asarray(np.where(data.silent, jma.LOG10_FLOOR - 1, data.log10_pga), jnp.float32)
    start = Rules(SpatiallyConditioned(predictor), PosteriorPredictive(predictor), term)
    snapshots = start.informed(data.snapshots(), data.station)
    best: tuple[float, Any] = (-np.inf, None)
    for share in SHARES:
        for range_km in RANGES_KM if share else RANGES_KM[:1]:
            rule = SpatiallyConditioned(predictor, share, range_km)
            score = float(_score(rule, snapshots, value))
            if score > best[0]:
                best = score, rule
    print(f"felt-only model: event sd {between:.3f}, within {within:.3f}, site terms "
          f"{term[term != 0].std():.3f}; correlation {best[1].correlated_share} over "
          f"{best[1].correlation_km} km", flush=True)  # fmt: skip
    return dataclasses.replace(start, spatial=best[1])


@jax.jit
def _score(rule: SpatiallyConditioned, snapshots: Snapshot, value: Any) -> Any:
    def one(pair: tuple) -> Any:
        snapshot, own = pair
        return jnp.mean(censored_log_density(rule.predictive(snapshot), own, jma.LOG10_FLOOR))

    return jnp.mean(jax.lax.map(one, (snapshots, value)))


def _terms(
    key: PRNGKeyArray, training: jma.Shaking, mean: np.ndarray
) -> tuple[np.ndarray, float, float]:
    """Mean site terms, and standard deviations within events and between them."""
    rng = generator(key)
    events, n = training.silent.shape
    station, count = training.station.ravel(), len(training.places)
    event = np.repeat(np.arange(events), n)
    centre, silent = mean.ravel(), training.silent.ravel()
    value = training.log10_pga.ravel().copy()
    of_event, of_station = np.zeros(events), np.zeros(count)
    within = between = 0.35
    sites = 0.2
    total, widths = np.zeros(count), np.zeros((SWEEPS, 2))
    per_event, per_station = np.full(events, n), np.bincount(station, minlength=count)
    for sweep in range(SWEEPS):
        level = centre + of_event[event] + of_station[station]
        # A silent record is a normal below the floor.
        most = stats.norm.cdf((jma.LOG10_FLOOR - level[silent]) / within)
        share = np.clip(rng.uniform(size=most.size) * most, 1e-300, 1 - 1e-12)
        value[silent] = level[silent] + within * stats.norm.ppf(share)
        of_event = _draw(rng, value - centre - of_station[station], event, per_event, within,
                         between)  # fmt: skip
        of_station = _draw(rng, value - centre - of_event[event], station, per_station, within,
                           sites)  # fmt: skip
        residual = value - centre - of_event[event] - of_station[station]
        within = np.sqrt(np.sum(residual**2) / rng.chisquare(residual.size))
        between = np.sqrt(np.sum(of_event**2) / rng.chisquare(events))
        used = of_station[per_station > 0]
        sites = np.sqrt(np.sum(used**2) / rng.chisquare(used.size))
        widths[sweep] = within, between
        if sweep >= FIRST:
            total += np.where(per_station > 0, of_station, 0.0)
    within, between = widths[FIRST:].mean(axis=0)
    return total / (SWEEPS - FIRST), float(within), float(between)


def _draw(
    rng: np.random.Generator, residual: np.ndarray, group: np.ndarray, number: np.ndarray,
    within: float, between: float,
) -> np.ndarray:  # fmt: skip
    """Draw the terms of groups given residuals."""
    precision = number / within**2 + 1 / between**2
    mean = np.bincount(group, residual, minlength=len(number)) / within**2 / precision
    return mean + rng.normal(size=len(number)) / np.sqrt(precision)
