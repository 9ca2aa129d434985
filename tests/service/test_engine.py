"""The engine: earthquakes of a simulation are alarms; the journal brings back what was lost."""

import dataclasses

import numpy as np
import pytest

from eqstat.geodesy import great_circle_distance
from eqstat.service import Engine, Fate, Journal, Received, encode, parse, recover, save_snapshot
from eqstat.service._registry import Registry

from . import cases

# Unmarked tests of this file share one engine, whose programs take some seconds to compile.
NOW_S = cases.NOW_S


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return cases.folder_of(tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="module")
def story(config):
    """An engine through an earthquake: messages, truth and events."""
    engine = Engine(config, NOW_S)
    messages, truth = cases.earthquake(engine)
    messages = cases.births(engine) + messages
    return messages, truth, cases.run(engine, messages, NOW_S + 350.0)


@pytest.mark.long
def test_an_earthquake_is_one_alarm_with_updates_and_an_end(story):
    messages, truth, events = story
    assert [event.alarm["action"] for event in events[:2]] == ["alarm", "update"]
    assert events[-1].alarm["action"] == "end"
    assert [event.alarm["revision"] for event in events] == list(range(len(events)))
    assert len({event.alarm["id"] for event in events}) == 1
    first, why = events[0].alarm, events[0].why
    assert 0 < first["issued_s"] - truth["origin_s"] < 20
    assert why["probability"] >= why["least_probability"]
    assert why["log_shiryaev_roberts"] >= why["log_threshold"]
    # The count that woke the posterior is that of the messages.
    within = [m[0] for m in messages if "trigger" in m[1] and m[0] <= first["issued_s"]]
    window = [t for t in within if t > within[-1] - 12.0]
    assert 4 <= why["counts"]["triggers"] <= len(window)
    assert len(why["triggers"]) == why["triggered"]
    for event in events:
        assert parse(*encode("alarm", event.alarm["id"], **event.alarm)).status == 0


@pytest.fixture(scope="module")
def two(config):
    """An engine through two earthquakes, of which the second begins within a minute."""
    engine = Engine(config, NOW_S)
    messages, truth = cases.pair(engine)
    messages = cases.births(engine) + messages
    return messages, truth, cases.run(engine, messages, NOW_S + 350.0)


@pytest.mark.long
def test_two_earthquakes_within_a_minute_are_two_alarms(two):
    """The first is not cancelled for the triggers of the second, nor does it begin twice."""
    _, truth, events = two
    alarms = {event.alarm["id"]: [] for event in events}
    for event in events:
        alarms[event.alarm["id"]].append(event.alarm)
    assert len(alarms) == 2
    for revisions, quake in zip(alarms.values(), truth, strict=True):
        assert [each["action"] for each in (revisions[0], revisions[-1])] == ["alarm", "end"]
        assert 0 < revisions[0]["issued_s"] - quake["origin_s"] < 20
        last = revisions[-1]
        assert abs(last["origin_s"] - quake["origin_s"]) < 6
        place = [(one["latitude"], one["longitude"]) for one in (last, quake)]
        assert great_circle_distance(*place[0], *place[1]) < 20


@pytest.mark.long
def test_a_killed_engine_goes_on_from_snapshot_and_journal(config, two, tmp_path):
    """Whatever the moment of the crash, the same alarms with the same identifiers follow."""
    messages, _, events = two
    begun = [event.alarm["issued_s"] for event in events if event.alarm["action"] == "alarm"]
    # Before the alarm, during it, a snapshot in between or none, and during two of them.
    for number, (snapshot_s, crash_s) in enumerate(
        [
            (begun[0] - 4, begun[0] - 1.05),
            (begun[0] + 0.5, begun[0] + 3.05),
            (np.inf, begun[0] + 0.05),
            (begun[1] + 0.5, begun[1] + 3.05),
        ]
    ):
        journal = Journal(tmp_path / str(number))
        engine, at, saved = Engine(config, NOW_S), 0, False
        for now_s in np.arange(NOW_S, NOW_S + 350.0, 0.1):
            if crash_s <= now_s < crash_s + 0.1:
                engine = Engine(config, NOW_S)  # nothing but the files is left
                recover(engine, journal)
            new = []
            while at < len(messages) and messages[at][0] <= now_s:
                new.append(Received(*messages[at]))
                engine.take(messages[at][1], messages[at][2], messages[at][0])
                at += 1
            if not new and not engine.is_due(now_s):
                continue
            seq = journal.commit(now_s, new, engine.advance(now_s), ["mqtt"])
            if now_s >= snapshot_s and not saved:
                save_snapshot(engine, journal, seq)
                saved = True
        assert [e.alarm["id"] for e in journal.events()] == [e.alarm["id"] for e in events]
        assert [e.alarm["action"] for e in journal.events()] == [e.alarm["action"] for e in events]
        assert len(journal.unsent()) == len(events)
        for output, event in journal.unsent():
            journal.sent(output, event, 1.0)
        assert journal.unsent() == []
        journal.prune(NOW_S + 1e6)
        assert saved == (not list(journal.since(0)) or np.isfinite(snapshot_s))
        journal.close()


