"""Small simulated earthquakes, for tests of multistation networks."""

import jax.numpy as jnp
import numpy as np

from eqstat.ground_motion.network import Examples
from eqstat.ground_motion.network.multistation import Recording, views_at

TIMES = (3.0, 10.0)


def earthquakes(seed, events, n=8, event_sd=0.25, record_sd=0.2):
    """Recordings and log10 PGA of earthquakes under a point source and straight rays."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(-60, 60, (n, 3))
    place[:, 2] = 0.0
    source = rng.uniform(-50, 50, (events, 2))
    magnitude = 4.5 + rng.exponential(0.5, events)
    apart = np.hypot(*np.moveaxis(place[None, :, :2] - source[:, None], 2, 0))
    distance = np.hypot(apart, 10.0)
    level = 0.6 * (magnitude - 5)[:, None] + event_sd * rng.normal(size=(events, 1))
    log10 = level - 1.5 * np.log10(distance / 10) + record_sd * rng.normal(size=(events, n))
    origin = (distance / 6.0).min(axis=1, keepdims=True)
    p, s = distance / 6.0 - origin, distance / 3.5 - origin
    second = np.arange(60.0)
    early = np.where(second > p[..., None], 0.2, 0.0)
    share = np.where(second > s[..., None], 1.0, early)
    signal = (10**log10)[..., None] * share
    recording = Recording(
        jnp.broadcast_to(jnp.asarray(place, jnp.float32), (events, n, 3)),
        jnp.broadcast_to(jnp.arange(n), (events, n)),
        jnp.ones((events, n), bool),
        jnp.asarray(p, jnp.float32),
        jnp.asarray(signal[..., None], jnp.float32),
        jnp.zeros(events, jnp.float32),
    )
    return recording, log10


def examples(seed, events, n=8, times=TIMES, floor=None, **world):
    recording, log10 = earthquakes(seed, events, n, **world)
    views = views_at(recording, jnp.asarray(times), 30)
    target = np.repeat(log10, len(times), axis=0)
    upper = np.zeros(target.shape, bool) if floor is None else target < floor
    target = target if floor is None else np.maximum(target, floor)
    return Examples(views, target, np.repeat(np.arange(events), len(times)), upper=upper)
