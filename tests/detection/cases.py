"""What the tests of detection share: a small network, small causes, and the slow likelihood."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat.detection import detector
from eqstat.detection._terms import RAMP_S
from eqstat.detection.causes import Cause, earthquake, network_burst, nodes, venue
from eqstat.geodesy import LocalFrame

FRAME = LocalFrame(-12.0, -77.0)
RATE_H = 0.5


def network(count=120, size_km=60.0, seed=0):
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(-size_km / 2, size_km / 2, (2, count))
    latitude, longitude = FRAME.to_geographic(east, north)
    return pd.DataFrame({"latitude": latitude, "longitude": longitude})


def small_quake(**options):
    some = nodes(share=(0.2, 0.6), first_share=(0.9, 0.3), reach_km=(40.0, np.inf),
                 delay_s=1.0, sd_s=(1.0,), excess_h=(0.0, 20.0))  # fmt: skip
    usual = {"depth_km": (10.0, 40.0), "nodes": some, "slots": 20, "cells": 60}
    return earthquake(**(usual | options))


def small(count=120, seed=0, causes=None, **options):
    """A detector of few hypotheses, which compiles and runs quickly."""
    causes = (small_quake(), venue(cells=40), network_burst()) if causes is None else causes
    return detector(network(count, seed=seed), causes=causes, background=RATE_H, **options)


def spread(cause: Cause, spacing_km, slot_s, depth_width_km):
    """Standard deviation of arrivals within a cell, worked out anew."""
    times = [
        np.asarray(t)
        for t in cause.velocity.times_at_depth(jnp.asarray([100.0, 3600.0]), 10.0, 0.0)
    ]
    flat = [np.hypot((t[1] - t[0]) / 50 * spacing_km, slot_s) for t in times]
    slow = 1 / np.array([cause.velocity.p_velocity_km_s, cause.velocity.s_velocity_km_s], float)
    # S after P, both straight up, over the depths of a cell.
    return np.array([flat[0], np.hypot(flat[1], (slow[1] - slow[0]) * depth_width_km)]) / 12**0.5


def normal(apart, sd):
    return np.exp(-0.5 * (apart / sd) ** 2) / (sd * np.sqrt(2 * np.pi))


def slow_log_ratio(cause, place_km, depth_km, start_s, node, devices_km, trigger_s, now_s, rate_s,
                   within):  # fmt: skip
    """Log likelihood ratio of one hypothesis, device by device, from the formula itself.

    The slot starts before the arrival of P at the epicentre.
    """
    first, second, reach, delay, sd, excess, _ = (np.asarray(array)[node] for array in cause.nodes)
    distance = np.hypot(*(devices_km - np.asarray(place_km)).T)
    speeds = cause.velocity.p_velocity_km_s, cause.velocity.s_velocity_km_s
    # A straight ray through the sphere, to the end of a chord.
    length = np.sqrt(distance**2 * (1 - depth_km / EARTH_RADIUS_KM) + depth_km**2)
    travel = [length / float(speed) for speed in speeds]
    rho = 1.0 if np.isinf(reach) else expit((reach - distance) / (cause.edge * reach))
    until = np.minimum(trigger_s, now_s)
    chance = density = 0.0
    for share, time, extra in zip((first, second), travel, within, strict=True):
        scale = np.hypot(sd, extra)
        arrival = start_s + cause.lead_s + time - depth_km / float(speeds[0]) + delay
        chance = chance + rho * share * ndtr((until - arrival) / scale)
        density = density + rho * share * normal(until - arrival, scale)
    seen = np.isfinite(trigger_s)

    after = np.maximum(until - start_s, 0.0)
    more = excess / 3600 * np.minimum(after / RAMP_S, 1.0)
    grown = excess / 3600 * np.where(after < RAMP_S, after**2 / (2 * RAMP_S), after - RAMP_S / 2)
    # Density or probability of the device's first trigger over that of the background alone.
    triggered = ((rate_s + more) * (1 - chance) + density) / rate_s
    log = np.log(np.where(seen, triggered, 1 - chance)) - grown
    return np.sum(np.where(seen & (until <= start_s), 0.0, log))
