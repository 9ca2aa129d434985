"""Journal of a service: what came in and what was decided, in SQLite; snapshots of the state."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from eqstat._core.errors import InputError
from eqstat._core.explain import explained
from eqstat.service._earthquakes import Event

VERSION = 1
HEADER = struct.Struct("<dHI")
TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS batches (seq INTEGER PRIMARY KEY, now_s REAL, body BLOB);
CREATE TABLE IF NOT EXISTS alarms (
    id TEXT, revision INTEGER, seq INTEGER, alarm TEXT, why TEXT, sites TEXT,
    PRIMARY KEY (id, revision));
CREATE TABLE IF NOT EXISTS outbox (
    id TEXT, revision INTEGER, output TEXT, sent_s REAL, PRIMARY KEY (id, revision, output));
CREATE TABLE IF NOT EXISTS snapshots (seq INTEGER PRIMARY KEY, folder TEXT);
"""


@explained
class Received(NamedTuple):
    """A message as it came.

    Attributes
    ----------
    received_s
        When, s after 1970.
    topic, payload
        What.

    Examples
    --------
    See `Journal`.
    """

    received_s: float
    topic: str
    payload: bytes


class Batch(NamedTuple):
    """Messages that were taken together, and the moment to which the engine then advanced."""

    seq: int
    now_s: float
    messages: list[Received]


class Journal:
    """Journal of a service in a folder.

    Messages and the decisions that followed are written in one transaction, before anything is
    sent. A killed process loses nothing that was committed; a machine without power may lose its
    last transactions, for the disk is not waited for.

    Parameters
    ----------
    folder
        Folder, made where it is missing.

    Raises
    ------
    eqstat.InputError
        When the journal is of another version, or no journal.

    Examples
    --------
    >>> import tempfile
    >>> journal = Journal(tempfile.mkdtemp())
    >>> journal.commit(1.8e9, [Received(1.8e9, "eqstat/device/a/alive", b'{"v":1}')], [], [])
    1
    >>> [batch.messages[0].topic for batch in journal.since(0)]
    ['eqstat/device/a/alive']
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._lock = threading.Lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.folder / "journal.sqlite", check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(TABLES)
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (str(VERSION),))
            self._db.commit()
            version = self._rows("SELECT value FROM meta WHERE key = 'version'")[0][0]
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"journal {self.folder}: {error}") from None
        if version != str(VERSION):
            raise InputError(f"journal {self.folder}: of version {version!r:.20}, not {VERSION}")

    def commit(
        self,
        now_s: float,
        messages: Iterable[Received],
        events: Iterable[Event],
        outputs: Iterable[str],
    ) -> int:
        """Write what came in and what was decided; the number of the batch."""
        body = b"".join(
            HEADER.pack(m.received_s, len(m.topic.encode()), len(m.payload))
            + m.topic.encode()
            + m.payload
            for m in messages
        )
        with self._lock, self._db:
            cursor = self._db.execute(
                "INSERT INTO batches (now_s, body) VALUES (?, ?)", (now_s, zlib.compress(body, 1))
            )
            seq = int(cursor.lastrowid or 0)
            for event in events:
                key = event.alarm["id"], event.alarm["revision"]
                texts = (json.dumps(part) for part in event)
                # A replay after a crash decides the same again: what is there stays.
                self._db.execute(
                    "INSERT OR IGNORE INTO alarms VALUES (?, ?, ?, ?, ?, ?)", (*key, seq, *texts)
                )
                for output in outputs:
                    self._db.execute(
                        "INSERT OR IGNORE INTO outbox VALUES (?, ?, ?, NULL)", (*key, output)
                    )
        return seq

    def unsent(self) -> list[tuple[str, Event]]:
        """What has not been sent yet: output and event, in the order of the decisions."""
        rows = self._rows(
            "SELECT outbox.output, alarm, why, sites FROM outbox JOIN alarms USING (id, revision) "
            "WHERE sent_s IS NULL ORDER BY alarms.seq, revision"
        )
        return [(row[0], event_of(row[1:])) for row in rows]

    def sent(self, output: str, event: Event, now_s: float) -> None:
        """Remember that an event was sent."""
        key = now_s, event.alarm["id"], event.alarm["revision"], output
        with self._lock, self._db:
            self._db.execute(
                "UPDATE outbox SET sent_s = ? WHERE id = ? AND revision = ? AND output = ?", key
            )

    def since(self, seq: int) -> Iterator[Batch]:
        """Batches after a number, in their order."""
        while rows := self._rows(
            "SELECT seq, now_s, body FROM batches WHERE seq > ? ORDER BY seq LIMIT 1000", seq
        ):
            for seq, now_s, body in rows:
                yield Batch(seq, now_s, unpacked(zlib.decompress(body)))

    def events(self, alarm: str = "") -> list[Event]:
        """Events of an alarm, or of all, in their order."""
        return [
            event_of(row)
            for row in self._rows(
                "SELECT alarm, why, sites FROM alarms WHERE id = ? OR ? = '' "
                "ORDER BY seq, revision",
                alarm,
                alarm,
            )
        ]

    def deliveries(self, alarm: str) -> list[dict[str, Any]]:
        """When each revision of an alarm was sent, by output."""
        names = ("revision", "output", "sent_s")
        rows = self._rows(
            "SELECT revision, output, sent_s FROM outbox WHERE id = ? ORDER BY revision", alarm
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def add_snapshot(self, seq: int, folder: Path) -> None:
        """Remember a snapshot of the state after a batch, and delete those before."""
        with self._lock, self._db:
            before = self._db.execute("SELECT folder FROM snapshots").fetchall()
            self._db.execute("DELETE FROM snapshots")
            self._db.execute("INSERT INTO snapshots VALUES (?, ?)", (seq, folder.name))
        for (name,) in before:
            if name != folder.name:
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def snapshot(self) -> tuple[int, Path] | None:
        """The last snapshot: number of its batch, and its folder."""
        rows = self._rows("SELECT seq, folder FROM snapshots ORDER BY seq DESC LIMIT 1")
        return (rows[0][0], self.folder / rows[0][1]) if rows else None

    def prune(self, before_s: float) -> None:
        """Delete batches from before a moment that a snapshot has made unnecessary."""
        last = self.snapshot()
        if last is None:
            return
        with self._lock, self._db:
            self._db.execute(
                "DELETE FROM batches WHERE now_s < ? AND seq <= ?", (before_s, last[0])
            )

    def close(self) -> None:
        """Close the journal."""
        with self._lock:
            self._db.close()

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def event_of(row: Any) -> Event:
    """An event from its texts."""
    alarm, why, sites = (json.loads(text) for text in row)
    return Event(alarm, why, tuple(sites))


def unpacked(body: bytes) -> list[Received]:
    """Messages of a batch."""
    made, at = [], 0
    while at < len(body):
        received_s, topic, payload = HEADER.unpack_from(body, at)
        at += HEADER.size
        made.append(
            Received(
                received_s, body[at : at + topic].decode(), body[at + topic : at + topic + payload]
            )
        )
        at += topic + payload
    return made
