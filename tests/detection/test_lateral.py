"""The shift by a lateral slowness against earthquakes located with and without it."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.optimize import least_squares

from eqstat.detection import init, locate, simulate, step
from eqstat.detection._lateral import shift, smear
from eqstat.detection.causes import earthquake, nodes
from eqstat.hypocentre import contains

from . import cases


def only_p(sd=0.3, **options):
    """Each trigger is after P, so that the best hypocentre is one of least squares."""
    some = nodes(share=(0.9,), first_share=(1.0,), sd_s=(sd,))
    return earthquake(nodes=some, slowness_sd=0.0, **options)


def arrivals(cause, place, device, lateral=(0.0, 0.0)):
    apart = device - place[:2]
    distance = np.hypot(*apart.T)
    travel = np.asarray(cause.travel_s(distance, place[2])[0], float)
    return place[3] + travel * (1 + apart @ np.asarray(lateral) / distance)


@pytest.mark.parametrize("place", [(0.0, 0.0, 10.0, 0.0), (45.0, -20.0, 25.0, 3.0)])
def test_shift_is_that_of_least_squares(place):
    cause = only_p()
    device = np.random.default_rng(0).uniform(-40, 40, (60, 2))
    for lateral in ((0.004, 0.0), (0.0, 0.004)):
        with jax.enable_x64(True):
            seen = arrivals(cause, np.array(place), device, lateral)
            best = least_squares(lambda x, t=seen: arrivals(cause, x, device) - t, place).x
        linear = shift(cause, np.ones(1), np.array([*place, 1.0]), device, seen, 1e-9)
        np.testing.assert_allclose(best[:2] - place[:2], linear @ lateral, rtol=0.06, atol=0.01)


def test_triggers_of_the_background_do_not_count():
    cause, place = only_p(), np.array([0.0, 0.0, 10.0, 0.0])
    device = np.random.default_rng(1).uniform(-40, 40, (40, 2))
    seen = arrivals(cause, place, device)
    alone = shift(cause, np.ones(1), np.array([*place, 1.0]), device, seen, 1e-4)
    more = np.concatenate([device, [[30.0, 30.0]]]), np.append(seen, 60.0)
    np.testing.assert_allclose(
        shift(cause, np.ones(1), np.array([*place, 1.0]), *more, 1e-4), alone, rtol=1e-6
    )


def test_devices_at_one_place_can_be_asked():
    found = shift(
        only_p(),
        np.ones(1),
        np.array([5.0, 0.0, 10.0, 0.0, 1.0]),
        np.zeros((3, 2)),
        np.ones(3),
        1e-4,
    )
    assert np.all(np.isfinite(found))


def test_smear_adds_the_covariance():
    x, y = np.linspace(-20, 20, 41), np.linspace(-30, 30, 61)
    density = np.exp(-0.5 * (x[:, None] ** 2 / 4 + y**2 / 9))
    joint = np.stack([density, 2 * density], axis=-1) / density.sum() / 3
    covariance = np.array([[6.0, -2.0], [-2.0, 3.0]])
    wide = smear(joint, [1.0, 1.0], covariance)
    place = wide.sum(axis=2)
    np.testing.assert_allclose(place.sum(axis=1) @ x**2, 10.0, rtol=0.01)
    np.testing.assert_allclose(place.sum(axis=0) @ y**2, 12.0, rtol=0.01)
    np.testing.assert_allclose(x @ place @ y, -2.0, rtol=0.01)
    np.testing.assert_allclose(wide.sum(axis=(0, 1)), [1 / 3, 2 / 3], rtol=1e-6)


@pytest.mark.long
def test_regions_hold_where_one_side_is_slower():
    """Streams with a strong lateral change: its region holds it, one that ignores it does not."""
    held = {0.0: [], 0.06: []}
    usual = cases.small_quake(slowness_sd=0.0, slowness_lateral_sd=0.06, rate_per_year=1e9)
    watch = cases.small(200, seed=2, causes=(usual,))
    drawn = simulate(jax.random.key(0), watch, 60)
    for sd, inside in held.items():
        cause = dataclasses.replace(usual, slowness_lateral_sd=sd)
        watch = cases.small(200, seed=2, causes=(cause,))
        for number, times in enumerate(drawn.trigger_s):
            who = np.flatnonzero(np.isfinite(times))
            if drawn.cause[number] != 0 or len(who) < 20:
                continue
            begun = init(watch, drawn.now_s - watch.dead_time_s + 1e-3)
            state, report = step(watch, begun, drawn.now_s, who, times[who])
            place = float(drawn.latitude[number]), float(drawn.longitude[number])
            inside.append(contains(locate(watch, state, report), *place))
    assert len(held[0.06]) > 20
    assert np.mean(held[0.06]) > 0.75
    assert np.mean(held[0.0]) < np.mean(held[0.06]) - 0.1
