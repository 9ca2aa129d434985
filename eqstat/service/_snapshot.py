"""Snapshots of the state of an engine, and its recovery from snapshot and journal."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from eqstat import realtime
from eqstat._core.errors import InputError
from eqstat.detection import Alarm, Report
from eqstat.service._cells import Fired
from eqstat.service._earthquakes import Quake
from eqstat.service._engine import Engine
from eqstat.service._journal import Journal

NUMBERS = ("awake_until_s", "active_at_s", "looked_s")
OF_ALARM = ("began_s", "last_s", "probability", "triggers")


class Captured(NamedTuple):
    """State of an engine at one moment, which nothing changes any more."""

    states: list[tuple[str, realtime.SequentialScorer, Any]]
    arrays: dict[str, Any]
    about: dict[str, Any]


def save_snapshot(engine: Engine, journal: Journal, seq: int) -> None:
    """Write the state of an engine after a batch, and note it in the journal.

    Parameters
    ----------
    engine
        The engine.
    journal
        Its journal.
    seq
        Number of the last batch that it has taken.

    Examples
    --------
    See `recover`.
    """
    write_snapshot(capture(engine), journal, seq)


def capture(engine: Engine) -> Captured:
    """Take the state of an engine as it is; what is long, writing it, another thread may do."""
    arrays: dict[str, Any] = engine.registry.arrays() | {"names": np.array(engine.registry.names)}
    about: dict[str, Any] = {
        "now_s": engine.now_s,
        "expired_s": engine.expired_s,
        "quakes": [quake.to_dict() for quake in engine.quakes],
        "others": engine.others.alarms,
        "regions": {},
    }
    states = []
    for model, watch in zip(engine.models, engine.watches, strict=True):
        name = model.options.name
        states.append((name, model.scorer, watch.state))
        arrays[f"pending.{name}"] = np.array(watch.pending, np.float64).reshape(-1, 3)
        arrays[f"counts.{name}"] = model.cells.content()
        fired = None if watch.fired is None else list(watch.fired)
        about["regions"][name] = {n: getattr(watch, n) for n in NUMBERS} | {
            "fired": fired,
            "alarms": [{n: getattr(one, n) for n in OF_ALARM} for one in watch.alarms.all],
        }
        for number, alarm in enumerate(watch.alarms.all):
            states.append((f"{name}@{number}", model.scorer, alarm.state))
            for kind, report in (("began", alarm.began), ("report", alarm.report)):
                for item, value in report._asdict().items():
                    arrays[f"{kind}.{name}@{number}.{item}"] = np.asarray(value)
    return Captured(states, arrays, about)


def write_snapshot(captured: Captured, journal: Journal, seq: int) -> None:
    """Write what was captured after a batch, and note it in the journal."""
    folder = journal.folder / f"state-{seq}"
    folder.mkdir(exist_ok=True)
    for name, scorer, state in captured.states:
        realtime.save_state(folder / f"{name}.state", scorer, state)
    stream = io.BytesIO()
    np.savez(stream, **captured.arrays)
    realtime.replace_file(folder / "arrays.npz", stream.getvalue())
    realtime.replace_file(folder / "about.json", json.dumps(captured.about).encode())
    journal.add_snapshot(seq, folder)


def recover(engine: Engine, journal: Journal) -> list[str]:
    r"""Bring an engine to the state in which its process ended; remarks on what could not be kept.

    The last snapshot is read, and the batches after it are taken again. Decisions that they lead to
    are in the journal already.

    Parameters
    ----------
    engine
        A new engine of the same configuration.
    journal
        Its journal.

    Examples
    --------
    >>> import tempfile
    >>> from eqstat.service import read_config
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "net.csv").write_text(
    ...     "device,latitude,longitude\na,1.0,2.0\nb,1.1,2.0\nc,1.0,2.1\nd,1.1,2.1\n")
    >>> _ = (folder / "service.toml").write_text(
    ...     "[[region]]\nname = 'x'\nnetwork = 'net.csv'\ncauses = ['network']\ncells = 25\n"
    ...     "depth_km = [10.0]\n")
    >>> config = read_config(folder / "service.toml")
    >>> engine, journal = Engine(config, 1.8e9), Journal(config.folder)
    >>> save_snapshot(engine, journal, journal.commit(1.8e9, [], [], []))
    >>> journal.commit(1.8e9 + 3, [], engine.advance(1.8e9 + 3), [])
    2
    >>> again = Engine(config, 2e9)
    >>> recover(again, journal)
    ['1 batches of the journal taken again']
    >>> again.now_s == engine.now_s
    True
    """
    notes, seq = [], 0
    last = journal.snapshot()
    if last is not None:
        try:
            _restore(engine, last[1])
            seq = last[0]
        except (InputError, OSError, ValueError, KeyError) as error:
            notes.append(f"snapshot not used: {error}; the journal alone is replayed")
    count = 0
    for batch in journal.since(seq):
        if not count and seq == 0:
            engine.now_s = engine.expired_s = batch.now_s
            engine.restart(batch.now_s)
        for message in batch.messages:
            engine.take(message.topic, message.payload, message.received_s)
        engine.advance(batch.now_s)
        count += 1
    if count:
        notes.append(f"{count} batches of the journal taken again")
    return notes


def _restore(engine: Engine, folder: Path) -> None:
    about = json.loads((folder / "about.json").read_text("utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        states = {
            model.options.name: realtime.load_state(
                folder / f"{model.options.name}.state", model.scorer
            )
            for model in engine.models
        }
        engine.registry.restore(arrays)
        engine.now_s, engine.expired_s = float(about["now_s"]), float(about["expired_s"])
        engine.restart(engine.now_s)
        engine.quakes = [
            Quake(**quake | {"sources": [(name, began_s) for name, began_s in quake["sources"]]})
            for quake in about["quakes"]
        ]
        engine.others.alarms = about["others"]
        for model, watch in zip(engine.models, engine.watches, strict=True):
            name = model.options.name
            own = about["regions"][name]
            watch.state = states[name]
            for each in NUMBERS:
                setattr(watch, each, float(own[each]))
            watch.fired = None if own["fired"] is None else Fired(*own["fired"])
            watch.pending = [
                (int(device), float(time), float(peak))
                for device, time, peak in arrays[f"pending.{name}"]
            ]
            watch.alarms.all[:] = [
                Alarm(
                    state=realtime.load_state(folder / f"{name}@{number}.state", model.scorer),
                    began=_report(arrays, f"began.{name}@{number}"),
                    report=_report(arrays, f"report.{name}@{number}"),
                    **numbers,
                )
                for number, numbers in enumerate(own["alarms"])
            ]
            model.cells.set_active(np.asarray(watch.state.active))
            model.cells.restore(arrays[f"counts.{name}"])


def _report(arrays: Any, start: str) -> Report:
    return Report(**{name: arrays[f"{start}.{name}"] for name in Report._fields})
