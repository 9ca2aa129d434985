r"""Simulated regional earthquakes for alert rules: shaking, and the data available at each time.

Magnitudes follow a truncated Gutenberg-Richter law; the rupture is a horizontal line of
$10^{-2.44 + 0.59 M}$ km through the hypocentre, of any strike. Its nearest point gives the true
distance of the shaking, with event, station and record terms of a `PointSource`. The running peak
of a station is a share of its PGA after P and grows to it after S, the longer the rupture the
slower; with `Design(growth="envelope")` both follow the envelopes of
`eqstat.ground_motion.envelope`, at the distance from the rupture and with the arrivals from its
hypocentre. Record terms of neighbours may be correlated, and some stations dead. Rules do not see
this: they are given the peaks so far, the growth of past records from the
same stage on, and a posterior of a point source that sharpens as stations report,

$$ \hat x_t = x + \frac1n \sum_{i \le n} e_i, \qquad
\hat M_t = M_t + c + \frac1n \sum_{i \le n} d_i, \qquad
M_t = M + \tfrac43 \log_{10} \min(1, t / T_M), $$

with the n stations whose P arrived at least a second ago, independent errors of each station, a
common error c, and the apparent magnitude $M_t$ after t seconds of a rupture of duration $T_M$:
great earthquakes begin like small ones. The posterior of the magnitude is exact under this model;
the finite rupture is ignored.

References
----------
Wells, D. and Coppersmith, K. (1994), Bulletin of the Seismological Society of America 84, 974-1002,
Table 2A (subsurface rupture length, all slip types).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_kind, check_whole
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat._core.typing import ArrayLike
from eqstat.exceedance._kernel import SourceDraws
from eqstat.exceedance.alerts import _growth, _shaking
from eqstat.exceedance.alerts._design import Design
from eqstat.exceedance.alerts._rules import Snapshot
from eqstat.ground_motion.envelope import Shape

# Earthquakes from which the growth of records is estimated.
HISTORY = 200


@dataclass(frozen=True)
class Scenarios(Explained):
    """Earthquakes of a region and their shaking. Times are seconds after the origin.

    Attributes
    ----------
    design
        The simulated region.
    station_km
        Stations, (n, 3): east, north, and down with negative sign.
    magnitude
        (e,).
    hypocentre_km
        (e, 3).
    rupture_km
        Both ends of each rupture, (e, 2, 3).
    pga_m_s2
        True PGA at each station, (e, n).
    p_arrival_s, s_arrival_s, rise_s
        Arrivals, and the time from S to the peak, (e, n).
    early_share
        Fraction of the PGA reached with the P wave, (e, n).
    place_error_km, magnitude_error, common_error
        Errors of the estimates of stations, (e, n, 3), (e, n) and (e,).
    growth
        Mean and standard deviation of the remaining growth of log10 peak, at each stage of a
        record, from other simulated earthquakes of the same region, (stages, 2); for envelopes the
        stages are repeated for classes of S less P.
    working
        Stations that send what they record, (e, n).
    shape
        Shapes of the envelopes, (e, n); None where the growth is a ramp.

    Examples
    --------
    >>> scenarios = simulate(jax.random.key(0), 3, Design(stations=20))
    >>> scenarios.exceedance_times(0.1).shape, scenarios.chosen(slice(0, 2)).event.shape
    ((60,), (40,))
    """

    design: Design
    station_km: np.ndarray
    magnitude: np.ndarray
    hypocentre_km: np.ndarray
    rupture_km: np.ndarray
    pga_m_s2: np.ndarray
    p_arrival_s: np.ndarray
    s_arrival_s: np.ndarray
    rise_s: np.ndarray
    early_share: np.ndarray
    place_error_km: np.ndarray
    magnitude_error: np.ndarray
    common_error: np.ndarray
    growth: np.ndarray
    working: np.ndarray
    shape: Shape | None = None

    @property
    def event(self) -> np.ndarray:
        """Number of the earthquake of each row (earthquake and station), (e * n,)."""
        return np.repeat(np.arange(len(self.magnitude)), len(self.station_km))

    def exceedance_times(self, threshold_m_s2: float) -> np.ndarray:
        """When each station's peak passed a threshold, s; infinite where never; (e * n,)."""
        return _shaking.passed_at(self, threshold_m_s2 / self.pga_m_s2).ravel()

    @property
    def first_p_s(self) -> np.ndarray:
        """Arrival of P at the first working station, s after the origin; infinite without, (e,)."""
        return np.min(np.where(self.working, self.p_arrival_s, np.inf), axis=1)

    def chosen(self, events: Any) -> Scenarios:
        """Select earthquakes by a mask or an index."""
        shared = ("design", "station_km", "growth")
        own = {name: value for name, value in vars(self).items() if name not in shared}
        return replace(self, **jax.tree.map(lambda leaf: leaf[events], own))


