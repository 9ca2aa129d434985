"""Devices join and leave."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqstat._core.errors import InputError
from eqstat.detection import _terms
from eqstat.detection._detector import Core, Detector
from eqstat.detection._sequential import State, counts_on_rings, newest_slots


def with_active(detector: Detector, state: State, active: np.ndarray) -> State:
    """Devices join or leave: the state with those who are there now.

    Parameters
    ----------
    detector, state
        The detector and its state.
    active
        Who is there, (devices,).

    Returns
    -------
    State
        Who leaves has been silent until now, or has sent a trigger: either stays in the evidence.
        Who joins counts as silent for all slots that are kept.
    """
    there = np.asarray(active, bool)
    if there.shape != (detector.devices,):
        raise InputError(f"with_active: active must have {detector.devices} entries")
    quiet = np.isinf(np.asarray(state.trigger_s))
    gone = np.asarray(state.active) & ~there & quiet
    ratio = state.log_ratio
    if gone.any():
        _, starts = newest_slots(detector, float(state.now_s))
        ratio = _keep_silence(
            detector.core, ratio, jnp.asarray(gone), jnp.asarray(starts, jnp.float32)
        )
    silent = counts_on_rings(detector.core, jnp.asarray(there & quiet))
    return state._replace(active=jnp.asarray(there), silent=silent, log_ratio=ratio)


@eqx.filter_jit
def _keep_silence(
    core: Core, log_ratio: tuple[Array, ...], gone: Array, starts: Array
) -> tuple[Array, ...]:
    """What devices that leave have said by their silence, as it is now.

    Without it the ratio of a device that leaves would be that of a trigger or 1, which is above 1
    in the mean: threshold and guarantee would not belong together.
    """
    counts = counts_on_rings(core, gone)
    kept = []
    for i, tables in enumerate(core.tables):
        terms = _terms.silent_terms(tables, -starts[i] + tables.age - core.latency_s)
        kept.append(log_ratio[i] + _terms.at_places(counts[i], terms))
    return tuple(kept)
