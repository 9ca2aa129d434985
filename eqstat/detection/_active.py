"""Devices that join or leave the network while a detector runs."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqstat._core.errors import InputError
from eqstat.detection import _terms
from eqstat.detection._detector import Core, Detector
from eqstat.detection._sequential import newest_slots
from eqstat.detection._state import State, counts_on_rings


def update_active(detector: Detector, state: State, active: np.ndarray) -> State:
    """Update which devices are active.

    Parameters
    ----------
    detector, state
        The detector and its state.
    active
        Whether each device is active, (devices,).

    Returns
    -------
    State
        The trigger or the silence of a device that leaves stays in the evidence. A device that
        joins counts as silent for all slots that are kept.

    Raises
    ------
    eqstat.InputError
        When `active` has not one entry per device.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector, init
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1, 1.2], "longitude": [2.0, 2.1, 2.0]})
    >>> watch = detector(network, causes=(network_burst(),))
    >>> state = update_active(watch, init(watch, 0.0), np.array([True, True, False]))
    >>> int(state.active.sum())
    2
    """
    active_now = np.asarray(active, bool)
    if active_now.shape != (detector.devices,):
        raise InputError(f"update_active: active must have {detector.devices} entries")
    active_now = active_now & ~detector.left_out
    silent = np.isinf(np.asarray(state.trigger_s))
    leaving = np.asarray(state.active) & ~active_now & silent
    log_ratio = state.log_ratio
    if leaving.any():
        _, starts = newest_slots(detector, float(state.now_s))
        log_ratio = _keep_silence(
            detector.core, log_ratio, jnp.asarray(leaving), jnp.asarray(starts, jnp.float32)
        )
    counts = counts_on_rings(detector.core, jnp.asarray(active_now & silent))
    return state._replace(active=jnp.asarray(active_now), silent=counts, log_ratio=log_ratio)


@eqx.filter_jit
def _keep_silence(
    core: Core, log_ratio: tuple[Array, ...], leaving: Array, starts: Array
) -> tuple[Array, ...]:
    """Add the present evidence of the silence of leaving devices to the evidence that is kept.

    Without it the likelihood ratio of a device that leaves would be that of a trigger or 1, whose
    expectation under the background exceeds 1: the bound on false alarms would not hold.
    """
    counts = counts_on_rings(core, leaving)
    updated = []
    for i, tables in enumerate(core.tables):
        terms = partial(_terms.silent_terms, tables, -starts[i] + tables.age - core.latency_s)
        updated.append(log_ratio[i] + _terms.at_places(counts[i], terms))
    return tuple(updated)
