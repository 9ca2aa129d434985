"""Send what a world's phones say, at a speed, and measure it."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from eqstat._core.checks import check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained, explained
from eqstat.service._protocol._connection import mqtt_module
from eqstat.service._protocol._topics import ROOT, area_of, check_root
from eqstat.service.load._world import BIRTH, DEATH, KINDS, TRIGGER, LoadWorld, Messages

SLICES = 10
MOST_UNSENT = 20_000

Send = Callable[[str, bytes], None]


@dataclass(frozen=True)
class LoadTarget(Explained):
    """Where messages go: a file of JSON lines (`out`, `-` for standard output), or a broker.

    With `area_degrees` above 0 phones send by cells of this size (`eqstat.service.area_of`).

    Examples
    --------
    >>> LoadTarget(out="load.jsonl").host
    ''
    """

    out: str = ""
    host: str = ""
    port: int = 1883
    root: str = ROOT
    username: str = ""
    password: str = ""
    ca_file: str = ""
    area_degrees: float = 0.0


@explained
class LoadReport(NamedTuple):
    """What was sent, and how fast.

    Attributes
    ----------
    simulated_s
        Simulated time, s.
    wall_s
        Time that it took, s.
    messages, triggers
        Numbers of messages and of triggers among them.
    earthquakes
        Number of earthquakes.
    active
        Phones active at the end.
    largest_lag_s
        How late a message was sent at most, s; 0 where the speed is not bounded.

    Examples
    --------
    >>> LoadReport(10.0, 2.0, 100, 90, 0, 5, 0.0).messages
    100
    """

    simulated_s: float
    wall_s: float
    messages: int
    triggers: int
    earthquakes: int
    active: int
    largest_lag_s: float


def run_load(
    world: LoadWorld,
    target: LoadTarget,
    seconds: int,
    *,
    speed: float | int = 1.0,
    truth: str | Path | None = None,
    start_s: float | int | None = None,
) -> LoadReport:
    """Send the messages of a world's phones.

    Parameters
    ----------
    world
        `LoadWorld`.
    target
        A file or a broker.
    seconds
        Simulated time, s.
    speed
        Simulated over real time; 0 sends as fast as possible.
    truth
        File of JSON lines with the earthquakes and bursts.
    start_s
        Time of the start, seconds since 1970; now by default.

    Returns
    -------
    LoadReport

    Raises
    ------
    eqstat.InputError
        When the target cannot be reached or written.

    Examples
    --------
    >>> import tempfile
    >>> from eqstat.service.load import LoadSettings
    >>> path = Path(tempfile.mkdtemp()) / "load.jsonl"
    >>> world = LoadWorld(0, LoadSettings(phones=100, triggers_per_s=5.0, birth_s=1.0))
    >>> report = run_load(world, LoadTarget(out=str(path)), 3, speed=0, start_s=1.8e9)
    >>> report.messages == len(path.read_text().splitlines())
    True
    """
    check_range("run_load", 0, 1000, speed=speed)
    check_range("run_load", 1, 10_000_000, seconds=seconds)
    check_root(target.root)
    if bool(target.out) == bool(target.host):
        raise InputError("run_load: needs a file (out) or a broker (host)")
    roots = _roots(world, target)
    begin = time.time() if start_s is None else float(start_s)
    messages = triggers = earthquakes = 0
    lag = 0.0
    with _sink(target) as send, _lines(truth) as tell:
        clock = time.monotonic()
        for number in range(seconds):
            made = world.second(number)
            for event in made.truth:
                tell({**event, "time_s": begin + event["time_s"]})
                earthquakes += event["event"] == "earthquake"
            for at, part in _encoded(world, made, begin, roots):
                if speed > 0:
                    ahead = clock + at / speed - time.monotonic()
                    lag = max(lag, -ahead)
                    if ahead > 0:
                        time.sleep(ahead)
                for topic, payload in part:
                    send(topic, payload)
            messages += len(made.kind)
            triggers += int((made.kind == TRIGGER).sum())
        if speed > 0:
            time.sleep(max(clock + seconds / speed - time.monotonic(), 0.0))
        wall = time.monotonic() - clock
    active = round(world.share(seconds - 1) * world.settings.phones)
    return LoadReport(float(seconds), wall, messages, triggers, earthquakes, active, lag)


def _roots(world: LoadWorld, target: LoadTarget) -> list[str]:
    """First part of the topics of each phone."""
    check_range("LoadTarget", 0, 90, area_degrees=target.area_degrees)
    if not target.area_degrees:
        return [target.root] * world.settings.phones
    places = zip(world.network.latitude.tolist(), world.network.longitude.tolist(), strict=True)
    return [f"{target.root}/area/{area_of(*place, target.area_degrees)}" for place in places]


def _encoded(
    world: LoadWorld, made: Messages, begin: float, roots: list[str]
) -> Iterator[tuple[float, list[tuple[str, bytes]]]]:
    """Tenths of a second with their messages."""
    latitude, longitude = world.network.latitude, world.network.longitude
    keep_alive = f',"type":"phone","keep_alive_s":{float(world.settings.keep_alive_s)!r}'
    first, part, tenth = math.floor(made.sent_s[0]) if len(made.sent_s) else 0, [], 0
    columns = (
        made.kind, made.device, made.time_s, made.sent_s, latitude[made.device],
        longitude[made.device],
    )  # fmt: skip
    for kind, device, time_s, sent_s, north, east in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        while sent_s >= first + (tenth + 1) / SLICES and tenth < SLICES - 1:
            tenth += 1
            yield first + tenth / SLICES, part
            part = []
        # Written by hand, as `encode` checks each message and would take most of the time.
        text = f'{{"v":1,"sent_s":{begin + sent_s:.3f}'
        if kind != DEATH:
            text += f',"latitude":{north:.4f},"longitude":{east:.4f}'
        if kind == TRIGGER:
            text += f',"time_s":{begin + time_s:.3f}'
        elif kind == BIRTH:
            text += keep_alive
        part.append((f"{roots[device]}/device/p{device}/{KINDS[kind]}", (text + "}").encode()))
    yield first + 1.0, part


@contextmanager
def _lines(path: str | Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Write plain values as lines of JSON; nowhere without a path."""
    if path is None:
        yield lambda _event: None
        return
    with ExitStack() as stack:
        stream = _opened(stack, path)

        def tell(event: dict[str, Any]) -> None:
            plain = {k: None if v != v else v for k, v in event.items()}
            stream.write(json.dumps(plain) + "\n")

        yield tell


