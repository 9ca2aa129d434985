"""State of a detector, how it starts, and the report of a step."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from eqstat._core.errors import InputError
from eqstat._core.explain import explained
from eqstat.detection import _terms
from eqstat.detection._detector import Core, Detector
from eqstat.detection.causes._tables import Tables

NEVER = np.float32(np.inf)
Scalar = Float[Array, ""]


@explained
class State(NamedTuple):
    """State of a detector; a pytree of constant size.

    Attributes
    ----------
    now_s
        The present, s after the epoch (a host number).
    trigger_s
        Time of each device's trigger less the present, s; infinite where it is silent, (devices,).
    peak
        Ends of the bin of log10 of each device's reported peak (m/s2), infinite where there is
        none, (2, devices).
    active
        Whether each device is active, (devices,).
    log_ratio
        For each cause, log likelihood ratios of the triggers under its hypotheses, (places,
        depths x slots x nodes).
    silent
        For each cause, numbers of silent devices on the rings about its places, (places, rings).
    log_by_slot
        For each cause, log likelihood ratio summed over its hypotheses in each slot, newest first,
        for as long as the dead time: of those that are no longer kept, as they were when they left.
    hypocentre
        Moments of the earthquake in the last report, and the probabilities of its places and of
        its magnitudes.
    background_counts
        Discounted numbers of background triggers, observed and expected.
    busy_s
        How long the background rate is not updated from the present on, s.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})
    >>> state = init(detector(network, causes=(network_burst(),)), now_s=0.0)
    >>> bool(np.isinf(state.trigger_s).all())
    True
    """

    now_s: Any
    trigger_s: Float[Array, " devices"]
    peak: Float[Array, "two devices"]
    active: Array
    log_ratio: tuple[Float[Array, "places columns"], ...]
    silent: tuple[Float[Array, "places rings"], ...]
    log_by_slot: tuple[Float[Array, " slots"], ...]
    hypocentre: tuple[
        Float[Array, " five"],
        Float[Array, " five"],
        Float[Array, " places"],
        Float[Array, " magnitudes"],
    ]
    background_counts: Float[Array, " two"]
    busy_s: Float[Array, ""]


@explained
class Report(NamedTuple):
    """Summary of the posterior after a step.

    The hypocentre and its moments are conditional on the earthquake.

    Attributes
    ----------
    probability
        Posterior probability of each cause, then of none, (causes + 1,); the first is the
        earthquake's.
    log_evidence_ratio
        For each cause, log Bayes factor against the background alone, with a uniform prior over
        the starting times within the dead time, (causes,).
    log_shiryaev_roberts
        For each cause, log of the sum of likelihood ratios over its starting times, (causes,).
    east_km, north_km, depth_km
        Posterior mean of the hypocentre on the coarse grid.
    origin_s
        Posterior mean of the origin time less the present.
    sd_km, origin_sd_s
        Standard deviations east, north and in depth, (3,), and of the origin time.
    arrival_s, arrival_sd_s
        Posterior mean of the arrival of P at the epicentre less the present, and its standard
        deviation. The common delay of the devices has its mean; it widens the origin time only.
    place_weight
        Posterior probabilities of the earthquake's places, (places,).
    magnitude, magnitude_sd
        Posterior mean and standard deviation of the magnitude; NaN where the earthquake of the
        detector has no magnitudes.
    magnitude_weight
        Posterior probabilities of the magnitudes `MagnitudeModel.magnitudes`, (magnitudes,).
    triggered
        Number of devices within their dead time.
    expected_rate_h
        Predictive background rate, per device and hour.
    ignored
        Number of triggers of this step that were not used: of devices that are not active or
        within their dead time, too old, later than the present, or not a number.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector, init, step
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})
    >>> watch = detector(network, causes=(network_burst(),))
    >>> _, report = step(watch, init(watch, now_s=0.0), now_s=1.0)
    >>> report.probability.shape, int(report.triggered)
    ((2,), 0)
    """

    probability: Float[Array, " causes_and_none"]
    log_evidence_ratio: Float[Array, " causes"]
    log_shiryaev_roberts: Float[Array, " causes"]
    east_km: Scalar
    north_km: Scalar
    depth_km: Scalar
    origin_s: Scalar
    sd_km: Float[Array, " 3"]
    origin_sd_s: Scalar
    arrival_s: Scalar
    arrival_sd_s: Scalar
    place_weight: Float[Array, " places"]
    magnitude: Scalar
    magnitude_sd: Scalar
    magnitude_weight: Float[Array, " magnitudes"]
    triggered: Int[Array, ""]
    expected_rate_h: Scalar
    ignored: Int[Array, ""]


def init(detector: Detector, now_s: float | int, *, active: np.ndarray | None = None) -> State:
    """State of a detector at the start, when no device has triggered.

    Parameters
    ----------
    detector
        From `detector`.
    now_s
        The present, s after the epoch of the caller's choice (Unix time, say).
    active
        Whether each device is active, (devices,); all are by default.

    Returns
    -------
    State

    Raises
    ------
    eqstat.InputError
        When `active` has not one entry per device, or `now_s` is not finite.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})
    >>> state = init(detector(network, causes=(network_burst(),)), now_s=1.8e9)
    >>> int(state.active.sum())
    2
    """
    count = detector.devices
    is_active = np.ones(count, bool) if active is None else np.asarray(active, bool)
    if is_active.shape != (count,) or not np.isfinite(now_s):
        raise InputError(f"init: active must have {count} entries, and now_s must be a number")
    is_active = is_active & ~detector.left_out
    return State(
        now_s=np.float64(now_s),
        trigger_s=jnp.full(count, NEVER, jnp.float32),
        peak=jnp.tile(jnp.asarray([[-NEVER], [NEVER]], jnp.float32), count),
        active=jnp.asarray(is_active),
        log_ratio=tuple(_no_evidence(tables) for tables in detector.core.tables),
        silent=counts_on_rings(detector.core, jnp.asarray(is_active)),
        log_by_slot=tuple(
            jnp.full(slots, -jnp.inf, jnp.float32) for slots in remembered_slots(detector)
        ),
        hypocentre=(
            jnp.zeros(5, jnp.float32),
            jnp.zeros(5, jnp.float32),
            jnp.zeros(len(detector.core.tables[0].place), jnp.float32),
            jnp.zeros(len(detector.core.tables[0].magnitude[0]), jnp.float32),
        ),
        background_counts=jnp.zeros(2, jnp.float32),
        # Triggers count for the background when their dead time ends: until the first can have done
        # so, their expected number does not count either.
        busy_s=jnp.asarray(detector.dead_time_s, jnp.float32),
    )


def remembered_slots(detector: Detector) -> list[int]:
    """Number of slots of each cause within the dead time, after which devices trigger anew."""
    return [
        max(cause.slots + 1, int(np.ceil(detector.dead_time_s / cause.slot_s)))
        for cause in detector.causes
    ]


@eqx.filter_jit
def counts_on_rings(core: Core, silent: Array) -> tuple[Array, ...]:
    """Count silent devices on the rings about the places of each cause."""
    weight = silent.astype(jnp.float32)
    return tuple(
        _terms.ring_counts(tables, core.position, weight, nearest=districts is not None)
        for tables, districts in zip(core.tables, core.districts, strict=True)
    )


def _no_evidence(tables: Tables) -> Array:
    places, depths, slots, nodes = tables.shape
    return jnp.zeros((places, depths * slots * nodes), jnp.float32)
