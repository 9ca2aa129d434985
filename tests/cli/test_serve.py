"""`eqstat serve --check` and `eqstat explain`."""

import json

import pytest

from eqstat.cli import main
from eqstat.service import Event, Journal

NETWORK = "device,latitude,longitude\na,1.0,2.0\nb,1.1,2.0\nc,1.0,2.1\nd,1.1,2.1\n"
CONFIG = """
[service]
folder = "journal"
[[region]]
name = "x"
network = "net.csv"
causes = ["network"]
cells = 25
depth_km = [10.0]
"""
ALARM = {
    "id": "20270115T080000Z-x-1a2b3c", "revision": 0, "action": "alarm", "mode": "test",
    "issued_s": 1.8e9, "probability": 0.97, "origin_s": 1.8e9 - 9, "latitude": 1.05,
    "longitude": 2.05, "magnitude": 5.4,
}  # fmt: skip
WHY = {
    "counts": {"triggers": 9, "active": 40, "latitude": 1.0, "longitude": 2.0,
               "false_alarm_rate_per_year": 1e-9},
    "log_shiryaev_roberts": 20.0, "log_threshold": 17.2, "probability": 0.97,
    "least_probability": 0.9, "causes": {"earthquake": 0.97, "network": 0.03}, "triggered": 9,
    "active": 40, "background_rate_h": 0.5,
    "triggers": [{"device": "a", "time_s": 1.8e9 - 2, "latitude": 1.0, "longitude": 2.0}],
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    (tmp_path / "net.csv").write_text(NETWORK)
    (tmp_path / "service.toml").write_text(CONFIG)
    return tmp_path / "service.toml"


@pytest.mark.slow
def test_a_configuration_is_checked(config, capsys):
    assert main(["serve", str(config), "--check"]) == 0
    assert "x with 4 devices; mode test" in capsys.readouterr().out
    config.write_text(CONFIG + "cels = 9\n")
    assert main(["serve", str(config), "--check"]) == 2
    assert "no key 'cels'" in capsys.readouterr().err
    config.write_text(CONFIG.replace("net.csv", "none.csv"))
    assert main(["serve", str(config), "--check"]) == 2
    assert "network cannot be read" in capsys.readouterr().err


def test_an_alarm_is_explained(config, capsys):
    journal = Journal(config.parent / "journal")
    event = Event(ALARM, WHY)
    journal.commit(1.8e9, [], [event], ["mqtt"])
    journal.sent("mqtt", event, 1.8e9 + 0.1)
    journal.close()
    assert main(["explain", "20270115", "--journal", str(config)]) == 0
    out = capsys.readouterr().out
    for text in ("probability 0.9700, M 5.4 at 1.050, 2.050", "woken by 9 triggers of 40",
                 "20.0, at least 17.2", "earthquake 0.9700, network 0.0300",
                 "mqtt revision 0: sent 2027-01-15 08:00:00.10"):  # fmt: skip
        assert text in out
    assert (
        main(["explain", ALARM["id"], "--journal", str(config.parent / "journal"), "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["revisions"][0]["alarm"] == ALARM
    assert main(["explain", "2028", "--journal", str(config)]) == 2
    assert "no alarm '2028'" in capsys.readouterr().err
