"""Situations of rules of alarm, and their means by hand."""

import jax.numpy as jnp
import numpy as np

from eqstat.exceedance._kernel import SourceDraws
from eqstat.exceedance.alerts import Snapshot
from eqstat.ground_motion import PointSource

MODEL = PointSource()
TAU = 0.39 / np.log(10)
PHI = np.hypot(0.39, 0.552) / np.log(10)
LOG_U = jnp.log10(jnp.array([0.1, 0.5, 2.0]))


def situation(seed=0, stations=12, draws=40, done=6, running=3, located=True):
    """A network of which some stations are done, some still shake, and some have heard nothing."""
    rng = np.random.default_rng(seed)
    place = np.column_stack([rng.normal(0, 8, (draws, 2)), -rng.uniform(5, 20, draws)])
    station = np.column_stack([rng.uniform(-80, 80, (stations, 2)), np.zeros(stations)])
    peak = np.where(np.arange(stations) < done + running, rng.lognormal(-1.0, 0.8, stations), 0.0)
    weight = rng.dirichlet(np.ones(draws))

    def single(values):
        return jnp.asarray(values, jnp.float32)

    return Snapshot(
        SourceDraws(single(place), single(-place[:, 2]), single(rng.normal(6, 0.3, draws)),
              single(np.log(weight))),
        jnp.array(located), single(station), single(peak), jnp.arange(stations) < done,
        single(np.full(stations, 0.4)), single(rng.uniform(0.1, 0.3, stations)),
        single(station), single(np.full(stations, np.nan)), jnp.arange(stations),
    )  # fmt: skip


def means(case):
    """Mean log10 PGA of stations and draws in double precision."""
    place, station = (np.asarray(x, float) for x in (case.drawn.place_km, case.station_km))
    away = np.linalg.norm(station[:, None] - place[None], axis=-1)
    magnitude = np.asarray(case.drawn.magnitude, float)
    h = 5.0 * np.exp(0.53 * (magnitude - 6.0))
    return (3.87 + 1.12 * magnitude - 1.83 * np.log(np.hypot(away, h))) / np.log(10) - 2.0
