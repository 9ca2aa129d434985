"""Regions that are processes of their own give one alarm of an earthquake that both see."""

import numpy as np
import pytest

from eqstat import InputError
from eqstat.service import Engine, encode

from . import cases

NOW_S = cases.NOW_S


def together(engines, messages, until_s, delay_s):
    """Feed messages to engines that hear each other's alarms after a delay; what each said."""
    said, heard, at = [[] for _ in engines], [], 0
    for now_s in np.arange(NOW_S, until_s, 0.1):
        while at < len(messages) and messages[at][0] <= now_s:
            for engine in engines:
                engine.take(*messages[at][1:], messages[at][0])
            at += 1
        due = [each for each in heard if each[0] <= now_s]
        heard = [each for each in heard if each[0] > now_s]
        for _, alarm in due:
            for engine in engines:
                engine.take(*encode("alarm", alarm["id"], **alarm), now_s)
        for engine, own in zip(engines, said, strict=True):
            if engine.is_due(now_s):
                new = [event.alarm for event in engine.advance(now_s)]
                own += new
                heard += [(now_s + delay_s, alarm) for alarm in new]
    return said


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return cases.shards_of(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    whole = cases.small_engine(tmp_path_factory.mktemp("whole"))
    return cases.births(whole) + cases.earthquake(whole, least_triggers=70)[0]


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.05, 5.0])
def test_an_earthquake_of_two_shards_is_one_alarm(config, messages, delay_s):
    """Also where both have given theirs before they hear of the other."""
    engines = [Engine(config.only(name), NOW_S) for name in ("west", "east")]
    said = together(engines, messages, NOW_S + 350.0, delay_s)
    alarms = [one for own in said for one in own if one["action"] == "alarm"]
    merged = [one for own in said for one in own if "same_as" in one]
    assert len(alarms) == 1 + len(merged) and bool(merged) == (delay_s > 1)
    stands = min(one["id"] for one in alarms)
    assert all(one["action"] == "end" and one["same_as"] == stands for one in merged)
    last = [one for own in said for one in own if one["id"] == stands][-1]
    assert last["action"] == "end" and "same_as" not in last
    # Alone both give one.
    alone = [[e.alarm for e in cases.run(Engine(config.only(n), NOW_S), messages, NOW_S + 160.0)]
             for n in ("west", "east")]  # fmt: skip
    assert all(own[0]["action"] == "alarm" for own in alone)


def test_a_shard_has_its_own_name_journal_and_cells(config):
    west, east = (config.only(name) for name in ("west", "east"))
    assert west.service.name != east.service.name and west.folder != east.folder
    assert west.page.port and not east.page.port
    with pytest.raises(InputError, match="no region 'north'; there are west, east"):
        config.only("north")