def simulate(key: PRNGKeyArray, count: int, design: Design | None = None) -> Scenarios:
    """Draw earthquakes of a region and their shaking.

    Parameters
    ----------
    key
        JAX random key.
    count
        Number of earthquakes.
    design
        The region; `Design()` by default.

    Returns
    -------
    Scenarios

    Raises
    ------
    eqstat.InputError
        When the count is less than 1.

    Examples
    --------
    >>> drawn = simulate(jax.random.key(0), 3, Design(stations=20))
    >>> drawn.pga_m_s2.shape
    (3, 20)
    """
    check_whole("simulate", 1, count=count)
    region = Design() if design is None else design
    past = _drawn(jax.random.fold_in(key, 1), HISTORY, region, _growth.unknown())
    return _drawn(jax.random.fold_in(key, 0), count, region, _shaking.learn(past))


def _drawn(key: PRNGKeyArray, count: int, region: Design, growth: np.ndarray) -> Scenarios:
    """Draw earthquakes, with a given table of the growth of records."""
    rng = generator(key)
    model, shape = region.ground_motion, (count, region.stations)
    station = np.zeros((region.stations, 3))
    station[:, :2] = rng.uniform(-region.half_width_km, region.half_width_km, (region.stations, 2))
    low, high = (10.0 ** (-region.b_value * end) for end in region.magnitude)
    magnitude = -np.log10(low - (low - high) * rng.uniform(size=count)) / region.b_value
    hypocentre = np.empty((count, 3))
    hypocentre[:, :2] = rng.uniform(-region.half_width_km, region.half_width_km, (count, 2))
    hypocentre[:, 2] = -rng.uniform(*region.depth_km, count)
    length = _growth.rupture_length_km(magnitude)
    rupture = _growth.rupture_ends(
        hypocentre, length, rng.uniform(0, np.pi, count), rng.uniform(size=count)
    )
    from_hypocentre = np.linalg.norm(station - hypocentre[:, None], axis=-1)
    nearest = _growth.segment_distance(station, rupture)
    mean = np.asarray(model.mean(jnp.asarray(magnitude)[:, None], jnp.asarray(nearest)))
    event, own_station, own = (
        np.asarray(sd) * rng.normal(size=size)
        for sd, size in (
            (model.event_sd, (count, 1)),
            (model.station_sd, (region.stations,)),
            (1.0, shape),
        )
    )
    field = _shaking.correlated(own, station, region.correlated_share, region.correlation_km)
    scatter = event + own_station + np.asarray(model.record_sd) * field
    p_arrival, s_arrival = (
        from_hypocentre / speed for speed in (region.p_velocity_km_s, region.s_velocity_km_s)
    )
    slow = rng.uniform(0.2, 0.8, shape) * (length / region.rupture_velocity_km_s)[:, None]
    drawn = Scenarios(
        design=region,
        station_km=station,
        magnitude=magnitude,
        hypocentre_km=hypocentre,
        rupture_km=rupture,
        pga_m_s2=10.0 ** (mean.astype(np.float64) + scatter / np.log(10)),
        p_arrival_s=p_arrival,
        s_arrival_s=s_arrival,
        rise_s=1.0 + slow,
        early_share=np.clip(0.2 * np.exp(0.7 * rng.normal(size=shape)), 0.02, 0.8),
        place_error_km=rng.normal(size=(*shape, 3))
        * [region.place_error_km, region.place_error_km, region.depth_error_km],
        magnitude_error=region.magnitude_error * rng.normal(size=shape),
        common_error=region.common_magnitude_error * rng.normal(size=count),
        growth=growth,
        working=rng.uniform(size=shape) >= region.dead_share,
    )
    if region.growth == "ramp":
        return drawn
    surface = rupture * [1.0, 1.0, 0.0]
    return replace(
        drawn,
        shape=_shaking.envelopes(
            jax.random.fold_in(key, 2),
            magnitude,
            _growth.segment_distance(station, surface),
            _shaking.arrivals(drawn),
            drawn.pga_m_s2,
            region.site,
        ),
    )