def registry(**options):
    return Registry(["a", "b"], cases_devices(**options), dead_time_s=90.0)


def cases_devices(**options):
    from eqstat.service._config import Devices

    return dataclasses.replace(Devices(), **options)


def sent(kind, received_s, devices, name="a", **fields):
    return devices.take(parse(*encode(kind, name, **fields)), received_s)


@pytest.mark.long
@pytest.mark.parametrize("ahead_s", [-3600.0, 5 * 86_400.0])
def test_a_jump_of_the_clock_keeps_the_triggers(config, ahead_s):
    model = Engine(config, NOW_S).models[0]
    watch = model.start(NOW_S, np.ones(len(model.names), bool))
    now_s = NOW_S + ahead_s
    for device in range(5):
        model.take(watch, device, now_s - 0.5, np.nan, now_s)
    model.step(watch, now_s, np.ones(len(model.names), bool))
    assert float(watch.state.now_s) == now_s
    assert int(watch.report.triggered) == 5 and watch.pending == []


def test_late_repeated_and_future_triggers_do_not_count():
    devices = registry()
    assert sent("trigger", NOW_S, devices, time_s=NOW_S - 1).fate == Fate.TAKEN
    assert sent("trigger", NOW_S + 1, devices, time_s=NOW_S - 1).fate == Fate.REPEATED
    assert sent("trigger", NOW_S + 1, devices, time_s=NOW_S - 3).fate == Fate.REPEATED
    assert sent("trigger", NOW_S + 200, devices, time_s=NOW_S + 100).fate == Fate.LATE
    assert sent("trigger", NOW_S + 200, devices, time_s=NOW_S + 210).fate == Fate.CLOCK
    assert sent("trigger", NOW_S + 200, devices, time_s=NOW_S + 200.4).fate == Fate.TAKEN
    assert sent("trigger", NOW_S, devices, "c", time_s=NOW_S).fate == Fate.UNKNOWN


def test_clocks_are_learned():
    devices = registry(messages_per_minute=1e6)
    # Ahead by 6 s: seen from the first message.
    taken = sent("trigger", NOW_S, devices, time_s=NOW_S + 5.7, sent_s=NOW_S + 6.0)
    assert taken.fate == Fate.TAKEN and taken.time_s == pytest.approx(NOW_S - 0.3)
    # Behind by 20 s, with lags on the way of 0.2 to 2 s: after five messages.
    for number, lag in enumerate((2.0, 0.9, 0.2, 1.0, 0.5)):
        now = NOW_S + number
        sent("alive", now, devices, "b", sent_s=now - lag - 20.0)
        assert np.isclose(devices.offset_s(1), 20.2) == (number == 4)
    # Reset to a right clock: the old lag was longer, the new one counts at once.
    sent("alive", NOW_S + 9, devices, "b", sent_s=NOW_S + 8.9)
    assert devices.offset_s(1) == 0.0


def test_a_device_that_speaks_too_often_is_not_heard():
    devices = registry(messages_per_minute=6.0, burst=3)
    fates = [sent("alive", NOW_S + 0.1 * i, devices).fate for i in range(10)]
    assert fates == [Fate.SIGN_OF_LIFE] * 3 + [Fate.RATE] * 7
    assert sent("alive", NOW_S + 12, devices).fate == Fate.SIGN_OF_LIFE
    assert sent("alive", NOW_S + 12, devices, "b").fate == Fate.SIGN_OF_LIFE


def test_devices_are_active_from_birth_to_death_or_silence():
    devices = registry()
    assert not devices.active.any()
    for name in "ab":
        sent("birth", NOW_S, devices, name, latitude=0.0, longitude=0.0, keep_alive_s=60.0)
    sent("death", NOW_S + 1, devices, "b")
    assert devices.active.tolist() == [True, False]
    devices.expire(NOW_S + 149)
    assert devices.active[0]
    devices.expire(NOW_S + 151)
    assert not devices.active.any()
