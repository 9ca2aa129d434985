"""The how-to guides: their commands and their Python run, in the order of each page."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

from eqstat import counts, hypocentre, traveltime
from eqstat.geodesy import hypocentral_distance

HOWTO = Path(__file__).parents[1] / "docs" / "howto"
PAGES = sorted(HOWTO.glob("*.md"))
ZERO = pd.Timestamp("2027-01-15T08:00:00Z")
SOURCE = (-12.1, -77.05, 20.0)
CONFIG = """
[service]
folder = "journal"
[[region]]
name = "x"
network = "phones.csv"
causes = ["network"]
cells = 25
depth_km = [10.0]
"""


def blocks(page):
    """Kind and text of the code blocks of a page that can run."""
    text = page.read_text("utf-8")
    return re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def seconds(latitude, longitude, speed=7.8, source=SOURCE):
    return hypocentral_distance(*source, latitude, longitude) / speed


def times(after_s):
    return (ZERO + pd.to_timedelta(after_s, unit="s")).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def phones_and_triggers(rng):
    latitude, longitude = rng.uniform(-12.7, -11.5, 60), rng.uniform(-77.6, -76.4, 60)
    names = [f"phone-{number}" for number in range(60)]
    phones = pd.DataFrame({"device": names, "latitude": latitude, "longitude": longitude})
    used = phones.iloc[:50].copy()
    after_s = seconds(used["latitude"], used["longitude"]) + rng.normal(2.0, 0.6, 50)
    return phones, used.assign(time=times(after_s))


def picks_of(rng):
    latitude, longitude = rng.uniform(-12.8, -11.4, 12), rng.uniform(-77.6, -76.3, 12)
    stations = pd.DataFrame({
        "network": "XX", "station": [f"S{number:02}" for number in range(12)],
        "latitude": latitude, "longitude": longitude, "elevation_m": 100.0,
    })  # fmt: skip
    waves = []
    for phase, speed in (("P", 6.1), ("S", 3.55)):
        after_s = seconds(latitude, longitude, speed) + rng.normal(0.0, 0.2, 12)
        waves.append(stations.assign(phase=phase, time=times(after_s), after_s=after_s))
    return stations, pd.concat(waves, ignore_index=True)


def write_seismology(folder, stations, picks):
    """An event of QuakeML and its stations as StationXML."""
    obspy = pytest.importorskip("obspy")
    from obspy.core import event, inventory

    listed = [
        inventory.Station(row.station, row.latitude, row.longitude, row.elevation_m)
        for row in stations.itertuples()
    ]
    whole = inventory.Inventory([inventory.Network("XX", listed)], source="test")
    whole.write(str(folder / "stations.xml"), "STATIONXML")
    of_waves = [
        event.Pick(
            time=obspy.UTCDateTime(row.time),
            phase_hint=row.phase,
            waveform_id=event.WaveformStreamID("XX", row.station),
        )
        for row in picks[picks["phase"] == "P"].itertuples()
    ]
    catalog = event.Catalog([event.Event(picks=of_waves)])
    catalog.write(str(folder / "event.xml"), "QUAKEML")


def write_inputs(folder):
    """Tables under the names that the guides give them."""
    rng = np.random.default_rng(3)
    phones, triggers = phones_and_triggers(rng)
    phones.to_csv(folder / "phones.csv", index=False)
    triggers.to_csv(folder / "triggers.csv", index=False)
    two = [triggers.assign(event="a"), triggers.iloc[:30].assign(event="b")]
    pd.concat(two).to_csv(folder / "catalogue.csv", index=False)
    stations, picks = picks_of(rng)
    picks.drop(columns="after_s").to_csv(folder / "picks.csv", index=False)
    write_seismology(folder, stations, picks)
    away = seconds(stations["latitude"], stations["longitude"], 1.0)
    stations["pga_m_s2"] = 30.0 * np.exp(0.4 * rng.normal(size=12)) / away**1.5
    stations.to_csv(folder / "peaks.csv", index=False)
    truth = counts.Background("poisson", 0.5)
    table = counts.simulate_table(jax.random.key(0), truth, counts.Design(np.array([150]), days=7))
    table.to_csv(folder / "counts.csv", index=False)
    sites = {"site": ["a", "b"], "latitude": [-12.0, -12.5], "longitude": [-77.0, -76.5]}
    pd.DataFrame(sites).to_csv(folder / "sites.csv", index=False)
    windows = {"triggers": [2, 30], "active": [500, 500], "hour": [3.0, 12.5]}
    pd.DataFrame(windows).to_csv(folder / "windows.csv", index=False)
    is_earthquake = rng.random(600) < 0.5
    score = rng.normal(np.where(is_earthquake, 2.0, -1.0), 1.0)
    history = {
        "time": times(3600.0 * np.arange(600)), "latitude": -12.0, "longitude": -77.0,
        "is_earthquake": is_earthquake, "score": score, "event": np.arange(600) // 2,
        "probability": 1 / (1 + np.exp(-score)),
    }  # fmt: skip
    pd.DataFrame(history).to_csv(folder / "detections.csv", index=False)
    magnitude, distance = rng.uniform(4, 6, 40).repeat(8), rng.uniform(10, 150, 320)
    records = {
        "event": np.arange(40).repeat(8), "magnitude": magnitude, "depth_km": 10.0,
        "distance_km": distance, "station": np.arange(320) % 25,
        "pga_m_s2": 0.12 * distance**-1.7 * np.exp(1.1 * magnitude + rng.normal(0, 0.6, 320)),
    }  # fmt: skip
    pd.DataFrame(records).to_csv(folder / "records.csv", index=False)
    (folder / "service.toml").write_text(CONFIG)
    # What another guide makes: the posterior of a location, and a background.
    observations = traveltime.prepare(triggers)
    location = traveltime.report(observations, traveltime.grid(observations))
    hypocentre.write(location.hypocentre, folder / "location.nc")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("howto")
    write_inputs(folder)
    return folder


def run_shell(text, folder):
    """Run the commands of a block, `eqstat` being that of this Python."""
    script = re.sub(r"^eqstat\b", f"{shlex.quote(sys.executable)} -m eqstat", text, flags=re.M)
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "EQSTAT_DEBUG": "1"},
    )  # fmt: skip
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_guide_runs(page, inputs):
    names = {}
    if page.stem == "run":
        run_shell(
            "eqstat threshold counts.csv --active 50 --save-background background.json", inputs
        )
    with contextlib.chdir(inputs):
        for kind, text in blocks(page):
            if kind == "sh":
                run_shell(text, inputs)
            else:
                exec(compile(text, f"{page.name}: {text.splitlines()[0]}", "exec"), names)


def test_each_guide_has_code_and_each_task_a_page():
    assert len(PAGES) == 7
    for page in PAGES:
        assert blocks(page), page
    docs = HOWTO.parent
    rows = re.findall(
        r"^\| (\d+) \|.*\]\(([^)#]+)[^)]*\) \|$", (docs / "tasks.md").read_text(), re.M
    )
    assert [int(number) for number, _ in rows] == list(range(1, 31))
    for _, target in rows:
        assert (docs / target).exists(), target
