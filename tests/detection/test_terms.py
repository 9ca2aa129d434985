"""Rings against terms at every distance: the error that the docs state."""

import jax.numpy as jnp
import numpy as np
import pytest

from eqstat.detection import _terms
from eqstat.detection.causes import _tables, default_causes, sound, venue

FAR_KM, RATE_S = 120.0, 0.5 / 3600
# Largest error of a silent device, and of a trigger, natural logarithm.
STATED = {"earthquake": (0.02, 0.3), "sound": (0.1, 0.8), "venue": (0.3, 1.1)}


@pytest.mark.long
@pytest.mark.parametrize("cause", [default_causes()[0], sound(), venue()], ids=lambda c: c.name)
def test_rings_keep_the_stated_error(cause, monkeypatch):
    origin, age = np.zeros(1), np.arange(cause.slots) * cause.slot_s
    distance = np.arange(0, FAR_KM, 0.25)

    def tables():
        return _tables.tabulate(
            cause, origin, origin, age, FAR_KM, spacing_km=4.0, slot_s=cause.slot_s
        )

    rings = tables()
    monkeypatch.setattr(_tables, "ring_nodes", lambda farthest: distance)
    exact = tables()
    nodes = np.asarray(rings.rings)
    lower = np.searchsorted(nodes, distance, side="right") - 1
    upper = ((distance - nodes[lower]) / (nodes[lower + 1] - nodes[lower]))[:, None, None, None]
    after, log_rate = jnp.asarray(age + 0.5), jnp.log(RATE_S)
    for terms, stated in zip(
        (_terms.silent_terms, lambda t, s: _terms.trigger_terms(t, s, log_rate)),
        STATED[cause.name],
        strict=True,
    ):
        coarse, true = np.asarray(terms(rings, after)), np.asarray(terms(exact, after))
        apart = (1 - upper) * coarse[lower] + upper * coarse[lower + 1] - true
        assert 0.3 * stated < np.abs(apart).max() < stated
