"""What the tests of the shell share: small networks, an earthquake, and the shell itself."""

import numpy as np
import pandas as pd

from eqstat.cli._main import main
from eqstat.geodesy import hypocentral_distance

ZERO = pd.Timestamp("2027-01-15T08:00:00Z")
P_KM_S, S_KM_S = 7.8, 4.5


def network(count, seed=0, radius_km=30.0, centre=(-12.06, -77.0)):
    """Devices within a radius of a town, clear of the poles."""
    rng = np.random.default_rng(seed)
    away = radius_km * np.sqrt(rng.uniform(size=count))
    angle = rng.uniform(0, 2 * np.pi, count)
    latitude = centre[0] + away * np.cos(angle) / 111.195
    width = 111.195 * np.cos(np.radians(centre[0]))
    longitude = centre[1] + away * np.sin(angle) / width
    return latitude, (longitude + 180) % 360 - 180


def table(seconds, latitude, longitude):
    times = ZERO + pd.to_timedelta(np.asarray(seconds, dtype=float), unit="s")
    return pd.DataFrame({"time": times, "latitude": latitude, "longitude": longitude})


def quake(count=21, seed=0, speed=P_KM_S, sd_s=0.6, centre=(-12.06, -77.0)):
    """A clean earthquake under the town's edge."""
    latitude, longitude = network(count, seed, centre=centre)
    source = centre[0] + 0.05, centre[1] - 0.08
    away = hypocentral_distance(*source, 15.0, latitude, longitude)
    noise = np.random.default_rng(seed + 1).normal(0, sd_s, count)
    return table(away / speed + noise, latitude, longitude)


def shell(capsys, *arguments):
    """Exit code, standard output and the lines of standard error."""
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err.splitlines()


def refused(capsys, *arguments):
    """The one line with which the shell refuses; nothing else is written."""
    code, out, lines = shell(capsys, *arguments)
    assert code == 2, lines
    assert out == ""
    assert len(lines) == 1, lines
    assert lines[0].startswith("eqstat: ")
    assert "Traceback" not in lines[0]
    return lines[0]
