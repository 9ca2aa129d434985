"""Run an agent: `python -m eqstat.service.agent CONFIG.toml`."""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eqstat._core.errors import InputError
from eqstat.service.agent._agent import Agent
from eqstat.service.agent._config import AgentConfig, read_agent_config
from eqstat.service.agent._link import Link
from eqstat.service.agent._sources import open_source

TICK_S = 1.0


def say_line(event: dict[str, Any]) -> None:
    """Write an event as a line of JSON to standard output."""
    plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v
             for k, v in event.items()}  # fmt: skip
    sys.stdout.write(json.dumps(plain) + "\n")
    sys.stdout.flush()


def run_agent(
    config: AgentConfig | str | Path, say: Callable[[dict[str, Any]], None] = say_line
) -> Agent:
    r"""Run an agent until its input ends or the process is asked to stop.

    Parameters
    ----------
    config
        Configuration, or the path of its file.
    say
        Called with each event; by default it is written to standard output, a line of JSON.

    Returns
    -------
    Agent
        As it was at the end.

    Raises
    ------
    eqstat.InputError
        When the configuration cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "packets.txt").write_text("{'EHZ', 1582315130.292, 14168, 14927}")
    >>> _ = (folder / "agent.toml").write_text(
    ...     'sensor.name = "roof"\ninput = {file = "packets.txt", speed = 0}')
    >>> agent = run_agent(folder / "agent.toml", say=lambda event: None)
    >>> agent.status.name
    'WARMING_UP'
    """
    if not isinstance(config, AgentConfig):
        config = read_agent_config(config)
    link = Link(config) if config.broker is not None else None
    try:
        agent = Agent(config, say, link.send if link else None)
        is_replay = config.input.file not in ("", "-")
        ticked = -math.inf
        with _until_asked() as asked:
            for now, packets in open_source(config.input, config.base):
                if link is not None:
                    while link.received:
                        received, topic, payload = link.received.popleft()
                        agent.message(topic, payload, now if is_replay else received)
                for packet in packets:
                    if config.input.device in ("", packet.device) or packet.problem:
                        agent.packet(packet, now)
                if not 0 <= now - ticked < TICK_S:
                    ticked = now
                    agent.tick(now)
                if asked:
                    break
            agent.save()
            if link is not None and is_replay and not asked:
                time.sleep(0.5)  # answers to the last messages
                while link.received:
                    _, topic, payload = link.received.popleft()
                    agent.message(topic, payload, ticked)
        return agent
    finally:
        if link is not None:
            link.close()


@contextmanager
def _until_asked() -> Iterator[list[int]]:
    """Collect requests to stop; a second one stops at once."""
    asked: list[int] = []

    def note(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        before = {each: signal.signal(each, note) for each in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not in the main thread: whoever owns it stops it
        yield asked
        return
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def main(arguments: list[str]) -> int:
    """Run the agent of a configuration; 2 for one that cannot be used."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m eqstat.service.agent CONFIG.toml\n")
        return 2
    try:
        run_agent(arguments[0])
    except InputError as error:
        sys.stderr.write(f"eqstat agent: {error}\n")
        return 2
    return 0
