"""Packets of a SeedLink server, by the library `seedlink-client`."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from eqstat._core.errors import InputError
from eqstat.service.agent._config import Input, address
from eqstat.waveform.packets import MOST_SAMPLES, Packet, make_packet, refused

MOST_WAITING = 500
WAIT_S = 0.2


def seedlink(source: Input) -> Iterator[tuple[float, list[Packet]]]:
    """Receive records of a station; an empty list where none came within a fifth of a second.

    The client runs in a thread of its own and connects again by itself; of records that wait, at
    most five hundred are kept.
    """
    try:
        client: Any = import_module("seedlink_client")
    except ImportError:
        raise InputError(
            "[input] seedlink needs seedlink-client: pip install 'eqstat[seedlink]'"
        ) from None
    host, port = address(source.server, "[input] server")
    waiting: queue.Queue[Packet] = queue.Queue(MOST_WAITING)

    def collect() -> None:
        while True:
            try:
                with client.SeedLink(host, port) as link:
                    link.add_stream(source.station, source.selector)
                    for record in link.collect():
                        try:
                            waiting.put_nowait(packet_of(record))
                        except queue.Full:
                            continue
            except Exception:  # noqa: BLE001 whatever ends a connection, it is tried again
                time.sleep(5.0)

    threading.Thread(target=collect, name="seedlink", daemon=True).start()
    while True:
        try:
            packet = waiting.get(timeout=WAIT_S)
        except queue.Empty:
            yield time.time(), []
            continue
        yield time.time(), [packet]


def packet_of(record: Any) -> Packet:
    """Samples of a record; with a problem where it has none or cannot be decoded."""
    try:
        made = record.record()
        made.unpack_data()
        samples = np.asarray(made.np_datasamples, np.float64)
        channel = "".join(str(made.sourceid).split("_")[-3:])
        if not 0 < len(samples) <= MOST_SAMPLES or not channel:
            return refused("no samples, or too many")
        start_s, rate = float(made.starttime_seconds), float(made.samprate)
    except Exception as error:  # noqa: BLE001 whatever a server sends is a status
        return refused(f"no record ({type(error).__name__})")
    return make_packet(str(record.station_id)[:64], start_s, rate, {channel[:8]: samples})
