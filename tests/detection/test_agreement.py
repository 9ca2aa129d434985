"""The location of the detector against the exact posterior of the travel-time package."""

import jax
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest

from eqstat import traveltime
from eqstat.detection import detector, init, locate, step
from eqstat.detection.causes import earthquake, nodes
from eqstat.traveltime import Prior

from . import cases

START = pd.Timestamp("2027-03-01T00:00:00Z")


@pytest.mark.long
@pytest.mark.parametrize(("at", "seed"), [((5.0, -8.0), 1), ((40.0, 25.0), 2)])
def test_agrees_with_the_exact_posterior(at, seed):
    """Both told the same: P with a delay of 2 s, known scatter, the same prior of depth."""
    network = cases.network(150, seed=seed)
    unknown = nodes(share=(0.3, 0.5, 0.7), first_share=(0.97,), delay_s=2.0, sd_s=(0.8,))
    quake = earthquake(
        nodes=unknown, depth_km=(10.0, 20.0, 30.0, 40.0, 50.0), margin_km=60.0, delay_sd_s=0.02
    )
    watch = detector(network, causes=(quake,), background=cases.RATE_H)
    rng = np.random.default_rng(seed)
    position = np.asarray(watch.core.position, float)
    away = np.hypot(position[:, 0] - at[0], position[:, 1] - at[1])
    travel = np.asarray(quake.velocity.travel_time(away, 20.0)[0], float)
    time = 100.0 + travel + rng.normal(2.0, 0.8, len(away))
    now = float(np.median(time)) + 2.0
    who = np.flatnonzero((rng.uniform(size=len(away)) < 0.5) & (time <= now))
    found = locate(watch, *step(watch, init(watch, 80.0), now, who, time[who]))

    table = network.iloc[who].assign(time=START + pd.to_timedelta(time[who], unit="s"))
    seen = traveltime.prepare(
        table.assign(device=who),
        network=network.assign(device=np.arange(len(network))),
        now=START + pd.Timedelta(seconds=now),
        start=START + pd.Timedelta(seconds=80.0),
        truncated=True,
    )
    prior = Prior(
        region_km=100.0,
        depth=dist.Uniform(0.0, 65.0),
        delay_s=dist.TruncatedNormal(2.0, 0.02, low=0.0),
        scatter_s=dist.LogNormal(np.log(0.8), 0.02),
        shares=dist.Dirichlet(np.array([970.0, 20.0, 10.0])),
        slowness_lateral=dist.Normal(0.0, 1e-4),
    )
    exact = traveltime.grid(seen, likelihood="mixture", prior=prior, key=jax.random.key(1))
    draws = exact.draws(jax.random.key(0))
    place = seen.frame.to_geographic(draws["east_km"], draws["north_km"])
    east, north = (np.asarray(x) for x in watch.frame.to_local(*(np.asarray(p) for p in place)))
    own = watch.frame.to_local(float(found["latitude_mean"]), float(found["longitude_mean"]))
    zero = (seen.reference_time - START).total_seconds()
    pairs = {
        "east": (east, float(own[0]), "east_sd_km"),
        "north": (north, float(own[1]), "north_sd_km"),
        "depth": (draws["depth_km"], float(found["depth_mean_km"]), "depth_sd_km"),
        "origin": (draws["origin_time_s"], float(found["origin_mean_s"]) - zero, "origin_sd_s"),
    }
    for name, (drawn, mean, sd) in pairs.items():
        spread = float(np.std(drawn))
        assert mean == pytest.approx(float(np.mean(drawn)), abs=0.35 * spread), name
        assert float(found[sd]) == pytest.approx(spread, rel=0.25), name
