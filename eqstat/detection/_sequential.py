"""Update of the sequential posterior by the triggers that devices report."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array

from eqstat._core.errors import InputError
from eqstat.detection import _districts, _terms
from eqstat.detection._detector import Core, Detector
from eqstat.detection._state import NEVER, Report, State
from eqstat.inference import pad_rows

# Most triggers of one compiled call.
BATCH = 256
# Trigger times are rounded to this, s, much less than their scatter.
TICK_S = 0.2
# Clocks differ: a trigger may be stamped this much later than the present.
AHEAD_S = 1.0
# Above this probability of any cause the background rate is not updated.
QUIET = 0.5


def step(
    detector: Detector,
    state: State,
    now_s: float | int,
    device: np.ndarray | None = None,
    time_s: np.ndarray | None = None,
    peak_m_s2: np.ndarray | None = None,
) -> tuple[State, Report]:
    """Update the posterior by the triggers that have been reported since the last step.

    The cost does not depend on how long the detector has run, and hardly on the number of
    devices. Reports may arrive late and out of order, by at most the dead time; a device counts
    once in that time.

    Parameters
    ----------
    detector
        From `detector`.
    state
        From `init` or the last `step`.
    now_s
        The present, s after the epoch; not before that of the last step.
    device
        Numbers of the devices that reported (rows of the network's table), (triggers,).
    time_s
        Their trigger times, s after the epoch, (triggers,).
    peak_m_s2
        The peaks that they reported, m/s2; NaN or not positive where there is none, (triggers,).
        They count where the earthquake has magnitudes.

    Returns
    -------
    State, Report

    Raises
    ------
    eqstat.InputError
        When time runs backwards or device and time differ in length. Unusable triggers are not an
        error: they are counted in `Report.ignored`.

    Examples
    --------
    Three of four devices trigger within a second:

    >>> import pandas as pd
    >>> from eqstat.detection import detector, init
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1, 1.2, 1.3], "longitude": [2.0] * 4})
    >>> watch = detector(network, causes=(network_burst(),))
    >>> state = init(watch, now_s=0.0)
    >>> state, report = step(watch, state, 60.0, np.array([0, 1, 2]), np.array([59.0, 59.1, 59.3]))
    >>> int(report.triggered), bool(report.log_shiryaev_roberts[0] > 5)
    (3, True)
    """
    if not (np.isfinite(now_s) and now_s >= state.now_s):
        raise InputError(f"step: now_s must not be before {state.now_s!r}, got {now_s!r}")
    number = np.zeros(0, np.int32) if device is None else np.atleast_1d(np.asarray(device))
    time = np.zeros(0) if time_s is None else np.atleast_1d(np.asarray(time_s, np.float64))
    peak = np.full(time.shape, np.nan)
    if peak_m_s2 is not None:
        peak = np.atleast_1d(np.asarray(peak_m_s2, np.float64))
    is_number = number.size == 0 or number.dtype.kind in "iu"
    same = number.shape == time.shape == peak.shape
    if not same or number.ndim != 1 or not is_number:
        raise InputError(
            "step: device (whole numbers), time_s and peak_m_s2 must have one entry per trigger"
        )
    ignored = 0
    while len(number) > BATCH:
        part = number[:BATCH], time[:BATCH], peak[:BATCH]
        state, report = step(detector, state, now_s, *part)
        number, time, peak = number[BATCH:], time[BATCH:], peak[BATCH:]
        ignored += int(report.ignored)
    elapsed = float(now_s) - float(state.now_s)
    # Sorted, so that triggers of one time and bin of peaks follow each other and share terms.
    model = detector.causes[0].magnitudes
    low, high = np.tile([[-np.inf], [np.inf]], len(peak))
    if model is not None:
        low, high = model.peak_bins(peak)
    time = np.round(time / TICK_S) * TICK_S
    order = np.lexsort([low, time])
    number, time, low, high = number[order], time[order] - float(now_s), low[order], high[order]
    known = (number >= 0) & (number < detector.devices)
    newest, starts = newest_slots(detector, float(now_s))
    shifts = np.minimum(newest - newest_slots(detector, float(state.now_s))[0], 1e6)
    new, report = _step(
        detector.core,
        state._replace(now_s=None),
        jnp.asarray(min(elapsed, 1e9), jnp.float32),
        jnp.asarray(shifts, jnp.int32),
        jnp.asarray(starts, jnp.float32),
        _hour(detector, float(now_s)),
        jnp.asarray(pad_rows(np.where(known, number, 0).astype(np.int32), BATCH + 1)),
        jnp.asarray(pad_rows(np.where(known, time, np.nan), BATCH + 1, np.nan), jnp.float32),
        jnp.asarray(np.stack([pad_rows(end, BATCH + 1) for end in (low, high)]), jnp.float32),
        jnp.asarray(len(number), jnp.int32),
    )
    report = report._replace(ignored=report.ignored + ignored)
    return new._replace(now_s=np.float64(now_s)), report


def newest_slots(detector: Detector, now_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each cause's newest slot since the epoch, and its start less now."""
    length = np.array([cause.slot_s for cause in detector.causes])
    number = np.floor(now_s / length)
    return number, number * length - now_s