def snapshots(scenarios: Scenarios, number: int, time_s: ArrayLike) -> Snapshot:
    """Data available on one earthquake at each time: a batch of snapshots.

    Parameters
    ----------
    scenarios
        The earthquakes.
    number
        Index of the earthquake.
    time_s
        Times after the origin, s, (t,).

    Returns
    -------
    Snapshot
        Every array with a leading axis of times; with the view of a multistation network where
        records grow as envelopes.

    Examples
    --------
    >>> scenarios = simulate(jax.random.key(0), 1, Design(stations=20))
    >>> batch = snapshots(scenarios, 0, [0.0, 60.0])
    >>> batch.located.tolist(), batch.peak_m_s2.shape
    ([False, True], (2, 20))
    """
    check_kind("snapshots", Scenarios, "give what `simulate` returns", scenarios=scenarios)
    check_whole("snapshots", 0, len(scenarios.magnitude) - 1, number=number)
    region, time = scenarios.design, np.asarray(time_s, np.float64)[:, None]
    working = scenarios.working[number]
    arrived = (time >= scenarios.p_arrival_s[number] + 1.0) & working
    reporting = arrived.sum(axis=1)
    located = reporting >= region.least_stations
    share = 1.0 / np.maximum(reporting, 1)
    heard = np.where(working, scenarios.p_arrival_s[number], np.inf)
    first = np.sort(heard)[region.least_stations - 1]
    # Before any station reports the errors are those of the first, lest the centre be the truth.
    arrived[reporting == 0, np.argmin(heard)] = True
    seen_s = np.maximum(time[:, 0] - first, 1.0)
    place_error = (arrived @ scenarios.place_error_km[number]) * share[:, None]
    magnitude_error = (arrived @ scenarios.magnitude_error[number]) * share
    shown = _growth.shown_magnitude(
        scenarios.magnitude[number], seen_s, region.rupture_velocity_km_s
    )
    estimate = shown + scenarios.common_error[number] + magnitude_error
    sd = np.sqrt(region.common_magnitude_error**2 + region.magnitude_error**2 * share)
    magnitude = _growth.magnitude_draws(
        estimate,
        sd,
        seen_s,
        region.magnitude,
        region.b_value,
        region.rupture_velocity_km_s,
        region.draws,
    )
    score = _growth.normal_scores(region.draws)
    spread = np.array([region.place_error_km, region.place_error_km, region.depth_error_km])
    place = (scenarios.hypocentre_km[number] + place_error)[:, None, :] + (
        np.sqrt(share)[:, None, None] * spread * score
    )
    # The prior of depth bounds its posterior.
    deep = np.clip(-place[..., 2], *region.depth_km)
    place[..., 2] = -deep
    peak = scenarios.pga_m_s2[number] * _shaking.share_at(scenarios, time, number)
    reported = working & (peak > region.noise_m_s2)
    peak = np.where(reported, peak, 0.0)
    # A station is complete two seconds after its peak.
    over = time >= _shaking.over_s(scenarios, number)
    times = len(time)
    station = np.broadcast_to(scenarios.station_km, (times, *scenarios.station_km.shape))

    stage = _shaking.stage_of(scenarios, time, number)
    growth = scenarios.growth[stage]

    def single(values: Any) -> jax.Array:
        return jnp.asarray(values, jnp.float32)

    drawn = SourceDraws(
        single(place),
        single(deep),
        single(magnitude),
        single(np.full((times, region.draws), -np.log(region.draws))),
    )
    return Snapshot(
        drawn,
        jnp.asarray(located),
        single(station),
        single(peak),
        jnp.asarray(over),
        single(growth[..., 0]),
        single(growth[..., 1]),
        single(station),
        single(np.full(station.shape[:2], np.nan)),
        jnp.broadcast_to(jnp.arange(station.shape[1]), station.shape[:2]),
        view=None
        if scenarios.shape is None
        else _shaking.view(scenarios, number, time[:, 0], reported),
    )


@eqx.filter_jit
def _evaluated(rule: Any, batch: Snapshot, log10_threshold: jax.Array) -> jax.Array:
    return jax.lax.map(lambda one: rule(one, log10_threshold), batch)


def forecasts(
    scenarios: Scenarios,
    rule: Any,
    time_s: np.ndarray,
    threshold_m_s2: Any,
    *,
    after_first_p: bool = False,
) -> np.ndarray:
    """Forecasts of a rule for each threshold and time at each station of each earthquake.

    Parameters
    ----------
    scenarios
        The earthquakes.
    rule
        An alert rule (`Rule`).
    time_s
        Times after the origin, s, (t,).
    threshold_m_s2
        Thresholds, m/s2, (u,).
    after_first_p
        Count the times from the arrival of P at the first working station instead; subtract
        `Scenarios.first_p_s` from times of exceedance, too.

    Returns
    -------
    numpy.ndarray
        Probabilities, (u, e * n, t), single precision: rows as of `Scenarios.event`.

    Examples
    --------
    >>> from eqstat.exceedance.alerts import Always
    >>> drawn = simulate(jax.random.key(0), 2, Design(stations=20))
    >>> probability = forecasts(drawn, Always(), np.arange(0.0, 60.0, 5.0), [0.1])
    >>> probability.shape, bool(probability[0, :, 0].any()), bool(probability[0, :, -1].all())
    ((1, 40, 12), False, True)
    """
    check_kind("forecasts", Scenarios, "give what `simulate` returns", scenarios=scenarios)
    check_kind("forecasts", Callable, "give a rule such as Plum()", rule=rule)
    log10 = jnp.asarray(np.log10(np.atleast_1d(threshold_m_s2)), jnp.float32)
    time = np.asarray(time_s, np.float64)
    start = np.zeros(len(scenarios.magnitude))
    if after_first_p:
        start = np.where(np.isfinite(scenarios.first_p_s), scenarios.first_p_s, 0.0)
    each = [
        np.asarray(_evaluated(rule, snapshots(scenarios, number, time + begin), log10))
        for number, begin in enumerate(start)
    ]
    # (e, t, n, u) to thresholds, rows, times.
    full = np.stack(each).transpose(3, 0, 2, 1)
    return np.clip(full.reshape(len(log10), -1, len(time)), 0.0, 1.0)
