"""Regions that are processes of their own give one alarm of an earthquake that both see."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.cli import main
from eqstat.geodesy import great_circle_distance
from eqstat.service import Engine, encode, read_config, split_network

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


@pytest.mark.long
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


@pytest.mark.slow
def test_every_device_is_in_its_cell_and_in_those_nearby():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({
        "device": [f"p{i}" for i in range(6000)],
        "latitude": rng.uniform(-2.0, 2.0, 6000),
        "longitude": (rng.uniform(178.0, 182.0, 6000) + 180.0) % 360.0 - 180.0,
    })  # fmt: skip
    apart = split_network(table, degrees=1.0, overlap_km=0.0)
    assert sum(map(len, apart.values())) == 6000 and len(apart) == 16
    near = split_network(table, degrees=1.0, overlap_km=40.0)
    # Brute force: a device within 40 km of a device of a cell belongs to the cell's region.
    for name, own in apart.items():
        there = set(near[name]["device"])
        assert set(own["device"]) <= there
        distance = great_circle_distance(
            table[["latitude"]].to_numpy(), table[["longitude"]].to_numpy(),
            own["latitude"].to_numpy(), own["longitude"].to_numpy(),
        )  # fmt: skip
        assert set(table["device"][distance.min(axis=1) <= 40.0]) <= there
        assert not set(table["device"][distance.min(axis=1) > 52.0]) & there


def test_shards_by_the_shell(tmp_path, capsys):
    table = pd.DataFrame(
        {"device": list("abcdefghi"), "latitude": [0.1, 0.2, 0.3, 0.4, 1.1, 1.2, 1.3, 1.4, 7.0],
         "longitude": 0.5}
    )  # fmt: skip
    table.to_csv(tmp_path / "net.csv", index=False)
    command = ["shards", str(tmp_path / "net.csv"), "--degrees", "1", "--overlap-km", "0"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "2 regions of 4 to 4 devices" in said and "1 devices are in none" in said
    config = read_config(tmp_path / "out" / "service.toml")
    assert [region.name for region in config.region] == ["cell0_0", "cell1_0"]
    assert config.broker.area_degrees == 1.0
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert "exists" in capsys.readouterr().err


def test_a_shard_has_its_own_name_journal_and_cells(config):
    west, east = (config.only(name) for name in ("west", "east"))
    assert west.service.name != east.service.name and west.folder != east.folder
    assert west.page.port and not east.page.port
    with pytest.raises(InputError, match="no region 'north'; there are west, east"):
        config.only("north")
    long = dataclasses.replace(config, service=dataclasses.replace(config.service, name="a" * 62))
    with pytest.raises(InputError, match="longer than 64 letters"):
        long.only("west")
