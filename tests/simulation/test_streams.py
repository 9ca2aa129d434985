"""Streams depend on key and number alone; sources combine; tables keep their contract."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.schema import check_triggers
from eqstat.simulation import _streams as streams
from eqstat.simulation import simulate
from eqstat.simulation.sources import (
    ConstantProbability,
    Crowd,
    Earliest,
    Earthquakes,
    Filled,
    HumanTriggers,
    ServerBurst,
    UniformTriggers,
)
from eqstat.simulation.sources._base import CAUSES

from . import cases

KEY = jax.random.key(21)


def same(one, two, exact=True):
    """Whether two sets of streams agree."""
    close = np.testing.assert_array_equal if exact else np.testing.assert_allclose
    jax.tree.map(
        close,
        (one.first_trigger_s, one.cause, one.active, tuple(one.truth), one.hour),
        (two.first_trigger_s, two.cause, two.active, tuple(two.truth), two.hour),
    )


@pytest.mark.slow
@pytest.mark.parametrize("hour", [None, 3.0])
def test_a_data_set_depends_on_its_number_only(hour):
    network, source = cases.box(), Earliest(Earthquakes(), HumanTriggers(20.0))
    whole = simulate(KEY, network, source, 600, hour=hour)
    same(whole[250:270], simulate(KEY, network, source, 20, hour=hour, start=250))
    same(whole[:1], simulate(KEY, network, source, 1, hour=hour))
    other = simulate(jax.random.key(22), network, source, 1, hour=hour)
    assert not np.array_equal(other.first_trigger_s, whole[:1].first_trigger_s)


@pytest.mark.slow
def test_the_size_of_calls_does_not_matter(monkeypatch):
    network, source = cases.box(), Earliest(Earthquakes(), HumanTriggers(20.0))
    whole = simulate(KEY, network, source, 30)
    monkeypatch.setattr(streams, "MOST_AT_ONCE", 7)
    same(whole, simulate(KEY, network, source, 30), exact=False)


@pytest.mark.long
def test_the_earliest_trigger_of_a_device_counts():
    network = cases.box(200)
    quake = Earthquakes(probability=ConstantProbability(0.6), time_s=(2, 2))
    noise = UniformTriggers(0.5, (0.0, 12.0))
    both = simulate(KEY, network, Earliest(quake, noise), 4)
    number = lambda n: lambda key: jax.random.fold_in(key, n)  # noqa: E731
    alone = [_alone(network, source, number(n)) for n, source in enumerate((quake, noise))]
    time = np.minimum(*(each.time_s for each in alone))
    # Compiled one by one, the last digit may differ.
    np.testing.assert_allclose(both.first_trigger_s, time, rtol=1e-6)
    of_noise = alone[1].time_s < alone[0].time_s
    np.testing.assert_array_equal(both.cause[of_noise], CAUSES.index("uniform"))
    assert set(both.event) == {"earthquake"}
    # The order of the sources decides what the truth is only where several things happen.
    turned = simulate(KEY, network, Earliest(noise, quake), 5)
    assert set(turned.event) == {"earthquake"}
    two = simulate(KEY, network, Earliest(Crowd(), ServerBurst()), 5)
    assert set(two.event) == {"crowd"}


def _alone(network, source, derive):
    """What one of several sources draws, by its own key."""
    rows = []
    for number in range(4):
        _, rest = jax.random.split(jax.random.fold_in(KEY, number))
        rows.append(source(derive(rest), network.places, jnp.float32(12.0)))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def test_the_rest_is_filled():
    network = cases.box()
    source = Filled(UniformTriggers(0.7, (0.0, 1.0)), UniformTriggers(0.06, (5.0, 6.0)))
    made = simulate(KEY, network, source, 100)
    early = made.first_trigger_s < 1
    late = np.isfinite(made.first_trigger_s) & ~early
    assert abs(cases.apart(early.sum(), 20_000, 0.7)) < 4
    assert abs(cases.apart(late.sum(), 20_000, 0.3 * 0.06)) < 4


def test_who_is_not_active_is_silent():
    hours = np.tile([3.0, 14.0], 60)
    made = simulate(KEY, cases.box(), UniformTriggers(1.0), 120, hour=hours)
    np.testing.assert_array_equal(made.triggered, made.active)
    for hour, share in ((3.0, 0.8), (14.0, 0.2)):
        here = made.active[hours == hour]
        assert abs(cases.apart(here.sum(), here.size, share)) < 4


def test_the_present_cuts():
    made = simulate(KEY, cases.box(), UniformTriggers(1.0), 10)
    cut = made.seen(5.0)
    np.testing.assert_array_equal(cut.triggered, made.first_trigger_s <= 5)
    assert np.all(cut.cause[~cut.triggered] == 0)
    np.testing.assert_array_equal(
        cut.first_trigger_s[cut.triggered], made.first_trigger_s[cut.triggered]
    )
    # What was cut does not come back.
    assert np.all(cut.seen(np.full(10, 9.0)).now_s == 5)
    assert made.triggered.all()


def test_arrays_are_sorted_and_padded():
    made = simulate(KEY, cases.box(), UniformTriggers(0.1), 50)
    arrays = made.arrays()
    assert arrays.time_s.shape[1] in (16, 32)
    np.testing.assert_array_equal(arrays.mask.sum(axis=1), made.triggered.sum(axis=1))
    with np.errstate(invalid="ignore"):
        steps = np.diff(arrays.time_s, axis=1)
    assert not np.any(steps < 0)
    row, column = np.nonzero(arrays.mask)
    np.testing.assert_array_equal(
        arrays.time_s[row, column], made.first_trigger_s[row, arrays.device[row, column]]
    )
    assert np.all(arrays.cause[~arrays.mask] == 0) and np.all(arrays.cause[arrays.mask] == 4)
    silent = simulate(KEY, cases.box(), UniformTriggers(0.0), 2).arrays()
    assert not silent.mask.any()


def test_tables_keep_the_contract_and_tell_the_truth():
    network = cases.box()
    made = simulate(KEY, network, Earliest(Earthquakes(time_s=(4, 4)), UniformTriggers(0.2)), 3)
    table = made.table(1)
    checked = check_triggers(table)
    assert len(checked) == made.triggered[1].sum() and checked.attrs["notes"] == []
    assert checked["time"].is_monotonic_increasing
    device = network.device.tolist().index(table["device"][0])
    assert table["latitude"][0] == network.latitude[device]
    assert CAUSES.index(table["cause"][0]) == made.cause[1, device]
    truth = table.attrs["truth"]
    assert truth["event"] == "earthquake"
    assert truth["time"] == pd.Timestamp("2027-01-15T08:00:04Z")
    east, north = network.frame.to_local(truth["latitude"], truth["longitude"])
    np.testing.assert_allclose([east, north], [made.truth.east_km[1], made.truth.north_km[1]])
    nothing = simulate(KEY, network, UniformTriggers(0.2), 1).table(0).attrs["truth"]
    assert nothing["event"] == "nothing" and nothing["time"] is None


def test_streams_are_picked_by_mask_and_number():
    made = simulate(KEY, cases.box(), Earthquakes(), 6)
    same(made[[4, 1]], made[np.array([4, 1])])
    assert len(made[2]) == 1 and made[2].truth.depth_km[0] == made.truth.depth_km[2]
    assert len(made[made.truth.depth_km > 1e3]) == 0


def test_bad_requests_are_refused():
    network = cases.box()
    for kind in ({"count": 0}, {"count": 2, "start": -1}):
        with pytest.raises(InputError, match="must be a whole number"):
            simulate(KEY, network, Earthquakes(), **kind)
    for hour in (24.0, np.array([1.0, 2.0, 3.0])):
        with pytest.raises(InputError, match="hour must be"):
            simulate(KEY, network, Earthquakes(), 2, hour=hour)
    with pytest.raises(InputError, match="at least one source"):
        Earliest()