def _hour(detector: Detector, now_s: float) -> Array:
    """Return the local hour of the day, 0 to 23."""
    local = now_s / 3600 + detector.background.utc_offset_h
    return jnp.asarray(int(np.floor(local)) % 24, jnp.int32)


def log_background(detector: Detector, state: State) -> Array:
    """Log of the predictive background rate per device and second."""
    return _log_rate_s(detector.core, state.background_counts, _hour(detector, float(state.now_s)))


@jax.jit
def _log_rate_s(core: Core, counts: Array, hour: Array) -> Array:
    """Log of the predictive background rate per device and second, gamma-Poisson."""
    factor = (core.shape + counts[0]) / (core.shape + counts[1])
    return jnp.log(core.rate_per_device_h[hour] / 3600 * factor)


def log_weights(core: Core, log_shiryaev_roberts: Array) -> Array:
    """Unnormalised log posterior of each cause, and 0 for none last, (causes + 1,)."""
    return jnp.append(core.log_rate_per_slot + log_shiryaev_roberts, 0.0)


@eqx.filter_jit
def _step(
    core: Core,
    state: State,
    elapsed: Array,
    shifts: Array,
    starts: Array,
    hour: Array,
    device: Array,
    since: Array,
    peak: Array,
    count: Array,
) -> tuple[State, Report]:
    trigger_s = state.trigger_s - elapsed
    log_ratio = tuple(
        _terms.advance(tables, ratio, shifts[i])
        for i, (tables, ratio) in enumerate(zip(core.tables, state.log_ratio, strict=True))
    )
    log_rate = _log_rate_s(core, state.background_counts, hour)
    expected = jnp.sum(state.active) * elapsed * core.rate_per_device_h[hour] / 3600

    # Devices whose dead time is over count as silent again, one after the other; their old triggers
    # lie before every slot that is kept and are counted for the background rate.
    def end_dead_time(carry: tuple) -> tuple:
        times, silent, observed = carry
        number = jnp.argmax(times < -core.dead_time_s)
        is_active = state.active[number].astype(jnp.float32)
        silent = _shift_silent(core, silent, number, is_active)
        return times.at[number].set(NEVER), silent, observed + 1.0

    trigger_s, silent, observed = jax.lax.while_loop(
        lambda carry: jnp.any(carry[0] < -core.dead_time_s),
        end_dead_time,
        (trigger_s, state.silent, 0.0),
    )

    # A trigger moves its device from the silent ones to a set of rings of its own. Triggers of one
    # (rounded) time and bin of peaks share that set, and their terms are evaluated once.
    def add_trigger(carry: tuple) -> tuple:
        index, times, peaks, silent, pending, ignored = carry
        number, when = device[index], since[index]
        usable = (when > -core.dead_time_s) & (when <= AHEAD_S)
        usable = usable & state.active[number] & jnp.isinf(times[number])
        weight = usable.astype(jnp.float32)
        silent = _shift_silent(core, silent, number, -weight)
        pending = _shift_silent(core, pending, number, weight)
        times = times.at[number].set(jnp.where(usable, when, times[number]))
        bin_ = jnp.where(usable, peak[:, index], peaks[:, number])
        peaks = peaks.at[:, number].set(bin_)
        return index + 1, times, peaks, silent, pending, ignored + jnp.where(usable, 0, 1)

    no_pending = tuple(jnp.zeros_like(counts) for counts in silent)

    def add_time(carry: tuple) -> tuple:
        first, times, peaks, silent, ratio, ignored = carry
        when, low = since[first], peak[0, first]
        # What is not a number equals nothing, but is passed, too.
        index, times, peaks, silent, pending, ignored = jax.lax.while_loop(
            lambda inner: (
                (inner[0] == first) | (since[inner[0]] == when) & (peak[0, inner[0]] == low)
            ),
            add_trigger,
            (first, times, peaks, silent, no_pending, ignored),
        )
        # A time that is not a number has no pending device, but 0 times NaN would be NaN.
        when = jnp.where(jnp.isfinite(when), when, 0.0)
        updated = []
        for i, tables in enumerate(core.tables):
            after = when - starts[i] + tables.age
            terms = partial(_terms.trigger_terms, tables, after, log_rate, (low, peak[1, first]))
            updated.append(ratio[i] + _terms.at_places(pending[i], terms))
        return index, times, peaks, silent, tuple(updated), ignored

    zero = jnp.zeros((), jnp.int32)
    _, trigger_s, peaks, silent, log_ratio, ignored = jax.lax.while_loop(
        lambda carry: carry[0] < count,
        add_time,
        (zero, trigger_s, state.peak, silent, log_ratio, zero),
    )
    by_slot, log_sr, posterior = [], [], []
    for i, (tables, districts) in enumerate(zip(core.tables, core.districts, strict=True)):
        evidence = log_ratio[i], silent[i], -starts[i] + tables.age - core.latency_s
        # Places, depths and nodes have normalised priors, and starting times weight 1 each.
        if districts is None:
            largest, joint, of_nodes = _terms.sums(tables, *evidence)
            now = largest + jnp.log(joint.sum(axis=(0, 1)))
            posterior.append((joint, of_nodes))
        else:
            now = _districts.log_moments(tables, _terms.log_posterior(tables, *evidence), districts)
        by_slot.append(_terms.with_forgotten(now, state.log_by_slot[i], shifts[i]))
        log_sr.append(logsumexp(by_slot[i]))
        if districts is not None:
            course = _districts.log_course(
                tables, districts, trigger_s, silent[i][:, 0], starts[i], log_rate, core.latency_s
            )
            log_sr[i] = jnp.logaddexp(log_sr[i], course) - jnp.log(2.0)
    log_sr = jnp.stack(log_sr)
    weight = log_weights(core, log_sr)
    probability = jnp.exp(weight - logsumexp(weight))
    slots = jnp.asarray([len(each) for each in by_slot], jnp.float32)
    # Triggers count for the background rate when their dead time ends: by then it is known whether
    # a cause was at work. A step that begins within the busy time would count the expected triggers
    # of all of it, but observed ones of its last part only.
    busy = jnp.where(probability[-1] < 1 - QUIET, core.dead_time_s, state.busy_s - elapsed)
    discount = jnp.exp2(-elapsed / (3600 * core.half_life_h))
    new_counts = jnp.where((busy > 0) | (state.busy_s > 0), 0.0, jnp.stack([observed, expected]))
    hypocentre = (
        *_terms.moments(core.tables[0], posterior[0][0], starts[0]),
        _terms.magnitude_weight(core.tables[0], posterior[0][1]),
    )
    # An earthquake whose hypotheses have left the slots stays where it was.
    before = state.hypocentre[0].at[3:].add(-elapsed), *state.hypocentre[1:]
    kept = len(core.tables[0].age)
    is_past = logsumexp(by_slot[0][kept:]) > logsumexp(by_slot[0][:kept])
    hypocentre = jax.tree.map(partial(jnp.where, is_past), before, hypocentre)
    means, sds, place, of_magnitude = hypocentre
    magnitude = core.tables[0].magnitude[0]
    magnitude_mean = jnp.sum(of_magnitude * magnitude) / jnp.sum(of_magnitude)
    spread = jnp.sum(of_magnitude * (magnitude - magnitude_mean) ** 2)
    new = State(
        now_s=None,
        trigger_s=trigger_s,
        peak=peaks,
        active=state.active,
        log_ratio=log_ratio,
        silent=silent,
        log_by_slot=tuple(by_slot),
        hypocentre=hypocentre,
        background_counts=state.background_counts * discount + new_counts,
        busy_s=jnp.maximum(busy, 0.0),
    )
    return new, Report(
        probability=probability,
        log_evidence_ratio=log_sr - jnp.log(slots),
        log_shiryaev_roberts=log_sr,
        east_km=means[0],
        north_km=means[1],
        depth_km=means[2],
        origin_s=means[3],
        sd_km=sds[:3],
        origin_sd_s=sds[3],
        arrival_s=means[4],
        arrival_sd_s=sds[4],
        place_weight=place,
        magnitude=magnitude_mean,
        magnitude_sd=jnp.where(len(magnitude) > 0, jnp.sqrt(spread), jnp.nan),
        magnitude_weight=of_magnitude,
        triggered=jnp.sum(jnp.isfinite(trigger_s)).astype(jnp.int32),
        expected_rate_h=jnp.exp(log_rate) * 3600,
        ignored=ignored,
    )


def _shift_silent(
    core: Core, silent: tuple[Array, ...], number: Array, by: Array
) -> tuple[Array, ...]:
    """Add a device to the rings of each cause, or take it away."""
    return tuple(
        _terms.add_device(tables, counts, core.position[number], by, nearest=districts is not None)
        for tables, districts, counts in zip(core.tables, core.districts, silent, strict=True)
    )
