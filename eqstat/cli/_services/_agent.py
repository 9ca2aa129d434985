"""`eqstat agent`: pre-warnings and coincidences of the sensor beside this computer."""

from __future__ import annotations

import argparse
import signal
import threading
from typing import Any

from eqstat.cli._outcome import Outcome


def add(commands: Any, _common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "agent",
        help="run the agent beside a sensor: pre-warnings, and coincidences with its neighbours",
        description="Read the packets of a sensor, learn its threshold, write pre-warnings and "
        "coincidences as lines of JSON, and exchange them with other sensors by MQTT.",
    )
    parser.add_argument("config", metavar="CONFIG.toml", help="configuration of the agent")
    parser.add_argument(
        "--check", action="store_true", help="read the configuration and its files, and end"
    )
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    parser.set_defaults(outputs=(), inputs=("config",), quiet=False, no_cache=True, verbose=False)


def run(options: argparse.Namespace) -> Outcome:
    """Run the agent until it is asked to stop."""
    from eqstat.service import agent

    config = agent.read_agent_config(options.config)
    if options.check:
        agent.Agent(config, lambda _event: None)
        return Outcome(("the configuration can be used",), {}, "VALID", "it can be used")
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)  # the agent saves its record before it ends
    agent.run_agent(config)
    return Outcome((), {}, "DONE", "the input ended")
