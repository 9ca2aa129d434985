"""Who joins and who leaves, and that neither spoils the guarantee."""

import numpy as np
import pytest

from eqstat import InputError
from eqstat.detection import BackgroundRate, detector, init, step, update_active
from eqstat.detection.causes import nodes

from . import cases


@pytest.fixture(scope="module")
def watch():
    return cases.small()


@pytest.mark.long
def test_leaving_is_as_if_one_had_never_been_there_once_the_slots_are_new(watch):
    there = np.arange(watch.devices) % 3 > 0
    rng = np.random.default_rng(0)
    who = np.flatnonzero(there)[:30]
    when = 101 + 3 * rng.uniform(size=len(who))
    left = update_active(watch, init(watch, 80.0), there)
    _, after = step(watch, left, 105.0, who, when)
    _, begun = step(watch, init(watch, 80.0, active=there), 105.0, who, when)
    np.testing.assert_allclose(after.log_shiryaev_roberts, begun.log_shiryaev_roberts, rtol=1e-5)
    gone = np.flatnonzero(~there)[:3]
    _, report = step(watch, left, 105.0, gone, np.full(3, 104.0))
    assert int(report.ignored) == 3


def test_silence_of_who_leaves_is_kept_as_it_was(watch):
    state, before = step(watch, init(watch, 80.0), 105.0)
    nobody = update_active(watch, state, np.zeros(watch.devices, bool))
    _, after = step(watch, nobody, 105.0)
    np.testing.assert_allclose(after.log_shiryaev_roberts, before.log_shiryaev_roberts, rtol=1e-5)
    # Later it is silent no longer: the others would have spoken more against an earthquake.
    _, gone = step(watch, nobody, 109.0)
    _, stayed = step(watch, state, 109.0)
    assert float(gone.log_shiryaev_roberts[0]) > float(stayed.log_shiryaev_roberts[0]) + 0.3


@pytest.mark.long
@pytest.mark.parametrize("leaves", [False, True])
def test_the_ratio_of_one_device_is_at_most_1_in_the_mean(leaves):
    """Summed over all that it may do under the background until it leaves at 30 s."""
    rate_h, until = 60.0, 30.0
    one = cases.network(1)
    quake = cases.small_quake(nodes=nodes(share=(0.6,), sd_s=(1.0,)), cells=4)
    background = BackgroundRate(np.full(24, rate_h), relative_sd=1e-3)
    watch = detector(one, causes=(quake,), background=background)

    def total(trigger_s):
        who = np.flatnonzero(np.isfinite([trigger_s]))
        state, report = step(watch, init(watch, 0.0), until, who, np.array([trigger_s])[who])
        if leaves:
            state = update_active(watch, state, np.zeros(1, bool))
            _, report = step(watch, state, until + 2)
        return float(np.exp(report.log_shiryaev_roberts[0]))

    width, rate = 0.2, rate_h / 3600
    times = np.arange(width / 2, until, width)
    density = rate * np.exp(-rate * times) * width
    mean = np.sum(density * [total(time) for time in times])
    mean += np.exp(-rate * until) * total(np.inf)
    # Two slots have left those that are kept, and remain as they were.
    slots = quake.slots + (2 if leaves else 0)
    assert mean == pytest.approx(slots, rel=0.03)
    assert mean < 1.01 * slots


def test_what_cannot_be_active(watch):
    with pytest.raises(InputError, match="must have 120 entries"):
        update_active(watch, init(watch, 0.0), np.ones(3, bool))
