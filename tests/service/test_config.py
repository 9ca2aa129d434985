"""The configuration is read strictly: one clear line for whatever is wrong."""

import pytest

from eqstat import InputError
from eqstat.service import read_config

GOOD = '[[region]]\nname = "lima"\nnetwork = "a.csv"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "[broker]\nprt = 1883", "no key 'prt'"),
        (GOOD + "[brokers]\nport = 1883", r"no table \[brokers\]"),
        (GOOD + '[broker]\nport = "1883"', "port must be a whole number"),
        (GOOD + "[broker]\nport = 70000", "port must"),
        (GOOD + '[service]\nmode = "live"', "mode"),
        (GOOD + "cells = true", "cells must be a whole number"),
        (GOOD + "background_per_device_h = [1.0, 2.0]", "24, by the hour"),
        (GOOD + GOOD, "two regions have one name"),
        ('[[region]]\nname = "a/b"\nnetwork = "a.csv"', "letters, digits"),
        ('[[region]]\nname = "lima"', "needs network"),
        ("", r"needs a table \[\[region\]\]"),
        ("[[region", "no TOML"),
        (GOOD + '[outputs]\nwebhook = "file:///etc/passwd"', "http"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, text, said):
    path = tmp_path / "service.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        read_config(path)
    assert str(caught.value).startswith("service.toml: ")
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "none.toml")


def test_what_is_right_is_read(tmp_path):
    path = tmp_path / "service.toml"
    path.write_text(GOOD + 'depth_km = [5, 20]\n[broker]\nroot = "eqstat/lima"\n')
    config = read_config(path)
    assert config.region[0].depth_km == [5, 20]
    assert (config.broker.root, config.service.mode) == ("eqstat/lima", "test")
    assert config.folder == tmp_path / "eqstat-service"
