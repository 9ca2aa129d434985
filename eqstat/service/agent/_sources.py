"""Where packets come from: datagrams, files replayed at speed, standard input."""

from __future__ import annotations

import gzip
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from eqstat._core.errors import InputError
from eqstat.service.agent._config import Input, address
from eqstat.waveform.packets import MOST_BYTES, Packet, parse_openeew, parse_shake

WAIT_S = 0.2
# Between packets of a replay no pause is longer than this, s.
LONGEST_PAUSE_S = 60.0


def packets_of(text: bytes, source: Input, received_s: float) -> list[Packet]:
    """Packets of a message of the kind of this input."""
    if source.kind == "openeew":
        return parse_openeew(text, received_s)
    return [parse_shake(text)]


def datagrams(source: Input) -> Iterator[tuple[float, list[Packet]]]:
    """Receive datagrams; an empty list where none came within a fifth of a second."""
    host, port = address(source.listen, "[input] listen")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        try:
            receiver.bind((host.strip("[]"), port))
        except OSError as error:
            raise InputError(f"[input] listen: {source.listen}: {error.strerror}") from None
        receiver.settimeout(WAIT_S)
        while True:
            try:
                data = receiver.recv(MOST_BYTES)
            except TimeoutError:
                yield time.time(), []
                continue
            except OSError:  # a broken datagram; the next ones may be good
                yield time.time(), []
                continue
            now = time.time()
            yield now, packets_of(data, source, now)


def standard_input(source: Input) -> Iterator[tuple[float, list[Packet]]]:
    """Read lines of standard input as they come; ends with it."""
    stream = sys.stdin.buffer
    while True:
        ready, _, _ = select.select([stream], [], [], WAIT_S)
        if not ready:
            yield time.time(), []
            continue
        line = stream.readline(MOST_BYTES + 1)
        if not line:
            return
        now = time.time()
        yield now, packets_of(line.rstrip(), source, now)


def replayed(path: Path, source: Input) -> Iterator[tuple[float, list[Packet]]]:
    """Replay a file of packets, one a line, at its speed; the time is that of the packets."""
    now = 0.0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            while line := stream.readline(MOST_BYTES + 1):
                packets = packets_of(line.rstrip(), source, now)
                now = _paced(packets, now, source.speed)
                yield now, packets
    except (OSError, EOFError) as error:
        raise InputError(f"[input] file: {path.name} cannot be read: {error}") from None


def _paced(packets: list[Packet], now: float, speed: float) -> float:
    """End of the newest of these packets, after waiting for it at the speed of the replay."""
    for packet in packets:
        if packet.problem:
            continue
        size = max((len(samples) for samples in packet.channels.values()), default=0)
        end = packet.start_s + size / packet.rate_hz
        if speed > 0 and now > 0:
            time.sleep(min(max(end - now, 0.0), LONGEST_PAUSE_S) / speed)
        now = max(now, end) if abs(end - now) < LONGEST_PAUSE_S else end
    return now


def open_source(source: Input, base: Path) -> Iterator[tuple[float, list[Packet]]]:
    """Packets of a configuration, each list with the present time."""
    if source.file == "-":
        return standard_input(source)
    if source.file:
        return replayed(base / source.file, source)
    if source.kind == "seedlink":
        from eqstat.service.agent._seedlink import seedlink

        return seedlink(source)
    if source.kind == "openeew":
        return idle()
    return datagrams(source)


def idle() -> Iterator[tuple[float, list[Packet]]]:
    """No packets of its own: those of the broker are read between."""
    while True:
        time.sleep(WAIT_S / 4)
        yield time.time(), []
