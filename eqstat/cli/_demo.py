"""`eqstat demo`: one simulated earthquake, from the background of triggers to the shaking."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqstat import counts, traveltime
from eqstat._core.errors import InputError
from eqstat._core.text import aligned, place
from eqstat.cli import _driver
from eqstat.cli._options import add_seed
from eqstat.cli._outcome import Outcome

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PHONES, TOWN, TOWN_KM = 120, (-12.06, -77.0), 17.0
# Epicentre relative to the centre of the phones, and depth.
EAST_KM, NORTH_KM, DEPTH_KM, MAGNITUDE = -22.0, 12.0, 20.0, 5.6
# The local evening of the first day after the history of counts.
HISTORY, DAYS, ORIGIN = "2026-01-05T00:00:00Z", 10, "2026-01-15T20:15:30Z"
START, END = "2026-01-15T20:14:50Z", "2026-01-15T20:15:50Z"
TRIGGER_RATE_H, FELT = 0.5, 0.7
SITES = {"harbour": (-14.0, -4.0), "market": (6.0, 2.0), "hospital": (30.0, -18.0),
         "dam": (55.0, 20.0), "airport": (85.0, -30.0)}  # fmt: skip
TITLES = {
    "threshold": "Background: how many triggers in a minute are more than habits explain?",
    "detect": "Detection: is it an earthquake, as the triggers arrive?",
    "locate": "Location: where and when did it start?",
    "exceed": "Shaking: how strong will it be, and how much time is left?",
}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        parents=[common],
        help="follow one simulated earthquake through all commands",
        description="Simulate a network and an earthquake, then run the commands threshold, "
        "detect, locate and exceed on them.",
    )
    parser.add_argument(
        "--out", default="demo", metavar="FOLDER", help="folder of the files (default: demo)"
    )
    add_seed(parser, "the simulation")
    parser.set_defaults(outputs=(), inputs=(), quiet=False)


def run(options: argparse.Namespace) -> Outcome:
    """Simulate the tables, then run the commands on them as a user would."""
    _driver.require(*_driver.NEEDS["figure"])
    out = Path(options.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: cannot make the folder {options.out!r}") from error
    begin = time.perf_counter()
    truth = write_tables(out, options.seed)
    _driver.say(
        f"A magnitude {MAGNITUDE:g} earthquake near a town with {PHONES} phones, simulated (seed "
        f"{options.seed}):\n{place(truth['latitude'], truth['longitude'])}, depth {DEPTH_KM:g} km, "
        f"at {truth['origin_time']}"
    )
    files: dict[str, Any] = {}
    for number, command in enumerate(TITLES, start=1):
        _driver.say(f"\n{number}. {TITLES[command]}")
        files[command] = step(command, arguments(command, out, files))
        if command == "detect" and not files[command]["alarms"]:
            raise RuntimeError("the detector missed this earthquake; try another --seed")
    names = sorted(path.name for path in out.iterdir())
    return Outcome(
        summary=(
            "",
            "Estimates beside the truth",
            *compared(files, truth),
            "",
            f"Files in {out.resolve()}: {', '.join(names)}",
            f"Done in {time.perf_counter() - begin:.0f} s",
        ),
        content={},
        result="DONE",
        result_text="followed one simulated earthquake",
    )


def arguments(command: str, out: Path, done: dict[str, Any]) -> list[str]:
    """Arguments of a command, some from what the commands before it have found."""
    if command == "threshold":
        words = ["counts.csv", "--active", str(PHONES), "--family", "poisson"]
    elif command == "detect":
        parameters = done["threshold"]["background"]["parameters"]
        rate = parameters["rate_per_device_h"]["estimate"]
        words = ["triggers.csv", "--network", "network.csv", "--background", f"{rate:.3g}"]
        words += ["--start", START, "--end", END, "--posterior", "first_alarm.nc"]
    elif command == "locate":
        words = ["earthquake.csv", "--posterior", "location.nc"]
    else:
        now = done["detect"]["alarms"][0]["time"]
        words = ["--posterior", "location.nc", "--sites", "sites.csv", "--threshold", "2%g,10%g"]
        words += ["--magnitude", str(MAGNITUDE), "--now", now, "--table", "shaking.csv"]
    words += ["--json", f"{command}.json", "--figure", f"{command}.png"]
    suffixes = (".csv", ".nc", ".json", ".png")
    return [str(out / text) if text.endswith(suffixes) else text for text in words]


def step(command: str, given: list[str]) -> dict[str, Any]:
    """Run one command and return its JSON."""
    from eqstat.cli._main import parsed

    _driver.say(f"$ eqstat {command} {' '.join(given)}")
    begin = time.perf_counter()
    options = parsed([command, *given])
    _driver.write(options, options.run(options))
    _driver.say(f"({time.perf_counter() - begin:.1f} s)")
    return json.loads(Path(options.json).read_text(encoding="utf-8"))


def write_tables(out: Path, seed: int) -> dict[str, Any]:
    """Simulate the history, the network, the stream and the sites; return the truth."""
    import jax
    import numpy as np
    import pandas as pd

    from eqstat.geodesy import LocalFrame

    rng, keys = np.random.default_rng(seed), jax.random.split(jax.random.key(seed))
    daily = np.array([-0.4, -0.3, 0.1, 0.05])
    background = counts.Background("poisson", TRIGGER_RATE_H, daily=daily, window_s=60.0)
    history = counts.Design(np.array([float(PHONES)]), days=DAYS, start=HISTORY)
    table = counts.simulate_table(keys[0], background, history).drop(columns="is_burst")
    frame = LocalFrame(*TOWN)
    latitude, longitude = frame.to_geographic(*(TOWN_KM * rng.normal(size=(2, PHONES))))
    names = [f"phone{number:03d}" for number in range(PHONES)]
    network = pd.DataFrame({"device": names, "latitude": latitude, "longitude": longitude})
    triggers, earthquake, truth = stream(keys[1], rng, network)
    east, north = np.array(list(SITES.values())).T
    where = frame.to_geographic(east, north)
    sites = pd.DataFrame({"site": list(SITES), "latitude": where[0], "longitude": where[1]})
    for name, each in {"counts": table, "network": network, "triggers": triggers,
                       "earthquake": earthquake, "sites": sites}.items():  # fmt: skip
        each.to_csv(out / f"{name}.csv", index=False)
    return truth


def stream(
    key: Any, rng: np.random.Generator, network: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Background triggers and then the earthquake; the earthquake's alone; the truth."""
    import numpy as np
    import pandas as pd

    place_of = network["latitude"].to_numpy(), network["longitude"].to_numpy()
    design = traveltime.Design(latitude=place_of[0], longitude=place_of[1])
    parameters = traveltime.GaussianParameters(EAST_KM, NORTH_KM, DEPTH_KM, 0.0, sd_s=0.8)
    felt = traveltime.simulate(key, parameters, design)[["time", "latitude", "longitude"]]
    later = pd.Timestamp(ORIGIN) - pd.Timestamp(design.reference_time)
    felt = felt.assign(time=felt["time"] + later)
    felt = felt[rng.uniform(size=len(felt)) < FELT]
    number = 3
    early = network.iloc[rng.choice(PHONES, number, replace=False)][["latitude", "longitude"]]
    before = pd.to_timedelta(np.sort(rng.uniform(3, 40, number))[::-1], unit="s")
    early = early.assign(time=pd.Timestamp(ORIGIN) - before)
    triggers = pd.concat([early, felt], ignore_index=True).merge(network, how="left")
    triggers = triggers.drop_duplicates("device")
    at = design.frame.to_geographic(EAST_KM, NORTH_KM)
    truth = {
        "latitude": float(at[0]),
        "longitude": float(at[1]),
        "depth_km": DEPTH_KM,
        "origin_time": ORIGIN,
    }
    return triggers, felt.merge(network, how="left"), truth


def compared(files: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    """Hypocentres of the first alarm and of all triggers beside the truth."""
    import pandas as pd

    from eqstat.geodesy import great_circle_distance

    rows = [["", "epicentre", "error", "depth", "origin"]]
    rows.append(["truth", place(truth["latitude"], truth["longitude"]), "",
                 f"{DEPTH_KM:.0f} km", "0.0 s"])  # fmt: skip
    origin = pd.Timestamp(truth["origin_time"])
    for name, found in (("alarm", files["detect"]["alarms"][0]), ("grid", files["locate"])):
        source, error = found["hypocentre"], found["standard_error"]
        at = source["latitude"], source["longitude"]
        distance = float(great_circle_distance(*at, truth["latitude"], truth["longitude"]))
        after = (pd.Timestamp(source["origin_time"]) - origin).total_seconds()
        rows.append([
            name,
            place(*at),
            f"{distance:.1f} km",
            f"{source['depth_km']:.0f} ± {error['depth_km']:.0f} km",
            f"{after:+.1f} ± {error['origin_time_s']:.1f} s",
        ])  # fmt: skip
    return aligned(rows, right=True)
