"""The simulator: its causes, its share of triggers, and what neighbours have in common."""

import jax
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.detectability import DeviceResponse, simulate
from eqstat.ground_motion import GroundMotion
from eqstat.velocity import ConstantVelocity

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {"latitude": RNG.normal(-12, 0.1, 200), "longitude": RNG.normal(-77, 0.1, 200)}
)


@pytest.mark.slow
def test_same_key_gives_the_same_triggers():
    one, two = (simulate(jax.random.key(3), TABLE, [-12.1], [-77.0], [5.0]) for _ in range(2))
    assert one.equals(two)


@pytest.mark.slow
def test_triggers_follow_their_phase_by_the_delay():
    triggers = simulate(jax.random.key(0), TABLE, np.full(20, -12.0), -77.0, 5.0)
    time, phase = (triggers[name].to_numpy() for name in ("trigger_time_s", "phase"))
    assert np.array_equal(phase == 0, np.isinf(time))
    speed = ConstantVelocity()
    from eqstat.geodesy import great_circle_distance

    away = great_circle_distance(-12.0, -77.0, TABLE["latitude"], TABLE["longitude"])
    for number, arrival in enumerate(speed.travel_time(away, 10.0), start=1):
        delay = (time - np.asarray(arrival))[phase == number]
        assert delay.min() > 0
        assert delay.mean() == pytest.approx(2.5, abs=0.1)
        assert delay.std() == pytest.approx(0.8, abs=0.1)


@pytest.mark.long
def test_residuals_have_the_scatter_and_correlation_of_the_motion():
    motion = GroundMotion(event_sd=0.3, spreading_sd=0.0, correlated_share=0.5)
    pga = np.concatenate([
        simulate(jax.random.key(key), TABLE[:40], np.full(60, -12.0), -76.0, 5.0, motion=motion)
        ["log10_pga"].to_numpy()
        for key in range(20)
    ])  # fmt: skip
    assert pga[:, 0].std() == pytest.approx(
        np.sqrt(0.3**2 + 0.25**2 + 0.2**2 + (0.5 * 0.15) ** 2), rel=0.15
    )
    far = simulate(jax.random.key(1), pd.DataFrame({"latitude": [-12.0, -12.0, 12.0],
                   "longitude": [-77.0, -77.001, -77.0]}), np.zeros(4000), -77.0, 5.0,
                   motion=motion)["log10_pga"].to_numpy()  # fmt: skip
    together = np.corrcoef(far.T)
    # Near ones share the event and half of the record term, distant ones the event.
    assert together[0, 1] == pytest.approx((0.09 + 0.5 * 0.0625) / (0.09 + 0.0625), abs=0.05)
    assert together[0, 2] == pytest.approx(0.09 / (0.09 + 0.0625), abs=0.05)


def test_dead_devices_are_silent_and_people_trigger_the_others():
    response = DeviceResponse(dead_share=0.4, background_per_hour=60.0)
    triggers = simulate(jax.random.key(0), TABLE, np.full(30, -12.0), -77.0, 2.0, response=response)
    never = np.isinf(triggers["trigger_time_s"].to_numpy()).all(axis=0)
    assert never.mean() == pytest.approx(0.4, abs=0.12)
    assert np.isin(triggers["phase"].to_numpy(), (0, 1, 2, 3)).all()
    first = triggers["trigger_time_s"].to_numpy()[triggers["phase"].to_numpy() == 3]
    assert first.min() >= -60


@pytest.mark.slow
def test_bad_input_is_refused():
    for given, match in (
        ({"magnitude": [np.nan]}, "magnitude"),
        ({"latitude": [100.0]}, "latitude"),
        ({"longitude": [np.nan]}, "longitude"),
        ({"active_share": 0.0}, "active_share"),
    ):
        arguments = {"latitude": [0.0], "longitude": [0.0], "magnitude": [5.0]} | given
        with pytest.raises(InputError, match=match):
            simulate(jax.random.key(0), TABLE, **arguments)
    north, east = RNG.uniform(-50, 50, (2, 7000))
    wide = pd.DataFrame({"latitude": north, "longitude": east})
    with pytest.raises(InputError, match="cells"):
        simulate(jax.random.key(0), wide, [0.0], [0.0], [5.0])
