"""The posterior, trigger by trigger: `init`, then `step` as often as you like."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int

from eqstat._core.checks import check_range
from eqstat._core.constants import YEAR_S
from eqstat._core.errors import InputError
from eqstat.detection import _terms
from eqstat.detection._detector import Core, Detector
from eqstat.detection._terms import Tables
from eqstat.inference import pad_rows

NEVER = np.float32(np.inf)
# Triggers of one compiled call.
AT_ONCE = 256
# Times are rounded to this, s, much less than they scatter.
TICK_S = 0.1
# A trigger may be stamped this little later than now: clocks differ.
AHEAD_S = 1.0
# While something is under way its triggers teach nothing about the background.
QUIET = 0.5


class State(NamedTuple):
    """All that a detector remembers; a pytree whose size does not grow.

    Attributes
    ----------
    now_s
        The present, s after the epoch (a host number).
    trigger_s
        Time of each device's trigger less now; infinite where it is silent, (devices,).
    active
        Who is there, (devices,).
    log_ratio
        Of each cause, what triggers add to the hypotheses, (places, depths x slots x nodes).
    silent
        Of each cause, silent devices on the rings about its places, (places, rings).
    learnt
        Triggers seen and expected of the background.
    busy_s
        For how long nothing is learnt from now on, s.
    """

    now_s: Any
    trigger_s: Float[Array, " devices"]
    active: Array
    log_ratio: tuple[Float[Array, "places columns"], ...]
    silent: tuple[Float[Array, "places rings"], ...]
    learnt: Float[Array, " two"]
    busy_s: Float[Array, ""]


class Report(NamedTuple):
    """What is believed now.

    Attributes
    ----------
    probability
        Posterior probability of each cause, then of none, (causes + 1,); the first is the
        earthquake's.
    log_evidence_ratio
        Of each cause, log of the evidence against the background alone, for a start at an unknown
        time in the slots that are kept, (causes,).
    log_shiryaev_roberts
        Of each cause, log of the sum of likelihood ratios over its starting times, (causes,).
    east_km, north_km, depth_km
        Mean of the earthquake's hypocentre on the coarse grid.
    origin_s
        Mean origin time less now.
    sd_km, origin_sd_s
        Standard deviations east, north and in depth, (3,), and of the origin time.
    place_weight
        Posterior probabilities of the earthquake's places, (places,).
    triggered
        Devices that have triggered and are not asked again yet.
    expected_rate_h
        Predictive background rate per device and hour.
    ignored
        Triggers of this step that were not used: of devices not active or that had triggered
        already, too old, later than now, or not a number.
    """

    probability: Float[Array, " causes_and_none"]
    log_evidence_ratio: Float[Array, " causes"]
    log_shiryaev_roberts: Float[Array, " causes"]
    east_km: Float[Array, ""]
    north_km: Float[Array, ""]
    depth_km: Float[Array, ""]
    origin_s: Float[Array, ""]
    sd_km: Float[Array, " 3"]
    origin_sd_s: Float[Array, ""]
    place_weight: Float[Array, " places"]
    triggered: Int[Array, ""]
    expected_rate_h: Float[Array, ""]
    ignored: Int[Array, ""]


def init(detector: Detector, now_s: float | int, *, active: np.ndarray | None = None) -> State:
    """Start to watch: nothing has triggered.

    Parameters
    ----------
    detector
        From `detector`.
    now_s
        The present, s after the epoch of the caller's choice (Unix time, say).
    active
        Who is there, (devices,); everybody by default.

    Returns
    -------
    State
    """
    count = detector.devices
    there = np.ones(count, bool) if active is None else np.asarray(active, bool)
    if there.shape != (count,) or not np.isfinite(now_s):
        raise InputError(f"init: active must have {count} entries, and now_s be a number")
    return State(
        np.float64(now_s),
        jnp.full(count, NEVER, jnp.float32),
        jnp.asarray(there),
        tuple(_nothing(tables) for tables in detector.core.tables),
        counts_on_rings(detector.core, jnp.asarray(there)),
        jnp.zeros(2, jnp.float32),
        jnp.zeros((), jnp.float32),
    )


@eqx.filter_jit
def counts_on_rings(core: Core, there: Array) -> tuple[Array, ...]:
    """Silent devices on the rings of each cause."""
    weight = there.astype(jnp.float32)
    return tuple(_terms.ring_counts(tables, core.position, weight) for tables in core.tables)


def _nothing(tables: Tables) -> Array:
    places, depths, slots, nodes = tables.shape
    return jnp.zeros((places, depths * slots * nodes), jnp.float32)


def step(
    detector: Detector,
    state: State,
    now_s: float | int,
    device: np.ndarray | None = None,
    time_s: np.ndarray | None = None,
) -> tuple[State, Report]:
    """Move the present on, with what has been reported since the last step.

    The cost does not depend on how long the detector has run, and hardly on the number of
    devices. Reports may come late and out of order, not later than `window_s`; a device counts
    once in that time.

    Parameters
    ----------
    detector
        From `detector`.
    state
        From `init` or the last `step`.
    now_s
        The present, s after the epoch; not before the last.
    device
        Numbers of the devices that reported (rows of the network's table), (triggers,).
    time_s
        Their trigger times, s after the epoch, (triggers,).

    Returns
    -------
    State, Report

    Raises
    ------
    eqstat.InputError
        When time runs backwards or device and time differ in length. Bad triggers are never an
        error: they are counted in `Report.ignored`.
    """
    if not (np.isfinite(now_s) and now_s >= state.now_s):
        raise InputError(f"step: now_s must not be before {state.now_s!r}, got {now_s!r}")
    who = np.zeros(0, np.int32) if device is None else np.atleast_1d(np.asarray(device))
    when = np.zeros(0) if time_s is None else np.atleast_1d(np.asarray(time_s, np.float64))
    if who.shape != when.shape or who.ndim != 1 or (who.size and who.dtype.kind not in "iu"):
        raise InputError("step: device (whole numbers) and time_s must have one entry per trigger")
    ignored = 0
    while len(who) > AT_ONCE:
        state, report = step(detector, state, now_s, who[:AT_ONCE], when[:AT_ONCE])
        who, when = who[AT_ONCE:], when[AT_ONCE:]
        ignored += int(report.ignored)
    moved = float(now_s) - float(state.now_s)
    order = np.argsort(when, kind="stable")
    who, when = who[order], np.round(when[order] / TICK_S) * TICK_S - float(now_s)
    known = (who >= 0) & (who < detector.devices)
    newest, starts = newest_slots(detector, float(now_s))
    shifts = np.minimum(newest - newest_slots(detector, float(state.now_s))[0], 1e6)
    new, report = _step(
        detector.core,
        state._replace(now_s=None),
        jnp.asarray(min(moved, 1e9), jnp.float32),
        jnp.asarray(shifts, jnp.int32),
        jnp.asarray(starts, jnp.float32),
        _hour(detector, float(now_s)),
        jnp.asarray(pad_rows(np.where(known, who, 0).astype(np.int32), AT_ONCE + 1)),
        jnp.asarray(pad_rows(np.where(known, when, np.nan), AT_ONCE + 1, np.nan), jnp.float32),
        jnp.asarray(len(who), jnp.int32),
    )
    report = report._replace(ignored=report.ignored + ignored)
    return new._replace(now_s=np.float64(now_s)), report


def newest_slots(detector: Detector, now_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Number of each cause's newest slot since the epoch, and its start less now."""
    length = np.array([cause.slot_s for cause in detector.causes])
    number = np.floor(now_s / length)
    return number, number * length - now_s


def _hour(detector: Detector, now_s: float) -> Array:
    """Local hour of the day, a whole number."""
    local = now_s / 3600 + detector.background.utc_offset_h
    return jnp.asarray(int(np.floor(local)) % 24, jnp.int32)


def log_background(detector: Detector, state: State) -> Array:
    """Log of the predictive background rate per device and second."""
    return _log_rate_s(detector.core, state.learnt, _hour(detector, float(state.now_s)))


def _log_rate_s(core: Core, learnt: Array, hour: Array) -> Array:
    """Log of the predictive background rate per device and second."""
    factor = (core.shape + learnt[0]) / (core.shape + learnt[1])
    return jnp.log(core.rate_per_device_h[hour] / 3600 * factor)


def log_weights(core: Core, log_shiryaev_roberts: Array) -> Array:
    """Log of rate times sum of ratios of each cause, and 0 for none at last, (causes + 1,)."""
    return jnp.append(core.log_yearly + log_shiryaev_roberts, 0.0)


@eqx.filter_jit
def _step(
    core: Core,
    state: State,
    moved: Array,
    shifts: Array,
    starts: Array,
    hour: Array,
    device: Array,
    since: Array,
    count: Array,
) -> tuple[State, Report]:
    trigger_s = state.trigger_s - moved
    log_ratio = tuple(
        _terms.advance(tables, ratio, shifts[i])
        for i, (tables, ratio) in enumerate(zip(core.tables, state.log_ratio, strict=True))
    )
    log_rate = _log_rate_s(core, state.learnt, hour)
    expected = jnp.sum(state.active) * moved * core.rate_per_device_h[hour] / 3600

    # Devices that triggered long ago are asked again.
    def ask_again(carry: tuple) -> tuple:
        times, silent, seen = carry
        who = jnp.argmax(times < -core.window_s)
        there = state.active[who].astype(jnp.float32)
        silent = _shift_silent(core, silent, who, there)
        return times.at[who].set(NEVER), silent, seen + 1.0

    trigger_s, silent, seen = jax.lax.while_loop(
        lambda carry: jnp.any(carry[0] < -core.window_s), ask_again, (trigger_s, state.silent, 0.0)
    )

    def add(number: Array, carry: tuple) -> tuple:
        times, silent, ratio, waiting, ignored = carry
        who, when = device[number], since[number]
        good = (when > -core.window_s) & (when <= AHEAD_S)
        good = good & state.active[who] & jnp.isinf(times[who])
        use = good.astype(jnp.float32)
        silent = _shift_silent(core, silent, who, -use)
        waiting = _shift_silent(core, waiting, who, use)
        times = times.at[who].set(jnp.where(good, when, times[who]))
        # Triggers of one time have the same terms, worked out once they are all on the rings.
        complete = since[number + 1] != when
        ratio, waiting = jax.lax.cond(
            complete, add_terms, lambda _, *rest: rest, when, ratio, waiting
        )
        return times, silent, ratio, waiting, ignored + jnp.where(good, 0, 1)

    def add_terms(when: Array, ratio: tuple, waiting: tuple) -> tuple[tuple, tuple]:
        # Nobody waits at a time that is no number; 0 times it would be none either.
        when = jnp.where(jnp.isfinite(when), when, 0.0)
        new = []
        for i, tables in enumerate(core.tables):
            terms = _terms.trigger_terms(tables, when - starts[i] + tables.age, log_rate)
            new.append(ratio[i] + _terms.at_places(waiting[i], terms))
        return tuple(new), tuple(jnp.zeros_like(counts) for counts in waiting)

    zero = jnp.zeros((), jnp.int32)
    nobody = tuple(jnp.zeros_like(counts) for counts in silent)
    trigger_s, silent, log_ratio, _, ignored = jax.lax.fori_loop(
        0, count, add, (trigger_s, silent, log_ratio, nobody, zero)
    )
    totals = [
        _terms.log_posterior(
            tables, log_ratio[i], silent[i], -starts[i] + tables.age - core.latency_s
        )
        for i, tables in enumerate(core.tables)
    ]
    log_sr = jnp.stack([logsumexp(total) for total in totals])
    weight = log_weights(core, log_sr)
    probability = jnp.exp(weight - logsumexp(weight))
    slots = jnp.asarray([len(tables.age) for tables in core.tables], jnp.float32)
    # What is learnt waits until it is known whether something was under way.
    busy = jnp.where(probability[-1] < 1 - QUIET, core.window_s, state.busy_s - moved)
    half = jnp.exp2(-moved / (3600 * core.half_life_h))
    more = jnp.where(busy > 0, 0.0, jnp.stack([seen, expected]))
    means, sds, place = _terms.moments(core.tables[0], totals[0], starts[0])
    new = State(
        None, trigger_s, state.active, log_ratio, silent, state.learnt * half + more,
        jnp.maximum(busy, 0.0),
    )  # fmt: skip
    return new, Report(
        probability,
        log_sr - jnp.log(slots),
        log_sr,
        means[0],
        means[1],
        means[2],
        means[3],
        sds[:3],
        sds[3],
        place,
        jnp.sum(jnp.isfinite(trigger_s)).astype(jnp.int32),
        jnp.exp(log_rate) * 3600,
        ignored,
    )


def _shift_silent(
    core: Core, silent: tuple[Array, ...], who: Array, by: Array
) -> tuple[Array, ...]:
    """Add a device to the silent ones, or take it away."""
    return tuple(
        _terms.add_device(tables, counts, core.position[who], by)
        for tables, counts in zip(core.tables, silent, strict=True)
    )


def shiryaev_roberts_threshold(
    detector: Detector, *, false_alarm_rate_per_year: float | int = 1.0
) -> float:
    r"""Log of the threshold A with at most so many false alarms a year.

    Under the background the sum R of likelihood ratios over starting times has, after n steps
    of a slot, an expectation of at most n. So the mean time to $R \ge A$ is at least A steps:
    $A = \text{year} / (\text{slot} \cdot \text{rate})$.

    Parameters
    ----------
    detector
        From `detector`.
    false_alarm_rate_per_year
        The budget of this region.

    Returns
    -------
    float
        log A.

    References
    ----------
    Pollak, M. (1985), Ann. Statist. 13, 206-227. Shin, J., Ramdas, A. and Rinaldo, A. (2024),
    E-detectors, New Engl. J. Stat. Data Sci. 2, 229-260.
    """
    check_range("", 0, ends="()", false_alarm_rate_per_year=false_alarm_rate_per_year)
    return float(np.log(YEAR_S / (detector.causes[0].slot_s * false_alarm_rate_per_year)))