@contextmanager
def _sink(target: LoadTarget) -> Iterator[Send]:
    if not target.out:
        with _broker(target) as send:
            yield send
        return
    with ExitStack() as stack:
        stream = sys.stdout if target.out == "-" else _opened(stack, target.out)

        def write(topic: str, payload: bytes) -> None:
            stream.write(f'{{"topic": "{topic}", "payload": {payload.decode()}}}\n')

        yield write


def _opened(stack: ExitStack, path: str | Path) -> TextIO:
    """Open a file to write, which the stack closes."""
    try:
        return stack.enter_context(Path(path).open("w", encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _is_done(publication: Any, wait_s: float = 0.0) -> bool:
    """Whether a message left, or was lost with the connection, as messages of phones are."""
    try:
        if wait_s > 0:
            publication.wait_for_publish(wait_s)
        return publication.is_published()
    except RuntimeError:
        return True


@contextmanager
def _broker(target: LoadTarget) -> Iterator[Send]:
    mqtt = mqtt_module()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.max_queued_messages_set(0)
    if target.username:
        client.username_pw_set(target.username, target.password)
    if target.ca_file:
        client.tls_set(target.ca_file)
    try:
        client.connect(target.host, target.port)
    except OSError as error:
        raise InputError(f"broker {target.host}:{target.port}: {error}") from None
    client.loop_start()
    unsent: deque[Any] = deque()

    def publish(topic: str, payload: bytes) -> None:
        unsent.append(client.publish(topic, payload, qos=0))
        while unsent and _is_done(unsent[0]):
            unsent.popleft()
        if len(unsent) > MOST_UNSENT:
            _is_done(unsent[0], 10.0)

    try:
        yield publish
        while unsent:
            _is_done(unsent.popleft(), 10.0)
    finally:
        client.disconnect()
        client.loop_stop()
